"""Sequences of different lengths as arrays of a file, one after the other beside their lengths, and back.

Shapes: items (T_i, …) become (Σ T_i, …) and lengths (N,); sentences are pairs of words (T_i,) and a list of letters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.training.task import Arrays


def flat(name: str, items: Sequence[Any]) -> Arrays:
    """At least one item, under a name.

    >>> flat("x", [np.array([1, 2]), np.array([3])])
    {'x': array([1, 2, 3]), 'x/lengths': array([2, 1])}
    """
    if isinstance(items[0], tuple):
        letters = [word for _, sentence in items for word in sentence]
        letters = letters or [np.zeros(0, np.int64)]  # of empty sentences
        return flat(name, [words for words, _ in items]) | flat(f"{name}/letters", letters)
    return {name: np.concatenate(items), f"{name}/lengths": np.array([len(each) for each in items], np.int64)}


def apart(name: str, arrays: Mapping[str, NDArray[Any]]) -> list[Any]:
    """What ``flat`` was given."""
    found = np.split(arrays[name], np.cumsum(arrays[f"{name}/lengths"])[:-1])
    if f"{name}/letters" not in arrays:
        return list(found)
    letters = iter(apart(f"{name}/letters", arrays))
    return [(words, [next(letters) for _ in words]) for words in found]
