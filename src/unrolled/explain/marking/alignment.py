"""The first place where a claim and the true expression part, comparing them as trees.

Sums and products are flattened, and their terms matched by value, so that order does not count; the search goes down
into the pair that does not match. For claims with more than one mistake, in which no single change helps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from unrolled.equations.expression import Expression
from unrolled.explain.marking.readings import Evaluation, Value, agreement
from unrolled.explain.marking.terms import Term

Signed = tuple[int, Expression]
_PRODUCTS = frozenset(("matmul", "scale", "mul", "outer"))


@dataclass
class Alignment:
    """Compares the terms of ``evaluation`` with expressions whose values ``values`` gives."""

    evaluation: Evaluation
    values: Callable[[list[Expression]], Mapping[Expression, Value]]

    def locate(self, term: Term, node: Expression) -> tuple[Term, Expression]:
        """The smallest part of ``term`` that differs from its counterpart below ``node``, and this counterpart."""
        while True:
            step = self._descend(term, node)
            if step is None:
                return term, node
            term, node = step

    def _descend(self, term: Term, node: Expression) -> tuple[Term, Expression] | None:
        if term.op == "sum" and node.op in ("add", "sub", "neg"):
            return self._one_left(_terms(term), _summands(node))
        if term.op in ("product", "times") and node.op in _PRODUCTS:
            return self._one_left([(1, factor) for factor in _factors(term)], [(1, each) for each in _multiplied(node)])
        if term.op == "call" and node.op == term.data[0] and len(term.args) == len(node.args):
            return self._one_left([(1, each) for each in term.args], [(1, each) for each in node.args])
        same = (term.op == "transpose" and node.op == "transpose") or (term.op == "diag" and node.op == "diag")
        if same or (term.op == "power" and node.op == "pow" and node.data[0] == term.data):
            return term.args[0], node.args[0]
        return None

    def _one_left(
        self, claimed: list[tuple[int, Term]], expected: list[Signed]
    ) -> tuple[Term, Expression] | None:  # fmt: skip
        """The pair that remains when all equal ones are taken away; None where nothing remains on one side."""
        known = self.values([node for _, node in expected])
        open_terms, open_nodes = [], list(expected)
        for sign, term in claimed:
            match = next((pair for pair in open_nodes if self._equal(term, known[pair[1]], sign * pair[0])), None)
            if match is None:
                open_terms.append(term)
            else:
                open_nodes.remove(match)
        if not open_terms or not open_nodes:
            return None
        term = open_terms[0]
        alike = [node for _, node in open_nodes if _likeness(term, node)]
        return term, max(alike or [node for _, node in open_nodes], key=lambda node: _likeness(term, node))

    def _equal(self, term: Term, expected: Value, sign: int) -> bool:
        found = self.evaluation.values.get(term)
        return found is not None and bool(agreement(Value(sign * found.array, found.rank), expected))


def _terms(term: Term, sign: int = 1) -> list[tuple[int, Term]]:
    if term.op != "sum":
        return [(sign, term)]
    pairs = zip(term.args, term.data, strict=True)
    return [pair for argument, own in pairs for pair in _terms(argument, sign if own == "+" else -sign)]


def _factors(term: Term) -> list[Term]:
    return [f for a in term.args for f in _factors(a)] if term.op in ("product", "times") else [term]


def _summands(node: Expression, sign: int = 1) -> list[Signed]:
    if node.op == "add":
        return _summands(node.args[0], sign) + _summands(node.args[1], sign)
    if node.op == "sub":
        return _summands(node.args[0], sign) + _summands(node.args[1], -sign)
    return _summands(node.args[0], -sign) if node.op == "neg" else [(sign, node)]


def _multiplied(node: Expression) -> list[Expression]:
    return [f for a in node.args for f in _multiplied(a)] if node.op in _PRODUCTS else [node]


def _likeness(term: Term, node: Expression) -> int:
    """How much a term of the claim looks like an expression: by what it does, and by its letters."""
    names = {leaf.data[0] for leaf in term.leaves() if leaf.op == "symbol"}
    found, stack = set(), [node]
    while stack:
        each = stack.pop()
        stack += each.args
        if each.op == "symbol":
            found.add(each.data[0])
    same = {"sum": ("add", "sub"), "product": tuple(_PRODUCTS), "power": ("pow",), "leaf": ("symbol", "partial")}
    alike = node.op in same.get(term.op, (term.op,)) or (term.op == "call" and term.data[0] == node.op)
    return 10 * alike + len(names & found) - len(names ^ found)
