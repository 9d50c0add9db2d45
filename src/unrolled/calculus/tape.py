"""The Wengert list: every leaf and every operation a numbered value, then its adjoint in reverse order.

Sources: Wengert 1964; Griewank & Walther 2008, ch. 3; Baydin et al. 2018, tables 2 and 3, whose layout this is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add

from unrolled.calculus.normalisation import written_out
from unrolled.calculus.reverse import measure, vjp
from unrolled.calculus.scalar import scalarise, scalars
from unrolled.calculus.shapes import Shape, shapes
from unrolled.calculus.tidy import tidy
from unrolled.equations.expression import Expression, number, substitute, symbol, walk
from unrolled.equations.operations import ELEMENTWISE


@dataclass(frozen=True)
class Row:
    """One line: ``formula`` in terms of earlier w_i (or a leaf), ``adjoint`` in terms of later ones.

    ``name`` is that of the sequence that it computes, such as h_0, if any. ``parts`` are the contributions of each use,
    as (the user's index, the rule, the contribution): a value that is used several times has several, and its adjoint
    is their sum. ``tangent`` is ẇ_i for forward mode: that of a leaf is 1 where it alone is asked for in scalars, else
    a symbol such as dU; None stands for 0.
    """

    index: int
    node: Expression
    formula: Expression
    name: str
    parts: tuple[tuple[int, str, Expression], ...]
    adjoint: Expression | None
    tangent: Expression | None

    @property
    def is_leaf(self) -> bool:
        return self.node.op in ("symbol", "number")


@dataclass
class Tape:
    """The list that computes ``target``.

    ``leaves`` gives the shapes of the symbols (not needed where all are ``scalar``), ``wrt`` the leaves whose adjoints
    are asked for (None: all), ``seed`` the adjoint of the target, ``named`` the values that have a name (h_0, …) in
    the order in which they are to be computed.
    """

    target: Expression
    scalar: bool
    leaves: Mapping[Expression, Shape] = field(default_factory=dict)
    wrt: frozenset[Expression] | None = None
    seed: Expression = field(default_factory=lambda: number(1))
    named: Mapping[Expression, str] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """Leaves first, then operations in the order in which they are computed."""
        target, named = self._prepared()
        needed = set(walk([target]))
        order = [node for node in walk([*(n for n in named if n in needed), target]) if node in needed]
        order = [n for n in order if n.op == "symbol"] + [n for n in order if n.args]
        index = {node: i for i, node in enumerate(order, 1)}
        sizes = self._sizes(target)
        names = {node: variable(i) for node, i in index.items()}
        self._named = {names.get(node, node): sizes[node] for node in needed}  # what has no row keeps its size too
        self._named |= {adjoint(i): sizes[node] for node, i in index.items()}
        active = self._active(order)
        received: dict[Expression, list[tuple[int, str, Expression]]] = {node: [] for node in order}
        for node in reversed(order):
            if node in active and (received[node] or node is target):
                self._pass_down(node, names, index, active, received)
        rows = []
        for node in order:
            parts = tuple(sorted(received[node], key=lambda part: part[0]))
            own = self.seed if node is target else reduce(add, (part for _, _, part in parts)) if parts else None
            formula = node if node.op == "symbol" else self._local(node, names)
            dot = self._tangent(node, names, index, active)
            rows.append(Row(index[node], node, formula, named.get(node, ""), parts, own, dot))
        return rows

    def _prepared(self) -> tuple[Expression, dict[Expression, str]]:
        """The target and the named values in terms of operations that have a rule."""
        plain = written_out([self.target, *self.named])
        form = scalars(plain.values()) if self.scalar else {node: node for node in plain.values()}
        return form[plain[self.target]], {form[plain[node]]: name for node, name in self.named.items()}

    def _sizes(self, target: Expression) -> dict[Expression, Shape]:
        if self.scalar:
            return dict.fromkeys(walk([target]), (1,))
        return shapes([target], self.leaves)

    def _active(self, order: list[Expression]) -> set[Expression]:
        """What depends on the leaves that the gradient is asked for."""
        active: set[Expression] = set()
        for node in order:
            wanted = node.op == "symbol" and (self.wrt is None or node in self.wrt)
            if wanted or any(argument in active for argument in node.args):
                active.add(node)
        return active

    def _local(self, node: Expression, names: Mapping[Expression, Expression]) -> Expression:
        return Expression(node.op, tuple(names.get(argument, argument) for argument in node.args), node.data)

    def _pass_down(
        self,
        node: Expression,
        names: Mapping[Expression, Expression],
        index: Mapping[Expression, int],
        active: set[Expression],
        received: dict[Expression, list[tuple[int, str, Expression]]],
    ) -> None:
        local = self._local(node, names)
        sizes = self._named
        sizes[local] = sizes[names[node]]
        for i, argument in enumerate(node.args):
            if argument not in active:
                continue
            part = vjp(local, i, adjoint(index[node]), sizes)
            if part is None:
                continue
            part = substitute(part, {local: names[node]})
            if self.scalar:
                part = scalarise(part)
            elif len(sizes[names[argument]]) == 1 and sizes[names[argument]] < measure(part, sizes):
                part = Expression("sum", (part,))  # a scalar that was repeated
            part = tidy(part)
            received[argument].append((index[node], rule(node), part))

    def _tangent(
        self,
        node: Expression,
        names: Mapping[Expression, Expression],
        index: Mapping[Expression, int],
        active: set[Expression],
    ) -> Expression | None:
        if node not in active:
            return None
        if node.op == "symbol":
            alone = self.scalar and self.wrt == frozenset((node,))
            return number(1) if alone else symbol("d" + node.data[0], node.data[1])
        local = self._local(node, names)
        if node.op == "concat":
            dots = {a: variable(index[a], "ẇ") for a in node.args if a in active}
            zero = {a: Expression("zeros", (), self._named[names.get(a, a)]) for a in node.args}
            return Expression("concat", tuple(dots.get(argument, zero[argument]) for argument in node.args))
        parts = []
        for i, argument in enumerate(node.args):
            if argument in active:
                part = _pushforward(local, i, variable(index[argument], "ẇ"))
                part = substitute(part, {local: names[node]})
                parts.append(scalarise(part) if self.scalar else part)
        return tidy(reduce(add, parts))


def variable(index: int, letter: str = "w") -> Expression:
    """w_i, or with another letter its tangent ẇ_i."""
    return symbol(f"{letter}_{index}")


def adjoint(index: int) -> Expression:
    """w̄_i."""
    return symbol(f"w̄_{index}")


def rule(node: Expression) -> str:
    """The name of the rule by which ``node`` hands its adjoint down."""
    names = {
        "add": "sum", "sub": "difference", "neg": "sign", "mul": "product", "scale": "product", "matmul": "product",
        "div": "quotient", "dot": "inner product", "concat": "concatenation", "transpose": "transpose",
        "sum": "sum of components", "mean": "mean of components", "max": "maximum", "min": "minimum",
        "softmax": "softmax′ = diag(y) − y yᵀ",
    }  # fmt: skip
    if node.op in names:
        return names[node.op]
    if node.op == "pow":
        return f"power: (aⁿ)′ = n aⁿ⁻¹ with n = {node.data[0]:g}"
    entry = ELEMENTWISE[node.op]
    result = symbol(entry.spellings[0])
    local = Expression(node.op, (symbol("a"),), node.data)
    (derivative,) = entry.derivative(local, *local.args)
    shown = str(scalarise(substitute(derivative, {local: result}))).replace("^2", "²").replace("-", "−")
    return f"{entry.spellings[0]}′ = {shown}"


def _pushforward(node: Expression, i: int, dot: Expression) -> Expression:
    """What the tangent ``dot`` of argument ``i`` contributes to that of ``node``."""
    if node.op in ELEMENTWISE:
        return dot * ELEMENTWISE[node.op].derivative(node, *node.args)[i]
    if node.op == "softmax":
        return node * (dot - Expression("dot", (node, dot)))
    # the others are linear in each argument
    args = tuple(dot if j == i else argument for j, argument in enumerate(node.args))
    return Expression(node.op, args, node.data)
