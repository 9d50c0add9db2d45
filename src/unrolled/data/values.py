"""What one example may hold in a column of a table: a text, a number, a list of texts, frames of numbers.

Shapes: frames (T, n), or (T,) where n = 1.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.table import counted
from unrolled.errors import DataError

Array = NDArray[Any]
NO_CHARACTER = re.compile("[^\0-\ud7ff\ue000-\U0010ffff]")  # JSON's \u escapes and NumPy's strings may hold one


class Pairs(tuple[tuple[str, Any], ...]):
    """The pairs of a JSON object, with keys that are there twice."""


def value_of(value: Any, what: str) -> str | float | tuple[str, ...] | Array:
    """A value of JSON as one of a table; an empty list, whose kind the other examples decide, is ().

    Raises DataError, which begins with ``what`` ("FILE, line 7: 'text'"), for any other kind of value.
    """
    if isinstance(value, str):
        return _characters(value, what)
    if isinstance(value, float):
        return float(finite(np.array(value), what))
    if not isinstance(value, list):
        found = "an object" if isinstance(value, Pairs) else json.dumps(value)
        raise DataError(f"{what} is {found}; write a text, a number, or a list of texts or numbers")
    if all(isinstance(each, str) for each in value):
        return tuple(_characters(each, what) for each in value)
    frames = value if all(isinstance(each, list) for each in value) else [value]
    if {type(each) for frame in frames for each in frame} != {float}:
        kinds = "texts, of numbers, or of lists (frames) of numbers of which none is empty"
        raise DataError(f"{what} is a list of other things; write a list of {kinds}")
    for number, frame in enumerate(frames, 1):
        if len(frame) != len(frames[0]):
            sizes = f"frame {number} has {counted(len(frame), 'number')}, frame 1 has {len(frames[0])}"
            raise DataError(f"{what} is no rectangle: {sizes}; give all frames the same length")
    return finite(np.array(value, dtype=np.float64), what)


def alike(name: str, values: list[Any], where: list[str]) -> tuple[Any, ...]:
    """The values of a column, all of one kind; the first list that is not empty says what an empty one is empty of."""
    kinds = [_kind(value) for value in values]
    first = next((i for i, kind in enumerate(kinds) if kind != "an empty list"), 0)
    for place, kind in zip(where, kinds, strict=True):
        if kind != kinds[first] and not (kind == "an empty list" and kinds[first].startswith("a list")):
            found = f"{kind}, in {where[first]} it is {kinds[first]}"
            raise DataError(f"{place}: {name!r} is {found}; give all examples the same kind of value")
    return tuple(values[first][:0] if k == "an empty list" else v for k, v in zip(kinds, values, strict=True))


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "a list of numbers" if value.ndim == 1 else f"a list of frames of {counted(value.shape[1], 'number')}"
    return {str: "a text", float: "a number"}.get(type(value)) or ("a list of texts" if value else "an empty list")


def _characters(text: str, what: str) -> str:
    if bad := NO_CHARACTER.search(text):
        raise DataError(f"{what} holds U+{ord(bad[0]):04X}, which is no character; write the character itself")
    return text


def finite(numbers: Array, what: str) -> Array:
    """The numbers as they are; raises DataError for one that is infinite or NaN."""
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        raise DataError(f"{what} holds {numbers[~np.isfinite(numbers)][0]}, which is no value; write finite numbers")
    return numbers
