"""What a model answers: which numbers stand for an answer, the loss, and how an answer is told.

Shapes: scores (N, K) beside N answers; targets (N,) int64 of classes, (N, n) of numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unrolled.answering.figures import Answers, Estimates
from unrolled.data.scale import Scale
from unrolled.errors import DataError

Array = NDArray[Any]


@dataclass(frozen=True)
class Answer:
    """The most probable class, and the probability of each."""

    label: str
    probabilities: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the most probable classes first."""
        ranked = sorted(self.probabilities.items(), key=lambda each: -each[1])
        return {"label": self.label, "probabilities": dict(ranked)}


@dataclass(frozen=True)
class Tagged:
    """The most probable class at each step, and its probability."""

    tags: Sequence[str]
    probabilities: Sequence[float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"tags": list(self.tags), "probabilities": list(self.probabilities)}


@dataclass(frozen=True)
class Estimate:
    """A number, or a list of them for a sequence."""

    estimate: Any

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"estimate": self.estimate}


class Head(ABC):
    """What a model answers; ``size`` scores stand for one answer."""

    size: int

    @abstractmethod
    def encode(self, value: Any, where: str) -> Array:
        """The targets of one example: one row, or one for each step.

        Raises:
            DataError: the model has no such answer; the message begins with ``where``.
        """

    @abstractmethod
    def losses(self, scores: Tensor, targets: Tensor) -> Tensor:
        """The loss (N,) of each answer."""

    @abstractmethod
    def answer(self, scores: Tensor, aligned: bool) -> Answer | Tagged | Estimate:
        """What the scores of one example say: of its one row, or of all its steps."""

    @abstractmethod
    def figures(self, scores: Tensor, targets: Tensor, unit: str) -> Answers | Estimates:
        """How good these answers are."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Plain data, which ``head_of`` reads."""


@dataclass(frozen=True)
class Classes(Head):
    """One of some classes; cross-entropy."""

    names: tuple[str, ...]

    @property
    def size(self) -> int:  # type: ignore[override]  # it follows from the names
        """The number of classes."""
        return len(self.names)

    def encode(self, value: Any, where: str) -> Array:
        """See ``Head``."""
        numbers = {name: k for k, name in enumerate(self.names)}
        labels = (value,) if isinstance(value, str) else value
        for label in labels:
            if label not in numbers:
                known = ", ".join(self.names[:8]) + (", …" if len(self.names) > 8 else "")
                raise DataError(f"{where}: {label!r} is no class of the model, which knows {known}")
        return np.array([numbers[label] for label in labels], np.int64)

    def losses(self, scores: Tensor, targets: Tensor) -> Tensor:
        """−log of the probability of the right class."""
        return functional.cross_entropy(scores, targets, reduction="none")

    def answer(self, scores: Tensor, aligned: bool) -> Answer | Tagged:
        """See ``Head``."""
        chances = torch.softmax(scores.double(), -1)
        if aligned:
            best, chosen = chances.max(-1)
            return Tagged([self.names[k] for k in chosen.tolist()], best.tolist())
        return Answer(self.names[int(chances[0].argmax())], dict(zip(self.names, chances[0].tolist(), strict=True)))

    def figures(self, scores: Tensor, targets: Tensor, unit: str) -> Answers:
        """See ``Head``."""
        losses = self.losses(scores.double(), targets)
        return Answers.of(losses.numpy(), scores.argmax(-1).numpy(), targets.numpy(), unit)

    def to_json(self) -> dict[str, Any]:
        """See ``Head``."""
        return {"classes": list(self.names)}


@dataclass(frozen=True)
class Numbers(Head):
    """Numbers, brought to the scale of the training data; half the squared error."""

    scale: Scale

    @property
    def size(self) -> int:  # type: ignore[override]  # it follows from the scale
        """How many numbers are one answer."""
        return len(self.scale)

    def encode(self, value: Any, where: str) -> Array:
        """See ``Head``."""
        rows = np.asarray(value, np.float64)
        rows = rows.reshape(-1, 1) if rows.ndim < 2 else rows
        if rows.shape[1] != self.size:
            raise DataError(f"{where}: the target has {rows.shape[1]} numbers, and the model answers with {self.size}")
        if not self.scale.fits(rows):
            raise DataError(f"{where}: the target is too large beside those of the training data")
        return self.scale.scaled(rows)

    def losses(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Half the sum of the squared errors: −log of a normal density with deviation 1, up to a constant."""
        return 0.5 * ((scores - targets.to(scores)) ** 2).sum(-1)

    def answer(self, scores: Tensor, aligned: bool) -> Estimate:
        """See ``Head``."""
        rows = self.scale.unscaled(scores.double().numpy())
        rows = rows[:, 0] if self.size == 1 else rows
        return Estimate(rows.tolist() if aligned else rows[0].tolist())

    def figures(self, scores: Tensor, targets: Tensor, unit: str) -> Estimates:
        """See ``Head``."""
        found, wanted = (self.scale.unscaled(each.double().numpy()) for each in (scores, targets))
        return Estimates.of(found, wanted, unit)

    def to_json(self) -> dict[str, Any]:
        """See ``Head``."""
        return {"numbers": self.scale.to_json()}


def head_of(data: Mapping[str, Any]) -> Head:
    """What ``to_json`` wrote, among other things.

    Raises:
        DataError: it is something else.
    """
    names, numbers = data.get("classes"), data.get("numbers")
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        return Classes(tuple(names))
    if isinstance(numbers, dict):
        return Numbers(Scale.from_json(numbers))
    raise DataError(
        "config.json names neither the classes nor the scale of the numbers between which its model chooses"
    )
