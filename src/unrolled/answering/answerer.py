"""A classifier: from texts to classes with their probabilities.

Shapes: ids (T,) of one text; logits (B, K) for K classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from unrolled.checkpoint.model import Description
from unrolled.checkpoint.run import RunDirectory
from unrolled.data.vocabulary import WORD, Ids, Kind, Vocabulary
from unrolled.equations.extension import with_readout
from unrolled.errors import CheckpointError
from unrolled.nn.language import sizes_of
from unrolled.nn.many_to_one import ManyToOne
from unrolled.nn.recurrent import as_system

Item = TypeVar("Item")

UNKNOWN = "\ufffd"  # stands for every symbol that training did not meet, or met only once
SIDE_BY_SIDE = 256  # texts that are answered at once


@dataclass(frozen=True)
class AnswererDescription(Description):
    """What a classifier is built from: equations (canonical text), sizes, and how steps become one answer."""

    recurrence: str
    vocabulary: int
    classes: int
    hidden: int
    layers: int = 1
    bidirectional: bool = False
    pooling: str = "last"
    embedding: int = 0
    dropout: float = 0.0
    dtype: str = "float32"
    precision: str = "fp32"

    def build(self, device: torch.device | str = "cpu") -> ManyToOne:
        """A model with fresh parameters, drawn from torch's random numbers."""
        system = with_readout(as_system(self.recurrence))
        return ManyToOne(
            system,
            self.layers,
            self.bidirectional,
            self.dropout,
            pooling=self.pooling,
            embedding=self.embedding or None,
            sizes=sizes_of(system, self.vocabulary, self.classes, self.hidden),
            precision=self.precision,
            device=device,
            dtype=getattr(torch, self.dtype),
        )


@dataclass(frozen=True)
class Answer:
    """The most probable class, and the probability of each."""

    label: str
    probabilities: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, the most probable classes first."""
        ranked = sorted(self.probabilities.items(), key=lambda each: -each[1])
        return {"label": self.label, "probabilities": dict(ranked)}


@dataclass(frozen=True, eq=False)
class Answerer:
    """A trained classifier: the layer, the symbols that it reads, and its classes."""

    layer: ManyToOne
    vocabulary: Vocabulary
    classes: Sequence[str]
    path: Path | None = None

    def answers(self, texts: Iterable[str]) -> Iterator[Answer]:
        """An answer for each text, in their order; each depends on its text alone."""
        for some in together(texts, SIDE_BY_SIDE):
            yield from self._answer(some)

    def logits(self, ids: Sequence[Ids]) -> Tensor:
        """Scores (B, K) of the classes."""
        device = next(self.layer.parameters()).device
        if not ids:
            return torch.empty(0, len(self.classes), device=device)
        logits, _ = self.layer.logits([torch.from_numpy(each).to(device) for each in ids])
        found: Tensor = logits
        return found

    def _answer(self, texts: Sequence[str]) -> Iterator[Answer]:
        with torch.no_grad():
            logits = self.logits([self.vocabulary.encode(text, "replace") for text in texts])
        for row in torch.softmax(logits.double(), -1).cpu().numpy():
            probabilities = {label: float(p) for label, p in zip(self.classes, row, strict=True)}
            yield Answer(self.classes[int(np.argmax(row))], probabilities)


def together(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    """The items in their order, at most so many at a time."""
    remaining = iter(items)
    while some := list(islice(remaining, most)):
        yield some


def answers_of(directory: RunDirectory, count: int) -> list[str]:
    """The names of the answers between which the model of a run chooses.

    Raises:
        CheckpointError: there are not so many.
    """
    names = directory.read("config").get("classes")
    if not isinstance(names, list) or len(names) != count:
        raise CheckpointError(f"{directory.path / 'config.json'} does not name the {count} answers of its model")
    return names


def vocabulary_of(texts: Sequence[str], kind: Kind) -> Vocabulary:
    """The symbols that occur in ``texts`` at least twice, and one that stands for all others."""
    if kind == "bytes":
        return Vocabulary.of("", "bytes")
    counts = Counter[str]()
    for text in texts:
        counts.update(WORD.findall(text) if kind == "words" else text)
    often = {symbol for symbol, count in counts.items() if count > 1}
    return Vocabulary(kind, tuple(sorted(often | {UNKNOWN})))


def load_answerer(run: Path | str, device: torch.device | str = "cpu") -> Answerer:
    """The classifier of a run, best on what was held out.

    Raises:
        CheckpointError: the run is missing, damaged, or trained for another task.
    """
    directory = RunDirectory.open(run)
    document = directory.expect("classify")
    description = AnswererDescription.from_json(document.get("model", {}))
    vocabulary = directory.read_symbols(Vocabulary.from_json)
    classes = answers_of(directory, description.classes)
    return Answerer(description.restore(directory, device), vocabulary, classes, directory.path)
