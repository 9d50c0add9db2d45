"""Texts that are too long for memory: read in pieces, and kept as token files in the user's cache.

A token file is a plain .npy array of ids, of the smallest unsigned type that holds them, mapped into memory. It is
found by the hash of the text, for which the whole text is read at each start, as is the token file itself: no change
goes unnoticed.

Shapes: ids (N,) uint8, uint16 or uint32; starts (D,) int64.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from unrolled.data.cache import Cache, damaged, flush, user_cache
from unrolled.data.documents import Documents, blocks, read_documents, vocabulary_of
from unrolled.data.sources import Pieces, between
from unrolled.data.vocabulary import Kind, Vocabulary
from unrolled.errors import DataError

Part = Literal["training", "validation"]

# What decides, beside the text and the options, which symbols there are: this code, and Python's notion of a letter.
VERSION = [2, unicodedata.unidata_version]


@dataclass(frozen=True)
class LongCorpus:
    """A text like ``Corpus``, of which only pieces are in memory; ``content`` is the hash of its characters."""

    name: str
    pieces: Pieces
    training_characters: int
    validation_characters: int
    content: str

    @classmethod
    def open(cls, name: str, pieces: Pieces, training: Callable[[int], int]) -> LongCorpus:
        """Read the text once; ``training`` says how many of its characters are for training."""
        digest, characters = hashlib.sha256(), 0
        for piece in pieces():
            digest.update(_utf8(piece))
            characters += len(piece)
        border = training(characters)
        return cls(name, pieces, border, characters - border, digest.hexdigest())

    @cached_property
    def sha256(self) -> str:
        """That of ``Corpus``, for which it takes two passes through the text, but once."""
        found = self._cache.document("fingerprint", [VERSION, self.training_characters], self._fingerprint)
        return str(found["sha256"])

    def vocabulary(self, kind: Kind, separator: str = "") -> Vocabulary:
        """See ``Corpus``."""
        if kind == "bytes":
            return Vocabulary.of("", kind)

        def make() -> Any:
            parts = (self._part("training"), self._part("validation"))
            texts = (block for part in parts for block, _ in blocks(part, separator, kind))
            return vocabulary_of(texts, separator, kind).to_json()

        key = [VERSION, self.training_characters, kind, separator]
        return Vocabulary.from_json(self._cache.document("vocabulary", key, make))

    def documents(self, part: Part, vocabulary: Vocabulary, separator: str = "") -> Documents:
        """See ``Corpus``; memory-mapped."""

        def make(folder: Path) -> None:
            _write(folder, blocks(self._part(part), separator, vocabulary.kind), separator, vocabulary)

        key = [VERSION, self.training_characters, separator, vocabulary.to_json()]
        folder = self._cache.folder(part, key, make)
        return Documents(_mapped(folder / "ids.npy"), _mapped(folder / "starts.npy") if separator else None)

    @property
    def _cache(self) -> Cache:
        return Cache(user_cache() / self.content)

    def _part(self, part: Part) -> Iterator[str]:
        border = self.training_characters
        end = border + self.validation_characters
        return between(self._unchanged(), *((0, border) if part == "training" else (border, end)))

    def _unchanged(self) -> Iterator[str]:
        """The pieces, of which the last is followed by an error if they are not what was read at first."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(_utf8(piece))
            yield piece
        if digest.hexdigest() != self.content:
            raise DataError(f"{self.name} changed while it was read; start again when it is complete")

    def _fingerprint(self) -> dict[str, str]:
        """See ``Corpus.sha256``: the length in bytes comes before the text."""
        digest = hashlib.sha256(b"%d:" % sum(len(_utf8(piece)) for piece in self._part("training")))
        for piece in self._unchanged():
            digest.update(_utf8(piece))
        return {"sha256": digest.hexdigest()}


class ArrayFile:
    """A .npy file to which numbers are appended."""

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self.dtype, self.length = np.dtype(dtype), 0
        self._file = path.open("wb")
        self._header()

    def append(self, values: NDArray[Any]) -> None:
        """Write (N,) more of them."""
        self._file.write(values.astype(self.dtype).tobytes())
        self.length += len(values)

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._file.seek(0)
            self._header()  # as long as the first one: numpy leaves room for the length to grow
            flush(self._file)

    def _header(self) -> None:
        about = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.length,)}
        np.lib.format.write_array_header_1_0(self._file, about)


def _write(folder: Path, texts: Iterable[tuple[str, bool]], separator: str, vocabulary: Vocabulary) -> None:
    """The token file of blocks, and beside it where their documents start."""
    with (
        ArrayFile(folder / "ids.npy", np.min_scalar_type(len(vocabulary) - 1)) as ids,
        ArrayFile(folder / "starts.npy", np.int64) as starts,
    ):
        for text, begins in texts:
            found = read_documents(text, separator, vocabulary, where="a stretch of the text")
            if found.starts is not None:
                starts.append(ids.length + found.starts[0 if begins else 1 :])
            ids.append(found.ids)


def _mapped(path: Path) -> NDArray[Any]:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise damaged(path, error) from error


def _utf8(piece: str) -> bytes:
    return piece.encode("utf-8", "surrogateescape")
