"""How well a model answers."""

from __future__ import annotations

from collections.abc import Sequence
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
    """Of numbers: the root of the mean squared error and the mean absolute error, over all of them, and the share of
    the variance that is explained (R²: 1 is perfect, 0 no better than the mean), of each component, in the mean, as
    they may have different scales. Of what never varies all is explained where it is met exactly, else nothing.
    """

    rmse: float
    mae: float
    explained: float
    examples: int
    unit: str = "example"

    @classmethod
    def of(cls, found: Array, wanted: Array, unit: str = "example") -> Estimates:
        """From estimates and right numbers (N, n), N at least 1."""
        assert found.shape == wanted.shape
        error, varies = found - wanted, np.ptp(wanted, 0) > 0
        spread = np.where(varies, ((wanted - wanted.mean(0)) ** 2).sum(0), 1.0)
        left = np.where(varies, (error**2).sum(0) / spread, error.any(0))
        rmse = float(np.sqrt((error**2).mean()))
        return cls(rmse, float(np.abs(error).mean()), float(1 - left.mean()), len(wanted), unit)

    @property
    def badness(self) -> float:
        """The share of the variance that is not explained."""
        return 1 - self.explained

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


@dataclass(frozen=True)
class Writings:
    """Of written texts: the mean of −log p in nats, per text and per outcome (a symbol or an end); the share that is
    right to the last symbol when always the most probable one is taken; and how the lengths of drawn texts compare with
    the right ones: the difference of their means, and the largest difference of their distribution functions
    (Kolmogorov and Smirnov's), each length in symbols.
    """

    nats: float
    nats_per_symbol: float
    exact: float
    length_error: float
    length_distance: float
    examples: int

    @classmethod
    def of(
        cls, nats: Array, outcomes: Array, found: Sequence[str], wanted: Sequence[str], drawn: Array, lengths: Array
    ) -> Writings:  # fmt: skip
        """From −log p and the outcomes of each right text, what was written, and the lengths of drawn and right."""
        exact = np.mean([own == right for own, right in zip(found, wanted, strict=True)])
        return cls(
            float(nats.mean()), float(nats.sum() / outcomes.sum()), float(exact), float(drawn.mean() - lengths.mean()),
            distance(drawn, lengths), len(wanted),
        )  # fmt: skip

    @property
    def badness(self) -> float:
        """−log p."""
        return self.nats_per_symbol

    @property
    def summary(self) -> str:
        """In one line."""
        return f"{self.nats_per_symbol:.4f} nats a symbol, {self.exact:.2%} exact"

    @property
    def short(self) -> str:
        """The share that is exact."""
        return f"{self.exact:.1%} exact"

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The figures with their names."""
        return [
            ("loss", f"{self.nats_per_symbol:.4f} nats per symbol or end, {self.nats:.4f} per text"),
            ("exact", f"{self.exact:.4f} of {self.examples:,} texts"),
            ("length", f"{self.length_error:+.3f} symbols off in the mean, distance {self.length_distance:.4f} (KS)"),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def distance(one: Array, other: Array) -> float:
    """The largest difference between the distribution functions of two samples, from 0 to 1.

    >>> distance(np.array([1, 2, 3, 4]), np.array([3, 3, 4, 4]))
    0.5
    """
    at = np.union1d(one, other)
    shares = [np.searchsorted(np.sort(sample), at, side="right") / len(sample) for sample in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())
