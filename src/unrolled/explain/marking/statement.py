"""One claim about a sequence or a derivative: is it right, in which reading, and if not, where does it go wrong?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from unrolled.calculus.scalar import scalarise
from unrolled.equations.expression import Expression, Time, number, symbol, symbols, walk
from unrolled.equations.notation import Plain
from unrolled.explain.expression import LARGEST_FORMULA, written_size
from unrolled.explain.latex import latex
from unrolled.explain.marking.alignment import Alignment
from unrolled.explain.marking.expected import Truth, parts
from unrolled.explain.marking.readings import Evaluation, Reading, Value, agreement, transposed
from unrolled.explain.marking.repair import FUNCTION, LEAF, REMOVED, REPLACED, SIGN, Repair, Repairs, Stock
from unrolled.explain.marking.terms import Term
from unrolled.explain.marking.verdict import Counterexample, Kind, Verdict

Form = Literal["matrix", "scalar"]
_MATRIX_SIGNS = frozenset(("transpose", "diag", "kron", "identity"))
VISIBLE = 1e-3
_NORMALISING = frozenset(("softmax", "layernorm", "concat"))


@dataclass
class Statement:
    """``left = root`` in the claim ``text``, judged against ``truth``.

    ``place`` is where the left side stands; ``rows`` are the values of rows where the claim is a line of a tape.
    """

    text: Plain
    left: Expression
    place: Term
    root: Term
    truth: Truth
    form: Form | None
    matrix_signs: bool
    rows: Mapping[Expression, Value] = field(default_factory=dict)

    # ── which reading makes it right ─────────────────────────────────────────────────────────────────────────

    def verdict(self) -> Verdict:
        """The mark."""
        unknown = next((term for term in self.root.walk() if term.op == "unknown"), None)
        if self.left in self.root.leaves():
            return self._nothing_said()
        if unknown is None:
            kind = self._kind()
            if kind is not None:
                return self._right(kind)
        return self._wrong(unknown)

    def _kind(self) -> Kind | None:
        if self.form == "scalar":
            return "right" if self._scalar_right() else None
        if self._holds(self.evaluation(Reading()), self.target(False)):
            return "right"
        if self._transposed_right():
            return "right up to transposition"
        if self.form is None and self._as_numbers():
            return "right up to scalar reading"
        return None

    def _as_numbers(self) -> bool:
        """Is it right where all are numbers? A claim that shows matrices, by ^T, diag, ⊗ or I, means matrices."""
        if self.matrix_signs or not self.truth.has_scalar_form:
            return False
        if self.left.op == "symbol" and not self._is_row:  # the order of factors counts: x W is no way to write W x
            return self._holds(self.evaluation(Reading(starred=True)), self.target(False))
        return self._scalar_right()

    @property
    def _is_row(self) -> bool:
        return self.left.data[0].startswith("w̄") if self.left.op == "symbol" else False

    def _scalar_right(self) -> bool:
        return self.truth.has_scalar_form and self._holds(self.evaluation(Reading(scalar=True)), self.target(True))

    def _transposed_right(self) -> bool:
        """Is it right with rows for columns, or the derivative in the layout of its transpose?"""
        target = self.target(False)
        return bool(target.rank) and self._holds(self._with_rows(), transposed(target))

    def _with_rows(self) -> Evaluation:
        """The claim with rows for columns; one about a derivative only with derivatives in the transposed layout."""
        derivative = self.left.op == "partial"
        symbols = {
            leaf: transposed(value) if leaf.op == "partial" or (value.rank == 1 and not derivative) else value
            for leaf, value in self._symbols(False).items()
        }
        return Evaluation(self.root, Reading(), symbols, self.truth.draws(False).dimensions)

    def _holds(self, evaluation: Evaluation, target: Value) -> bool:
        return evaluation.settle(lambda value: bool(agreement(value, target)))

    # ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────

    def evaluation(self, reading: Reading) -> Evaluation:
        """The claim on all draws."""
        dimensions = self.truth.draws(reading.scalar).dimensions
        return Evaluation(self.root, reading, self._symbols(reading.scalar), dimensions)

    def _symbols(self, scalar: bool) -> dict[Expression, Value]:
        """The value of each leaf of the claim (those for which there is one)."""
        known = self.known(scalar)
        return {leaf: known[at] for leaf in self.root.leaves() if (at := self.truth.at(leaf)) in known}

    def known(self, scalar: bool) -> dict[Expression, Value]:
        """All symbols and the derivatives that the claim speaks of."""
        if scalar not in self._known:
            partials = self.truth.partials(scalar, [self.truth.at(self.left)])
            self._known[scalar] = {**self.truth.draws(scalar).symbols(), **partials, **self._rows(scalar)}
        return self._known[scalar]

    def _rows(self, scalar: bool) -> Mapping[Expression, Value]:
        """The rows of a tape, where this is a line of one, in the reading of the tape."""
        return self.rows if self.form == ("scalar" if scalar else "matrix") else {}

    @cached_property
    def _known(self) -> dict[bool, dict[Expression, Value]]:
        return {}

    def target(self, scalar: bool) -> Value:
        """The true value of the left side."""
        return self.known(scalar)[self.truth.at(self.left)]

    # ── what is said ─────────────────────────────────────────────────────────────────────────────────────────

    def _right(self, kind: Kind) -> Verdict:
        held = {
            "right up to scalar reading": "where every name is a number; between matrices and vectors",
            "right up to transposition": "with rows for columns; with column vectors",
        }.get(kind)
        equation = self._equation(False)
        return Verdict(self.text.source, kind, f"It holds {held} it is {equation}." if held and equation else "")

    def _nothing_said(self) -> Verdict:
        place = next(term for term in self.root.walk() if term.op == "leaf" and term.data is self.left)
        message = f"{self.left} stands on both sides, so that nothing is said about it."
        return self._marked(message, place, None, None)

    @cached_property
    def expected(self) -> Expression:
        """The true right-hand side in terms of what the claim uses."""
        return self.truth.expression(self.left)

    def _solution(self, scalar: bool) -> Expression:
        return self.truth.shown(scalarise(self.expected) if scalar else self.expected)

    def _equation(self, scalar: bool) -> str | None:
        """The equation as it should be; None where it would fill a page."""
        solution = self._solution(scalar)
        return None if written_size(solution) > LARGEST_FORMULA // 10 else f"{self.left} = {solution}"

    def _thinks_scalar(self) -> bool:
        """Is the claim one about numbers? It cannot be one about matrices, and shows none."""
        if self.form is not None:
            return self.form == "scalar"
        if self.matrix_signs or not self.truth.has_scalar_form or (self.left.op == "symbol" and not self._is_row):
            return False
        evaluation, target = self.evaluation(Reading()), self.target(False)
        return evaluation.clash is not None or evaluation.values[self.root].shape not in (target.shape, ())

    def _wrong(self, unknown: Term | None) -> Verdict:
        other = self._true_of_another()
        if other is not None and unknown is None:
            message = f"The right side is {other}, not {self.left}."
            return self._marked(message, self.place, str(other), self._counterexample())
        evaluation = self.evaluation(Reading(scalar=self._thinks_scalar()))
        repair = self._repair(evaluation)
        message, place, expected = self._explained(evaluation, repair)
        if unknown is not None:
            message = unknown.data if repair is None or repair.term is not unknown else f"{unknown.data} {message}"
            place = unknown
        elif self.form == "matrix" and self._scalar_right():
            message = f"This holds for one unit only, where every name is a number. {message}"
        else:
            message += self._about_first_states()
        return self._marked(message, place, expected, self._counterexample())

    def _true_of_another(self) -> Expression | None:
        """The derivative with respect to another parameter that the right side is, if any."""
        if self.left.op != "partial" or self.left.args[1].data[1] is not None:
            return None
        scalar = self._thinks_scalar()
        for name in self.truth.system.parameters:
            wrt = symbol(name)
            left = Expression("partial", (self.left.args[0], wrt))
            at = self.truth.at(left)
            if wrt is self.left.args[1] or not np.any(self.truth.partials(scalar, [at])[at].array):
                continue
            if Statement(self.text, left, self.place, self.root, self.truth, self.form, self.matrix_signs)._kind():
                return left
        return None

    def _repair(self, evaluation: Evaluation) -> Repair | None:
        """The smallest change, with columns or, where these do not fit, with rows."""
        scalar = evaluation.reading.scalar
        target, stock = self.target(scalar), self._stock(scalar)
        found = [self._smallest(evaluation, target, stock)]
        if evaluation.clash is not None and target.rank == 1:
            found.append(self._smallest(self._with_rows(), transposed(target), stock.transposed()))
        return min((repair for repair in found if repair is not None), key=lambda repair: repair.cost, default=None)

    def _smallest(self, evaluation: Evaluation, target: Value, stock: Stock) -> Repair | None:
        open_sizes = [term for term in self.root.walk() if term.op == "identity" and term not in evaluation.sizes]
        found = [Repairs(evaluation, target, stock).best()]
        for size in evaluation.dimensions if open_sizes and not evaluation.reading.scalar else ():
            evaluation.choose(evaluation.sizes | dict.fromkeys(open_sizes, size))
            found.append(Repairs(evaluation, target, stock).best())
        return min((repair for repair in found if repair is not None), key=lambda repair: repair.cost, default=None)

    def _stock(self, scalar: bool) -> Stock:
        """All that an answer may consist of: parts of the expected forms, every name, small numbers."""
        frame, left = self.truth.draws(scalar), self.truth.at(self.left)
        known = self.known(scalar) | self.truth.partials(scalar, self._derivatives_before())
        pieces = parts([self.expected, *self._unrolled()], scalar, self.truth.system)
        values = {node: value for node, value in frame.values(pieces, known).items() if node is not left}
        numbers = {number(value): Value(np.full(1, float(value)), 0) for value in (0, 1, 2, 3, -1, 0.5)}
        leaves = {node: value for node, value in known.items() if node is not left} | numbers
        shown = {str(self.truth.shown(node)): value for node, value in (values | leaves).items()}
        return Stock.of(shown, (str(self.truth.shown(node)) for node in leaves), len(frame.draws))

    def _derivatives_before(self) -> list[Expression]:
        """The derivatives that a recursion for the left side may speak of."""
        if self.left.op != "partial":
            return []
        of, wrt = self.truth.at(self.left).args
        steps = [of.data[1].offset, of.data[1].offset - 1]
        return [
            Expression("partial", (symbol(name, Time("", step)), wrt))
            for name in self.truth.system.definitions
            for step in steps
            if step >= 0
        ]

    def _unrolled(self) -> list[Expression]:
        """The sequences in the claim, each step written out, where that is short."""
        leaf = self.truth.at(self.left)
        leaf = leaf if leaf.op == "symbol" else leaf.args[0]
        if leaf.data[1] is None or leaf.data[1].offset < 0:
            return []
        found = [self.truth.unrolling.equation(name, k) for k in range(leaf.data[1].offset + 1)
                 for name in self.truth.system.definitions]  # fmt: skip
        whole = self.truth.unrolling(leaf.data[0], leaf.data[1].offset)
        return [*found, whole] if sum(1 for _ in walk([whole])) < 300 else found

    def _explained(self, evaluation: Evaluation, repair: Repair | None) -> tuple[str, Term, str | None]:
        clash = "" if evaluation.clash is None or evaluation.clash[0].op == "unknown" else evaluation.clash[1]
        place, node = self._aligned(evaluation)
        inner = place is not self.root and (repair is None or place.length < repair.term.length)
        if repair is not None and not (repair.kind == REPLACED and (inner or repair.term is self.root)):
            message = described(repair, self.text.quote(repair.term.start, repair.term.end))
            return f"{message} {clash}".rstrip(), repair.term, repair.expected
        if clash and evaluation.clash is not None and (not inner or self.form == "matrix"):
            return clash, evaluation.clash[0], None
        shown = str(self.truth.shown(node))
        return f"Here {shown if len(shown) < 200 else 'something else'} is expected. {clash}".rstrip(), place, shown

    def _aligned(self, evaluation: Evaluation) -> tuple[Term, Expression]:
        """The first place where the claim, as a tree, parts from the expected expression."""
        scalar = evaluation.reading.scalar
        frame, known = self.truth.draws(scalar), self.known(scalar)
        known = known | self.truth.partials(scalar, [node for node in walk([self.expected]) if node.op == "partial"])
        alignment = Alignment(evaluation, lambda nodes: frame.values(nodes, known))
        return alignment.locate(self.root, frame.plain(self.expected))

    def _about_first_states(self) -> str:
        """Would the claim be right if the first states were 0?"""
        first = [name for name in self.truth.system.states if symbol(name, Time("", -1)) in symbols([self.expected])]
        if not first:
            return ""
        zero = Truth(self.truth.system, {**self.truth.initial, **dict.fromkeys(first, 0)}, self.truth.leaves)
        other = Statement(self.text, self.left, self.place, self.root, zero, self.form, self.matrix_signs)
        if other._kind() is None:
            return ""
        setting = ", ".join(f'"{name}": 0' for name in first)
        return f" It is right where the first state is 0, which must be said: initial={{{setting}}}."

    def _counterexample(self) -> Counterexample | None:
        left = self.truth.at(self.left)
        of = left if left.op == "symbol" else left.args[0]
        normalising = any(
            node.op in _NORMALISING for node in walk([self.truth.unrolling(of.data[0], of.data[1].offset)])
        )
        one_unit = self.truth.has_scalar_form and self.form != "matrix" and not normalising
        for scalar in (True, False) if one_unit else (False,):
            value = self.evaluation(Reading(scalar=scalar)).values.get(self.root)
            target = self.target(scalar)
            if value is None or value.shape != target.shape:
                continue
            found = counterexample(value, target, self._leaves(scalar))
            if found is not None:
                return found
        return None

    def _leaves(self, scalar: bool) -> dict[Expression, Value]:
        """The numbers for all that stands in the claim or in the solution."""
        known = self.known(scalar)
        used = [*self.root.leaves(), *symbols([self.truth.shown(self.expected)])]
        return {leaf: known[self.truth.at(leaf)] for leaf in used if self.truth.at(leaf) in known}

    def _marked(
        self, message: str, place: Term, expected: str | None, counterexample: Counterexample | None
    ) -> Verdict:
        scalar = self._thinks_scalar() or self.form == "scalar"
        equation = self._equation(scalar)
        set_in_latex = f"{latex(self.left)} = {latex(self._solution(scalar))}" if equation else None
        span = self.text.span(place.start, place.end)
        return Verdict(self.text.source, "wrong", message, span, expected, equation, set_in_latex, counterexample)


def counterexample(value: Value, target: Value, leaves: Mapping[Expression, Value]) -> Counterexample | None:
    """A draw on which ``value`` is visibly not ``target``, if any; ``leaves`` are the numbers that go in."""
    if value.shape != target.shape:
        return None
    for i in range(len(target.array)):
        claimed, right = _draw(value, i), target.array[i]
        if np.max(np.abs(claimed - right)) > VISIBLE * max(VISIBLE, float(np.max(np.abs(right)))):
            numbers = {str(leaf): np.round(_draw(own, i), 6).tolist() for leaf, own in leaves.items()}
            return Counterexample(numbers, claimed.tolist(), right.tolist())
    return None


def _draw(value: Value, i: int) -> Any:
    return value.array[min(i, len(value.array) - 1)]


def described(repair: Repair, quoted: str) -> str:
    """A repair in words."""
    if repair.missing:
        return f"{(repair.expected or '')[:1].upper()}{(repair.expected or '')[1:]} is missing here."
    if repair.kind == REMOVED:
        return f"{quoted} is too much: without it the claim is right."
    if repair.kind == SIGN:
        order = f"{quoted} stands in the wrong order: a matrix is written before what it multiplies."
        return {
            "the other sign": f"The sign of {quoted} is wrong.",
            "the transpose": f"{quoted} must be transposed.",
            "no transpose": f"{quoted} must not be transposed.",
        }.get(repair.expected or "", order)
    if repair.kind == FUNCTION and "exponent" in (repair.expected or ""):
        return f"{quoted} takes {repair.expected} here."
    if repair.kind == FUNCTION:
        return f"{quoted} stands here; right is {repair.expected}."
    if repair.kind == LEAF:
        return f"{quoted} stands here; right is {repair.expected}."
    return f"Instead of {quoted} here {repair.expected} is expected."


def shows_matrices(roots: list[Term]) -> bool:
    """Does a claim show that it speaks of matrices, by ^T, diag, ⊗ or I?"""
    return any(term.op in _MATRIX_SIGNS for root in roots for term in root.walk())
