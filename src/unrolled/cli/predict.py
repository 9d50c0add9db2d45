"""``unrolled predict``."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.cli import OK, from_user
from unrolled.cli.options import Switch
from unrolled.errors import DataError

if TYPE_CHECKING:
    from unrolled.answering import Reading

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
    """Answer for each sequence: its class, the class of each of its steps, or numbers; with probabilities.

    JSON lines come out: each object as it came in, with its answer.

    Parameters
    ----------
    run
        A run directory that `unrolled train --task classify`, `tag` or `regress` made.
    file
        JSON lines, each an object with the column that the model was trained to read; a table (.csv, .tsv, .conllu,
        .npz) or a folder with that column; - for JSON lines from standard input.
    lines
        Each line is a text; for a tagger its words stand between spaces.
    device
        cpu, cuda, ...
    debug
        Show tracebacks.
    """
    from unrolled.answering import load_answerer
    from unrolled.checkpoint import RunDirectory

    model = load_answerer(run, device)
    column = RunDirectory.open(run).read("config")["train"]["input"]
    rows = list(_rows(from_user(file), column, lines, model.reading))
    values = [model.reading.accept(row[column]) for row in rows]
    for row, answer in zip(rows, model.answers(values), strict=True):
        print(json_format.dumps({**row, **answer.to_dict()}, ensure_ascii=False), flush=True)
    return OK


def _rows(file: str, column: str, lines: bool, reading: Reading) -> Iterator[Row]:
    """What is to be answered: objects whose ``column`` the model can read."""
    if lines or file == "-":
        for number, line in enumerate(_lines(file), 1):
            where = f"{file}, line {number}"
            yield _checked({column: line} if lines else _object(line, where), where, column, reading)
        return
    from unrolled.data.examples import read_table

    table = read_table(file)
    table.column(column)
    for i, where in enumerate(table.where):
        row = {name: _plain(values[i]) for name, values in table.columns.items()}
        yield _checked(row, where, column, reading)


def _plain(value: Any) -> Any:
    """A value of a table as JSON has it."""
    return list(value) if isinstance(value, tuple) else value.tolist() if hasattr(value, "tolist") else value


def _lines(file: str) -> Iterator[str]:
    from unrolled.data.corpora import read_text

    text = sys.stdin.read() if file == "-" else read_text(file)
    return (line for line in text.splitlines() if line.strip())


def _object(line: str, where: str) -> Any:
    try:
        return json_format.loads(line)
    except ValueError as error:
        raise DataError(f"{where} is no JSON ({error}); if each line is a text, add --lines") from None


def _checked(row: Any, where: str, column: str, reading: Reading) -> Row:
    if not isinstance(row, dict) or column not in row or reading.accept(row[column]) is None:
        raise DataError(f'{where} is no object with a {reading.kind} under "{column}", which is what the model reads')
    return row
