"""A lexicon turns sentences into the numbers of their words and of the letters of these.

Shapes: a sentence of T words gives words (T,) int64 and T arrays of letters (length of the word,) int64.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unrolled.data.vocabulary import UNKNOWN, Ids, Vocabulary
from unrolled.errors import DataError

Sentence = tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """The letters and the words that training met at least twice; one letter and one word stand for all others."""

    letters: Vocabulary
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_ids", {word: number for number, word in enumerate(self.words)})

    @classmethod
    def of(cls, sentences: Iterable[Sentence]) -> Lexicon:
        """The lexicon of some sentences."""
        met = [word for sentence in sentences for word in sentence]
        counts = Counter(met)
        often = sorted(word for word, count in counts.items() if count > 1 and word != UNKNOWN)
        return cls(Vocabulary.frequent(met), (UNKNOWN, *often))

    def encode(self, sentence: Sentence) -> tuple[Ids, list[Ids]]:
        """The number of each word (T,), and the letters of each."""
        ids: dict[str, int] = self._ids  # type: ignore[attr-defined]  # set when it was made
        words = np.array([ids.get(word, 0) for word in sentence], np.int64)
        return words, [self.letters.encode(word, "replace") for word in sentence]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.letters.to_json(), "words": list(self.words)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Lexicon:
        """What ``to_json`` wrote.

        Raises:
            DataError: it is something else.
        """
        words = data.get("words")
        if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
            raise DataError('the vocabulary of a tagger needs a list of strings under "words"')
        return cls(Vocabulary.from_json(data), tuple(words))
