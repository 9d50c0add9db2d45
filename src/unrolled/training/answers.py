"""What is alike for all models that answer with classes: their figures, and how they learn from examples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.data.batches import Batches
from unrolled.training.config import TrainConfig
from unrolled.training.task import Task


class Examples(Protocol):
    """One part of the data."""

    @property
    def lengths(self) -> Sequence[int]:
        """Of the sequences."""


Part = TypeVar("Part", bound=Examples)


@dataclass(frozen=True)
class Answers:
    """How well a model answers: the mean loss in nats, the share of right answers, and the mean of that share over
    the classes."""

    nats: float
    accuracy: float
    balanced_accuracy: float
    examples: int
    unit: str = "example"

    @classmethod
    def of(cls, losses: NDArray[Any], found: NDArray[Any], wanted: NDArray[Any], unit: str = "example") -> Answers:
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


class AnsweringTask(Task, Generic[Part]):
    """Learn from examples in three parts: ``validation`` chooses the best model, ``test`` is measured at the end."""

    def __init__(self, config: TrainConfig, parts: Sequence[Part]) -> None:
        self.training, self.validation, self.test = parts
        self.batches = Batches(self.training.lengths, config.batch, config.seed)

    @property
    def steps_per_epoch(self) -> int:
        """See ``Task``."""
        return len(self.batches)

    def evaluate(self, final: bool) -> Generator[float, None, Answers]:
        """See ``Task``."""
        return (yield from self.measure(self.test if final else self.validation))

    @abstractmethod
    def measure(self, examples: Part) -> Generator[float, None, Answers]:
        """The figures of one part, yielding the share done."""

    def use(self, path: Path) -> str:
        """See ``Task``."""
        return f"unrolled predict {path} FILE"
