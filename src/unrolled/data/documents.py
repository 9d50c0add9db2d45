"""A text of several documents: where each of them begins, and which symbols they have.

No symbol reaches from one document into the next: of words, each has its own.

Shapes: ids (N,), int64 or, from a token file, a smaller unsigned type; starts (D,) int64, ascending.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.vocabulary import WORD, Ids, Kind, Unknown, Vocabulary

Symbols = NDArray[np.integer[Any]]

BEFORE_SPACE = re.compile(r"(?s).*(?=\s)")


@dataclass(frozen=True)
class Documents:
    """The symbols of all documents, one after the other, and at which of them one begins (None: there is but one)."""

    ids: Symbols
    starts: Ids | None = None

    def __len__(self) -> int:
        return len(self.ids)


def read_documents(
    text: str, separator: str, vocabulary: Vocabulary, unknown: Unknown = "error", where: str = "the text"
) -> Documents:
    """The documents of a text, each with the ``separator`` that ends it; with an empty one the text is a single one.

    Raises:
        UnknownSymbolError: as ``Vocabulary.encode``.

    >>> found = read_documents("one.two.three", ".", Vocabulary.of("one.two.three"))
    >>> found.starts.tolist()
    [0, 4, 8]
    """
    if not separator:
        return Documents(vocabulary.encode(text, unknown, where))
    pieces = _pieces(text, separator)
    if vocabulary.kind == "words" or unknown == "skip":  # each on its own: its words, and what of it is left
        encoded = [vocabulary.encode(piece, unknown, f"document {n} of {where}") for n, piece in enumerate(pieces, 1)]
        ids = np.concatenate([np.zeros(0, np.int64), *encoded])
        lengths = [len(each) for each in encoded]
    else:  # at once, which is faster, and an error names the line in the text
        ids = vocabulary.encode(text, unknown, where)
        is_bytes = vocabulary.kind == "bytes"
        lengths = [len(piece.encode("utf-8", "surrogateescape") if is_bytes else piece) for piece in pieces]
    starts = np.cumsum([0, *lengths])[:-1]
    return Documents(ids, np.unique(starts[starts < len(ids)]))


def begins_at(starts: Ids, places: Ids) -> NDArray[np.bool_]:
    """At which of some places, in an array of any shape, a document begins.

    >>> begins_at(np.array([0, 4, 8]), np.array([[3, 4], [8, 9]])).tolist()
    [[False, True], [True, False]]
    """
    if not len(starts):
        return np.zeros(places.shape, bool)
    found = np.minimum(np.searchsorted(starts, places), len(starts) - 1)
    return np.asarray(starts[found] == places)


def vocabulary_of(texts: Iterable[str], separator: str, kind: Kind) -> Vocabulary:
    """The symbols of the documents of several texts, none of which runs into the next."""
    if kind == "bytes":
        return Vocabulary.of("", kind)
    symbols = set[str]()
    for text in texts:
        if kind == "words":
            for piece in _pieces(text, separator):
                symbols.update(WORD.findall(piece))
        else:
            symbols.update(text)
    return Vocabulary(kind, tuple(sorted(symbols)))


def blocks(pieces: Iterable[str], separator: str, kind: Kind) -> Iterator[tuple[str, bool]]:
    """A text in blocks whose documents and symbols are those of the whole; True with those that begin a document.

    >>> list(blocks(["A. Bi", "rd. C"], ". ", "words"))
    [('A. ', True), ('Bird. ', True), ('C', True)]
    """
    rest, begins = "", True
    for piece in pieces:
        rest += piece
        cut, ends = _cut(rest, separator, kind)
        if cut:
            yield rest[:cut], begins
            rest, begins = rest[cut:], ends
    if rest:
        yield rest, begins


def _cut(text: str, separator: str, kind: Kind) -> tuple[int, bool]:
    """Where a block can end however the text goes on, and whether a document ends there."""
    tail = len(text.split(separator)[-1]) if separator else len(text)
    if tail < len(text):
        return len(text) - tail, True
    end = max(0, len(text) - max(0, len(separator) - 1))  # behind it a separator may have begun
    if kind == "words":  # none of them has a space but at its beginning
        before = BEFORE_SPACE.match(text, 0, end + 1)
        end = before.end() if before else 0
    return end, False


def _pieces(text: str, separator: str) -> list[str]:
    """The documents of a text, without an empty last one."""
    if not separator:
        return [text]
    pieces = [piece + separator for piece in text.split(separator)]
    pieces[-1] = pieces[-1].removesuffix(separator)  # what the text did not end
    return pieces if pieces[-1] else pieces[:-1]
