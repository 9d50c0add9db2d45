"""A tagger: from sentences to a tag for each word.

Shapes: words (T,) int64 of one sentence, the letters of each word (length,), logits (T, K) for K tags.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unrolled.answering.answerer import UNKNOWN, answers_of, together, vocabulary_of
from unrolled.checkpoint.model import Description
from unrolled.checkpoint.run import RunDirectory
from unrolled.data.vocabulary import Vocabulary
from unrolled.equations.extension import core_of, read_states, with_readout
from unrolled.errors import DataError
from unrolled.nn.language import sizes_of
from unrolled.nn.many_to_many import ManyToMany, WordsAndLetters
from unrolled.nn.many_to_one import ManyToOne
from unrolled.nn.recurrent import as_system

SIDE_BY_SIDE = 64  # sentences that are tagged at once
Sentence = tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """The letters and the words that training met at least twice; one letter and one word stand for all others."""

    letters: Vocabulary
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", {word: number for number, word in enumerate(self.words)})

    @staticmethod
    def of(sentences: Iterable[Sentence]) -> Lexicon:
        """The lexicon of some sentences."""
        counts = Counter(word for sentence in sentences for word in sentence)
        often = sorted(word for word, count in counts.items() if count > 1 and word != UNKNOWN)
        return Lexicon(vocabulary_of(["".join(counts)] * 2, "characters"), (UNKNOWN, *often))

    def encode(self, sentence: Sentence) -> tuple[Tensor, list[Tensor]]:
        """The number of each word (T,), and the letters of each."""
        ids: dict[str, int] = self._ids  # type: ignore[attr-defined]  # set when it was made
        words = torch.tensor([ids.get(word, 0) for word in sentence], dtype=torch.int64)
        return words, [torch.from_numpy(self.letters.encode(word, "replace")) for word in sentence]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.letters.to_json(), "words": list(self.words)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Lexicon:
        """What ``to_json`` wrote.

        Raises:
            DataError: it is something else.
        """
        words = data.get("words")
        if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
            raise DataError('the vocabulary of a tagger needs a list of strings under "words"')
        return Lexicon(Vocabulary.from_json(data), tuple(words))


@dataclass(frozen=True)
class TaggerDescription(Description):
    """What a tagger is built from: equations (canonical text) for words and letters alike, and sizes."""

    recurrence: str
    letters: int
    words: int
    tags: int
    hidden: int
    layers: int = 1
    bidirectional: bool = True
    embedding: int = 64
    dropout: float = 0.0
    dtype: str = "float32"
    precision: str = "fp32"

    def build(self, device: torch.device | str = "cpu") -> WordsAndLetters:
        """A model with fresh parameters, drawn from torch's random numbers."""
        system = as_system(self.recurrence)
        core = core_of(system, read_states(system))
        numbers: dict[str, Any] = {"precision": self.precision, "device": device, "dtype": getattr(torch, self.dtype)}
        half = max(1, self.embedding // 2)
        letters = ManyToOne(
            core, bidirectional=True, readout=False, embedding=half,
            sizes=sizes_of(core, self.letters, half, half), **numbers,
        )  # fmt: skip
        read = with_readout(system)
        sentence = ManyToMany(
            read, self.layers, self.bidirectional, self.dropout,
            sizes=sizes_of(read, self.embedding + 2 * half, self.tags, self.hidden), **numbers,
        )  # fmt: skip
        return WordsAndLetters(self.words, self.embedding, letters, sentence, self.dropout)


@dataclass(frozen=True)
class Tagged:
    """The most probable tag of each word of a sentence, and its probability."""

    tags: Sequence[str]
    probabilities: Sequence[float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"tags": list(self.tags), "probabilities": list(self.probabilities)}


@dataclass(frozen=True, eq=False)
class Tagger:
    """A trained tagger: the layer, its lexicon, and its tags."""

    layer: WordsAndLetters
    lexicon: Lexicon
    tags: Sequence[str]
    path: Path | None = None

    def logits(self, sentences: Sequence[Sentence]) -> list[Tensor]:
        """Scores (T, K) of the tags for each sentence."""
        device = next(self.layer.parameters()).device
        encoded = [self.lexicon.encode(sentence) for sentence in sentences]
        words = [each.to(device) for each, _ in encoded]
        return self.layer.logits(words, [[word.to(device) for word in letters] for _, letters in encoded])

    def answers(self, sentences: Iterable[Sentence]) -> Iterator[Tagged]:
        """The tags of each sentence, in their order; each depends on its sentence alone."""
        for some in together(sentences, SIDE_BY_SIDE):
            yield from self._answer(some)

    def _answer(self, sentences: Sequence[Sentence]) -> Iterator[Tagged]:
        with torch.no_grad():
            found = self.logits(sentences)
        for logits in found:
            chances, chosen = torch.softmax(logits.double(), -1).max(-1)
            yield Tagged([self.tags[k] for k in chosen.tolist()], chances.tolist())


def load_tagger(run: Path | str, device: torch.device | str = "cpu") -> Tagger:
    """The tagger of a run, best on what was held out.

    Raises:
        CheckpointError: the run is missing, damaged, or trained for another task.
    """
    directory = RunDirectory.open(run)
    document = directory.expect("tag")
    description = TaggerDescription.from_json(document.get("model", {}))
    lexicon = directory.read_symbols(Lexicon.from_json)
    tags = answers_of(directory, description.tags)
    return Tagger(description.restore(directory, device), lexicon, tags, directory.path)
