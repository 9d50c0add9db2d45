"""Examples from JSON Lines: one object on each line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unrolled.data.plain_text import read_lines
from unrolled.data.table import Table, check_names
from unrolled.data.values import Pairs, alike, value_of
from unrolled.errors import DataError


def read_json_lines(path: Path) -> Table:
    """An object for each example, all with the same keys, which name the columns; raises DataError."""
    where: list[str] = []
    columns: dict[str, list[Any]] = {}
    for place, line in read_lines(path):
        row = _object(line, place)
        columns = columns or {name: [] for name in row}
        if row.keys() != columns.keys():
            keys, first = ", ".join(row), ", ".join(columns)
            raise DataError(f"{place} has the keys {keys}, {where[0]} has {first}; give all examples the same keys")
        for name, value in row.items():
            columns[name].append(value_of(value, f"{place}: {name!r}"))
        where.append(place)
    return Table({name: alike(name, values, where) for name, values in columns.items()}, tuple(where))


def _object(line: str, place: str) -> dict[str, Any]:
    example = 'write one whole object on each line, such as {"text": "Abe", "label": "Japanese"}'
    try:
        row = json.loads(line, object_pairs_hook=Pairs, parse_int=float)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}, column {error.colno} is no JSON ({error.msg}); {example}") from None
    except RecursionError:
        raise DataError(f"{place} is nested too deeply; {example}") from None
    if not isinstance(row, Pairs) or not row:
        raise DataError(f"{place} is {'an empty object' if row == () else 'no object'}; {example}")
    check_names([name for name, _ in row], place, 'give it a key that is not ""')
    return dict(row)
