"""``unrolled predict``."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable, Iterator
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
    """Say of each text which class it is of, or of each word which tag it has, with probabilities.

    JSON lines come out: each object as it came in, with its answer.

    Parameters
    ----------
    run
        A run directory that `unrolled train --task classify` or `--task tag` made.
    file
        JSON lines, each an object with the column that the model was trained to read; a table (.csv, .tsv, .conllu)
        or a folder with that column; - for JSON lines from standard input.
    lines
        Each line is a text; for a tagger its words stand between spaces.
    device
        cpu, cuda, ...
    debug
        Show tracebacks.
    """
    from unrolled.answering import load_answerer, load_tagger
    from unrolled.checkpoint import RunDirectory

    directory = RunDirectory.open(run)
    tags = directory.task == "tag"
    model: Any = load_tagger(run, device) if tags else load_answerer(run, device)
    column = directory.read("config")["train"]["input"]
    rows = list(_rows(from_user(file), column, lines, _words if tags else _text))
    for row, answer in zip(rows, model.answers(row[column] for row in rows), strict=True):
        print(json_format.dumps({**row, **answer.to_dict()}, ensure_ascii=False), flush=True)
    return OK


def _text(value: Any) -> str | None:
    """What a classifier reads; None for anything else."""
    return " ".join(value) if isinstance(value, tuple) else value if isinstance(value, str) else None


def _words(value: Any) -> tuple[str, ...] | None:
    """What a tagger reads; None for anything else."""
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        return tuple(value)
    return None


def _rows(file: str, column: str, lines: bool, read: Callable[[Any], Any]) -> Iterator[Row]:
    """What is to be answered: objects whose ``column`` the model can ``read``."""
    if lines or file == "-":
        for number, line in enumerate(_lines(file), 1):
            where = f"{file}, line {number}"
            yield _checked({column: line} if lines else _object(line, where), where, column, read)
        return
    from unrolled.data.examples import read_table

    table = read_table(file)
    table.column(column)
    for i, where in enumerate(table.where):
        row = {name: list(v) if isinstance(v := values[i], tuple) else v for name, values in table.columns.items()}
        yield _checked({**row, column: table.columns[column][i]}, where, column, read)


def _lines(file: str) -> Iterator[str]:
    from unrolled.data.corpora import read_text

    text = sys.stdin.read() if file == "-" else read_text(file)
    return (line for line in text.splitlines() if line.strip())


def _object(line: str, where: str) -> Any:
    try:
        return json_format.loads(line)
    except ValueError as error:
        raise DataError(f"{where} is no JSON ({error}); if each line is a text, add --lines") from None


def _checked(row: Any, where: str, column: str, read: Callable[[Any], Any]) -> Row:
    value = read(row.get(column)) if isinstance(row, dict) else None
    if value is None:
        raise DataError(f'{where} is no object with a text under "{column}", which is what the model reads')
    return {**row, column: value}
