"""Principal components: the directions in which states vary most, and the path of a text along them.

Shapes: states (T, n), a direction (n,), a path (T, count).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """The ``mean`` (n,) of the states, the ``directions`` (count, n) of unit length, each with its largest entry
    positive, and the share of the variance along every direction there is, the greatest first."""

    mean: Array
    directions: Array
    shares: Array

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        found = {name: getattr(self, name).tolist() for name in ("mean", "directions", "shares")}
        return found | {"dimension": self.dimension}

    @property
    def dimension(self) -> float:
        """How many directions the states fill: (Σ λ)² / Σ λ² of the variances λ, the participation ratio; 1 where all
        lie on a line, n where no direction is preferred."""
        return float(1 / (self.shares**2).sum())

    def needed(self, share: float = 0.9) -> int:
        """How many directions hold this share of the variance together."""
        return int(np.searchsorted(self.shares.cumsum(), share * (1 - 1e-12)) + 1)

    def path(self, states: Array) -> Array:
        """Where states (T, n) lie, along each direction."""
        found: Array = (states - self.mean) @ self.directions.T
        return found


def principal_components(states: Array, count: int = 2) -> PrincipalComponents:
    """The first ``count`` components (fewer where there are not so many), by the singular values of the states less
    their mean.

    Raises:
        DataError: there are fewer than two states, all are the same, or one is not finite.

    >>> found = principal_components(np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]))
    >>> found.directions[0].round(3).tolist(), found.shares.round(3).tolist()
    ([0.6, 0.8], [1.0, 0.0])
    """
    if len(states) < 2:
        raise DataError(f"Components are directions in which states vary, and there are {len(states)} states.")
    if not np.isfinite(states).all():
        raise DataError("Some states are not finite: the network has left all bounds, and no direction can be found.")
    mean = states.mean(0)
    _, lengths, directions = np.linalg.svd(states - mean, full_matrices=False)
    if not lengths[0] > 1e-12 * np.abs(states).max():
        raise DataError("All states are the same: they vary in no direction.")
    directions = directions[:count]
    largest = directions[np.arange(len(directions)), np.abs(directions).argmax(1)]
    variances = lengths**2
    return PrincipalComponents(mean, directions * np.sign(largest)[:, None], variances / variances.sum())
