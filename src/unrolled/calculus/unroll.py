"""Unrolling in time: any sequence at any step as one expression of inputs, parameters and first states.

Steps are numbered from 0: h_0 is computed from x_0 and the first state h_{-1}.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from numbers import Real

from unrolled.calculus.shapes import SymbolicShape, symbolic_shape
from unrolled.equations.expression import (
    BEFORE,
    NOW,
    Expression,
    Time,
    is_number,
    number,
    rewritten,
    substitute,
    symbol,
    symbols,
    walk,
)
from unrolled.equations.notation import plain
from unrolled.equations.sizes import Size
from unrolled.equations.syntax import Name, read_name
from unrolled.equations.system import System
from unrolled.errors import TargetError

FIRST = -1
MAXIMUM_STEP = 100_000


@dataclass
class Unrolling:
    """The equations of ``system`` at each step.

    ``initial`` sets first states (a number), as if the equations did; the others are what these set, or the symbol
    h_{-1}. ``keep`` are sequences at a step, such as ("h", 0), that stay symbols.
    """

    system: System
    initial: Mapping[str, float] = field(default_factory=dict)
    keep: frozenset[tuple[str, int]] = frozenset()
    shape: Callable[[Expression], SymbolicShape] = field(init=False)
    _values: dict[tuple[str, int], Expression] = field(default_factory=dict)
    _done: int = 0

    def __post_init__(self) -> None:
        for name, value in self.initial.items():
            if name not in self.system.states:
                raise TargetError(
                    f"{name} has no first value: it is no state. The states are {_listed(self.system.states)}."
                )
            if not (isinstance(value, Real) and math.isfinite(value)):
                raise TargetError(f"The first value of {name} is {value!r}; a number is needed, such as 0 or 0.5.")
        given = {name: number(float(value)) for name, value in self.initial.items()}
        self.system = replace(self.system, initial=tuple((dict(self.system.initial) | given).items()))
        self.shape = symbolic_shape(self.system)

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
        given = dict(self.system.initial).get(name)
        # a number other than 0 stays a symbol: it stands for a vector of equal numbers
        if given is None or (given.op == "number" and given.data[0] != 0) or (name, FIRST) in self.keep:
            return symbol(name, Time("", FIRST))
        return given

    def equation(self, name: str, step: int) -> Expression:
        """The right-hand side of ``name`` at ``step``, in terms of the sequences at that step and the one before.

        A first state that is 0 has vanished from it; one that is a parameter stands in its place.
        """
        right = at_step(self.system.definitions[name], step)
        if not step:
            first = {symbol(state, Time("", FIRST)): self._previous(state, step) for state in self.system.states}
            right = zeroless(substitute(right, first), self.shape)
        return self._repeated(name, right)

    def _previous(self, state: str, step: int) -> Expression:
        """The state one step before ``step``; a vector of zeros knows its size."""
        value = self._values[state, step - 1] if step else self.first(state)
        return zero(self.system.shapes[state]) if is_number(value, 0) else value

    def _repeated(self, name: str, value: Expression) -> Expression:
        """``value``, a scalar that stands for a vector of equal numbers as one of the right size."""
        shape = self.system.shapes[name]
        return value if self.shape(value) or not shape else Expression("add", (value, zero(shape)))

    def _advance(self, step: int) -> None:
        known: dict[Expression, Expression] = {}
        for name in self.system.inputs:
            known[symbol(name, NOW)] = symbol(name, Time("", step))
        for name in self.system.states:
            known[symbol(name, BEFORE)] = self._previous(name, step)
        for name in self.system.in_order():
            value = zeroless(substitute(self.system.definitions[name], known), self.shape, frozenset(known.values()))
            value = self._repeated(name, value)
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


def zero(shape: SymbolicShape) -> Expression:
    """Zero as a number, or as a vector."""
    return Expression("zeros", (), shape) if shape else number(0)


def is_zero(node: Expression) -> bool:
    """Is this the number 0 or a vector of zeros?"""
    return node.op == "zeros" or is_number(node, 0)


def measured_zeros(roots: Iterable[Expression], size: Callable[[Size], int]) -> dict[Expression, Expression]:
    """Every node below ``roots`` with vectors of zeros whose size is a number."""
    roots = list(roots)
    zeros = {node: Expression("zeros", (), (size(node.data[0]),)) for node in walk(roots) if node.op == "zeros"}
    return rewritten(roots, zeros)


def zeroless(
    root: Expression, shape: Callable[[Expression], SymbolicShape], stop: Container[Expression] = ()
) -> Expression:
    """``root`` without terms that are 0 because a first state is; nodes in ``stop`` are not looked into."""
    done: dict[Expression, Expression] = {}
    for node in walk([root], stop):
        if node in stop:
            done[node] = node
            continue
        args = tuple(done[argument] for argument in node.args)
        done[node] = _without_zero(
            Expression(node.op, args, node.data), [is_zero(argument) for argument in args], shape
        )
    return done[root]


_ZERO_AT_ZERO = frozenset(
    ("tanh", "relu", "neg", "abs", "sin", "sqrt", "sign", "add", "sub", "sum", "mean", "layernorm")
)


def _without_zero(node: Expression, zeros: list[bool], shape: Callable[[Expression], SymbolicShape]) -> Expression:
    if not any(zeros):
        return node
    vanishes = node.op in ("mul", "scale", "matmul", "dot") or (node.op == "div" and zeros[0])
    if vanishes or (all(zeros) and node.op in _ZERO_AT_ZERO):
        return zero(shape(node))
    if node.op in ("add", "sub"):
        rest = node.args[1] if zeros[0] else node.args[0]
        if shape(rest) == shape(node):  # not where a scalar would lose the vector that it is added to
            return -rest if node.op == "sub" and zeros[0] else rest
    return node


def parse_target(system: System, text: str, symbolic: bool = False) -> Name:
    """``y_2``, ``h_{-1}``, and with ``symbolic`` also ``h_t``: a sequence at a step.

    Raises:
        TargetError: there is no such sequence, or no such step; the message lists what there is.
    """
    name = read_symbol(text, f"write {_example(system)}", system.shapes)
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


def read_symbol(text: str, hint: str = "write U, x_0 or h_{-1}", names: Iterable[str] = ()) -> Name:
    r"""A name, perhaps with a time, in any notation of the language; ``names`` are words that stay whole.

    Raises:
        TargetError: it is none; the message ends with ``hint``.

    >>> read_symbol("h₋₁") == read_symbol(r"\mathbf{h}_{-1}") == Name("h", Time("", -1))
    True
    """
    try:
        return read_name(plain(text, names).text.strip())
    except ValueError:  # what is no name, what is not of the language, nothing at all
        raise TargetError(f"{text!r} is no name here: {hint}.") from None


def _example(system: System) -> str:
    return f"{system.equations[-1][0]}_2"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
