"""Correlations of ranks, which ask how far two things rise together, not by how much.

Shapes: values and ranks (T, n), one column for each unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def ranks(values: Array) -> Array:
    """The ranks of each column (T, n), from 1; equal values share the mean of theirs."""
    found = np.empty(values.shape)
    for column in range(values.shape[1]):
        _, group, counts = np.unique(values[:, column], return_inverse=True, return_counts=True)
        found[:, column] = (counts.cumsum() - (counts - 1) / 2)[group]
    return found


def association(ranked: Array, values: NDArray[Any]) -> Array:
    """How far ranks (T, n) of units go with the values (T,): 2 AUC − 1 for booleans, Spearman's ρ for numbers; 0 where
    there is nothing to compare."""
    if values.dtype == bool:
        true, count = int(values.sum()), len(values)
        pairs = true * (count - true)
        above = values.astype(np.float64) @ ranked - true * (true + 1) / 2
        return 2 * above / pairs - 1 if pairs else np.zeros(ranked.shape[1])
    one, other = (each - each.mean(0) for each in (ranked, ranks(values[:, None])))
    scale = np.sqrt((one**2).sum(0) * (other**2).sum())
    return np.divide((other * one).sum(0), scale, out=np.zeros_like(scale), where=scale > 0)


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's ρ of two rows of numbers, equal ones sharing the mean of their ranks; 0 where all of one are equal.

    >>> rank_correlation([4, 8, 16], [1, 5, 5])
    0.8660254037844387
    """
    columns = np.array([one, other], dtype=np.float64).T
    return float(association(ranks(columns[:, :1]), columns[:, 1])[0])
