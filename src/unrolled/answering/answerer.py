"""A model that answers: once for a whole sequence, or at each of its steps; with a class, or with numbers.

Shapes: scores (N, K), one row for each sequence, or for each step of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from unrolled.answering.head import Answer, Estimate, Head, Tagged, head_of
from unrolled.answering.reading import Frames, Reading, Words, reading_of
from unrolled.checkpoint.model import Description
from unrolled.checkpoint.run import RunDirectory
from unrolled.equations.extension import core_of, read_states, with_readout
from unrolled.equations.system import System
from unrolled.errors import CheckpointError, ConfigurationError, DataError
from unrolled.nn.language import sizes_of
from unrolled.nn.many_to_many import ManyToMany, WordsAndLetters
from unrolled.nn.many_to_one import ManyToOne
from unrolled.nn.recurrent import as_system

Item = TypeVar("Item")

TASKS = ("classify", "tag", "regress")
SIDE_BY_SIDE = 128  # sequences that are answered at once


@dataclass(frozen=True)
class AnswererDescription(Description):
    """What a model is built from: equations (canonical text), sizes, and what is read and answered.

    It reads ``reads`` different symbols, with ``frames`` so many numbers at each step, with ``words`` so many words
    beside their letters. It answers with ``answers`` scores, where ``aligned`` at each step.
    """

    recurrence: str
    reads: int
    answers: int
    hidden: int
    aligned: bool = False
    frames: bool = False
    words: int = 0
    layers: int = 1
    bidirectional: bool = False
    pooling: str = "last"
    embedding: int = 0
    dropout: float = 0.0
    dtype: str = "float32"
    precision: str = "fp32"

    def build(self, device: torch.device | str = "cpu") -> nn.Module:
        """A model with fresh parameters, drawn from torch's random numbers."""
        system = as_system(self.recurrence)
        numbers: dict[str, Any] = {"precision": self.precision, "device": device, "dtype": getattr(torch, self.dtype)}
        if self.words:
            return self._words_and_letters(system, numbers)
        read = with_readout(system)
        kind: Any = ManyToMany if self.aligned else ManyToOne
        pooled = {} if self.aligned else {"pooling": self.pooling}
        layer: nn.Module = kind(
            read, self.layers, self.bidirectional, self.dropout, **pooled, **numbers,
            embedding=None if self.frames else self.embedding or None,
            sizes=sizes_of(read, self.reads, self.answers, self.hidden),
        )  # fmt: skip
        return layer

    def _words_and_letters(self, system: System, numbers: dict[str, Any]) -> WordsAndLetters:
        if not system.states:
            raise ConfigurationError(
                "a word is read letter by letter by the same recurrence, which needs a state to end in: write "
                "equations with one, such as h_t = tanh(U x_t + W h_{t-1})"
            )
        width = self.embedding or self.hidden
        half = max(1, width // 2)
        core = core_of(system, read_states(system))
        letters = ManyToOne(
            core, bidirectional=True, readout=False, embedding=half,
            sizes=sizes_of(core, self.reads, half, half), **numbers,
        )  # fmt: skip
        read = with_readout(system)
        sentence = ManyToMany(
            read, self.layers, self.bidirectional, self.dropout,
            sizes=sizes_of(read, width + 2 * half, self.answers, self.hidden), **numbers,
        )  # fmt: skip
        return WordsAndLetters(self.words, width, letters, sentence, self.dropout)


@dataclass(frozen=True, eq=False)
class Answerer:
    """A trained model: the layer, what it reads and what it answers; ``aligned`` if it does so at each step."""

    layer: Any
    reading: Reading
    head: Head
    aligned: bool = False
    path: Path | None = None

    @property
    def unit(self) -> str:
        """What one answer stands beside."""
        return self.reading.unit if self.aligned else "example"

    def answers(self, inputs: Iterable[Any]) -> Iterator[Answer | Tagged | Estimate]:
        """An answer for each input, in their order; each depends on its input alone."""
        for some in together(inputs, SIDE_BY_SIDE):
            items = [self.reading.encode(each) for each in some]
            with torch.no_grad():
                rows = self.scores(items).double().cpu()
            counts = [self.reading.length(item) if self.aligned else 1 for item in items]
            for own in torch.split(rows, counts):
                yield self.head.answer(own, self.aligned)

    def scores(self, items: Sequence[Any]) -> Tensor:
        """The scores (N, K) for some encoded inputs, one after the other."""
        like = next(self.layer.parameters())
        if not items:
            return like.new_zeros(0, self.head.size)
        found = self.layer.logits(*self.reading.tensors(items, like))
        found = found[0] if isinstance(found, tuple) else found
        rows: Tensor = torch.cat(list(found)) if self.aligned else found
        return rows


def together(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    """The items in their order, at most so many at a time."""
    remaining = iter(items)
    while some := list(islice(remaining, most)):
        yield some


def load_answerer(run: Path | str, device: torch.device | str = "cpu") -> Answerer:
    """The model of a run that answers, best on what was held out.

    Raises:
        CheckpointError: the run is missing, damaged, or trained for another task.
    """
    directory = RunDirectory.open(run)
    document = directory.expect(*TASKS)
    description = AnswererDescription.from_json(document.get("model", {}))
    reading = directory.read_symbols(reading_of)
    try:
        head = head_of(document)
    except DataError as error:
        raise CheckpointError(f"{directory.path}: {error}") from error
    if head.size != description.answers:
        raise CheckpointError(
            f"{directory.path}: the model has {description.answers} scores, and config.json names {head.size} answers"
        )
    words = len(reading.lexicon.words) if isinstance(reading, Words) else 0
    found = (reading.size, isinstance(reading, Frames), words)
    if found != (description.reads, description.frames, description.words):
        raise CheckpointError(f"{directory.path}: vocabulary.json is not that of the model in config.json")
    return Answerer(description.restore(directory, device), reading, head, description.aligned, directory.path)
