"""``unrolled predict``."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unrolled.cli import OK, from_user
from unrolled.cli.options import Switch
from unrolled.errors import DataError

Row = dict[str, Any]


def predict(
    run: Path,
    file: str = "-",
    /,
    *,
    lines: Switch = False,
    device: str = "cpu",
    debug: Switch = False,
) -> int:
    """Say of each text which class it is of, with the probability of each class.

    JSON lines come out: each object as it came in, with its label and the probabilities.

    Parameters
    ----------
    run
        A run directory that `unrolled train --task classify` made.
    file
        JSON lines, each an object with the column that the model was trained to read; a table (.csv, .tsv) or a folder
        with that column; - for JSON lines from standard input.
    lines
        Each line is a text.
    device
        cpu, cuda, ...
    debug
        Show tracebacks.
    """
    from unrolled.answering import load_answerer
    from unrolled.checkpoint import RunDirectory

    model = load_answerer(run, device)
    column = RunDirectory.open(run).read("config")["train"]["input"]
    rows = list(_rows(from_user(file), column, lines))
    for row, answer in zip(rows, model.answers(row[column] for row in rows), strict=True):
        print(json_format.dumps({**row, **answer.to_dict()}, ensure_ascii=False), flush=True)
    return OK


def _rows(file: str, column: str, lines: bool) -> Iterator[Row]:
    """What is to be answered: objects whose ``column`` is a text."""
    if lines or file == "-":
        for number, line in enumerate(_lines(file), 1):
            yield {column: line} if lines else _object(line, f"{file}, line {number}", column)
        return
    from unrolled.data.examples import read_table

    table = read_table(file)
    texts = table.column(column)
    for i, where in enumerate(table.where):
        row = {name: list(v) if isinstance(v := values[i], tuple) else v for name, values in table.columns.items()}
        text = " ".join(texts[i]) if isinstance(texts[i], tuple) else texts[i]
        yield _checked({**row, column: text}, where, column)


def _lines(file: str) -> Iterator[str]:
    from unrolled.data.corpora import read_text

    text = sys.stdin.read() if file == "-" else read_text(file)
    return (line for line in text.splitlines() if line.strip())


def _object(line: str, where: str, column: str) -> Row:
    try:
        row = json_format.loads(line)
    except ValueError as error:
        raise DataError(f"{where} is no JSON ({error}); if each line is a text, add --lines") from None
    return _checked(row, where, column)


def _checked(row: Any, where: str, column: str) -> Row:
    if not isinstance(row, dict) or not isinstance(row.get(column), str):
        raise DataError(f'{where} is no object with a text under "{column}", which is what the model reads')
    return row
