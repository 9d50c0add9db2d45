"""``unrolled predict``."""

from __future__ import annotations

import json as json_format
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.cli import OK, from_user
from unrolled.cli.lines import numbered, read_allowed
from unrolled.cli.options import Switch
from unrolled.cli.output import json_line
from unrolled.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from unrolled.answering import Reading
    from unrolled.generation import Sampler

JSON_LINES = (".jsonl", ".ndjson")
Row = dict[str, Any]
Answers = Callable[[Iterable[Any]], Iterator[Any]]


def predict(
    run: Path,
    file: str = "-",
    /,
    *,
    lines: Switch = False,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    beams: int | None = None,
    length_penalty: float | None = None,
    allowed: str | None = None,
    device: str = "cpu",
    debug: Switch = False,
) -> int:
    """Answer for each sequence: its class, the class of each of its steps, numbers, or a text; with probabilities.

    JSON lines come out: each object as it came in, with its answer; where it has a column of that name already, the
    answer stands under predicted_NAME.

    Parameters
    ----------
    run
        A run directory that `unrolled train --task classify`, `tag`, `regress`, `caption` or `translate` made.
    file
        JSON lines, each an object with the column that the model was trained to read; a table (.csv, .tsv, .conllu,
        .npz) or a folder with that column; - for JSON lines from standard input.
    lines
        Each line is a text, also a blank one; for a tagger its words stand between spaces.
    temperature
        Draw the symbols of a text: below 1 safer, above 1 bolder. Without it always the most probable symbol is taken.
    top_k
        Draw among the k most probable symbols only.
    top_p
        Draw among the most probable symbols that together have probability p.
    seed
        The same seed draws the same texts; without it each call draws others.
    beams
        Search for the most probable text with so many hypotheses at a time.
    length_penalty
        With --beams: 0 compares probabilities; the larger, the better for long texts (0.6 is usual).
    allowed
        A file with the texts that may be written, one a line.
    device
        cpu, cuda, ...
    debug
        Show tracebacks.
    """
    from unrolled.answering.translator import TASKS
    from unrolled.checkpoint import RunDirectory
    from unrolled.training.kinds import input_of

    directory = RunDirectory.open(run)
    draws = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    search = {"beams": beams, "length_penalty": length_penalty}
    if directory.task in TASKS:
        model, answer = _translator(run, device, draws, search, allowed)
    else:
        model, answer = _answerer(run, device, {**draws, **search, "allowed": allowed})
    column = input_of(directory)
    rows = list(_rows(from_user(file), column, lines, model.reading))
    values = [model.reading.accept(row[column]) for row in rows]
    for row, own in zip(rows, answer(values), strict=True):
        print(json_line(_beside(row, own.to_dict())), flush=True)
    return OK


def _beside(row: Row, answer: Row) -> Row:
    """An object with its answer; what it brought along stays, such as a label to compare with."""
    return {**row, **{f"predicted_{name}" if name in row else name: value for name, value in answer.items()}}


def _answerer(run: Path, device: str, options: dict[str, Any]) -> tuple[Any, Answers]:
    from unrolled.answering import load_answerer

    model = load_answerer(run, device)
    for name, value in options.items():
        if value is not None:
            raise ConfigurationError(
                f"--{name.replace('_', '-')} says how a text is written, and {run} answers with classes or numbers; "
                "leave it out"
            )
    return model, model.answers


def _translator(
    run: Path, device: str, draws: dict[str, Any], search: dict[str, Any], allowed: str | None
) -> tuple[Any, Answers]:
    from unrolled.answering import load_translator

    _check(draws, search)
    model = load_translator(run, device)
    texts = None if allowed is None else model.allowed(read_allowed(allowed))
    if search["beams"] is not None:
        how = (search["beams"], search["length_penalty"] or 0.0, texts)
        return model, lambda values: (model.best(value, *how)[0] for value in values)
    return model, lambda values: model.answers(values, *_sampling(draws), texts)


def _check(draws: dict[str, Any], search: dict[str, Any]) -> None:
    given = [f"--{name.replace('_', '-')}" for name, value in draws.items() if value is not None]
    if search["beams"] is not None and given:
        raise ConfigurationError(
            f"--beams searches for the most probable text and draws nothing; leave out {' and '.join(given)}"
        )
    if search["length_penalty"] is not None and search["beams"] is None:
        raise ConfigurationError("--length-penalty compares the texts of a search; give --beams, such as --beams 4")
    if given and not draws["temperature"] and given != ["--temperature"]:
        raise ConfigurationError(f"{given[-1]} is about drawing; give a --temperature above 0 too, such as 1")


def _sampling(draws: dict[str, Any]) -> tuple[Sampler, int]:
    """How symbols are drawn, and the seed; without a temperature none is drawn."""
    from unrolled.generation import Sampler

    seed = draws["seed"]
    if draws["temperature"] and seed is None:
        seed = secrets.randbelow(2**32)
        print(f"seed {seed}", file=sys.stderr)
    return Sampler(draws["temperature"] or 0.0, draws["top_k"], draws["top_p"]), seed or 0


def _rows(file: str, column: str, lines: bool, reading: Reading) -> Iterator[Row]:
    """What is to be answered: objects whose ``column`` the model can read."""
    if lines or file == "-" or Path(file).suffix.lower() in JSON_LINES:
        for where, line in numbered(file):
            if lines:
                yield _checked({column: line}, where, column, reading)
            elif line.strip():
                yield _checked(_object(line, where), where, column, reading)
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


def _object(line: str, where: str) -> Any:
    try:
        return json_format.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is no JSON ({error}); if each line is a text, add --lines") from None


def _checked(row: Any, where: str, column: str, reading: Reading) -> Row:
    if not isinstance(row, dict) or column not in row or reading.accept(row[column]) is None:
        raise DataError(f'{where} is no object with a {reading.kind} under "{column}", which is what the model reads')
    return row
