"""Unrolling in time: any sequence at any step as one expression of inputs, parameters and first states.

Steps are numbered from 0: h_0 is computed from x_0 and the first state h_{-1}.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field

from unrolled.equations.expression import BEFORE, NOW, Expression, Time, number, substitute, symbol, symbols, walk
from unrolled.equations.syntax import Name, read_name
from unrolled.equations.system import System
from unrolled.errors import TargetError

FIRST = -1
MAXIMUM_STEP = 100_000


@dataclass
class Unrolling:
    """The equations of ``system`` at each step.

    ``initial`` sets first states (a number); the others are what the equations set, or the symbol h_{-1}. ``keep`` are
    sequences at a step, such as ("h", 0), that stay symbols.
    """

    system: System
    initial: Mapping[str, float] = field(default_factory=dict)
    keep: frozenset[tuple[str, int]] = frozenset()
    _values: dict[tuple[str, int], Expression] = field(default_factory=dict)
    _done: int = 0

    def __post_init__(self) -> None:
        for name in self.initial:
            if name not in self.system.states:
                raise TargetError(
                    f"{name} has no first value: it is no state. The states are {_listed(self.system.states)}."
                )

    def __call__(self, name: str, step: int) -> Expression:
        """The expression of ``name`` at ``step``."""
        if step == FIRST:
            return self.first(name)
        while self._done <= step:
            self._advance(self._done)
            self._done += 1
        return self._values[name, step]

    def first(self, name: str) -> Expression:
        """The state ``name`` before the first step."""
        if name in self.initial:
            return number(self.initial[name])
        given = dict(self.system.initial).get(name)
        # a number other than 0 stays a symbol: it stands for a vector of equal numbers
        if given is None or (given.op == "number" and given.data[0] != 0):
            return symbol(name, Time("", FIRST))
        return given

    def equation(self, name: str, step: int) -> Expression:
        """The right-hand side of ``name`` at ``step``, in terms of the sequences at that step and the one before.

        A first state that is 0 has vanished from it; one that is a parameter stands in its place.
        """
        right = at_step(self.system.definitions[name], step)
        if step:
            return right
        first = {symbol(state, Time("", FIRST)): self.first(state) for state in self.system.states}
        return zeroless(substitute(right, first))

    def _advance(self, step: int) -> None:
        known: dict[Expression, Expression] = {}
        for name in self.system.inputs:
            known[symbol(name, NOW)] = symbol(name, Time("", step))
        for name in self.system.states:
            known[symbol(name, BEFORE)] = self._values[name, step - 1] if step else self.first(name)
        for name in self.system.in_order():
            value = zeroless(substitute(self.system.definitions[name], known), frozenset(known.values()))
            kept = (name, step) in self.keep
            self._values[name, step] = symbol(name, Time("", step)) if kept else value
            known[symbol(name, NOW)] = self._values[name, step]


def at_step(expression: Expression, step: int) -> Expression:
    """An equation at t as one at ``step``: x_t becomes x_2, h_{t-1} becomes h_1."""
    return shifted(expression, lambda time: Time("", step + time.offset))


def shift(expression: Expression, by: int) -> Expression:
    """An equation at t as one at t + ``by``."""
    return shifted(expression, lambda time: Time("t", time.offset + by))


def shifted(expression: Expression, move: Callable[[Time], Time]) -> Expression:
    """``expression`` with ``move`` applied to every time that is relative to t."""
    timed = [leaf for leaf in symbols([expression]) if leaf.data[1] is not None and leaf.data[1].anchor]
    return substitute(expression, {leaf: symbol(leaf.data[0], move(leaf.data[1])) for leaf in timed})


def zeroless(root: Expression, stop: Container[Expression] = ()) -> Expression:
    """``root`` without terms that are 0 because a first state is; nodes in ``stop`` are not looked into."""
    done: dict[Expression, Expression] = {}
    for node in walk([root], stop):
        if node in stop:
            done[node] = node
            continue
        args = tuple(done[argument] for argument in node.args)
        zero = [argument.op == "number" and argument.data[0] == 0 for argument in args]
        done[node] = _without_zero(Expression(node.op, args, node.data), zero)
    return done[root]


def _without_zero(node: Expression, zero: list[bool]) -> Expression:
    if not any(zero):
        return node
    if node.op in ("mul", "scale", "matmul", "dot") or (
        all(zero) and node.op in ("tanh", "relu", "neg", "abs", "sin", "sqrt", "add", "sub", "sum", "mean", "div")
    ):
        return number(0)
    if node.op == "add":
        return node.args[0] if zero[1] else node.args[1]
    if node.op == "sub":
        return node.args[0] if zero[1] else -node.args[1]
    if node.op == "div" and zero[0]:
        return number(0)
    return node


def parse_target(system: System, text: str, symbolic: bool = False) -> Name:
    """``y_2``, ``h_{-1}``, and with ``symbolic`` also ``h_t``: a sequence at a step.

    Raises:
        TargetError: there is no such sequence, or no such step; the message lists what there is.
    """
    try:
        name = read_name(text.strip().replace("₋", "-").translate(_SUBSCRIPTS))
    except (ValueError, AssertionError):
        raise TargetError(f"{text!r} is not a sequence at a step: write {_example(system)}.") from None
    defined = [each for each, _ in system.equations]
    if name.name not in defined:
        close = difflib.get_close_matches(name.name, defined, 1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise TargetError(f"No equation defines {name.name}; they define {_listed(defined)}.{hint}")
    time = name.time
    if time is None or (time.anchor and not symbolic):
        raise TargetError(f"{text} has no step number: write {_example(system)}.")
    if time.anchor and time.offset not in (0, -1):
        raise TargetError(f"{text} is not at t or t-1: write {name.name}_t.")
    if not time.anchor and (time.offset < FIRST or (time.offset == FIRST and name.name not in system.states)):
        raise TargetError(f"{text} is before the first step: steps are numbered from 0, and a first state is h_{{-1}}.")
    if time.offset > MAXIMUM_STEP:
        raise TargetError(f"Step {time.offset} is beyond {MAXIMUM_STEP}, as far as an unrolling goes.")
    return name


_SUBSCRIPTS = str.maketrans({**{c: str(i) for i, c in enumerate("₀₁₂₃₄₅₆₇₈₉")}, "ₜ": "t"})


def _example(system: System) -> str:
    return f"{system.equations[-1][0]}_2"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
