"""How a run learned: losses, the gradient's norm, the learning rate, from its metrics.

Shapes: steps (N,), values (N,); thinned, (points,).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.diagnose.plots import BLUE, GREEN, GREY, ORANGE, panels
from unrolled.errors import DataError
from unrolled.training.config import TrainConfig

Array = NDArray[np.float64]

POINTS = 400  # of a curve; a longer history is drawn as means of stretches, and a band from least to most
LAST = 100  # steps whose mean loss stands beside a held-out one


@dataclass(frozen=True, eq=False)
class Learning:
    """The steps (N,) with the loss before each, the gradient's norm before clipping and the learning rate, and the
    held-out losses that are finite, by step. ``threshold`` is that of clipping the norm, None where it was not clipped
    or by another rule, which ``rule`` tells."""

    steps: Array
    losses: Array
    norms: Array
    rates: Array
    held_out: Mapping[int, float]
    threshold: float | None
    rule: str = ""

    @classmethod
    def of(cls, history: Sequence[Mapping[str, Any]], config: TrainConfig) -> Learning:
        """Read from the lines of metrics.jsonl.

        Raises:
            DataError: no step was recorded.
        """
        steps = [event for event in history if event["event"] == "step"]
        if not steps:
            raise DataError("The run has recorded no step, so that there is no curve.")
        names = ("step", "loss", "gradient_norm", "learning_rate")
        at, losses, norms, rates = (_column(steps, name) for name in names)
        evaluations = [event for event in history if event["event"] == "evaluation" and event.get("nats") is not None]
        held_out = {event["step"]: event["nats"] for event in evaluations if np.isfinite(event["nats"])}
        clips = config.clip > 0 and config.clipping == "norm"
        return cls(at, losses, norms, rates, held_out, config.clip if clips else None, _rule(config))

    def before(self, step: int) -> float:
        """The mean of the training losses at the 100 steps up to this one."""
        return float(np.nanmean(self.losses[(self.steps > step - LAST) & (self.steps <= step)]))

    @property
    def clipped(self) -> int:
        """At how many steps the norm was above the threshold."""
        return 0 if self.threshold is None else int((self.norms > self.threshold).sum())


def _rule(config: TrainConfig) -> str:
    """How gradients were clipped, where it was not by one threshold for the norm."""
    if config.clipping == "adaptive":
        most = f", and {config.clip:g} at most" if config.clip else ""
        return f"The gradient was shortened to the {config.clip_quantile:g} quantile of its norms so far{most}."
    if config.clip and config.clipping == "value":
        return f"Each entry of the gradient was brought into ±{config.clip:g}."
    if config.clip and config.clipping == "parameter":
        return f"The gradient of each parameter was shortened to {config.clip:g} where it was longer."
    return ""


def _column(events: Sequence[Mapping[str, Any]], name: str) -> Array:
    """What is not finite is null in JSON, and NaN here."""
    return np.array([np.nan if event.get(name) is None else event[name] for event in events], dtype=np.float64)


def learning_plot(found: Learning) -> Any:
    """Three panels against the step: losses, the gradient's norm with its threshold, the learning rate."""
    figure, (loss, norm, rate) = panels(3)
    from matplotlib.ticker import LogLocator

    _draw(loss, found.steps, found.losses, BLUE, "training")
    if found.held_out:
        loss.plot(
            *zip(*sorted(found.held_out.items()), strict=True), "o-", color=ORANGE, markersize=4, label="held out"
        )
    loss.set(title="loss, nats a symbol")
    loss.legend(frameon=False, fontsize=8)
    _draw(norm, found.steps, found.norms, GREEN, "norm")
    if found.threshold is not None:
        norm.axhline(found.threshold, color=GREY, linewidth=1, linestyle="--", label="clipped above")
        norm.legend(frameon=False, fontsize=8, loc="center right")  # below the threshold, above most norms
    norm.set(title="norm of the gradient, before clipping")
    if (found.norms > 0).any():
        norm.set_yscale("log")
        norm.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        norm.yaxis.set_major_formatter("{x:g}")
        norm.yaxis.set_minor_formatter("")
    rate.plot(found.steps, found.rates, color=BLUE)
    rate.set(title="learning rate", ylim=(0, None))
    for axes in (loss, norm, rate):
        axes.set_xlabel("step")
    return figure


def _draw(axes: Any, steps: Array, values: Array, color: str, label: str) -> None:
    at, mean, low, high = thinned(steps, values)
    if len(at) < len(steps):
        axes.fill_between(at, low, high, color=color, alpha=0.2, linewidth=0)
    axes.plot(at, mean, color=color, linewidth=1.2, label=label, marker="." if len(at) == 1 else "")


def thinned(steps: Array, values: Array, points: int = POINTS) -> tuple[Array, Array, Array, Array]:
    """At most so many stretches of like length: the last step of each, the mean, the least and the greatest value;
    NaN where a stretch has no number.

    >>> [each.tolist() for each in thinned(np.arange(1.0, 5.0), np.array([4.0, 2.0, 1.0, 0.0]), points=2)]
    [[2.0, 4.0], [3.0, 0.5], [2.0, 0.0], [4.0, 1.0]]
    """
    blocks = np.array_split(np.arange(len(steps)), min(points, len(steps)))
    kept = [values[block][np.isfinite(values[block])] for block in blocks]
    rows = [(each.mean(), each.min(), each.max()) if len(each) else (np.nan,) * 3 for each in kept]
    mean, low, high = np.array(rows, dtype=np.float64).T
    return np.array([steps[block[-1]] for block in blocks], dtype=np.float64), mean, low, high
