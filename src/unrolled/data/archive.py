"""Examples from an archive of arrays (.npz).

Shapes: an array (B, …) has a row for each of B examples; lengths (B,) cut arrays (B, T, …).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.data.table import Table, check_names, counted
from unrolled.data.values import Array, finite, value_of
from unrolled.errors import DataError


def read_archive(path: Path) -> Table:
    """A column for each array; raises DataError for what no column can be made of."""
    arrays = _arrays(path)
    check_names(list(arrays), str(path), "name it (np.savez(file, name=array))")
    counts = {array.shape[:1] for array in arrays.values()}
    if len(counts) != 1 or () in counts or not all(array.size for array in arrays.values()):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "no array"
        raise DataError(f"{path} holds {shapes}; give every array one row for each example, and none empty")
    where = tuple(f"{path}, index {i}" for i in range(next(iter(counts))[0]))
    lengths = None
    if "lengths" in arrays and any(array.ndim > 1 for name, array in arrays.items() if name != "lengths"):
        lengths = _lengths(path, arrays.pop("lengths"), arrays)
    return Table({name: _column(name, array, where, lengths) for name, array in arrays.items()}, where)


def _arrays(path: Path) -> dict[str, Array]:
    """The arrays of an archive, in the byte order of this machine."""
    name, arrays = None, {}
    with path.open("rb") as file:
        try:
            for name in (archive := np.load(file, allow_pickle=False)).files:
                array = np.asarray(archive[name])
                arrays[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
        except Exception as error:  # zipfile, zlib and numpy have a dozen ways to say what is damaged
            what = "is no archive of arrays" if name is None else f"has an array {name!r} that cannot be read ({error})"
            raise DataError(f"{path} {what}; write numbers or strings, no objects, with np.savez") from error
    for name, array in arrays.items():
        points = np.frombuffer(array.tobytes() if array.dtype.kind == "U" else b"", np.uint32)
        if array.dtype.kind not in "biufU" or (len(points) and array.ndim > 2) or (points > sys.maxunicode).any():
            what = f"the array {name!r} {array.shape} of type {array.dtype}"
            raise DataError(f"{path} holds {what}; write numbers, or strings (B,) or (B, T), with array.astype")
    return arrays


def _lengths(path: Path, lengths: Array, arrays: Mapping[str, Array]) -> list[int]:
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        raise DataError(f"{path}: lengths {lengths.shape} is of type {lengths.dtype}; write integers (B,)")
    frames, name = min((array.shape[1], name) for name, array in arrays.items() if array.ndim > 1)
    for i, length in enumerate(lengths.tolist()):
        if not 0 <= length <= frames:
            what = f"lengths[{i}] is {length}, but a row of {name} {arrays[name].shape} has {counted(frames, 'frame')}"
            raise DataError(f"{path}: {what}; write lengths between 0 and {frames}")
    return [int(length) for length in lengths]


def _column(name: str, array: Array, where: Sequence[str], lengths: list[int] | None) -> tuple[Any, ...]:
    frames = array.ndim > 1 and array.dtype.kind != "U"
    with np.errstate(all="ignore"):  # of a longer float that overflows, finite speaks
        rows = list(array) if frames else array.astype(array.dtype if array.dtype.kind == "U" else np.float64).tolist()
    if lengths is not None and array.ndim > 1:
        rows = [row[:length] for row, length in zip(rows, lengths, strict=True)]
    check = finite if frames else value_of
    return tuple(check(row, f"{place}: {name!r}") for row, place in zip(rows, where, strict=True))
