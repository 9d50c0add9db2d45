"""``unrolled tape``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from unrolled.cli import OK
from unrolled.cli.equations import read_recurrence
from unrolled.cli.options import Switch, pieces, read_array, read_numbers, read_sizes, read_values
from unrolled.cli.output import show
from unrolled.equations.system import System


def tape(
    *equations: str,
    of: str,
    wrt: str | None = None,
    mode: Literal["reverse", "forward"] = "reverse",
    values: str | None = None,
    sizes: str | None = None,
    seed: str | None = None,
    initial: str | None = None,
    output: Annotated[str | None, Parameter(name=("--output", "-o"))] = None,
    latex: Switch = False,
    json: Switch = False,
    debug: Switch = False,
) -> int:
    """List every value that a sequence at a step is computed from, and the adjoint of each (the Wengert list).

    Parameters
    ----------
    equations
        Equations, a library cell, a file, or - for standard input.
    of
        What to compute, such as h_1.
    wrt
        The leaves whose adjoints are asked for, such as U,x_0; without it all of them.
    mode
        reverse for adjoints, forward for tangents.
    values
        Also calculate: U=0.5,x_0=1,... or a JSON file; arrays ask for the tape in matrices.
    sizes
        The tape in matrices: x=3,h=2.
    seed
        The adjoint of the target, where that is a vector: 1,0.
    initial
        First states, such as h=0; without it they stay symbols.
    output
        Also draw the computation graph, each value and adjoint in its node, into a file (.svg, .tex, .png, .pdf).
    latex
        Write LaTeX.
    json
        Write one JSON object.
    debug
        Show tracebacks.
    """
    recurrence = read_recurrence(equations)
    given = read_values(values)
    found = recurrence.tape(
        of,
        None if wrt is None else tuple(pieces(wrt)),
        read_sizes(sizes) or _measured(recurrence.system, given),
        read_array(seed, "--seed"),
        read_numbers(initial, "--initial"),
        mode,
    )
    found = found.evaluate(given) if given else found
    if output is not None:
        found.draw().save(Path(output))
    show(found, latex=latex, json=json)
    return OK


def _measured(system: System, given: Mapping[str, Any]) -> dict[str, int] | None:
    """The sizes of the arrays, where there are any."""
    if not any(isinstance(value, list) for value in given.values()):
        return None
    from unrolled.explain.values import measured

    return measured(system, given)
