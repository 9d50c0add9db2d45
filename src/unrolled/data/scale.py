"""A scale brings numbers to mean 0 and deviation 1, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError

Array = NDArray[Any]


@dataclass(frozen=True)
class Scale:
    """The mean and the standard deviation of each of n components; one that never varies has deviation 1.

    >>> scale = Scale.of([np.array([[1.0, 7.0], [3.0, 7.0]])])
    >>> scale, scale.scaled(np.array([[3.0, 8.0]])).tolist()
    (Scale(mean=(2.0, 7.0), deviation=(1.0, 1.0)), [[1.0, 1.0]])
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, arrays: Iterable[Array]) -> Scale:
        """The scale of all rows of some arrays (T_i, n) together; without any row it changes nothing.

        Raises:
            DataError: the numbers are too large to have one.
        """
        arrays = list(arrays)
        rows = np.concatenate([np.asarray(array, np.float64) for array in arrays])
        if not len(rows):
            return cls((0.0,) * rows.shape[1], (1.0,) * rows.shape[1])
        with np.errstate(over="ignore", invalid="ignore"):
            mean, deviation = rows.mean(0), rows.std(0)
        if not np.isfinite([mean, deviation]).all():
            raise DataError(f"numbers up to {np.abs(rows).max():.3g} are too large; give them in another unit")
        return cls(tuple(mean.tolist()), tuple(np.where(np.ptp(rows, 0) > 0, deviation, 1.0).tolist()))

    def __len__(self) -> int:
        return len(self.mean)

    def scaled(self, rows: Array) -> Array:
        """Rows (T, n) on this scale."""
        return (np.asarray(rows, np.float64) - np.array(self.mean)) / np.array(self.deviation)

    def fits(self, rows: Array) -> bool:
        """Are rows (T, n), on this scale, numbers that single precision holds?"""
        with np.errstate(over="ignore"):
            return bool(np.isfinite(self.scaled(rows).astype(np.float32)).all())

    def unscaled(self, rows: Array) -> Array:
        """Rows (T, n) as they were before ``scaled``."""
        return np.asarray(rows, np.float64) * np.array(self.deviation) + np.array(self.mean)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"mean": list(self.mean), "deviation": list(self.deviation)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scale:
        """What ``to_json`` wrote.

        Raises:
            DataError: it is something else.
        """
        parts = [data.get(name) for name in ("mean", "deviation")]
        try:
            mean, deviation = (np.array(part, np.float64) for part in parts)
            good = mean.ndim == 1 and mean.shape == deviation.shape and bool(np.isfinite(mean).all())
            good = good and bool((deviation > 0).all() and np.isfinite(deviation).all())
        except (TypeError, ValueError):
            good = False
        if not good:
            raise DataError('a scale needs equally many numbers under "mean" and "deviation", these above 0')
        return cls(tuple(mean.tolist()), tuple(deviation.tolist()))
