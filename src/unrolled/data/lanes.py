"""Parallel lanes for truncated BPTT: B readers go through the text side by side, window after window.

Shapes: ids (N,) of any type of integer, which may be mapped into memory, and starts (D,) int64; steps of all lanes are
inputs (T, B) and targets (T, B), int64, the targets one symbol later.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.documents import Symbols, begins_at
from unrolled.data.truncation import Truncation
from unrolled.data.vocabulary import Ids
from unrolled.errors import DataError

Begins = NDArray[np.bool_]


@dataclass(frozen=True)
class Position:
    """Where the reading stands: whole epochs done, and the next step of the present one."""

    epoch: int = 0
    window: int = 0

    def after(self, steps_per_epoch: int) -> Position:
        """The position one step on."""
        if self.window + 1 < steps_per_epoch:
            return Position(self.epoch, self.window + 1)
        return Position(self.epoch + 1, 0)


@dataclass(frozen=True)
class Stretch:
    """Some steps of all lanes; ``begins`` (T, B) says where a document begins, None where there is but one."""

    inputs: Ids
    targets: Ids
    begins: Begins | None = None


class Lanes:
    """The text cut into ``batch`` lanes of equal length, read in the windows of a ``truncation``.

    Lane b reads the symbols b·L … (b+1)·L − 1 with L = (N − 1) // B. The symbols that fill no window are left out, as
    in char-rnn. Between the windows of an epoch the state is carried; an epoch starts from the first state, and so does
    each document: ``starts`` says at which symbols one begins.
    """

    def __init__(self, ids: Symbols, batch: int, truncation: Truncation, starts: Ids | None = None) -> None:
        if batch < 1:
            raise DataError(f"a batch of {batch} lanes is not at least 1")
        steps = (len(ids) - 1) // batch
        if steps < truncation.back:
            raise DataError(_too_short(len(ids), batch, truncation.back))
        self.batch, self.truncation, self.steps = batch, truncation, steps
        self._inputs = _cut(ids[: batch * steps], batch)
        self._targets = _cut(ids[1 : batch * steps + 1], batch)
        self._begin = np.arange(batch) * steps
        self._starts = starts

    def __len__(self) -> int:
        """The number of windows in an epoch."""
        return self.steps // self.truncation.every

    def some(self, chosen: slice) -> Lanes:
        """Only these of the lanes, which are what they were among the others.

        >>> Lanes(np.arange(13), 3, Truncation(2, 2)).some(slice(1, None)).stretch(0, 2).inputs.tolist()
        [[4, 8], [5, 9]]
        """
        found = copy.copy(self)
        found._inputs, found._targets = self._inputs[:, chosen], self._targets[:, chosen]
        found._begin = self._begin[chosen]
        found.batch = len(found._begin)
        return found

    def stretch(self, begin: int, end: int) -> Stretch:
        """The steps from ``begin`` to ``end`` of all lanes, contiguous.

        Raises:
            IndexError: there are not so many.
        """
        if not 0 <= begin <= end <= self.steps:
            raise IndexError(f"steps {begin} to {end} of {self.steps}")
        inputs, targets = (np.ascontiguousarray(part[begin:end], np.int64) for part in (self._inputs, self._targets))
        if self._starts is None:
            return Stretch(inputs, targets)
        places = self._begin + np.arange(begin, end)[:, None]
        return Stretch(inputs, targets, begins_at(self._starts, places))


def _cut(values: NDArray[Any], batch: int) -> NDArray[Any]:
    return values.reshape(batch, -1).T


def _too_short(symbols: int, batch: int, length: int) -> str:
    lanes = (symbols - 1) // length
    if lanes >= 1:
        remedy = f"give more text, or write --batch {min(batch, lanes)}"
    elif symbols >= 2:
        remedy = f"give more text, or write --batch 1 --sequence-length {symbols - 1}"
    else:
        remedy = "give more text"
    return (
        f"the text to train on has {symbols:,} symbols; {batch} lanes with windows of {length} steps need at least "
        f"{batch * length + 1:,}: {remedy}"
    )
