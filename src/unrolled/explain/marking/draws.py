"""Random numbers on which a claim and the truth are compared: many draws, unsaturated, on both sides of every kink.

Where tanh saturates a wrong argument hardly changes its value, and where relu is 0 it changes nothing. Each draw
therefore keeps what goes into a saturating function inside ±1, and together the draws visit both sides of each kink.
Square matrices are near rotations, so that what happened many steps ago is not forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unrolled.calculus.evaluate import evaluate
from unrolled.calculus.scalar import scalarise
from unrolled.calculus.unroll import Unrolling
from unrolled.equations.expression import Expression, Time, symbol, walk
from unrolled.equations.sizes import Size, Unifier
from unrolled.equations.system import System
from unrolled.explain.marking.readings import Value

DRAWS, MOST_DRAWS, ATTEMPTS = 10, 16, 120
DIGITS = 2  # of the numbers drawn, so that a counterexample can be checked by hand
_SATURATING = frozenset(("tanh", "sigmoid", "softmax", "exp", "softplus"))
_KINKED = frozenset(("relu", "abs", "sign", "max", "min", "clip"))
_SCALES = (1.0, 0.7, 0.5, 0.3, 0.2, 2.0)
_OPAQUE = "sigmoid"  # what stands for a softmax of one unit: its derivative too is s (1 − s)
Draw = dict[Expression, Any]


@dataclass(frozen=True)
class Draws:
    """The network run on random numbers; ``draws`` hold every sequence at each step up to ``last``."""

    system: System
    unrolling: Unrolling
    last: int
    scalar: bool
    shapes: Mapping[str, tuple[int, ...]]
    given: Mapping[str, int]
    draws: tuple[Draw, ...]

    @property
    def dimensions(self) -> tuple[int, ...]:
        """The sizes that occur, largest last."""
        return tuple(sorted({size for shape in self.shapes.values() for size in shape})) or (1,)

    def values(
        self, nodes: Iterable[Expression], known: Mapping[Expression, Value] | None = None
    ) -> dict[Expression, Value]:
        """Expressions on all draws; ``known`` gives what the draws do not hold, such as derivatives."""
        wanted = {node: self.form(node) for node in nodes}
        given = known or {}
        rows = []
        for i, draw in enumerate(self.draws):
            extra = {node: value.array[min(i, len(value.array) - 1)] for node, value in given.items()}
            rows.append(evaluate(wanted.values(), draw | extra, self.size))
        return {node: self._together([row[i] for row in rows]) for i, node in enumerate(wanted)}

    def symbols(self) -> dict[Expression, Value]:
        """Every leaf, and every sequence at each step."""
        return {leaf: self._together([draw[leaf] for draw in self.draws]) for leaf in self.draws[0]}

    def form(self, node: Expression) -> Expression:
        """``node`` as it is computed in this reading."""
        return one_unit(node) if self.scalar else node

    def plain(self, node: Expression) -> Expression:
        """``node`` as a reader sees it in this reading."""
        return scalarise(node) if self.scalar else node

    def _together(self, arrays: list[Any]) -> Value:
        together = np.stack([np.asarray(array, float) for array in arrays])
        if self.scalar:
            return Value(together.reshape(len(arrays), -1)[:, 0], 0)
        return Value(together, together.ndim - 1)

    def size(self, size: Size) -> int:
        """A size in numbers."""
        return _resolved(self.given, size)


def one_unit(node: Expression) -> Expression:
    """``node`` with one unit everywhere; a softmax becomes the logistic function, which keeps its argument visible."""
    done: dict[Expression, Expression] = {}
    for each in walk([scalarise(node)]):
        op = _OPAQUE if each.op == "softmax" else each.op
        done[each] = Expression(op, tuple(done[argument] for argument in each.args), each.data)
    return done[scalarise(node)]


def _resolved(given: Mapping[str, int], size: Size) -> int:
    return Unifier({}, {name: Size(value) for name, value in given.items()}).resolve(size).constant


def example_sizes(system: System) -> dict[str, int]:
    """Sizes that are all different, so that a matrix that stands elsewhere, or a transpose that is missing, shows."""
    return {name: size for size, name in enumerate(reversed(system.free_sizes), 2)}


@dataclass(frozen=True)
class _Line:
    """One sequence at one step: how it is computed, and what goes into saturating functions and kinks on the way."""

    leaf: Expression
    right: Expression
    pressed: tuple[Expression, ...]
    kinks: tuple[tuple[Expression, float], ...]


def draws(system: System, unrolling: Unrolling, last: int, scalar: bool) -> Draws:
    """The network of ``unrolling`` on random numbers, up to step ``last``."""
    given = example_sizes(system)
    shapes = {} if scalar else system.resolve(given)
    empty = Draws(system, unrolling, last, scalar, shapes, given, ())
    lines = [_line(empty, name, step) for step in range(last + 1) for name in system.in_order()]
    unseen = {(kink, side) for line in lines for kink in line.kinks for side in (False, True)}
    random = np.random.default_rng(0)
    found: list[Draw] = []
    for attempt in range(ATTEMPTS):
        if len(found) >= (MOST_DRAWS if unseen else DRAWS):
            break
        # some with nothing negative, for roots and logarithms
        draw, pressed, seen = _draw(empty, lines, random, _SCALES[attempt % len(_SCALES)], attempt % 4 == 3)
        new = seen & unseen
        # the far side of a kink may lie beyond ±1, as that of clip(a, -1, 1)
        if (not pressed and (new or len(found) < DRAWS)) or (new and attempt > ATTEMPTS // 2):
            found.append(draw)
            unseen -= seen
    while len(found) < DRAWS:  # equations that press beyond ±1 on all numbers that are not tiny
        found.append(_draw(empty, lines, random, 0.1, True)[0])
    return Draws(system, unrolling, last, scalar, shapes, given, tuple(found))


def _line(frame: Draws, name: str, step: int) -> _Line:
    right = frame.form(frame.unrolling.equation(name, step))
    nodes = list(walk([right]))
    kinks = [
        (node.args[0] if len(node.args) == 1 else Expression("sub", node.args), edge)
        for node in nodes
        if node.op in _KINKED
        for edge in (node.data if node.op == "clip" else (0.0,))
    ]
    pressed = tuple(node.args[0] for node in nodes if node.op in _SATURATING)
    return _Line(symbol(name, Time("", step)), right, pressed, tuple(kinks))


def _draw(
    frame: Draws, lines: list[_Line], random: np.random.Generator, scale: float, positive: bool
) -> tuple[Draw, bool, set[tuple[tuple[Expression, float], bool]]]:
    """Random numbers, and the network on them; does it press a saturating function; which sides of kinks it visits."""
    system, draw = frame.system, {}  # type: System, Draw
    for name, value in system.constants:
        draw[symbol(name)] = value

    def fresh(name: str) -> Any:
        drawn = _numbers(random, frame.shapes.get(name, ()), scale)
        return np.abs(drawn) if positive else drawn

    for name in system.parameters:
        draw[symbol(name)] = fresh(name)
    for name in system.states:
        draw[symbol(name, Time("", -1))] = _first(frame, draw, name, fresh)
    for step in range(frame.last + 1):
        for name in system.inputs:
            draw[symbol(name, Time("", step))] = fresh(name)
    pressed, seen = False, set()  # type: bool, set[tuple[tuple[Expression, float], bool]]
    for line in lines:
        value, *rest = evaluate([line.right, *line.pressed, *(inside for inside, _ in line.kinks)], draw, frame.size)
        draw[line.leaf] = np.broadcast_to(value, frame.shapes.get(line.leaf.data[0], ()))
        pressed = pressed or any(np.max(np.abs(each)) > 1 for each in rest[: len(line.pressed)])
        pressed = pressed or not np.all(np.isfinite(value))
        for kink, each in zip(line.kinks, rest[len(line.pressed) :], strict=True):
            seen |= {(kink, bool(side)) for side in np.ravel(np.asarray(each) > kink[1])}
    return draw, pressed, seen


def _first(frame: Draws, draw: Draw, name: str, fresh: Callable[[str], Any]) -> Any:
    shape, first = frame.shapes.get(name, ()), frame.unrolling.first(name)
    if first.op == "number":
        return np.full(shape, first.data[0])
    if first in draw:
        return draw[first]
    given = dict(frame.system.initial).get(name)
    return fresh(name) if given is None else np.full(shape, given.data[0])


def _numbers(random: np.random.Generator, shape: tuple[int, ...], scale: float) -> Any:
    if len(shape) == 2 and shape[0] == shape[1]:
        return np.round(np.linalg.qr(random.normal(size=shape))[0] * random.uniform(0.9, 1.3), DIGITS)
    drawn = random.uniform(0.2, 1.2, shape) * random.choice([-1, 1], shape) * scale
    if len(shape) == 2:
        drawn = drawn / shape[1] ** 0.5
    return np.round(drawn + np.sign(drawn) * 10.0**-DIGITS, DIGITS)
