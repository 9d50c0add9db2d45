"""A model that writes about what it reads: a name for a class, words for a picture, a text for another one.

Shapes: what is read is contexts (B, c), or ids (T,) of each text; what is written ids (T,) of each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.answering.answerer import together
from unrolled.answering.composing import Choice, Composed, search, write
from unrolled.answering.reading import Reading, Texts, reading_of
from unrolled.checkpoint.model import Description
from unrolled.checkpoint.run import RunDirectory
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import CheckpointError, ConfigurationError, DataError
from unrolled.generation.allowed import Allowed
from unrolled.generation.sampler import Sampler
from unrolled.nn.encoder_decoder import EncoderDecoder
from unrolled.nn.one_to_many import OneToMany

TASKS = ("caption", "translate")
SIDE_BY_SIDE = 256  # texts that are written at once
GREEDY = Sampler(temperature=0)


@dataclass(frozen=True)
class Dictionary:
    """What is read, and the symbols that are written."""

    source: Reading
    target: Vocabulary

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"source": self.source.to_json(), "target": self.target.to_json()}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Dictionary:
        """What ``to_json`` wrote.

        Raises:
            DataError: it is something else.
        """
        parts = [data.get(name) for name in ("source", "target")]
        if not all(isinstance(part, Mapping) for part in parts):
            raise DataError('the vocabulary of a model that translates needs objects under "source" and "target"')
        source, target = parts
        return Dictionary(reading_of(source), Vocabulary.from_json(target))  # type: ignore[arg-type]  # checked above


@dataclass(frozen=True)
class TranslatorDescription(Description):
    """What a model is built from: equations (canonical text), sizes; it reads ``reads`` symbols, or numbers.

    ``longest`` is the length of the longest text that training, choosing and testing knew, in symbols.
    """

    recurrence: str
    reads: int
    symbols: int
    longest: int
    hidden: int
    text: bool = True
    attention: bool = False
    bidirectional: bool = False
    enters: str = "state"
    stop: str = "end"
    layers: int = 1
    embedding: int = 0
    dropout: float = 0.0
    dtype: str = "float32"
    precision: str = "fp32"

    def build(self, device: torch.device | str = "cpu") -> OneToMany | EncoderDecoder:
        """A model with fresh parameters, drawn from torch's random numbers."""
        options: dict[str, Any] = {
            "enters": self.enters, "stop": self.stop, "longest": self.longest, "embedding": self.embedding or None,
            "num_layers": self.layers, "dropout": self.dropout, "precision": self.precision, "device": device,
            "dtype": getattr(torch, self.dtype),
        }  # fmt: skip
        sizes = (self.recurrence, self.reads, self.symbols, self.hidden)
        if not self.text:
            return OneToMany(*sizes, **options)
        return EncoderDecoder(*sizes, attention=self.attention, bidirectional=self.bidirectional, **options)


@dataclass(frozen=True)
class Written:
    """A text, its probability, whether the model ended it (else it came to the greatest length), and its symbols."""

    text: str
    probability: float
    ended: bool
    symbols: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"written": self.text, "probability": self.probability, "ended": self.ended}


@dataclass(frozen=True, eq=False)
class Translator:
    """A trained model: the layer, what it reads and writes, and the symbols of the ``longest`` text that it met."""

    layer: Any
    dictionary: Dictionary
    longest: int
    path: Path | None = None

    @property
    def most(self) -> int:
        """How many symbols a text may have: more than any that was met, as the model should know when to stop."""
        return 2 * self.longest + 10

    @property
    def reading(self) -> Reading:
        """What it reads."""
        return self.dictionary.source

    def nats(self, items: Sequence[Any], targets: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
        """−log p (B,) of whole texts about some encoded inputs, and how many outcomes each consists of (B,)."""
        like = self._like
        sequences = [torch.from_numpy(each).to(like.device) for each in targets]
        nats = self.layer.nats(*self.reading.tensors(items, like), sequences)
        return nats, self.layer.outcomes(sequences)

    def answers(
        self, inputs: Iterable[Any], sampler: Sampler = GREEDY, seed: int = 0, allowed: Allowed | None = None
    ) -> Iterator[Written]:
        """A text about each input, in their order: always the most probable symbol, or drawn.

        Text i is drawn with the numbers that belong to (seed, i); what stands beside it changes its probabilities at
        most by their rounding. ``allowed`` are the texts, as ids, of which one is to be written.
        """
        first = 0
        for some in together(inputs, SIDE_BY_SIDE):
            items = [self.reading.encode(each) for each in some]
            given = self.reading.tensors(items, self._like)
            choice = Choice(sampler, seed, allowed)
            streams = range(first, first + len(items))
            for text in write(self.layer, given, streams, len(self.dictionary.target), self.most, choice):
                yield self._told(text)
            first += len(items)

    def best(
        self, value: Any, beams: int = 4, length_penalty: float = 0.0, allowed: Allowed | None = None
    ) -> list[Written]:
        """The most probable texts about one input that a beam search finds, the best first."""
        given = self.reading.tensors([self.reading.encode(value)], self._like)
        found = search(self.layer, given, self.most, beams, length_penalty, allowed)
        return [self._told(text) for text in found]

    def allowed(self, texts: Iterable[str]) -> Allowed:
        """Some texts as ids, for ``answers`` and ``best``.

        Raises:
            UnknownSymbolError: one has a symbol that the model cannot write; ConfigurationError: there is none, or one
                is longer than the model can write.
        """
        limit = self.most - 1 if self.layer.longest is None else self.layer.longest
        found = []
        for text in texts:
            found.append(self.dictionary.target.encode(text, where=f"the allowed {text!r}").tolist())
            if len(found[-1]) > limit:
                raise ConfigurationError(
                    f"the allowed {text!r} has {len(found[-1])} symbols, and this model writes at most {limit}; leave "
                    "it out"
                )
        return Allowed(found)

    @property
    def _like(self) -> Tensor:
        like: Tensor = next(self.layer.parameters())
        return like

    def _told(self, text: Composed) -> Written:
        decoded = self.dictionary.target.decode(text.symbols)
        return Written(decoded, math.exp(text.log_probability), text.ended, text.symbols)


def load_translator(run: Path | str, device: torch.device | str = "cpu") -> Translator:
    """The model of a run that writes about what it reads, best on what was held out.

    Raises:
        CheckpointError: the run is missing, damaged, or trained for another task.
    """
    directory = RunDirectory.open(run)
    description = TranslatorDescription.from_json(directory.expect(*TASKS).get("model", {}))
    dictionary = directory.read_symbols(Dictionary.from_json)
    source, sizes = dictionary.source, (dictionary.source.size, len(dictionary.target))
    if sizes != (description.reads, description.symbols) or isinstance(source, Texts) != description.text:
        raise CheckpointError(f"{directory.path}: vocabulary.json is not that of the model in config.json")
    return Translator(description.restore(directory, device), dictionary, description.longest, directory.path)
