"""The numbers that all peers work with."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.works import GATES, Work


def arrays(work: Work) -> dict[str, np.ndarray[Any, Any]]:
    """x (T, B, I), the gradient g (T, B, H) of the outputs, and weights as torch shapes them, about ±1/√H."""
    random = np.random.default_rng(0)
    batch, steps, inputs, hidden = work.shape
    gates = GATES[work.cell] * hidden

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray[Any, Any]:
        return (scale * random.standard_normal(shape)).astype(np.float32)

    scale = hidden**-0.5
    return {
        "x": normal(steps, batch, inputs),
        "g": normal(steps, batch, hidden),
        "w_ih": normal(gates, inputs, scale=scale),
        "w_hh": normal(gates, hidden, scale=scale),
        "b_ih": normal(gates, scale=scale),
        "b_hh": normal(gates, scale=scale),
    }
