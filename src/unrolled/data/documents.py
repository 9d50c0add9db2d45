"""A text of several documents: where each of them begins.

Shapes: ids (N,) int64, begins (N,) bool.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unrolled.data.vocabulary import Ids, Unknown, Vocabulary


@dataclass(frozen=True)
class Documents:
    """The symbols of all documents, one after the other, and at which of them one begins (None: there is but one)."""

    ids: Ids
    begins: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.ids)


def read_documents(
    text: str, separator: str, vocabulary: Vocabulary, unknown: Unknown = "error", where: str = "the text"
) -> Documents:
    """The documents of a text, each with the ``separator`` that ends it; with an empty one the text is a single one.

    Raises:
        UnknownSymbolError: as ``Vocabulary.encode``.

    >>> found = read_documents("one.two.three", ".", Vocabulary.of("one.two.three"))
    >>> np.flatnonzero(found.begins).tolist()
    [0, 4, 8]
    """
    if unknown == "error" or not separator:  # of the whole text, so that an error names the right line
        ids = vocabulary.encode(text, unknown, where)
        if not separator:
            return Documents(ids)
    pieces = [piece + separator for piece in text.split(separator)]
    pieces[-1] = pieces[-1].removesuffix(separator)  # what the text did not end
    encoded = [vocabulary.encode(piece, unknown, where) for piece in pieces if piece]
    ids = np.concatenate(encoded) if encoded else np.zeros(0, np.int64)
    begins = np.zeros(len(ids), bool)
    starts = np.cumsum([0, *map(len, encoded)])[:-1]
    begins[starts[starts < len(ids)]] = True
    return Documents(ids, begins)
