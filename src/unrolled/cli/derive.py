"""``unrolled derive``."""

from __future__ import annotations

from typing import Literal

from unrolled.cli import NOT_MET, OK
from unrolled.cli.equations import read_recurrence
from unrolled.cli.options import Switch, read_numbers, read_values
from unrolled.cli.output import show


def derive(
    *equations: str,
    of: str,
    wrt: str,
    form: Literal["matrix", "scalar"] = "matrix",
    initial: str | None = None,
    values: str | None = None,
    latex: Switch = False,
    json: Switch = False,
    debug: Switch = False,
) -> int:
    """Derive a sequence with respect to a parameter: closed form, forward recursion, backward recursion.

    Parameters
    ----------
    equations
        Equations, a library cell, a file, or - for standard input.
    of
        What to derive: h_2 for the closed form too, h_t for the recursions.
    wrt
        With respect to what: a parameter, or an input or state at a step.
    form
        matrix, or scalar for the case of one unit.
    initial
        First states, such as h=0; without it they stay symbols.
    values
        Also calculate, at a numbered step: U=0.5,x_0=1,... or a JSON file.
    latex
        Write LaTeX.
    json
        Write one JSON object.
    debug
        Show tracebacks.
    """
    found = read_recurrence(equations).derive(of, wrt, form, read_numbers(initial, "--initial"))
    show(found, latex=latex, json=json, value=found.evaluate(read_values(values)) if values else None)
    return OK if found.verified else NOT_MET
