"""``unrolled draw``."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unrolled.cli import OK, from_user
from unrolled.cli.equations import is_run, read_recurrence, trained
from unrolled.cli.options import Switch
from unrolled.errors import ConfigurationError, DataError


def draw(
    *equations: str,
    steps: str | None = None,
    folded: Switch = False,
    layers: int | None = None,
    bidirectional: Switch = False,
    topology: str | None = None,
    truncation: str | None = None,
    detail: Switch = False,
    each: Switch = False,
    elide: str | None = None,
    output: Annotated[str | None, Parameter(name=("--output", "-o"))] = None,
    json: Switch = False,
    debug: Switch = False,
) -> int:
    """Draw the graph of a recurrence, folded or unrolled in time.

    Parameters
    ----------
    equations
        Equations, a library cell, a file, a run directory, or - for standard input.
    steps
        Unroll this many steps; T draws x_0 x_1 ... x_T; 3,2 are those of an encoder and its decoder.
    folded
        The graph with its loops, which is also what is drawn without --steps.
    layers
        How many are stacked; by default 1, or as many as the run has.
    bidirectional
        A second recurrence runs backwards in time.
    topology
        one-to-one, one-to-many, many-to-one, many-to-many, many-to-many-shifted or encoder-decoder.
    truncation
        K1,K2: every K1 steps the gradient flows back through K2 steps; shows where it is cut.
    detail
        Every operation a node.
    each
        A node for each gate, where those that read the same share one otherwise.
    elide
        FIRST,LAST: the steps shown of a long unrolling, 2,1 beyond six steps; none shows all.
    output
        A file whose ending is the format (.svg, .tex, .png, .pdf, .json); without it SVG goes to stdout.
    json
        Write the scene as one JSON object to stdout.
    debug
        Show tracebacks.
    """
    drawing = read_recurrence(equations).draw(
        None if folded else _steps(steps, truncation is not None or topology is not None),
        layers=_layers(equations) if layers is None else layers,
        bidirectional=bidirectional,
        topology=topology,
        truncation=None if truncation is None else _pair(truncation, "--truncation"),
        detail=detail,
        grouped=not each,
        elide=False if elide == "none" else None if elide is None else _pair(elide, "--elide"),
    )
    if output is not None and from_user(output) != "-":
        try:
            drawing.save(Path(output))
        except OSError as error:
            raise DataError(f"{output} cannot be written: {error.strerror}") from None
    elif not json:
        sys.stdout.write(drawing.svg())
    if json:
        print(json_format.dumps(drawing.to_dict(), ensure_ascii=False))
    return OK


def _steps(text: str | None, unrolls: bool) -> int | str | tuple[int, int] | None:
    """What --steps means; without it three steps where the picture is about steps, and else the folded graph."""
    if text is None:
        return 3 if unrolls else None
    if text == "T":
        return text
    if "," in text:
        return _pair(text, "--steps")
    if not text.isdecimal():
        raise ConfigurationError(f"--steps is {text!r}; it must be a number, T, or two numbers such as 3,2")
    return int(text)


def _layers(equations: tuple[str, ...]) -> int:
    """How many layers a run has that is to be drawn; equations by themselves are one."""
    return int(trained(equations[0])["layers"]) if len(equations) == 1 and is_run(equations[0]) else 1


def _pair(text: str, flag: str) -> tuple[int, int]:
    numbers = text.split(",")
    if len(numbers) != 2 or not all(number.strip().isdecimal() for number in numbers):
        raise ConfigurationError(f"{flag} is {text!r}; it must be two numbers with a comma between, such as 4,2")
    return int(numbers[0]), int(numbers[1])
