"""The adding problem: two numbers of a sequence are marked, and their sum is to be said at its end.

Shapes: x (T, B, 2), a number in [0, 1) and its mark, which is 0 or 1; the sum d (B,).
"""

from __future__ import annotations

import torch
from torch import Tensor


def batch(length: int, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """``count`` new sequences x of ``length`` steps, at least 2, and their sums d; each half has one mark, anywhere.

    >>> x, d = batch(6, 1, torch.Generator().manual_seed(0))
    >>> x[:, 0, 1].tolist(), bool(d == x[1, 0, 0] + x[4, 0, 0])
    ([0.0, 1.0, 0.0, 0.0, 1.0, 0.0], True)
    """
    half = length // 2
    numbers = torch.rand(length, count, generator=random)
    first = torch.randint(half, (1, count), generator=random)
    second = torch.randint(half, length, (1, count), generator=random)
    places = torch.cat([first, second])
    marks = torch.zeros(length, count).scatter_(0, places, 1.0)
    return torch.stack([numbers, marks], -1), numbers.gather(0, places).sum(0)
