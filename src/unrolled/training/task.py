"""What a run trains for: the data of one update, its loss, and how well the model does.

A ``Task`` holds the model and its data, the loop in ``loop.py`` everything that all tasks share.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.data.lanes import Position
from unrolled.training.trace import Trace

Arrays = dict[str, NDArray[Any]]


class Figures(Protocol):
    """How well a model does."""

    @property
    def badness(self) -> float:
        """What is to become as small as possible: the model of the smallest one is kept as the best."""

    @property
    def summary(self) -> str:
        """The figures, in one line."""

    @property
    def short(self) -> str:
        """The most important figure, in a word or two."""

    @property
    def rows(self) -> list[tuple[str, str]]:
        """All figures with their names."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""


class Task(ABC):
    """One kind of training."""

    name: str
    layer: nn.Module

    @property
    @abstractmethod
    def steps_per_epoch(self) -> int:
        """Updates in one pass through the data."""

    @abstractmethod
    def loss(self, position: Position) -> tuple[Tensor, int]:
        """What the share of this process adds to the mean loss of the update at ``position``, and how many symbols are
        read for it here."""

    def accept(self, position: Position) -> None:  # noqa: B027  # only who carries a state has something to do
        """The update was made, and the next one is at ``position``."""

    def reject(self, position: Position, anew: bool) -> None:  # noqa: B027  # see accept
        """No update was made, and the next one is at ``position``; ``anew`` if the weights are those of another time,
        so that nothing that these have computed is of use."""

    @abstractmethod
    def batch(self, position: Position) -> Arrays:
        """What all processes read at ``position``, with what was carried to it: as arrays of a file, for a record."""

    def trace(self, batch: Arrays, random: Mapping[str, Tensor]) -> Trace | None:
        """A batch step by step, where torch's generators were ``random``; None where there is no such view of it."""
        return None

    @abstractmethod
    def evaluate(self, final: bool) -> Generator[float, None, Figures]:
        """Measure on what was held out, yielding the share done: on the way, or for the ``final`` figures."""

    def sample(self) -> str | None:
        """What the model writes at this point; None where it writes nothing."""
        return None

    @abstractmethod
    def about(self) -> Mapping[str, Any]:
        """The size of the data: the fields symbols, unit, vocabulary and kinds of the event ``Started``."""

    def carried(self) -> Arrays:
        """What goes from update to update in all processes, for a checkpoint."""
        return {}

    def restore(self, arrays: Mapping[str, NDArray[Any]], device: torch.device) -> None:  # noqa: B027  # see accept
        """Take back what ``carried`` gave, of which each process keeps its share."""

    @abstractmethod
    def programs(self) -> Mapping[str, Any]:
        """The compiled programs of the model, as a run keeps them."""

    @abstractmethod
    def use(self, path: Path) -> str:
        """The command that uses the trained model."""


def no_loss() -> tuple[Tensor, int]:
    """The loss where the share of a process is empty."""
    return torch.zeros((), requires_grad=True), 0
