"""``check``: a claim read, judged line by line, and marked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from unrolled.calculus.unroll import Unrolling
from unrolled.equations.claims import Claim, parse_claims
from unrolled.equations.expression import Expression
from unrolled.equations.printing import symbol_text
from unrolled.equations.system import System
from unrolled.errors import EquationError, TargetError
from unrolled.explain.marking.expected import Truth
from unrolled.explain.marking.rows import row_letter, tape_verdict, together
from unrolled.explain.marking.statement import Form, Statement, shows_matrices
from unrolled.explain.marking.terms import Reader, Term
from unrolled.explain.marking.verdict import Verdict

MAXIMUM_STEP = 500
Line = tuple[Term, Term]


def check(
    system: System, claim: str, initial: Mapping[str, float] | None = None, form: Form | None = None
) -> Verdict:  # fmt: skip
    """The mark of ``claim``: an expansion, a derivative, or the rows of a tape, one a line or separated by ``;``.

    ``initial`` sets first states; ``form`` says whether formulas are meant for matrices or for one unit (None: either).

    Raises:
        TargetError: the left side is nothing that these equations compute; the message lists what there is.
    """
    if form not in (None, "matrix", "scalar"):
        raise TargetError(f'form is {form!r}; it is "matrix", "scalar" or None.')
    initial = dict(initial or {})
    Unrolling(system, initial)  # refuses first values of what is no state
    try:
        text, claims = parse_claims(claim, _words(system), system.sequences)
        letter = row_letter(system, claims)
        reader = Reader(system, text, letter)
        targets = [_target(reader, each) for each in claims]
        lines = [(left, reader.term(right)) for left, each in zip(targets, claims, strict=True) for right in each.right]
    except EquationError as error:
        return _unreadable(claim, error)
    truth = Truth(system, initial, tuple(dict.fromkeys(_leaves(lines, system))), ahead=int(bool(letter)))
    if truth.last > MAXIMUM_STEP:
        raise TargetError(f"Step {truth.last} is beyond {MAXIMUM_STEP}, as far as claims are marked.")
    if form == "scalar" and not truth.has_scalar_form:
        raise TargetError("A concatenation or a layer normalisation has no scalar form. Ask for the matrix form.")
    signs = shows_matrices([root for _, root in lines])
    with np.errstate(all="ignore"):  # a wrong claim may divide by 0 or overflow; then it is not equal to the truth
        if letter:
            return tape_verdict(text, truth, form, signs, lines)
        verdicts = [Statement(text, left.data, left, root, truth, form, signs).verdict() for left, root in lines]
        return together(verdicts)


def _unreadable(claim: str, error: EquationError) -> Verdict:
    place = None if error.start is None else (error.start, error.end if error.end is not None else error.start + 1)
    return Verdict(claim, "unreadable", error.message, place)


def _words(system: System) -> set[str]:
    """The names of several letters."""
    names = {name.split("_")[0].rstrip("'0123456789") for name in system.shapes}
    return {name for name in names if len(name) > 1 and name.isalpha()}


def _leaves(lines: list[Line], system: System) -> list[Expression]:
    found = [leaf for left, root in lines for leaf in (left.data, *root.leaves())]
    return [leaf for leaf in found if leaf.op == "partial" or leaf.data[0] in system.shapes]


def _target(reader: Reader, claim: Claim) -> Term:
    """What a claim is about.

    Raises:
        TargetError: there is no such thing.
    """
    system, node = reader.system, claim.left
    term = reader.term(node)
    defined = ", ".join(name for name, _ in system.equations)
    if term.op == "unknown":
        raise TargetError(f"{term.data} A claim is about what the equations define ({defined}), or a derivative of it.")
    if term.op != "leaf":
        raise TargetError(f"A claim is about what the equations define, {defined}, or a derivative of it.")
    found: Expression = term.data
    if found.op == "symbol" and found.data[0] in reader.names and found.data[0] not in system.definitions:
        shown = symbol_text(*found.data)
        raise TargetError(f"{shown} is given, not computed. The equations define {defined}.")
    return term
