"""``unrolled jacobian``."""

from __future__ import annotations

from typing import Literal

from unrolled.cli import OK
from unrolled.cli.equations import read_recurrence
from unrolled.cli.options import Switch, read_numbers, read_values
from unrolled.cli.output import show


def jacobian(
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
    """Derive a sequence with respect to another at the step before, in terms of the sequences at both steps.

    Parameters
    ----------
    equations
        Equations, a library cell, a file, or - for standard input.
    of
        What to derive: h_t, or a numbered step.
    wrt
        With respect to what: h_{t-1}, or an earlier numbered step.
    form
        matrix, or scalar for the case of one unit.
    initial
        First states, such as h=0; without it they stay symbols.
    values
        Also calculate: W=0.5,h_t=0.1,... or a JSON file.
    latex
        Write LaTeX.
    json
        Write one JSON object.
    debug
        Show tracebacks.
    """
    found = read_recurrence(equations).jacobian(of, wrt, form, read_numbers(initial, "--initial"))
    show(found, latex=latex, json=json, value=found.evaluate(read_values(values)) if values else None)
    return OK
