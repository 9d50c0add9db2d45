"""Texts as numbers: corpora, vocabularies, and the lanes in which truncated BPTT reads them (no torch here)."""

from __future__ import annotations

from unrolled.data.corpora import Corpus, read_corpus
from unrolled.data.lanes import Lanes, Position
from unrolled.data.vocabulary import Vocabulary

__all__ = ["Corpus", "Lanes", "Position", "Vocabulary", "read_corpus"]
