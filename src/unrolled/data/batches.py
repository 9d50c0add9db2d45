"""Sequences of different lengths in batches of like lengths, in an order that belongs to (seed, epoch).

Nothing is computed for padding whatever the batches are; sequences of like lengths keep more of a batch busy.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

TOGETHER = 50  # batches whose sequences are sorted by length among themselves


class Batches:
    """``batch`` sequences at a time, of those that have these ``lengths``."""

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self.lengths, self.batch, self.seed = np.asarray(lengths, np.int64), batch, seed
        self._epoch = lru_cache(maxsize=1)(self._order)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return -(-len(self.lengths) // self.batch)

    def __call__(self, epoch: int, number: int) -> NDArray[np.int64]:
        """The indices of the sequences in one batch of an epoch, longest first.

        >>> batches = Batches([3, 1, 2, 5, 4], batch=2, seed=0)
        >>> sorted(int(i) for number in range(len(batches)) for i in batches(7, number))
        [0, 1, 2, 3, 4]
        """
        return self._epoch(epoch)[number]

    def padding(self, epoch: int = 0) -> float:
        """The share of steps at which some sequence of its batch has ended, as if batches were padded."""
        kept = padded = 0
        for number in range(len(self)):
            lengths = self.lengths[self(epoch, number)]
            kept += int(lengths.sum())
            padded += int(lengths.max(initial=0)) * len(lengths)
        return 1 - kept / padded if padded else 0.0

    def _order(self, epoch: int) -> list[NDArray[np.int64]]:
        random = np.random.Generator(np.random.PCG64([self.seed, epoch]))
        order = random.permutation(len(self.lengths))
        found = []
        for begin in range(0, len(order), TOGETHER * self.batch):
            some = order[begin : begin + TOGETHER * self.batch]
            some = some[np.argsort(-self.lengths[some], kind="stable")]
            found += [some[at : at + self.batch] for at in range(0, len(some), self.batch)]
        return [found[i] for i in random.permutation(len(found))]
