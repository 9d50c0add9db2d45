"""``unrolled expand``."""

from __future__ import annotations

from unrolled.cli import OK
from unrolled.cli.equations import read_recurrence
from unrolled.cli.options import Switch, read_numbers, read_values
from unrolled.cli.output import show


def expand(
    *equations: str,
    of: str,
    initial: str | None = None,
    named: Switch = False,
    values: str | None = None,
    latex: Switch = False,
    json: Switch = False,
    debug: Switch = False,
) -> int:
    """Write a sequence at a step in terms of inputs, parameters and first states.

    Parameters
    ----------
    equations
        Equations, a library cell, a file, or - for standard input.
    of
        What to write out, such as y_2.
    initial
        First states, such as h=0; without it they stay symbols.
    named
        Each sequence at each step is a line of its own.
    values
        Also calculate: U=0.5,x_0=1,... or a JSON file.
    latex
        Write LaTeX.
    json
        Write one JSON object.
    debug
        Show tracebacks.
    """
    found = read_recurrence(equations).expand(of, read_numbers(initial, "--initial"), named)
    show(found, latex=latex, json=json, value=found.evaluate(read_values(values)) if values else None)
    return OK
