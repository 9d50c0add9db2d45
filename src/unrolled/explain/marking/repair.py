"""Where a wrong claim goes wrong: the smallest change that would make the whole of it right.

Every part of the claim is changed in turn, in the ways in which people err: another name or number, another function or
exponent, a sign, a transpose, a factor or a term too many or missing; or the part is replaced by a part of the true
expression. A change that makes the whole claim equal to the truth on all draws marks the place, however the claim was
rewritten before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from unrolled.equations.operations import ELEMENTWISE
from unrolled.explain.marking.readings import (
    Array,
    Evaluation,
    MismatchError,
    Reading,
    Value,
    add,
    agreement,
    multiply,
    transposed,
)
from unrolled.explain.marking.terms import Term

# which change is the better explanation where several make the claim right at places of one size
LEAF, SIGN, FUNCTION, REMOVED, INSERTED, REPLACED = range(6)
_FUNCTIONS = (*(n for n, e in ELEMENTWISE.items() if e.arity == 1 and e.spellings and not e.constants), "softmax")
FACTOR = "the factor "
_EXPONENTS = (1.0, 2.0, 3.0, 4.0, -1.0, 0.5)


@dataclass(frozen=True)
class Repair:
    """A change that makes the claim right: at ``term``, to ``expected`` (None: it should not be there).

    ``missing`` says that ``expected`` is missing from ``term`` rather than standing for it.
    """

    kind: int
    term: Term
    expected: str | None
    missing: bool = False

    @property
    def cost(self) -> tuple[int, int, int, int]:
        """A change of one name or sign first, then something missing, then any replacement; small changes first.

        Of two equal terms the later one stands beside its sign.
        """
        place = self.term.length, -self.term.start
        if self.missing:
            return self.kind, len((self.expected or "").removeprefix(FACTOR)), *place
        return max(self.kind, REMOVED), self.term.length, self.kind, -self.term.start


@dataclass
class Stock:
    """What an answer may consist of, on all draws, by shape."""

    groups: list[tuple[list[str], Value]]
    leaves: frozenset[str]

    @classmethod
    def of(cls, values: Mapping[str, Value], leaves: Iterable[str], draws: int) -> Stock:
        """Without doubles: of equal values the shortest name stays."""
        groups: dict[tuple[int, ...], dict[bytes, tuple[str, Array]]] = {}
        for name, value in values.items():
            array = np.broadcast_to(value.array, (draws, *value.shape))
            if not np.all(np.isfinite(array)):
                continue
            group = groups.setdefault(value.shape, {})
            key = np.round(array, 9).tobytes()
            if key not in group or len(name) < len(group[key][0]):
                group[key] = name, array
        stacked = [
            ([name for name, _ in group.values()], Value(np.stack([array for _, array in group.values()]), len(shape)))
            for shape, group in groups.items()
        ]
        return cls(stacked, frozenset(leaves))

    def transposed(self) -> Stock:
        """The same with rows for columns."""
        return Stock([(names, transposed(v) if v.rank == 1 else v) for names, v in self.groups], self.leaves)


@dataclass
class Repairs:
    """The search for a change of ``root`` that gives it the value ``target``."""

    evaluation: Evaluation
    target: Value
    stock: Stock
    root: Term = field(init=False)
    reading: Reading = field(init=False)
    parents: dict[Term, Term] = field(init=False)

    def __post_init__(self) -> None:
        self.root, self.reading = self.evaluation.root, self.evaluation.reading
        self.parents = {argument: term for term in self.root.walk() for argument in term.args}

    def best(self) -> Repair | None:
        """The smallest change that makes the claim right."""
        found = [repair for term in self.root.walk() for repair in self._at(term)]
        # with what is missing, a place should become something that stands in the true expression
        complete = {repair.term for repair in found if repair.kind in (LEAF, REPLACED)}
        return min(found, key=lambda r: (r.cost[0], r.missing and r.term not in complete, r.cost), default=None)

    def _at(self, term: Term) -> Iterator[Repair]:
        own = self.evaluation.values.get(term)
        if own is not None:
            yield from self._single(term, self._changes(term, own))
        elif term.op in ("product", "sum", "transpose"):
            yield from self._single(term, self._parts_left(term))
        for names, values in self.stock.groups:
            for i in np.flatnonzero(self._right(term, values)):
                yield Repair(LEAF if self._alike(term, names[i]) else REPLACED, term, names[i])
        yield from self._missing_factors(term)
        if own is not None:
            yield from self._missing_terms(term, own)

    def _alike(self, term: Term, expected: str) -> bool:
        """Is it a slip to write ``term`` for ``expected``: a name for a name, a derivative for a derivative?"""
        derivative = term.op == "leaf" and term.data.op == "partial"
        single = term.op in ("leaf", "number", "unknown") and expected in self.stock.leaves
        return single and (expected.startswith("∂") == derivative or term.op == "unknown")

    def _single(self, term: Term, changes: Iterable[tuple[int, Term, str | None, Value]]) -> Iterator[Repair]:
        for kind, place, expected, value in changes:
            if self._right(term, Value(value.array[None], value.rank)).any():
                yield Repair(kind, place, expected)

    def _right(self, term: Term, values: Value) -> Array:
        """For each of ``values`` (before the draws): is the claim right with it in the place of ``term``?"""
        while term is not self.root:
            parent = self.parents[term]
            args = [values if a is term else self.evaluation.values.get(a) for a in parent.args]
            if any(argument is None for argument in args):
                return np.zeros(1, bool)
            try:
                values = self.reading.apply(parent, [argument for argument in args if argument is not None])
            except MismatchError:
                return np.zeros(1, bool)
            term = parent
        return np.atleast_1d(agreement(values, self.target))

    # ── changes of one part ──────────────────────────────────────────────────────────────────────────────────

    def _changes(self, term: Term, own: Value) -> Iterator[tuple[int, Term, str | None, Value]]:
        """(kind, place, what is expected there, the value with the change)."""
        parent = self.parents.get(term)
        if parent is None or parent.op in ("call", "diag", "concat"):
            yield SIGN, term, "the other sign", Value(-own.array, own.rank)
        if not self.reading.scalar and own.rank and "transpose" not in (term.op, parent.op if parent else ""):
            yield SIGN, term, "the transpose", transposed(own)
        yield from self._powers(term, own)
        yield from self._functions(term)
        yield from self._parts_left(term)

    def _powers(self, term: Term, own: Value) -> Iterator[tuple[int, Term, str | None, Value]]:
        base = self.evaluation.values.get(term.args[0]) if term.op == "power" else own
        if base is None:
            return
        for exponent in _EXPONENTS:
            try:
                raised = self.reading.apply(Term("power", (), exponent, 0, 0), [base])
            except MismatchError:
                continue
            if term.op == "power" or exponent == 2:
                yield FUNCTION, term, "no exponent" if exponent == 1 else f"the exponent {exponent:g}", raised

    def _functions(self, term: Term) -> Iterator[tuple[int, Term, str | None, Value]]:
        if term.op != "call" or len(term.args) != 1 or term.args[0] not in self.evaluation.values:
            return
        argument = self.evaluation.values[term.args[0]]
        yield FUNCTION, term, "its argument alone", argument
        for name in _FUNCTIONS:
            try:
                value = self.reading.call(name, [argument])
            except MismatchError:
                continue
            spelling = ELEMENTWISE[name].spellings[0] if name in ELEMENTWISE else name
            yield FUNCTION, term, f"{spelling}(…)", value

    def _parts_left(self, term: Term) -> Iterator[tuple[int, Term, str | None, Value]]:
        """Without one of its terms or factors, with one sign turned, or without the transposition."""
        values = [self.evaluation.values.get(argument) for argument in term.args]
        if any(value is None for value in values):
            return
        args = [value for value in values if value is not None]
        if term.op == "transpose":
            yield SIGN, term, "no transpose", args[0]
        if term.op in ("sum", "product") and len(args) > 1:
            for i, place in enumerate(term.args):
                signs = term.data[:i] + term.data[i + 1 :] if term.op == "sum" else None
                yield from self._applied(REMOVED, place, None, Term(term.op, (), signs, 0, 0), args[:i] + args[i + 1 :])
        if term.op == "product" and not self.reading.scalar:
            for i, place in enumerate(term.args[1:]):
                swapped = [*args[:i], args[i + 1], args[i], *args[i + 2 :]]
                yield from self._applied(SIGN, place, "the factors in the other order", term, swapped)
        if term.op == "sum":
            for i, place in enumerate(term.args):
                turned = tuple(("-" if s == "+" else "+") if i == j else s for j, s in enumerate(term.data))
                yield from self._applied(SIGN, place, "the other sign", Term("sum", (), turned, 0, 0), args)
        if term.op in ("times", "divide"):
            yield REMOVED, term.args[1], None, args[0]
        if term.op == "times":
            yield REMOVED, term.args[0], None, args[1]

    def _applied(
        self, kind: int, place: Term, expected: str | None, form: Term, args: list[Value]
    ) -> Iterator[tuple[int, Term, str | None, Value]]:
        try:
            yield kind, place, expected, self.reading.apply(form, args)
        except MismatchError:
            return

    # ── what is missing ──────────────────────────────────────────────────────────────────────────────────────

    def _missing_terms(self, term: Term, own: Value) -> Iterator[Repair]:
        parent = self.parents.get(term)
        if parent is not None and parent.op == "sum":
            return
        for names, values in self.stock.groups:
            for sign in (1, -1):
                try:
                    total = add(own, Value(sign * values.array, values.rank))
                except MismatchError:
                    continue
                for i in np.flatnonzero(self._right(term, total)):
                    yield Repair(INSERTED, term, f"{'+' if sign > 0 else '−'} {names[i]}", missing=True)

    def _missing_factors(self, term: Term) -> Iterator[Repair]:
        parent = self.parents.get(term)
        if parent is not None and parent.op == "product":
            return
        factors = term.args if term.op == "product" else (term,)
        values = [self.evaluation.values.get(factor) for factor in factors]
        if any(value is None for value in values):
            return
        known = [value for value in values if value is not None]
        places = range(1) if self.reading.scalar else range(len(known) + 1)
        for names, stock in self.stock.groups:
            for at in places:
                try:
                    whole = reduce(multiply, [*known[:at], stock, *known[at:]])
                except MismatchError:
                    continue
                for i in np.flatnonzero(self._right(term, whole)):
                    yield Repair(INSERTED, term, f"{FACTOR}{names[i]}", missing=True)
            if not self.reading.scalar and term in self.evaluation.values:
                yield from self._missing_elementwise(term, names, stock)

    def _missing_elementwise(self, term: Term, names: list[str], stock: Value) -> Iterator[Repair]:
        own = self.evaluation.values[term]
        if own.rank == 1 == stock.rank and own.shape == stock.shape:
            for i in np.flatnonzero(self._right(term, Value(own.array * stock.array, 1))):
                yield Repair(INSERTED, term, f"{FACTOR}{names[i]}", missing=True)
