"""The derivative of a sequence: closed form, forward recursion, backward recursion, each checked by a complex step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from unrolled.calculus.derivative import BackwardMode, ForwardMode, partial
from unrolled.calculus.evaluate import evaluate
from unrolled.calculus.scalar import scalarise
from unrolled.calculus.unroll import Unrolling, parse_target
from unrolled.equations.expression import BEFORE, NOW, Time, symbol, symbols, walk
from unrolled.equations.expression import Expression as Node
from unrolled.equations.printing import symbol_text
from unrolled.equations.syntax import Name, read_name
from unrolled.equations.system import System
from unrolled.errors import TargetError
from unrolled.explain.expression import LARGEST_FORMULA, Expression
from unrolled.explain.latex import latex
from unrolled.explain.result import Result, aligned
from unrolled.explain.values import bind
from unrolled.explain.verification import example_sizes, largest_error

Form = Literal["matrix", "scalar"]
Equation = tuple[Node, Node]


@dataclass(frozen=True, repr=False)
class Derivation(Result):
    """∂target/∂wrt.

    ``closed`` is the formula at a numbered step (None for symbolic t), in terms of the sequences at the steps before;
    ``forward`` the recursion that RTRL follows, one line per sequence that depends on wrt; ``backward`` the recursion
    of BPTT for L = Σ_t ℓ_t(target_t), ending with ∂L/∂wrt (empty where wrt is no parameter).
    """

    system: System
    target: Name
    wrt: Node
    form: Form
    closed: Expression | None
    forward: tuple[Equation, ...]
    backward: tuple[Equation, ...]
    unrolling: Unrolling

    def __str__(self) -> str:
        lines = []
        if self.closed is not None:
            lines += [f"{self._left()} = {self.closed}", ""]
        lines += ["Forward recursion (RTRL)", *(f"  {left} = {right}" for left, right in self.forward)]
        if self.backward:
            lines += ["", "Backward recursion (BPTT)", *(f"  {left} = {right}" for left, right in self.backward)]
        return "\n".join([*lines, "", self._verdict()])

    def _left(self) -> Node:
        return partial(symbol(self.target.name, self.target.time), self.wrt)

    def _verdict(self) -> str:
        return f"Verified by complex step: largest error {self.error:.1e} relative to the largest entry."

    def latex(self) -> str:
        """LaTeX, for mathematics mode with amsmath."""
        lines = [] if self.closed is None else [(latex(self._left()), latex(self.closed.node))]
        return aligned(lines + [(latex(left), latex(right)) for left, right in (*self.forward, *self.backward)])

    def to_dict(self) -> dict[str, Any]:
        """The formulas as JSON data, and the largest error of the verification."""
        return {
            "derivative": str(self._left()),
            "form": self.form,
            "closed": None if self.closed is None else str(self.closed),
            "forward": {str(left): str(right) for left, right in self.forward},
            "backward": {str(left): str(right) for left, right in self.backward},
            "latex": self.latex(),
            "error": self.error,
        }

    @cached_property
    def error(self) -> float:
        """The largest difference from a complex step, forward and backward, on random numbers."""
        return largest_error(self)

    @property
    def verified(self) -> bool:
        """Do the recursions agree with a complex step to 1e-9?"""
        return self.error < 1e-9

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The derivative at a numbered step as an array of shape (size of the target, *shape of wrt).

        ``values`` gives a value for each parameter, each input up to the step, and each first state that is not set.

        Raises:
            TargetError: the derivative is one for symbolic t, or a value is missing, unknown, or of the wrong shape.
        """
        if self.target.time is None or self.target.time.anchor:
            raise TargetError("Numbers need a numbered step: derive h_2 rather than h_t.")
        step = self.target.time.offset
        node = self.unrolling(self.target.name, step)
        closed = self.closed
        if closed is None:  # it does not depend on wrt
            closed = Expression(Node("number", (), (0.0,)), self.system)
        needed = [
            each for each in symbols([node, closed.node, self.wrt]) if each.data[0] not in self.system.definitions
        ]
        first = [symbol(name, Time("", -1)) for name in self.system.states]
        needed += [leaf for leaf in first if self.unrolling.first(leaf.data[0]) is leaf]
        scalar = self.form == "scalar"
        known, sizes = bind(self.system, values, dict.fromkeys(needed), scalar)
        for k in range(step + 1):
            for name in self.system.in_order():
                right = self.unrolling.equation(name, k)
                right = scalarise(right) if scalar else right
                if all(leaf in known for leaf in symbols([right])):
                    (known[symbol(name, Time("", k))],) = evaluate([right], known, sizes)
        (found,) = evaluate([closed.node], known, sizes)
        return (
            found
            if scalar
            else unvec(found, np.shape(known[symbol(self.target.name, Time("", step))]), np.shape(known[self.wrt]))
        )


def unvec(found: Any, target: tuple[int, ...], wrt: tuple[int, ...]) -> Any:
    """Derivatives with respect to vec θ (its columns below one another) as an array (size of target, *shape of θ)."""
    size, count = int(np.prod(target)), int(np.prod(wrt))
    found = np.broadcast_to(np.asarray(found), (size, count)) if np.ndim(found) == 0 else np.asarray(found)
    found = found.reshape(size, count)
    if len(wrt) == 2:
        found = found.reshape(size, wrt[1], wrt[0]).transpose(0, 2, 1)
    return found.reshape(*target, *wrt)


def derive(
    system: System, target: str, wrt: str, form: Form = "matrix", initial: Mapping[str, float] | None = None
) -> Derivation:
    """∂target/∂wrt, for a numbered step (h_2) or symbolic t (h_t).

    ``wrt`` is a parameter, or an input or state at a step; "scalar" is the one-unit case.

    Raises:
        TargetError: there is no such target or quantity; the message lists what there is.
    """
    name = parse_target(system, target, symbolic=True)
    leaf = _wrt(system, wrt)
    mode = ForwardMode(system, leaf)
    unrolling = Unrolling(system, initial or {})
    forward, backward = mode.recursion() if leaf.data[1] is None else [], []  # type: list[Equation], list[Equation]
    if leaf.data[1] is None:
        shapes = system.resolve(example_sizes(system))
        reverse = BackwardMode(system, name.name, shapes)
        gradient = reverse.gradient(leaf.data[0])
        if gradient is not None:
            backward = [*_flowing(reverse.recursion(), gradient), (partial(symbol("L"), leaf), gradient)]
    needed = _needed(forward, partial(symbol(name.name, NOW), leaf))
    forward = [line for line in forward if line[0] in needed]
    closed = _closed(mode, name, unrolling)
    if form == "scalar":
        _refuse_concatenation(system)
        forward = [(left, scalarise(right)) for left, right in forward]
        backward = [(left, scalarise(right)) for left, right in backward]
        closed = None if closed is None else scalarise(closed)
    shown = None if closed is None else Expression(closed, system, scalar=form == "scalar")
    return Derivation(system, name, leaf, form, shown, tuple(forward), tuple(backward), unrolling)


def jacobian(
    system: System, target: str, wrt: str, form: Form = "matrix", initial: Mapping[str, float] | None = None
) -> Expression:
    """∂h_t/∂h_{t-1} in terms of the sequences at t and t − 1, or between numbered steps (h_2 with respect to h_0).

    Raises:
        TargetError: there is no such target or state.

    >>> from unrolled.equations.library import load
    >>> print(jacobian(load("elman"), "h_t", "h_{t-1}"))
    diag(1 - h_t^2) W
    """
    name, source = parse_target(system, target, symbolic=True), read_name(wrt.strip())
    if source.name not in system.sequences or source.time is None:
        raise TargetError(f"{wrt} is no sequence at a step; the sequences are {', '.join(system.sequences)}.")
    leaf = symbol(source.name, source.time)
    mode = ForwardMode(system, leaf)
    if name.time == NOW and source.time in (BEFORE, NOW):
        found = mode.jacobian(name.name)
    elif name.time is not None and not name.time.anchor and not source.time.anchor:
        found = mode.closed(name.name, name.time.offset, Unrolling(system, initial or {}))
    else:
        raise TargetError(f"{target} and {wrt}: write h_t and h_{{t-1}}, or two numbered steps such as h_2 and h_0.")
    if found is None:
        found = Node("number", (), (0.0,))
    return Expression(scalarise(found) if form == "scalar" else found, system, scalar=form == "scalar")


def _closed(mode: ForwardMode, name: Name, unrolling: Unrolling) -> Node | None:
    if name.time is None or name.time.anchor:
        return None
    found = mode.closed(name.name, name.time.offset, unrolling)
    if found is None:
        return None
    size: dict[Node, int] = {}
    for node in walk([found]):
        size[node] = 1 + sum(size[argument] for argument in node.args)
    if size[found] > LARGEST_FORMULA:
        raise TargetError(
            f"The closed form at step {name.time.offset} has {size[found]:,} symbols, more than {LARGEST_FORMULA:,}. "
            f"Derive {name.name}_t: its recursion has a few lines."
        )
    return found


def _needed(lines: list[Equation], target: Node) -> set[Node]:
    """The derivatives that that of the target needs, at its step or before."""
    right = {left.args[0].data[0]: expression for left, expression in lines}
    found, stack = set(), [target.args[0].data[0]]  # type: set[str], list[str]
    while stack:
        name = stack.pop()
        if name in right and name not in found:
            found.add(name)
            stack += [node.args[0].data[0] for node in walk([right[name]]) if node.op == "partial"]
    return {left for left, _ in lines if left.args[0].data[0] in found}


def _flowing(lines: list[Equation], gradient: Node) -> list[Equation]:
    """The adjoints that the gradient needs, directly or through others."""
    right = {left.data[0]: expression for left, expression in lines}
    found, stack = set(), [leaf.data[0] for leaf in symbols([gradient])]  # type: set[str], list[str]
    while stack:
        name = stack.pop()
        if name in right and name not in found:
            found.add(name)
            stack += [leaf.data[0] for leaf in symbols([right[name]])]
    return [(left, expression) for left, expression in lines if left.data[0] in found]


def _wrt(system: System, wrt: str) -> Node:
    name = read_name(wrt.strip())
    if name.time is None and name.name in system.parameters:
        return symbol(name.name)
    if name.time is not None and not name.time.anchor and name.name in system.sequences:
        return symbol(name.name, name.time)
    known = ", ".join(system.parameters)
    raise TargetError(
        f"{wrt} does not occur in these equations. Derive with respect to a parameter ({known}), or to an input or "
        f"state at a step ({symbol_text(system.sequences[0], Time('', 0))})."
    )


def _refuse_concatenation(system: System) -> None:
    for name, right in system.equations:
        if any(node.op == "concat" for node in walk([right])):
            raise TargetError(f"{name} is made by concatenation, which has no scalar form. Ask for the matrix form.")
