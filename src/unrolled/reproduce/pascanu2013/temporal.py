"""The temporal-order problem: which of A and B came first and which second, told at the end of the sequence.

Shapes: ids (T, B), of A, B, c, d, e, f in this order; classes (B,): AA, AB, BA, BB.
"""

from __future__ import annotations

import torch
from torch import Tensor

SYMBOLS, CLASSES = 6, 4
TELLING = 2  # symbols that tell: A and B
TENTHS = (1, 4)  # the second and the fifth tenth, in which one of them stands


def batch(length: int, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """``count`` new sequences of ``length`` steps, at least 10, and their classes.

    >>> ids, classes = batch(10, 1, torch.Generator().manual_seed(0))
    >>> [place for place, symbol in enumerate(ids[:, 0].tolist()) if symbol < 2], ids[1] * 2 + ids[4] == classes
    ([1, 4], tensor([True]))
    """
    ids = torch.randint(TELLING, SYMBOLS, (length, count), generator=random)
    told = torch.randint(TELLING, (len(TENTHS), count), generator=random)
    for tenth, symbols in zip(TENTHS, told, strict=True):
        begin, end = tenth * length // 10, (tenth + 1) * length // 10
        place = torch.randint(begin, end, (1, count), generator=random)
        ids.scatter_(0, place, symbols[None])
    return ids, TELLING * told[0] + told[1]
