"""``unrolled check``."""

from __future__ import annotations

import sys
from typing import Literal

from unrolled.cli import NOT_MET, OK, USAGE, from_user
from unrolled.cli.equations import read_recurrence
from unrolled.cli.options import Switch, read_numbers
from unrolled.cli.output import show
from unrolled.errors import ConfigurationError


def check(
    *equations_and_claim: str,
    initial: str | None = None,
    form: Literal["matrix", "scalar"] | None = None,
    latex: Switch = False,
    json: Switch = False,
    debug: Switch = False,
) -> int:
    """Mark an answer: an expansion, a derivative, or the rows of a tape.

    The exit code is 0 where the claim is right, 3 where it is wrong, 2 where it cannot be read.

    Parameters
    ----------
    equations_and_claim
        Equations, a library cell, or a file, and after them the claim, such as "y_2 = softmax(V h_2)"; several lines
        of a claim are separated by ; and either may be - for standard input.
    initial
        First states, such as h=0; without it they stay symbols.
    form
        matrix or scalar: how formulas are meant; without it either is accepted.
    latex
        Write LaTeX.
    json
        Write one JSON object.
    debug
        Show tracebacks.
    """
    *equations, claim = map(from_user, equations_and_claim or ("",))
    if not equations:
        raise ConfigurationError(
            "A claim needs equations before it: "
            "unrolled check 'h_t = tanh(U x_t + W h_{t-1})' 'h_1 = tanh(U x_1 + W h_0)'."
        )
    text = sys.stdin.read() if claim == "-" else claim
    verdict = read_recurrence(equations).check(text, read_numbers(initial, "--initial"), form)
    show(verdict, latex=latex, json=json)
    if verdict.kind == "unreadable":
        return USAGE
    return OK if verdict.correct else NOT_MET
