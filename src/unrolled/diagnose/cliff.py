"""The cliff of a network with one unit (Pascanu, Mikolov & Bengio 2013, figure 6), and how a descent comes over it.

h_t = σ(w h_{t-1} + b), 50 steps from h_0 = 0.5; the loss is (h_50 − 0.7)². On one side of a line in the plane of w and
b the state falls towards 0, on the other it rises; along this line the loss is a wall, on which the gradient is huge.

Shapes: w and b are numbers or arrays of one shape; a path is (updates + 1, 2), w before b.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.diagnose.plots import BLUE, GREY, ORANGE, panels, save
from unrolled.training.clipping import Kind, gradient_norm, shorten

STEPS, FIRST, WANTED = 50, 0.5, 0.7
START, RATE, THRESHOLD, UPDATES = (5.5, -2.2), 2.0, 0.2, 60
WIDTH, HEIGHT = (3.0, 6.0), (-3.1, -1.1)  # the part of the plane that is drawn

Array = NDArray[np.float64]


def cliff_loss(w: Tensor, b: Tensor) -> Tensor:
    """The loss at w and b.

    >>> [round(cliff_loss(torch.tensor(5.5), torch.tensor(b)).item(), 2) for b in (-2.8, -2.6)]
    [0.37, 0.05]
    """
    h = torch.full_like(w, FIRST)
    for _ in range(STEPS):
        h = torch.sigmoid(w * h + b)
    return (h - WANTED) ** 2


def descent(kind: Kind, threshold: float, updates: int = UPDATES) -> Array:
    """The path of gradient descent from one start, its gradients clipped; with a threshold of infinity they are not."""
    w, b = (torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in START)
    path = [(w.item(), b.item())]
    for _ in range(updates):
        w.grad = b.grad = None
        cliff_loss(w, b).backward()
        shorten((w, b), kind, threshold, gradient_norm((w, b)))
        with torch.no_grad():
            for each in (w, b):
                assert each.grad is not None  # backward() has made it
                each -= RATE * each.grad
        path.append((w.item(), b.item()))
    return np.array(path)


def cliff_plot(path: Path) -> None:
    """Draw the loss over w and b, and over it three descents from the same start: not clipped, clipped by their norm,
    clipped value by value. The ending of ``path`` is the format.

    Raises:
        BackendError: matplotlib is not installed; DataError: the file cannot be written.
    """
    figure, axes = panels(3)
    w, b = np.meshgrid(np.linspace(*WIDTH, 301), np.linspace(*HEIGHT, 241))
    loss = cliff_loss(torch.from_numpy(w), torch.from_numpy(b)).numpy()
    drawn: Any = None
    ways: tuple[tuple[str, Kind, float, str], ...] = (
        ("gradient descent", "norm", math.inf, ORANGE),
        (f"norm at most {THRESHOLD}", "norm", THRESHOLD, BLUE),
        (f"each entry within ±{THRESHOLD}", "value", THRESHOLD, BLUE),
    )
    for each, (title, kind, threshold, color) in zip(axes, ways, strict=True):
        drawn = each.contourf(w, b, loss, levels=np.linspace(0, 0.48, 13), cmap="Greys", vmax=0.9)
        drawn.set_rasterized(True)
        _draw_path(each, descent(kind, threshold), color)
        each.set(xlim=WIDTH, ylim=HEIGHT, xlabel="w", title=title)
    axes[0].set_ylabel("b")
    figure.colorbar(drawn, ax=list(axes), label="loss", ticks=[0, 0.1, 0.2, 0.3, 0.4])
    save(figure, path)


def _draw_path(axes: Any, path: Array, color: str) -> None:
    """The points of a path; where it leaves the picture it ends with an arrow, and with where it went."""
    inside = ((path > (WIDTH[0], HEIGHT[0])) & (path < (WIDTH[1], HEIGHT[1]))).all(1)
    end = len(path) if inside.all() else int(np.argmin(inside))
    shown = path[:end]
    axes.plot(*shown.T, "o-", color=color, markersize=2.5, linewidth=1)
    axes.plot(*path[0], "o", color=GREY, markersize=6)
    _label(axes, "start", path[0], (4, 6))
    if end == len(path):
        axes.plot(*path[-1], "*", color=color, markersize=14, markeredgecolor="white", zorder=5)
        _label(axes, "end", path[-1], (-9, 9), ha="right")
        return
    step = path[end] - shown[-1]
    border = np.array([WIDTH, HEIGHT]).T
    reach = 0.97 * min((border[int(d > 0), i] - shown[-1][i]) / d for i, d in enumerate(step) if d)
    place = shown[-1] + reach * step
    axes.annotate("", place, shown[-1], arrowprops={"arrowstyle": "->", "color": color})
    _label(axes, f"to w = {path[end][0]:.0f}, b = {path[end][1]:.0f}", place, (-12, -4), ha="right", va="top")


def _label(axes: Any, text: str, place: Array, offset: tuple[float, float], **aligned: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1}
    axes.annotate(
        text, place, xytext=offset, textcoords="offset points", fontsize=9, bbox=box, zorder=6, **aligned
    )  # fmt: skip
