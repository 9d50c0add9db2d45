"""The rows of a tape in the student's own numbering: w_5 = U x_0, w̄_5 = w̄_8 (1 - w_8^2).

A forward row is right when what it computes from the rows before it occurs in the computation of the network; the row
of an adjoint is right when it is what the forward rows and the adjoints so far demand. An error is reported once, where
it was made: later rows may go on with it, or with what would have been right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from unrolled.calculus.scalar import scalarise
from unrolled.calculus.unroll import measured_zeros
from unrolled.equations.claims import BAR, DOT, Claim
from unrolled.equations.expression import Expression, Time, number, substitute, symbol, symbols, walk
from unrolled.equations.notation import Plain
from unrolled.equations.system import System
from unrolled.explain.latex import latex
from unrolled.explain.marking.adjoints import ForwardRows, Values, index_of, is_row, row, same, total
from unrolled.explain.marking.expected import Truth
from unrolled.explain.marking.readings import Evaluation, Reading, Value, agreement
from unrolled.explain.marking.repair import REPLACED, Repair, Repairs, Stock
from unrolled.explain.marking.statement import Form, Statement, counterexample, described
from unrolled.explain.marking.terms import Term
from unrolled.explain.marking.translation import expression_of
from unrolled.explain.marking.verdict import Verdict

LETTERS = ("w", "v")
_MOST_SUMMANDS = 6
Line = tuple[Term, Term]
Trial = tuple[Evaluation, Value, Expression]  # a row, its right value, and the formula of that


def row_letter(system: System, claims: Iterable[Claim]) -> str:
    """The letter of the rows, where a claim is a tape: w, or v where it is not a name of the equations."""
    for claim in claims:
        value = claim.left.value
        if claim.left.kind != "name" or value.time is None or value.time.anchor:
            continue
        letter = value.name.split("_")[0].rstrip(BAR + DOT)
        if letter in LETTERS and letter not in system.shapes:
            return str(letter)
    return ""


def tape_verdict(text: Plain, truth: Truth, form: Form | None, matrix_signs: bool, lines: list[Line]) -> Verdict:
    """The mark of a tape: in matrices where it shows them, else in the reading in which it is right."""
    if form is not None or matrix_signs or not truth.has_scalar_form:
        return together(Rows(text, truth, form == "scalar", lines).verdicts())
    as_matrices = together(Rows(text, truth, False, lines).verdicts())
    if as_matrices.kind == "right":
        return as_matrices
    as_numbers = together(Rows(text, truth, True, lines).verdicts())
    if not as_numbers.correct:
        return as_numbers
    message = "It holds where every name is a number, as in a worked exercise."
    return replace(as_numbers, kind="right up to scalar reading", message=message)


def together(verdicts: list[Verdict]) -> Verdict:
    """One verdict about several lines: the first wrong one, else the weakest reading."""
    wrong = [verdict for verdict in verdicts if not verdict.correct]
    if wrong:
        several = f" {len(wrong)} of {len(verdicts)} lines are wrong; this is the first." if len(wrong) > 1 else ""
        return replace(wrong[0], message=wrong[0].message + several)
    return next((verdict for verdict in verdicts if verdict.kind != "right"), verdicts[0])


@dataclass
class Rows:
    """The lines in one reading.

    ``mended`` are the forward rows with the right one in the place of each wrong one, ``written`` those of the student.
    """

    text: Plain
    truth: Truth
    scalar: bool
    lines: list[Line]
    mended: ForwardRows = field(init=False)
    written: ForwardRows = field(init=False)

    def __post_init__(self) -> None:
        self.frame = self.truth.draws(self.scalar)
        self.leaves = self.frame.symbols() | self.truth.partials(self.scalar)
        self.mended = ForwardRows(self.frame, self.scalar, self.leaves)
        self.written = ForwardRows(self.frame, self.scalar, self.leaves)
        self.computed = self.frame.values(dict.fromkeys(self._computed()))

    def verdicts(self) -> list[Verdict]:
        """The mark of each line."""
        excused = self._excused()
        return [self._mark(left, root, excused) for left, root in self.lines]

    def _mark(self, left: Term, root: Term, excused: set[Expression]) -> Verdict:
        unknown = self._unknown(root)
        if unknown is not None:
            return unknown
        if is_row(left.data):
            return self._forward(left.data, root, left.data in excused)
        if is_row(left.data, "w̄"):
            return self._adjoint(left.data, root)
        if is_row(left.data, "ẇ"):
            return self._tangent(left.data, root)
        return self._statement(left, root)

    # ── what occurs in the computation ───────────────────────────────────────────────────────────────────────

    def _computed(self) -> Iterator[Expression]:
        """Every value in the computation of every sequence, and what sums and products are made of on the way."""
        for step in range(self.truth.last + 1):
            for name in self.truth.system.in_order():
                equation = self.truth.unrolling.equation(name, step)
                right = measured_zeros([equation], self.frame.size)[equation]
                for node in walk([scalarise(right) if self.scalar else right]):
                    yield node
                    yield from _partial(node, "add", {"add"})
                    if self.scalar:
                        yield from _partial(node, "scale", {"scale", "mul", "matmul"})
                yield symbol(name, Time("", step))

    def _occurs(self, value: Value) -> bool:
        return any(same(value, each) for each in (*self.leaves.values(), *self.computed.values()))

    def _excused(self) -> set[Expression]:
        """Rows that compute something of the student's own, from which a later row makes something that occurs."""
        values: Values = {}
        needs: dict[Expression, set[Expression]] = {}
        for left, root in self.lines:
            if is_row(left.data) and left.data not in values:
                value = self._evaluation(root, values).values.get(root)
                if value is not None:
                    values[left.data] = value
                    needs[left.data] = {leaf for leaf in root.leaves() if is_row(leaf)}
        occurs = {name for name, value in values.items() if self._occurs(value)}
        excused: set[Expression] = set()
        stack = [name for each in occurs for name in needs[each]]
        while stack:
            name = stack.pop()
            if name in values and name not in occurs | excused:
                excused.add(name)
                stack += needs[name]
        return excused

    # ── forward rows ─────────────────────────────────────────────────────────────────────────────────────────

    def _forward(self, name: Expression, root: Term, excused: bool) -> Verdict:
        evaluation = self._evaluation(root, self.mended.values)
        value = evaluation.values.get(root)
        if name in self.mended.values:  # w_5 = tanh(w_4) = h_0: the second side
            return self._equal(evaluation, self.mended.values[name])
        found = None if value is not None and (excused or self._occurs(value)) else self._meant(evaluation)
        formula = self._formula(root, evaluation)
        if found is not None:
            repair, node = found
            right = self._in_rows(node)
            self._keep(name, root, self.computed[node], right, formula)
            return self._wrong(evaluation, repair, self.computed[node], name, right)
        if value is not None:
            self._keep(name, root, value, formula, formula)
            if excused or self._occurs(value):
                return self._right()
        return self._marked(root, self._clash(evaluation) or "This row computes nothing that the network computes.")

    def _keep(
        self, name: Expression, root: Term, value: Value, formula: Expression | None, own: Expression | None
    ) -> None:  # fmt: skip
        """Go on with the right row and, where the sizes are right, with the student's ``own``."""
        evaluation = self._evaluation(root, self.written.values)
        self.mended.keep(name, value, formula)
        if evaluation.settle(lambda written: written.shape == value.shape):
            self.written.keep(name, evaluation.values[root], own)
        else:
            self.written.keep(name, value, formula)

    def _formula(self, root: Term, evaluation: Evaluation) -> Expression | None:
        try:
            return self.truth.at(expression_of(root, evaluation.values, self.scalar))
        except (NotImplementedError, KeyError):
            return None

    def _meant(self, evaluation: Evaluation) -> tuple[Repair, Expression] | None:
        """What a wrong row was meant to compute: something that no row has yet, at the smallest change."""
        stock = self._stock({})
        best: tuple[Repair, Expression] | None = None
        for node, target in self.computed.items():
            if node.op in ("symbol", "number", "zeros") or any(
                same(target, value) for value in self.mended.values.values()
            ):
                continue
            repair = Repairs(evaluation, target, stock).best()
            if repair is None or (repair.kind == REPLACED and repair.term is evaluation.root):
                continue
            if best is None or repair.cost < best[0].cost:
                best = repair, node
        return best

    def _in_rows(self, node: Expression) -> Expression:
        """An expression with rows for what they compute."""
        known = {
            each: name
            for name, value in reversed(self.mended.values.items())
            for each in walk([node])
            if each is not node and each in self.computed and same(self.computed[each], value)
        }
        return substitute(node, known)

    # ── adjoint rows ─────────────────────────────────────────────────────────────────────────────────────────

    def _adjoint(self, name: Expression, root: Term) -> Verdict:
        index, part = index_of(name)
        if row(index) not in self.mended.values:
            return self._undefined(root, f"No row says what w_{index} is: write w_{index} = … first.")
        if self.mended.formulas and row(index) is self.mended.target:
            return self._seed(name, root)
        trials = [self._trial(rows, name, root, part) for rows in (self.mended, self.written)]
        right = [expected for evaluation, value, expected in trials if self._agrees(evaluation, value)]
        for rows, (evaluation, value, _) in zip((self.mended, self.written), trials, strict=True):
            own = evaluation.values.get(root)
            # what was written goes on in the student's own rows, what is right in the mended ones
            rows.adjoints[name] = value if rows is self.mended or own is None or own.shape != value.shape else own
        if right:
            return self._right()
        found = [(self._repair(evaluation, value, expected), value, expected) for evaluation, value, expected in trials]
        repair, value, expected = min(found, key=lambda each: (each[0] is None, each[0].cost if each[0] else ()))
        return self._wrong(trials[0][0], repair, value, name, expected)

    def _trial(self, rows: ForwardRows, name: Expression, root: Term, part: str) -> Trial:
        """The row, and what it should be, judged from ``rows``."""
        known = rows.all_adjoints()
        evaluation = self._evaluation(root, {**rows.values, **known})
        uses = rows.uses(row(index_of(name)[0]))
        if part:
            stem = name.data[0].partition("^")[0] + "^"
            others = [each for each in rows.adjoints if each.data[0].startswith(stem) and each is not name]
            taken = [rows.adjoints[each] for each in others]
            uses = [use for use in uses if not any(same(rows.value(use, known), value) for value in taken)] or uses
            uses = [use for use in uses if self._agrees(evaluation, rows.value(use, known))][:1] or uses[:1]
        return evaluation, rows.together(row(index_of(name)[0]), uses, known), total(uses)

    def _seed(self, name: Expression, root: Term) -> Verdict:
        """The adjoint of the target: 1, or a vector v."""
        value = self.mended.seed(row(index_of(name)[0]))
        evaluation = self._evaluation(root, {**self.mended.values, **self.mended.all_adjoints()})
        given = evaluation.values.get(root)
        self.mended.adjoints[name] = self.written.adjoints[name] = value
        if given is not None and (same(given, value) or (root.op == "number" and root.data == 1)):
            return self._right()
        if given is not None and given.shape == value.shape:  # an error that the student may go on with
            self.written.adjoints[name] = given
        return self._marked(root, "The adjoint of the target is 1, or a vector v where it is a vector.", "1")

    # ── tangent rows ─────────────────────────────────────────────────────────────────────────────────────────

    def _tangent(self, name: Expression, root: Term) -> Verdict:
        rows, own = self.mended, row(index_of(name)[0])
        if own not in rows.formulas or not self.scalar:
            return self._undefined(root, "Tangents are marked in the scalar form, after the forward rows.")
        evaluation = self._evaluation(root, {**rows.values, **rows.adjoints})
        used = [leaf for leaf in symbols([rows.formulas[own]]) if leaf in rows.formulas]
        if not used:  # a leaf: whoever asks chooses its tangent
            rows.adjoints[name] = evaluation.values.get(root, Value(np.zeros(1), 0))
            return self._right()
        parts = [rows.handed_back(own, row(index_of(leaf)[0], "dot"), leaf) for leaf in used]
        expected = total([part for part in parts if part is not None])
        for leaf in symbols([expected]):  # a leaf without a tangent of its own stands still
            if is_row(leaf, "ẇ"):
                rows.adjoints.setdefault(leaf, Value(np.zeros(1), 0))
        rows.adjoints[name] = rows.value(expected, rows.adjoints)
        return self._equal(evaluation, rows.adjoints[name], name, expected)

    # ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────

    def _evaluation(self, root: Term, rows: Values) -> Evaluation:
        known = {**self.leaves, **rows}
        leaves = {leaf: known[at] for leaf in root.leaves() if (at := self.truth.at(leaf)) in known}
        found = Evaluation(root, Reading(self.scalar), leaves, self.frame.dimensions)
        if len(found.options) > 1:
            found.settle(self._occurs)
        return found

    def _agrees(self, evaluation: Evaluation, target: Value) -> bool:
        return evaluation.settle(lambda value: bool(agreement(value, target)))

    def _repair(self, evaluation: Evaluation, target: Value, expected: Expression | None) -> Repair | None:
        known = self.mended.all_adjoints() if self.mended.formulas else {}
        repair = Repairs(evaluation, target, self._stock(known, expected)).best()
        return None if repair is not None and repair.kind == REPLACED and repair.term is evaluation.root else repair

    def _stock(self, known: Values, expected: Expression | None = None) -> Stock:
        """What a row may be made of: rows so far, other leaves, small numbers, parts of what is expected."""
        rows = {**self.mended.values, **known}
        others = {
            leaf: value for leaf, value in self.leaves.items() if not any(same(value, each) for each in rows.values())
        }
        numbers = {number(value): Value(np.full(1, float(value)), 0) for value in (0, 1, 2, -1)}
        leaves = {**rows, **others, **numbers}
        nodes = [] if expected is None else [n for n in walk([expected]) if n.op not in ("symbol", "number")]
        parts = self.frame.values(nodes, {**self.leaves, **rows, **self.mended.adjoints})
        shown = {str(node): value for node, value in (leaves | parts).items()}
        return Stock.of(shown, map(str, leaves), len(self.frame.draws))

    # ── what is said ─────────────────────────────────────────────────────────────────────────────────────────

    def _equal(
        self, evaluation: Evaluation, target: Value, name: Expression | None = None, expected: Expression | None = None
    ) -> Verdict:  # fmt: skip
        if self._agrees(evaluation, target):
            return self._right()
        return self._wrong(evaluation, self._repair(evaluation, target, expected), target, name, expected)

    def _wrong(
        self, evaluation: Evaluation, repair: Repair | None, target: Value, name: Expression | None,
        expected: Expression | None,
    ) -> Verdict:  # fmt: skip
        place, root = (evaluation.root if repair is None else repair.term), evaluation.root
        if repair is not None:
            message = described(repair, self.text.quote(place.start, place.end))
        else:
            right = "something else" if expected is None else str(expected)
            message = self._clash(evaluation) or f"Here {right} is expected."
        value = evaluation.values.get(root)
        example = counterexample(value, target, dict(evaluation.symbols)) if value is not None else None
        found = self._marked(place, message, None if repair is None else repair.expected, name, expected)
        return replace(found, counterexample=example)

    def _marked(
        self, place: Term, message: str, expected: str | None = None, name: Expression | None = None,
        right: Expression | None = None,
    ) -> Verdict:  # fmt: skip
        solution = None if name is None or right is None else f"{name} = {right}"
        set_in_latex = None if name is None or right is None else f"{latex(name)} = {latex(right)}"
        span = self.text.span(place.start, place.end)
        return Verdict(self.text.source, "wrong", message, span, expected, solution, set_in_latex)

    def _clash(self, evaluation: Evaluation) -> str:
        return evaluation.clash[1] if evaluation.clash else ""

    def _unknown(self, root: Term) -> Verdict | None:
        """A name that is not there, or a row that no row before defines."""
        for term in root.walk():
            if term.op == "unknown":
                return self._marked(term, term.data)
            if term.op == "leaf" and is_row(term.data) and term.data not in self.mended.values:
                return self._undefined(term, f"No row before this one says what {term.data} is.")
        return None

    def _undefined(self, term: Term, message: str) -> Verdict:
        if any(is_row(left.data) for left, _ in self.lines):
            return self._marked(term, message)
        message += " A tape is marked in its own numbering: give its forward rows, w_1 = U, w_2 = x_0, …, as well."
        return Verdict(self.text.source, "unreadable", message, self.text.span(term.start, term.end))

    def _statement(self, left: Term, root: Term) -> Verdict:
        """A line about a sequence or a derivative in terms of rows."""
        rows = {**self.mended.values, **(self.mended.all_adjoints() if self.mended.formulas else {})}
        form: Form = "scalar" if self.scalar else "matrix"
        return Statement(self.text, left.data, left, root, self.truth, form, not self.scalar, rows).verdict()

    def _right(self) -> Verdict:
        return Verdict(self.text.source, "right", "")


def _partial(node: Expression, op: str, chain: set[str]) -> Iterator[Expression]:
    """The sums (or products) of some of the terms of a chain of three or more."""
    terms = _flat(node, chain) if node.op in chain else []
    if 2 < len(terms) <= _MOST_SUMMANDS:
        for size in range(2, len(terms)):
            for chosen in combinations(terms, size):
                total = chosen[0]
                for each in chosen[1:]:
                    total = Expression(op, (total, each))
                yield total


def _flat(node: Expression, chain: set[str]) -> list[Expression]:
    return [t for a in node.args for t in _flat(a, chain)] if node.op in chain else [node]
