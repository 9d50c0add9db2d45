"""Learning as in 1990: after every pattern a step down the gradient of its error, the context taken as given.

No gradient flows back in time: the context h_{t-1} is one more input. With e_t = ½ Σ (d_t − y_t)² and the derivative
y (1 − y) of a logistic unit,

    δy = (d_t − y_t) ⊙ y_t ⊙ (1 − y_t),    δh = (Vᵀ δy) ⊙ h_t ⊙ (1 − h_t),
    ΔV = η δy h_tᵀ,  Δc = η δy,  ΔU = η δh x_tᵀ,  ΔW = η δh h_{t-1}ᵀ,  Δb = η δh,

to which comes the last Δ times the momentum (McClelland & Rumelhart 1988, chapter 5). The weights change after every
pattern, so that nothing can be computed ahead; several networks that read the same patterns learn side by side.

Shapes: N networks; x (T, I), d (T, O); A = [U W b] (N, H, I + H + 1), B = [V c] (N, O, H + 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch

from unrolled.nn import Recurrent
from unrolled.reproduce.elman1990.network import Array

FIRST = 0.5  # of the context, at the start of every pass


@dataclass(frozen=True)
class Rule:
    """How fast it learns: the rate η, and the momentum."""

    rate: float
    momentum: float = 0.0


def learn_online(layers: Sequence[Recurrent], x: Array, d: Array, passes: int, rule: Rule) -> list[Recurrent]:
    """Networks of one size that have read the patterns ``passes`` times; those given stay as they are."""
    A, B = (np.stack([_joined(layer, names) for layer in layers]) for names in ("UWb", "Vc"))
    dA, dB = np.zeros_like(A), np.zeros_like(B)
    for _ in range(passes):
        _one_pass(A, B, dA, dB, x, d, rule)
    return [_with(layer, a, b) for layer, a, b in zip(layers, A, B, strict=True)]


def _one_pass(A: Array, B: Array, dA: Array, dB: Array, x: Array, d: Array, rule: Rule) -> None:
    """Change A and B by all patterns, one after the other; dA and dB are the last changes."""
    networks, hidden, _ = A.shape
    inputs = x.shape[1]
    read = np.ones((networks, A.shape[2], 1))  # x_t, h_{t-1}, 1
    made = np.ones((networks, hidden + 1, 1))  # h_t, 1
    h = made[:, :hidden]
    read[:, inputs:-1] = FIRST
    Vt = B[:, :, :hidden].transpose(0, 2, 1)
    for now, wanted in zip(x[:, :, None], d[:, :, None], strict=True):
        read[:, :inputs] = now
        _logistic(A @ read, h)
        y = _logistic(B @ made)
        delta_y = (wanted - y) * y * (1 - y)
        delta_h = (Vt @ delta_y) * h * (1 - h)
        _change(B, dB, delta_y, made, rule)
        _change(A, dA, delta_h, read, rule)
        read[:, inputs:-1] = h


def _logistic(net: Array, out: Array | None = None) -> Array:
    np.negative(net, out=net)
    np.exp(net, out=net)
    net += 1
    return np.divide(1, net, out=out)


def _change(weights: Array, last: Array, delta: Array, activity: Array, rule: Rule) -> None:
    """A step by δ aᵀ, and by the last one times the momentum."""
    if rule.momentum:
        last *= rule.momentum
        last += (rule.rate * delta) * activity.transpose(0, 2, 1)
        weights += last
    else:
        weights += (rule.rate * delta) * activity.transpose(0, 2, 1)


def _joined(layer: Recurrent, names: str) -> Array:
    """The parameters of those names, side by side."""
    found = [layer.get_parameter(name).detach() for name in names]
    return torch.cat([each.reshape(each.shape[0], -1) for each in found], 1).numpy()


def _with(layer: Recurrent, a: Array, b: Array) -> Recurrent:
    """A copy with other parameters."""
    hidden, inputs = layer.get_parameter("U").shape
    U, W, bias = np.split(a, [inputs, inputs + hidden], axis=1)
    V, c = np.split(b, [hidden], axis=1)
    copy = deepcopy(layer)
    found = {"U": U, "W": W, "b": bias[:, 0], "V": V, "c": c[:, 0]}
    copy.load_state_dict({name: torch.from_numpy(each.copy()) for name, each in found.items()})
    return copy
