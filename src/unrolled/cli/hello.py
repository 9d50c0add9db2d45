"""``unrolled hello``."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from unrolled.cli import OK
from unrolled.cli.options import Switch

if TYPE_CHECKING:
    from unrolled.training.hello import Hello


def hello(
    word: str = "hello",
    /,
    *,
    hidden: int = 8,
    updates: int = 200,
    seed: int = 1,
    output: Annotated[str | None, Parameter(name=("--output", "-o"))] = None,
    json: Switch = False,
    debug: Switch = False,
) -> int:
    """Train the smallest network that writes, and watch it write one word.

    Parameters
    ----------
    word
        What it learns: its letters and an end are all that it knows.
    hidden
        Units of the state.
    updates
        Of the parameters.
    seed
        Of the first parameters and of the draws.
    output
        A file for the picture, whose ending is the format (.svg, .tex, .png, .pdf, .json).
    json
        Write one JSON object.
    debug
        Show tracebacks.
    """
    from unrolled.training.hello import hello as learn

    found = learn(word, hidden, updates, seed)
    if output is not None:
        from unrolled.explain.drawing.chances import chances

        columns = [(step.reads, step.probabilities, step.drawn) for step in found.steps]
        chances(columns, f"A network writes {found.written or 'nothing'}").save(output)
    if json:
        print(json_format.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _show(found)
    return OK


def _show(found: Hello) -> None:
    from unrolled.training.hello import EQUATIONS

    for equation in EQUATIONS.split("; "):
        print(f"  {equation}")
    print(f"\nIt learnt {found.word!r} in {found.updates} updates; it writes it with probability {found.learnt:.3f}.\n")
    symbols = list(found.steps[0].probabilities)
    print("step  reads " + "".join(f"{symbol:>8}" for symbol in symbols) + "   drawn")
    for t, step in enumerate(found.steps):
        chances = "".join(f"{step.probabilities[symbol]:8.3f}" for symbol in symbols)
        print(f"{t:4}  {step.reads:<6}{chances}   {step.drawn}")
    print(f"\nIt wrote {found.written!r}.")
    for i, j, apart in found.told_apart():
        reads, one, other = found.steps[i].reads, found.steps[i], found.steps[j]
        print(
            f"At steps {i} and {j} it reads {reads} both times; the states lie {apart:.0%} of the largest distance "
            f"apart: it expects {_expected(one.probabilities)}, and then {_expected(other.probabilities)}."
        )


def _expected(probabilities: Mapping[str, float]) -> str:
    return max(probabilities, key=probabilities.__getitem__)
