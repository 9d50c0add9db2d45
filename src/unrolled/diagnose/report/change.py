"""Which symbol the report changes, and where: a frequent one in the middle of the text, for another frequent one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator

import numpy as np

from unrolled.checkpoint import TrainedModel
from unrolled.data.documents import Symbols
from unrolled.data.vocabulary import Vocabulary
from unrolled.diagnose.what_if import WhatIf, what_if
from unrolled.errors import DataError


def follow_change(model: TrainedModel, ids: Symbols) -> Generator[float, None, WhatIf]:
    """``what_if`` at the place and with the symbol of ``chosen``, yielding the share done."""
    position, symbol = chosen(model.vocabulary, ids)
    return what_if(model, ids, position, symbol)


def chosen(vocabulary: Vocabulary, ids: Symbols) -> tuple[int, str]:
    """The first place from the middle of a text on at which its most frequent symbol stands (its last, where the
    second half has none), and its second most frequent symbol, both of those that are no space.

    Raises:
        DataError: the text has fewer than two such symbols.

    >>> chosen(Vocabulary.of("aet "), np.array([2, 1, 2, 3, 3, 0, 0, 2, 0, 0]))
    (7, 't')
    """
    counts = Counter(np.asarray(ids).tolist())
    often = sorted((each for each in counts if _is_written(vocabulary, each)), key=lambda each: (-counts[each], each))
    if len(often) < 2:
        raise DataError(f"The text has {len(often)} different symbols beside spaces; a change takes two.")
    places = np.flatnonzero(np.asarray(ids) == often[0])
    later = places[places >= len(ids) // 2]
    return int(later[0] if len(later) else places[-1]), vocabulary.symbols[often[1]]


def _is_written(vocabulary: Vocabulary, symbol: int) -> bool:
    """Can the symbol be named by a text, and seen? A byte may be a part of a character only."""
    text = vocabulary.symbols[symbol]
    return bool(text.strip()) and vocabulary.encode(text, "skip").tolist() == [symbol]
