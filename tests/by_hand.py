"""Recurrences run one sequence and one step at a time in numpy: what the modules are compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from unrolled.calculus.evaluate import run
from unrolled.equations.system import System


def numbers(module: nn.Module, suffix: str = "") -> dict[str, np.ndarray]:
    """The parameters of ``module`` whose names end in ``suffix``, without it."""
    named = {name: value.detach().numpy() for name, value in module.named_parameters()}
    return {name.removesuffix(suffix): value for name, value in named.items() if name.endswith(suffix)}


def one(
    system: System, parameters: Mapping[str, Any], inputs: Mapping[str, Any], initial: Mapping[str, Any] | None = None,
    backward: bool = False,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Every sequence (T, n) that ``system`` defines, for one sequence of inputs (T, n), from zero or ``initial``."""
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    if backward:
        arrays = {name: value[::-1] for name, value in arrays.items()}
    sizes = {name: len(parameters[name]) for name in parameters}
    first = {name: np.zeros(_size(system, name, sizes)) for name in system.states} | dict(initial or {})
    steps = len(next(iter(arrays.values())))
    result = run(system, parameters, arrays, first, steps)
    return {name: value[::-1] for name, value in result.items()} if backward else result


def _size(system: System, name: str, rows: Mapping[str, int]) -> int:
    """The size of a sequence: the rows of a parameter whose first dimension it is."""
    return next(rows[p] for p in rows if system.shapes[p] and system.shapes[p][0] == system.sizes[name])


def batch(
    system: System, parameters: Mapping[str, Any], x: Tensor, initial: Mapping[str, Tensor] | None = None,
    backward: bool = False,
) -> dict[str, np.ndarray]:  # fmt: skip
    """As ``one``, for x (T, B, n) and initial states (B, n): arrays (T, B, n)."""
    runs = [
        one(
            system, parameters, {system.inputs[0]: x[:, b].detach()},
            {name: value[b].detach().numpy() for name, value in (initial or {}).items()}, backward,
        )
        for b in range(x.shape[1])
    ]  # fmt: skip
    return {name: np.stack([each[name] for each in runs], 1) for name in runs[0]}


def cliff(w: float, b: float) -> tuple[float, np.ndarray]:
    """The loss (h_50 − 0.7)² of h_t = σ(w h_{t-1} + b) from h = 0.5, which has a wall in the plane of w and b, and its
    gradient (2,), by the recursions of ∂h/∂w and ∂h/∂b."""
    h, dw, db = 0.5, 0.0, 0.0
    for _ in range(50):
        after = 1 / (1 + math.exp(-(w * h + b)))
        slope = after * (1 - after)
        h, dw, db = after, slope * (h + w * dw), slope * (1 + w * db)
    return (h - 0.7) ** 2, np.array([2 * (h - 0.7) * dw, 2 * (h - 0.7) * db])
