"""What a model that answers reads: from a value in a file to the tensors that its layer takes.

Shapes: a text is ids (T,) int64, frames (T, n), a sentence words (T,) and the letters of each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from unrolled.data.lexicon import Lexicon
from unrolled.data.scale import Scale
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import DataError


@dataclass(frozen=True)
class Reading(ABC):
    """``kind`` says what a value is, ``unit`` what one step of it is."""

    kind: ClassVar[str]
    unit: ClassVar[str]

    @property
    @abstractmethod
    def size(self) -> int:
        """How many different symbols, or how many numbers at each step."""

    @abstractmethod
    def accept(self, value: Any) -> Any | None:
        """A value of a table or of JSON in the one form that ``encode`` takes; None where it is something else."""

    @abstractmethod
    def encode(self, value: Any) -> Any:
        """The numbers of a value that was accepted."""

    @abstractmethod
    def tensors(self, items: Sequence[Any], like: torch.Tensor) -> tuple[Any, ...]:
        """What the layer takes for some encoded values, beside a parameter of it."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Plain data, which ``reading_of`` reads."""

    def length(self, item: Any) -> int:
        """The steps of an encoded value."""
        return len(item)


@dataclass(frozen=True)
class Texts(Reading):
    """Texts, symbol by symbol."""

    vocabulary: Vocabulary
    kind = "text"
    unit = "symbol"

    @property
    def size(self) -> int:
        """See ``Reading``."""
        return len(self.vocabulary)

    def accept(self, value: Any) -> str | None:
        """See ``Reading``; tokens stand between spaces."""
        if isinstance(value, list | tuple) and value and all(isinstance(each, str) for each in value):
            return " ".join(value)
        return value if isinstance(value, str) else None

    def encode(self, value: str) -> Any:
        """See ``Reading``."""
        return self.vocabulary.encode(value, "replace")

    def tensors(self, items: Sequence[Any], like: torch.Tensor) -> tuple[Any, ...]:
        """See ``Reading``."""
        return ([torch.from_numpy(each).to(like.device) for each in items],)

    def to_json(self) -> dict[str, Any]:
        """See ``Reading``."""
        return self.vocabulary.to_json()


@dataclass(frozen=True)
class Words(Reading):
    """Sentences, word by word, each also letter by letter."""

    lexicon: Lexicon
    kind = "list of words"
    unit = "word"

    @property
    def size(self) -> int:
        """See ``Reading``."""
        return len(self.lexicon.letters)

    def accept(self, value: Any) -> tuple[str, ...] | None:
        """See ``Reading``; the words of a text stand between spaces."""
        if isinstance(value, str):
            return tuple(value.split())
        if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
            return tuple(value)
        return None

    def encode(self, value: tuple[str, ...]) -> Any:
        """See ``Reading``."""
        return self.lexicon.encode(value)

    def tensors(self, items: Sequence[Any], like: torch.Tensor) -> tuple[Any, ...]:
        """See ``Reading``."""
        words = [torch.from_numpy(own).to(like.device) for own, _ in items]
        return words, [[torch.from_numpy(each).to(like.device) for each in letters] for _, letters in items]

    def to_json(self) -> dict[str, Any]:
        """See ``Reading``."""
        return self.lexicon.to_json()

    def length(self, item: Any) -> int:
        """See ``Reading``."""
        return len(item[0])


@dataclass(frozen=True)
class Frames(Reading):
    """Numbers in time, n at each step, brought to the scale of the training data."""

    scale: Scale
    unit = "frame"

    @property
    def kind(self) -> str:  # type: ignore[override]  # it follows from the scale
        """See ``Reading``."""
        return f"list of frames of {len(self.scale)} numbers" if len(self.scale) > 1 else "list of numbers"

    @property
    def size(self) -> int:
        """See ``Reading``."""
        return len(self.scale)

    def accept(self, value: Any) -> Any | None:
        """See ``Reading``; [] has no frame."""
        frames = _numbers(value)
        if frames is None or not frames.ndim:
            return None
        frames = frames.reshape(-1, len(self.scale)) if not frames.size else rows_in_time(frames)
        return frames if frames.shape[1] == len(self.scale) and self.scale.fits(frames) else None

    def encode(self, value: Any) -> Any:
        """See ``Reading``."""
        return self.scale.scaled(value)

    def tensors(self, items: Sequence[Any], like: torch.Tensor) -> tuple[Any, ...]:
        """See ``Reading``."""
        return ([torch.from_numpy(each).to(like) for each in items],)

    def to_json(self) -> dict[str, Any]:
        """See ``Reading``."""
        return self.scale.to_json()


@dataclass(frozen=True)
class Labels(Reading):
    """One of some classes, as a vector with a 1 at its place."""

    names: tuple[str, ...]
    unit = "example"

    @property
    def kind(self) -> str:  # type: ignore[override]  # it names the classes
        """See ``Reading``."""
        return f"class (one of {', '.join(self.names[:8])}{', …' if len(self.names) > 8 else ''})"

    @property
    def size(self) -> int:
        """See ``Reading``."""
        return len(self.names)

    def accept(self, value: Any) -> str | None:
        """See ``Reading``."""
        return value if isinstance(value, str) and value in self.names else None

    def encode(self, value: str) -> Any:
        """See ``Reading``."""
        return np.eye(len(self.names))[self.names.index(value)]

    def tensors(self, items: Sequence[Any], like: torch.Tensor) -> tuple[Any, ...]:
        """See ``Reading``."""
        return (_stacked(items, len(self.names)).to(like),)

    def to_json(self) -> dict[str, Any]:
        """See ``Reading``."""
        return {"labels": list(self.names)}

    def length(self, item: Any) -> int:
        """See ``Reading``."""
        return 1


@dataclass(frozen=True)
class Vectors(Reading):
    """Numbers that are read at once, such as the pixels of a picture, brought to the scale of the training data."""

    scale: Scale
    unit = "example"

    @property
    def kind(self) -> str:  # type: ignore[override]  # it follows from the scale
        """See ``Reading``."""
        return f"list of {len(self.scale)} numbers in all"

    @property
    def size(self) -> int:
        """See ``Reading``."""
        return len(self.scale)

    def accept(self, value: Any) -> Any | None:
        """See ``Reading``; whatever its shape is, the numbers stand one after the other."""
        row = _numbers(value)
        if row is None or row.size != len(self.scale):
            return None
        row = row.reshape(1, -1)
        return row if self.scale.fits(row) else None

    def encode(self, value: Any) -> Any:
        """See ``Reading``."""
        return self.scale.scaled(value)[0]

    def tensors(self, items: Sequence[Any], like: torch.Tensor) -> tuple[Any, ...]:
        """See ``Reading``."""
        return (_stacked(items, len(self.scale)).to(like),)

    def to_json(self) -> dict[str, Any]:
        """See ``Reading``."""
        return {"vector": self.scale.to_json()}

    def length(self, item: Any) -> int:
        """See ``Reading``."""
        return 1


def rows_in_time(array: Any) -> Any:
    """An array as frames (T, n): (T,) has one number at each step, and what has more dimensions a row of numbers."""
    return array.reshape(len(array), int(np.prod(array.shape[1:])))


def _numbers(value: Any) -> Any | None:
    """A list of numbers, or of lists of them, as an array; None where it is something else."""
    if not isinstance(value, list | np.ndarray):
        return None
    try:
        array = np.asarray(value)
        return array.astype(np.float64) if array.dtype.kind in "iuf" or not array.size else None
    except (TypeError, ValueError, OverflowError):
        return None


def _stacked(items: Sequence[Any], size: int) -> torch.Tensor:
    return torch.from_numpy(np.stack(items)) if items else torch.zeros(0, size)


def reading_of(data: Mapping[str, Any]) -> Reading:
    """What ``to_json`` wrote.

    Raises:
        DataError: it is something else.
    """
    if "words" in data:
        return Words(Lexicon.from_json(data))
    if "labels" in data:
        return Labels(_names(data["labels"]))
    if "vector" in data:
        return Vectors(Scale.from_json(_object(data["vector"])))
    if "mean" in data:
        return Frames(Scale.from_json(data))
    if "kind" in data:
        return Texts(Vocabulary.from_json(data))
    raise DataError("the vocabulary of a run says which symbols, words or numbers it reads, and this one says nothing")


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise DataError('"labels" is a list of names, and here it is something else')
    return tuple(value)


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DataError("a part of the vocabulary of a run is no JSON object")
    return value
