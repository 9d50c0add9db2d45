"""Arrays for the core, and how it is told of them.

What is given back is kept for the next call: a training step asks for the same arrays again and again, and fresh memory
costs a page fault for every 4 KiB, which is more than many a recurrence costs.
"""

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

    __slots__ = ("__array_interface__", "at", "raw", "size")

    def __init__(self, raw: NDArray[np.uint8], size: int) -> None:
        self.raw, self.size = raw, size
        self.__array_interface__ = raw.__array_interface__
        self.at: int = self.__array_interface__["data"][0]

    def __del__(self) -> None:
        _give_back(self.raw, self.size)


_kept: deque[tuple[int, NDArray[np.uint8]]] = deque()  # size and memory, the oldest first
_lock = RLock()  # a garbage collection inside may give back


def room(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[NDArray[Any], int]:
    """An uninitialised array, and its address."""
    size = prod(shape) * dtype.itemsize
    if size < _SMALL:
        raw = np.empty(size + LINE, np.uint8)
        at = address(raw)
    else:
        block = _take(size + LINE)
        raw, at = np.asarray(block), block.at
    start = -at % LINE
    return np.ndarray(shape, dtype, raw, start), at + start


def address(array: NDArray[Any]) -> int:
    """Of the first element."""
    found: int = array.__array_interface__["data"][0]
    return found


# address, length (from the first element to the last), stride, across, what it holds and whether it is written
Entry = tuple[int, int, int, int, int]
WRITABLE = 1 << 32


def entry(array: NDArray[Any]) -> Entry:
    """An array that is only read."""
    shape, size = array.shape, array.itemsize
    ids = array.dtype.kind == "i"
    if len(shape) == 2:
        (rows, columns), (stride, across) = shape, array.strides
        stride, across = stride // size, across // size
    else:
        rows, columns, stride, across = (*shape, 1, 1, 1) if ids else (1, *shape, 1, 1)
    length = (rows - 1) * stride + (columns - 1) * across + 1 if rows and columns else 0
    return address(array), length, stride, across, int(ids)


def _take(size: int) -> _Block:
    step = 1 << max(size.bit_length() - 4, 0)
    size = -(-size // step) * step  # at most an eighth more, so that sizes that vary a little meet again
    with _lock:
        for n, (kept, raw) in enumerate(_kept):
            if kept == size:
                del _kept[n]
                return _Block(raw, size)
    return _Block(np.empty(size, np.uint8), size)


def _give_back(raw: NDArray[np.uint8], size: int) -> None:
    with _lock:
        _kept.append((size, raw))
        while sum(size for size, _ in _kept) > _KEPT:
            _kept.popleft()
