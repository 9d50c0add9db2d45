"""How well a model answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Answers:
    """Of classes: the mean loss in nats, the share of right answers, and the mean of that share over the classes."""

    nats: float
    accuracy: float
    balanced_accuracy: float
    examples: int
    unit: str = "example"

    @classmethod
    def of(cls, losses: Array, found: Array, wanted: Array, unit: str = "example") -> Answers:
        """From the loss, the answer and the right answer of each example, at least one."""
        right = found == wanted
        by_class = [right[wanted == k].mean() for k in np.unique(wanted)]
        return cls(float(losses.mean()), float(right.mean()), float(np.mean(by_class)), len(wanted), unit)

    @property
    def badness(self) -> float:
        """The share of wrong answers."""
        return 1 - self.accuracy

    @property
    def summary(self) -> str:
        """In one line."""
        return f"{self.nats:.4f} nats, {self.accuracy:.2%} right"

    @property
    def short(self) -> str:
        """The share of right answers."""
        return f"{self.accuracy:.1%} right"

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The figures with their names."""
        return [
            ("loss", f"{self.nats:.4f} nats per {self.unit}"),
            ("accuracy", f"{self.accuracy:.4f} of {self.examples:,} {self.unit}s"),
            ("balanced accuracy", f"{self.balanced_accuracy:.4f}, the mean over the classes"),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Estimates:
    """Of numbers: the root of the mean squared error, the mean absolute error, and the share of the variance that is
    explained (R²: 1 is perfect, 0 no better than the mean)."""

    rmse: float
    mae: float
    explained: float
    examples: int
    unit: str = "example"

    @classmethod
    def of(cls, found: Array, wanted: Array, unit: str = "example") -> Estimates:
        """From estimates and right numbers (N, n), N at least 1."""
        error, spread = found - wanted, wanted - wanted.mean(0)
        left = float((error**2).sum() / (spread**2).sum()) if spread.any() else float(error.any())
        rmse = float(np.sqrt((error**2).mean()))
        return cls(rmse, float(np.abs(error).mean()), 1 - left, len(wanted), unit)

    @property
    def badness(self) -> float:
        """The error."""
        return self.rmse

    @property
    def summary(self) -> str:
        """In one line."""
        return f"error {self.rmse:.4g} (root mean square), R² {self.explained:.4f}"

    @property
    def short(self) -> str:
        """The share of the variance that is explained."""
        return f"R² {self.explained:.3f}"

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The figures with their names."""
        return [
            ("error", f"{self.rmse:.4g}, the root of the mean square over {self.examples:,} {self.unit}s"),
            ("absolute error", f"{self.mae:.4g}, the mean"),
            ("explained", f"{self.explained:.4f} of the variance (R²)"),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)
