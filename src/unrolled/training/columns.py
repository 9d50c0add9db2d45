"""Columns of a table as a task takes them: each value checked, with its place and a remedy where it does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unrolled.answering.reading import rows_in_time
from unrolled.data.table import Table
from unrolled.errors import DataError


def column(table: Table, name: str, flag: str) -> Sequence[Any]:
    """The values of a column, which ``flag`` names."""
    try:
        return table.column(name)
    except DataError as error:
        raise DataError(f"{error}; name the right one with {flag}") from None


def is_numeric(table: Table, name: str, flag: str) -> bool:
    """Does a column hold arrays of numbers?"""
    return isinstance(column(table, name, flag)[0], np.ndarray)


def texts(table: Table, name: str, flag: str) -> list[str]:
    """A column of texts; tokens stand between spaces."""
    found = []
    for where, value in zip(table.where, column(table, name, flag), strict=True):
        value = " ".join(value) if isinstance(value, tuple) else value
        if not isinstance(value, str):
            raise DataError(f"{where}: the column {name} holds {_kind(value)}; {flag} is one of text")
        found.append(value)
    return found


def sentences(table: Table, name: str, flag: str) -> list[tuple[str, ...]]:
    """A column of lists of words; the words of a text stand between spaces."""
    found = []
    for where, value in zip(table.where, column(table, name, flag), strict=True):
        value = tuple(value.split()) if isinstance(value, str) else value
        if not isinstance(value, tuple):
            raise DataError(f"{where}: the column {name} holds {_kind(value)}; {flag} is one of lists of words")
        found.append(value)
    return found


def frames(table: Table, name: str, flag: str) -> list[Any]:
    """A column of numbers in time, each value (T, n); what has more dimensions is a row of numbers at each step."""
    found = []
    for where, value in zip(table.where, column(table, name, flag), strict=True):
        if not isinstance(value, np.ndarray):
            raise DataError(f"{where}: the column {name} holds {_kind(value)}; {flag} is one of lists of numbers")
        found.append(rows_in_time(value))
    return found


def vectors(table: Table, name: str, flag: str) -> list[Any]:
    """A column of arrays of one shape as one row of numbers each, (1, n)."""
    found = [each.reshape(1, -1) for each in frames(table, name, flag)]
    for where, value in zip(table.where, found, strict=True):
        if value.shape != found[0].shape:
            raise DataError(
                f"{where}: the column {name} holds {value.size} numbers here and {found[0].size} in {table.where[0]}; "
                "what is read at once has one size"
            )
    return found


def labels(table: Table, name: str, flag: str) -> list[str]:
    """A column of classes."""
    values = column(table, name, flag)
    for where, value in zip(table.where, values, strict=True):
        if not isinstance(value, str):
            raise DataError(
                f"{where}: the column {name} holds {value!r}, and a class is a text; write it in quotes, or learn to "
                "estimate numbers with --task regress"
            )
    return list(values)


def numbers(table: Table, name: str, flag: str) -> list[Any]:
    """A column of numbers, each a float, or an array (T, n) with some for each step."""
    found = []
    for where, value in zip(table.where, column(table, name, flag), strict=True):
        if isinstance(value, str):  # as every cell of a CSV file
            try:
                value = float(value)
            except ValueError:
                value = float("nan")
        if not isinstance(value, float | np.ndarray) or not np.isfinite(value).all():
            raise DataError(
                f"{where}: the column {name} holds no number; {flag} is one of numbers, or of lists of them"
            )
        found.append(rows_in_time(value) if isinstance(value, np.ndarray) else value)
    return found


def _kind(value: Any) -> str:
    names = {str: "a text", float: "a number", tuple: "a list of words", np.ndarray: "a list of numbers"}
    return names.get(type(value), f"a {type(value).__name__}")
