"""Examples from a file of separated values (CSV, TSV)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from unrolled.data.plain_text import read_text
from unrolled.data.table import Table, check_names, counted
from unrolled.errors import DataError


def read_separated(path: Path, delimiter: str) -> Table:
    """A row for each example, below a header line with the names of the columns; raises DataError."""
    text = read_text(path)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a cell may hold a whole book
    (line, header), *rows = _records(path, text, delimiter)
    check_names(header, f"{path}, line {line}", "name it, or leave it out (pandas does with to_csv(index=False))")
    for line, row in rows:
        if len(row) != len(header):
            found = f"{counted(len(row), 'cell')}, the header has {len(header)} ({', '.join(header)})"
            raise DataError(f"{path}, line {line} has {found}; write as many, and quotes around one with {delimiter!r}")
    if not rows:
        raise DataError(f"{path} has a header ({', '.join(header)}) and no row below it; give at least one example")
    columns = dict(zip(header, zip(*(row for _, row in rows), strict=True), strict=True))
    return Table(columns, tuple(f"{path}, line {line}" for line, _ in rows))


def _records(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line on which it starts."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for row in reader:
            if row:
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        after = f"goes on after a closing quote ({error} in line {reader.line_num})"
        happened = "opens a quote that is never closed" if "end of data" in str(error) else after
        raise DataError(f'{path}, line {start} {happened}; in a cell in quotes, write the mark twice ("")') from None
