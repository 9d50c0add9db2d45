"""Arrays for the core. What is given back is kept for the next call: a training step asks for the same arrays again and
again, and fresh memory costs a page fault for every 4 KiB, which is more than many a recurrence costs."""

from __future__ import annotations

from collections import deque
from math import prod
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

LINE = 64  # bytes of a cache line, where every array begins
_SMALL = 1 << 16  # bytes below which the allocator itself is fast
_KEPT = 1 << 28  # bytes that are kept at most


class _Block:
    """Memory that goes back when the last array that lies in it is gone."""

    def __init__(self, raw: NDArray[np.uint8]) -> None:
        self.raw = raw
        self.__array_interface__ = raw.__array_interface__

    def __del__(self) -> None:
        _give_back(self.raw)


_kept: deque[NDArray[np.uint8]] = deque()  # the oldest first
_lock = RLock()  # a garbage collection inside may give back


def room(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An uninitialised array."""
    size = prod(shape) * dtype.itemsize
    raw = np.empty(size + LINE, np.uint8) if size < _SMALL else np.asarray(_Block(_take(size + LINE)))
    start = -address(raw) % LINE
    return raw[start : start + size].view(dtype).reshape(shape)


def address(array: NDArray[Any]) -> int:
    """Of the first element."""
    found: int = array.__array_interface__["data"][0]
    return found


def _take(size: int) -> NDArray[np.uint8]:
    step = 1 << max(size.bit_length() - 4, 0)
    size = -(-size // step) * step  # at most an eighth more, so that sizes that vary a little meet again
    with _lock:
        for n, raw in enumerate(_kept):
            if len(raw) == size:
                del _kept[n]
                return raw
    return np.empty(size, np.uint8)


def _give_back(raw: NDArray[np.uint8]) -> None:
    with _lock:
        _kept.append(raw)
        while sum(map(len, _kept)) > _KEPT:
            _kept.popleft()
