"""Equations given on the command line: as text, as the name of a library cell, in a file, on standard input."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unrolled.cli import from_user
from unrolled.equations.extension import with_readout
from unrolled.equations.library import CELLS, load
from unrolled.errors import ConfigurationError, DataError, EquationError
from unrolled.recurrence import Recurrence


def read_recurrence(arguments: Iterable[str]) -> Recurrence:
    """The recurrence that the arguments write together, each of them one or more lines of it.

    An argument is a library cell, ``-`` (standard input), a file, a run directory (the equations that it trained), or
    equations; they are tried in this order.

    Raises:
        ConfigurationError: there is no argument, or one is none of these.
        DataError: a file cannot be read.
        EquationError: the equations are none; the message names the file in which they stand.

    >>> read_recurrence(["elman"]).parameters
    ('U', 'W', 'V')
    >>> read_recurrence(["elman", "h_{-1} = 0"]) == read_recurrence(["h_t = tanh(U x_t + W h_{t-1})",
    ...                                                              "y_t = softmax(V h_t); h_{-1} = 0"])
    True
    """
    given = [from_user(argument) for argument in arguments]
    if not given:
        raise ConfigurationError(
            "There are no equations. Write them as an argument, 'h_t = tanh(U x_t + W h_{t-1})', or give the name of "
            f"a library cell ({', '.join(CELLS)}), a file that holds them, or - for standard input."
        )
    try:
        return Recurrence(*(_text(each) for each in given))
    except EquationError as error:
        if not (files := [each for each in given if each not in CELLS and _is_file(each)]):
            raise
        where = f"{', '.join(files)}: {error.message}"
        raise EquationError(where, error.source, error.start, error.end) from None


def _text(argument: str) -> str:
    if argument.strip() in CELLS:
        return CELLS[argument.strip()]
    if argument == "-":
        return _decoded(sys.stdin.buffer.read(), "standard input")
    if _is_file(argument):
        try:
            return _decoded(Path(argument).read_bytes(), argument)
        except OSError as error:
            raise DataError(f"{argument} cannot be read: {error.strerror}") from None
    if is_run(argument):
        return str(with_readout(load(trained(argument)["recurrence"])))
    if not set(argument) & set("=:;\n"):
        close = difflib.get_close_matches(argument, CELLS, 1)
        hint = f" Did you mean {close[0]}?" if close else f" The library cells are {', '.join(CELLS)}."
        raise ConfigurationError(
            f"{argument!r} is no equation (it has no =), no file, no run, and no library cell.{hint}"
        )
    return argument


def is_run(argument: str) -> bool:
    """Is this a directory that ``unrolled train`` made?"""
    return os.path.isfile(os.path.join(argument, "config.json"))


def trained(run: str) -> dict[str, Any]:
    """What the run says of its model: its equations (``recurrence``), its ``layers``, and more.

    Raises:
        CheckpointError: the run is damaged or from another version.
    """
    from unrolled.checkpoint.run import RunDirectory  # it loads what only runs need

    model: dict[str, Any] = RunDirectory.open(Path(run)).read("config")["model"]
    return model


def _is_file(argument: str) -> bool:
    return argument != "-" and os.path.isfile(argument)  # which is False where text is too long for a path


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is no UTF-8 text: byte {error.start} is {data[error.start]:#04x}") from None
