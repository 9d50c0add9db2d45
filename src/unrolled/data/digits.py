"""Handwritten digits, 8 × 8 pixels, as pictures and as streams of columns (Alpaydin & Kaynak 1998, in scikit-learn).

Shapes: pictures (N, 8, 8) from 0 to 16, rows then columns; a stream of D digits has T = 8 D frames of 8 pixels, (T, 8).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigurationError, DataError

Part = Literal["train", "dev", "test"]
Array = NDArray[Any]

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}
SPLIT = 0  # the seed of the split


@dataclass(frozen=True)
class Digits:
    """Pictures (N, 8, 8), and which digit each of them is (N,)."""

    pictures: Array
    digits: Array


@dataclass(frozen=True)
class Stream:
    """Columns of pictures, one after the other (T, 8), and at each the name of the digit to which it belongs."""

    frames: Array
    names: tuple[str, ...]


def digits(part: Part) -> Digits:
    """The pictures of one part: each of the 1,797 is in one part alone.

    Raises:
        DataError: scikit-learn, which brings them, is not installed; ConfigurationError: there is no such part.
    """
    if part not in SHARES:
        raise ConfigurationError(f"there is no part {part!r}; the parts are {', '.join(SHARES)}")
    pictures, labels = _all()
    order = np.random.Generator(np.random.PCG64(SPLIT)).permutation(len(labels))
    ends = dict(zip(SHARES, np.round(np.cumsum(list(SHARES.values())) * len(labels)).astype(int), strict=True))
    begins = dict(zip(SHARES, (0, *ends.values()), strict=False))
    chosen = np.sort(order[begins[part] : ends[part]])
    return Digits(pictures[chosen], labels[chosen])


def digit_streams(count: int, seed: int, part: Part, shortest: int = 3, longest: int = 9) -> Iterator[Stream]:
    """Streams of ``shortest`` to ``longest`` digits of one part, drawn at random, without a gap between them.

    Raises:
        ConfigurationError: fewer than 0 streams, or digits; DataError: as ``digits``.
    """
    if count < 0 or seed < 0 or not 0 <= shortest <= longest:
        raise ConfigurationError(
            f"{count} streams of {shortest} to {longest} digits, seed {seed}: ask for at least 0 streams, a range from "
            "0 up, and a seed from 0"
        )
    found = digits(part)
    rng = np.random.Generator(np.random.PCG64(seed))
    return (
        _stream(found, rng.integers(len(found.digits), size=rng.integers(shortest, longest + 1))) for _ in range(count)
    )


def _stream(found: Digits, chosen: Array) -> Stream:
    frames = found.pictures[chosen].transpose(0, 2, 1).reshape(-1, 8)
    return Stream(frames, tuple(NAMES[digit] for digit in found.digits[chosen] for _ in range(8)))


@cache
def _all() -> tuple[Array, Array]:
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise DataError("the digits come with scikit-learn, which is not installed: pip install scikit-learn") from None
    found = load_digits()
    return found.images, found.target
