"""``unrolled predict``."""

from __future__ import annotations

import json as json_format
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.cli import OK, from_user
from unrolled.cli.options import Switch
from unrolled.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from unrolled.answering import Reading

Row = dict[str, Any]
Answers = Callable[[Iterable[Any]], Iterator[Any]]


def predict(
    run: Path,
    file: str = "-",
    /,
    *,
    lines: Switch = False,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    beams: int | None = None,
    length_penalty: float = 0.0,
    allowed: Path | None = None,
    device: str = "cpu",
    debug: Switch = False,
) -> int:
    """Answer for each sequence: its class, the class of each of its steps, numbers, or a text; with probabilities.

    JSON lines come out: each object as it came in, with its answer.

    Parameters
    ----------
    run
        A run directory that `unrolled train --task classify`, `tag`, `regress`, `caption` or `translate` made.
    file
        JSON lines, each an object with the column that the model was trained to read; a table (.csv, .tsv, .conllu,
        .npz) or a folder with that column; - for JSON lines from standard input.
    lines
        Each line is a text; for a tagger its words stand between spaces.
    temperature
        Of a text that is written: 0 always takes the most probable symbol, above 0 symbols are drawn.
    top_k
        Draw among the k most probable symbols only.
    top_p
        Draw among the most probable symbols that together have probability p.
    seed
        The same seed draws the same texts; without it each call draws others.
    beams
        Search for the most probable text with so many hypotheses at a time.
    length_penalty
        The larger, the better for long texts in that search.
    allowed
        A file with a text on each line: one of these is written.
    device
        cpu, cuda, ...
    debug
        Show tracebacks.
    """
    from unrolled.answering.translator import TASKS
    from unrolled.checkpoint import RunDirectory

    directory = RunDirectory.open(run)
    options: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed, "beams": beams}
    options |= {"length_penalty": length_penalty, "allowed": allowed}
    if directory.task in TASKS:
        model, answer = _translator(run, device, options)
    else:
        model, answer = _answerer(run, device, options)
    column = directory.read("config")["train"]["input"]
    rows = list(_rows(from_user(file), column, lines, model.reading))
    values = [model.reading.accept(row[column]) for row in rows]
    for row, own in zip(rows, answer(values), strict=True):
        print(json_format.dumps({**row, **own.to_dict()}, ensure_ascii=False), flush=True)
    return OK


def _answerer(run: Path, device: str, options: dict[str, Any]) -> tuple[Any, Answers]:
    from unrolled.answering import load_answerer

    for name, value in options.items():
        if value not in (None, 0.0):
            raise ConfigurationError(
                f"--{name.replace('_', '-')} says how a text is written, and {run} answers with classes or numbers; "
                "leave it out"
            )
    model = load_answerer(run, device)
    return model, model.answers


def _translator(run: Path, device: str, options: dict[str, Any]) -> tuple[Any, Answers]:
    from unrolled.answering import load_translator
    from unrolled.cli.lines import read_lines
    from unrolled.generation import Sampler

    draws = {name: options[name] for name in ("temperature", "top_k", "top_p", "seed")}
    if options["beams"] is not None and any(value not in (None, 0.0) for value in draws.values()):
        raise ConfigurationError("--beams searches for the most probable text, and draws none: leave one of them out")
    if options["length_penalty"] and options["beams"] is None:
        raise ConfigurationError("--length-penalty is a part of --beams; give both")
    seed = draws.pop("seed")
    if draws["temperature"] == 0 and any(value is not None for value in (seed, draws["top_k"], draws["top_p"])):
        raise ConfigurationError(
            "a text is drawn at a temperature above 0; give --temperature 1, or leave such flags out"
        )
    model = load_translator(run, device)
    file = options["allowed"]
    allowed = None if file is None else model.allowed(read_lines(str(file), "--allowed"))
    if options["beams"] is not None:
        how = (options["beams"], options["length_penalty"], allowed)
        return model, lambda values: (model.best(value, *how)[0] for value in values)
    if draws["temperature"] and seed is None:
        seed = secrets.randbelow(2**32)
        print(f"seed {seed}", file=sys.stderr)
    return model, lambda values: model.answers(values, Sampler(**draws), seed or 0, allowed)


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
