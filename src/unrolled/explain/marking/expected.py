"""What would be right: the true expression of what a claim is about, and the parts that an answer may consist of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from unrolled.calculus.derivative import ForwardMode
from unrolled.calculus.scalar import scalarise
from unrolled.calculus.shapes import SymbolicShape, symbolic_shape
from unrolled.calculus.tangent import diagonal, tangent
from unrolled.calculus.unroll import Unrolling
from unrolled.equations.expression import Expression, Time, number, substitute, symbol, walk
from unrolled.equations.system import System
from unrolled.explain.expression import LARGEST_FORMULA, written_size
from unrolled.explain.marking.draws import Draws, draws
from unrolled.explain.marking.readings import Value

_MOST_PARTS = 600
_WHOLE = frozenset(("matmul", "outer", "diag"))
_NO_SCALAR_FORM = frozenset(("concat", "layernorm"))


@dataclass
class Truth:
    """The network at the steps that a claim speaks of; ``leaves`` are all symbols and derivatives in the claim.

    A claim for every t is judged at a step far enough from the first; ``at(leaf)`` is a leaf there. ``ahead`` are steps
    beyond those of the leaves.
    """

    system: System
    initial: Mapping[str, float]
    leaves: tuple[Expression, ...]
    ahead: int = 0
    now: int = field(init=False)
    last: int = field(init=False)

    def __post_init__(self) -> None:
        offsets = [time.offset for time in self._times() if time.anchor]
        self.now = 2 + max((-offset for offset in offsets), default=0)
        steps = [time.offset if not time.anchor else self.now + time.offset for time in self._times()]
        self.last = max(steps, default=0) + self.ahead

    def _times(self) -> list[Time]:
        nodes = walk(self.leaves)
        return [node.data[1] for node in nodes if node.op == "symbol" and node.data[1] is not None]

    def at(self, node: Expression) -> Expression:
        """``node`` with every time as a number."""
        timed = {
            leaf: symbol(leaf.data[0], Time("", self.now + leaf.data[1].offset))
            for leaf in walk([node])
            if leaf.op == "symbol" and leaf.data[1] is not None and leaf.data[1].anchor
        }
        return substitute(node, timed)

    def shown(self, node: Expression) -> Expression:
        """``node`` as the claim would write it: relative to t where the claim is."""
        if not any(time.anchor for time in self._times()):
            return node
        timed = {
            leaf: symbol(leaf.data[0], Time("t", leaf.data[1].offset - self.now))
            for leaf in walk([node])
            if leaf.op == "symbol" and leaf.data[1] is not None and not leaf.data[1].anchor
        }
        return substitute(node, timed)

    @cached_property
    def has_scalar_form(self) -> bool:
        """Can all vectors be numbers? Not where they are joined or normalised."""
        nodes = walk(right for _, right in self.system.equations)
        return not any(node.op in _NO_SCALAR_FORM for node in nodes)

    @cached_property
    def numbered(self) -> frozenset[Expression]:
        """The leaves of the claim at numbered steps."""
        return frozenset(map(self.at, self.leaves))

    @cached_property
    def unrolling(self) -> Unrolling:
        """The equations at each step, nothing kept."""
        return Unrolling(self.system, self.initial)

    @cached_property
    def _draws(self) -> dict[bool, Draws]:
        return {}

    def draws(self, scalar: bool) -> Draws:
        """The network on random numbers."""
        if scalar not in self._draws:
            self._draws[scalar] = draws(self.system, self.unrolling, self.last, scalar)
        return self._draws[scalar]

    def expression(self, left: Expression) -> Expression:
        """The true expression of ``left`` in terms of what the claim uses."""
        left = self.at(left)
        return self._derivative(left) if left.op == "partial" else self._sequence(left)

    def _sequence(self, left: Expression) -> Expression:
        name, step = left.data[0], left.data[1].offset
        found = Unrolling(self.system, self.initial, self._kept(left))(name, step)
        if step >= 0 and written_size(found) > LARGEST_FORMULA:
            return self.unrolling.equation(name, step)
        return found

    def _kept(self, left: Expression) -> frozenset[tuple[str, int]]:
        """The sequences that stand in the claim, and for a claim about every t the states where it ends."""
        kept = {(node.data[0], node.data[1].offset) for node in self.numbered if node.op == "symbol" and node.data[1]}
        relative = [time.offset for time in self._times() if time.anchor]
        if relative:
            kept |= {(state, self.now + min(*relative, -1)) for state in self.system.states}
        return frozenset((name, step) for name, step in kept if symbol(name, Time("", step)) is not left)

    def _derivative(self, left: Expression) -> Expression:
        of, wrt = left.args
        kept = {node for node in self.numbered if node.op == "partial" and node.args[1] is wrt and node is not left}
        step = of.data[1].offset
        if any(time.anchor for time in self._times()) and wrt.data[1] is None:  # the recursion, not the whole history
            kept |= {Expression("partial", (symbol(name, Time("", step - 1)), wrt)) for name in self.system.definitions}
        return self._history(wrt, step, frozenset(kept)).get(of, number(0))

    def _history(
        self, wrt: Expression, last: int, kept: frozenset[Expression] = frozenset()
    ) -> dict[Expression, Expression]:
        """The derivative of each sequence at each step with respect to ``wrt``; those ``kept`` stay symbols."""
        mode = ForwardMode(self.system, wrt)
        found = {wrt: mode.seed()}
        for name in self.system.states:
            if self.unrolling.first(name) is wrt:
                found[symbol(name, Time("", -1))] = mode.seed()
        for step in range(last + 1):
            for name in self.system.in_order():
                result = symbol(name, Time("", step))
                if result is wrt:
                    continue
                right = self.unrolling.equation(name, step)
                derivative = tangent(right, found, mode.shape)
                if derivative is not None:
                    named = Expression("partial", (result, wrt))
                    if right.op not in ("symbol", "number"):
                        derivative = substitute(derivative, {right: result})
                    found[result] = named if named in kept else derivative
        return found

    def partials(self, scalar: bool, nodes: Iterable[Expression] = ()) -> dict[Expression, Value]:
        """The true values of the derivatives in the claim (and of ``nodes``), as columns over vec θ."""
        wanted = {node for node in (*self.numbered, *nodes) if node.op == "partial"}
        return {node: self._partial(node, scalar) for node in wanted}

    def _partial(self, node: Expression, scalar: bool) -> Value:
        of, wrt = node.args
        frame = self.draws(scalar)
        found = self._history(wrt, max(of.data[1].offset, 0)).get(of)
        rows, columns = (frame.shapes.get(leaf.data[0], ()) for leaf in (of, wrt))
        shape = () if scalar else _derivative_shape(rows, columns)
        if found is None:
            return Value(np.zeros((len(frame.draws), *shape)), len(shape))
        value = frame.values([found])[found]
        array = value.array
        if array[0].size != int(np.prod(shape)):
            array = np.broadcast_to(array.reshape(len(array), *[1] * len(shape)), (len(array), *shape))
        return Value(array.reshape(len(array), *shape), len(shape))


def _derivative_shape(rows: tuple[int, ...], columns: tuple[int, ...]) -> tuple[int, ...]:
    width = int(np.prod(columns))
    if not columns:
        return rows
    return (rows[0] if rows else 1, width)


def parts(roots: Iterable[Expression], scalar: bool, system: System) -> list[Expression]:
    """Every expression of which an answer may consist: the parts of the expected ones, with products expanded."""
    shape = symbolic_shape(system)
    found: dict[Expression, None] = {}
    options: dict[Expression, tuple[Expression, ...]] = {}
    for node in walk(scalarise(root) if scalar else root for root in roots):
        args = [options[argument] for argument in node.args]
        if node.op in _WHOLE:  # in W (k + v) the number k stands for a vector, and W k would be a matrix
            args = [_alike(argument, each, shape) for argument, each in zip(node.args, args, strict=True)]
        options[node] = tuple(dict.fromkeys(_options(node, args)))
        if len(options[node]) > _MOST_PARTS:
            options[node] = (node,)
        found |= dict.fromkeys(options[node])
    return list(found)


def _alike(
    whole: Expression, options: tuple[Expression, ...], shape: Callable[[Expression], SymbolicShape]
) -> tuple[Expression, ...]:
    """The options of a vector that are vectors themselves; all those of a number."""
    return tuple(each for each in options if shape(each)) if shape(whole) else options


def _options(node: Expression, args: list[tuple[Expression, ...]]) -> list[Expression]:
    """``node``, and the terms that it falls into when its products are expanded."""
    if node.op in ("add", "sub"):
        return [node, *args[0], *args[1]]
    if node.op == "neg":
        return [node, *args[0]]
    if node.op in ("mul", "scale", "matmul", "outer"):
        return [node, *(_simplified(node.op, left, right) for left in args[0] for right in args[1])]
    if node.op == "div":
        return [node, *(each / node.args[1] for each in args[0])]
    if node.op == "diag":
        return [node, *map(diagonal, args[0])]
    return [node]


def _simplified(op: str, left: Expression, right: Expression) -> Expression:
    if left.op == "number" and left.data[0] == 1:
        return right
    if right.op == "number" and right.data[0] == 1:
        return left
    return Expression(op, (left, right))
