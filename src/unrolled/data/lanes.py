"""Parallel lanes for truncated BPTT: B readers go through the text side by side, window after window.

Shapes: ids (N,); a window is inputs (T, B) and targets (T, B), int64, the targets one symbol later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unrolled.data.vocabulary import Ids
from unrolled.errors import DataError


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


class Lanes:
    """The text cut into ``batch`` lanes of equal length, read in windows of ``length`` steps.

    Lane b reads the symbols b·L … (b+1)·L − 1 with L = (N − 1) // B. The symbols that fill no window are left out, as
    in char-rnn. Between the windows of an epoch the state is carried; an epoch starts from zero.
    """

    def __init__(self, ids: Ids, batch: int, length: int):
        if batch < 1 or length < 1:
            raise DataError(f"a batch of {batch} lanes and windows of {length} steps are not both at least 1")
        steps = (len(ids) - 1) // batch
        if steps < length:
            raise DataError(_too_short(len(ids), batch, length))
        self.batch, self.length, self.steps = batch, length, steps
        self._inputs = ids[: batch * steps].reshape(batch, steps).T
        self._targets = ids[1 : batch * steps + 1].reshape(batch, steps).T

    def __len__(self) -> int:
        """The number of windows in an epoch."""
        return self.steps // self.length

    def window(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Inputs (T, B) and targets (T, B) of one window, contiguous."""
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        part = slice(index * self.length, (index + 1) * self.length)
        return np.ascontiguousarray(self._inputs[part]), np.ascontiguousarray(self._targets[part])


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
