"""The derivative of a sequence: closed form, forward recursion, backward recursion, each checked by a complex step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from unrolled.calculus.derivative import BackwardMode, ForwardMode, partial
from unrolled.calculus.evaluate import evaluate
from unrolled.calculus.scalar import refuse_concatenation, scalarise
from unrolled.calculus.tidy import tidy
from unrolled.calculus.unroll import Unrolling, parse_target, read_symbol
from unrolled.equations.expression import BEFORE, NOW, Time, number, symbol, symbols, walk
from unrolled.equations.expression import Expression as Node
from unrolled.equations.printing import symbol_text
from unrolled.equations.sizes import Size
from unrolled.equations.syntax import Name
from unrolled.equations.system import System
from unrolled.errors import TargetError
from unrolled.explain.expression import LARGEST_FORMULA, Expression, counted, written_size
from unrolled.explain.latex import latex
from unrolled.explain.result import Result, aligned
from unrolled.explain.values import bind
from unrolled.explain.verification import example_sizes, largest_error

Form = Literal["matrix", "scalar"]
Equation = tuple[Node, Node]


@dataclass(frozen=True, repr=False)
class Derivation(Result):
    """∂target/∂wrt.

    ``closed`` is the formula at a numbered step (None for symbolic t), in terms of the sequences at the steps so far;
    ``forward`` the recursion that RTRL follows, one line per sequence that depends on wrt, from what ``start`` says;
    ``backward`` the recursion of BPTT for L = Σ_t ℓ_t(target_t), ending with ∂L/∂wrt. Both recursions are empty where
    wrt is no parameter. After the last step every δ is zero.
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
        if self.forward:
            start = ", ".join(f"{left} = {right}" for left, right in self.start)
            lines.append("Forward recursion (RTRL)" + (f", from {start}" if start else ""))
            lines += [*(f"  {left} = {right}" for left, right in self.forward), ""]
        if self.backward:
            lines.append("Backward recursion (BPTT)")
            lines += [*(f"  {left} = {right}" for left, right in self.backward), ""]
        return "\n".join([*lines, self._verdict()])

    def _left(self) -> Node:
        return partial(symbol(self.target.name, self.target.time), self.wrt)

    @property
    def start(self) -> tuple[Equation, ...]:
        """What the forward recursion begins with: the derivative of each first state that it reads."""
        mode = ForwardMode(self.system, self.wrt)
        read = {node.args[0].data[0] for _, right in self.forward for node in walk([right]) if _is_before(node)}
        lines = []
        for state in self.system.states:
            if state in read:
                same = self.unrolling.first(state) is self.wrt
                value = mode.seed() if same and self.form == "matrix" else number(1 if same else 0)
                lines.append((partial(symbol(state, Time("", -1)), self.wrt), value))
        return tuple(lines)

    def _verdict(self) -> str:
        return f"Verified by complex step: largest error {self.error:.1e} relative to the largest entry."

    def latex(self) -> str:
        """LaTeX, for mathematics mode with amsmath."""
        lines = [] if self.closed is None else [(self._left(), self.closed.node)]
        lines += [*self.start, *self.forward, *self.backward]
        return aligned([(latex(left), latex(right)) for left, right in lines])

    def to_dict(self) -> dict[str, Any]:
        """The formulas as JSON data, and the largest error of the verification."""
        return {
            "derivative": str(self._left()),
            "form": self.form,
            "closed": None if self.closed is None else str(self.closed),
            "start": {str(left): str(right) for left, right in self.start},
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
        if self.closed is None:
            raise TargetError("Numbers need a numbered step: derive h_2 rather than h_t.")
        scalar = self.form == "scalar"
        sequences, leaves = self._needed(self.closed.node)
        known, sizes = bind(self.system, values, leaves, scalar)
        for sequence, right in reversed(sequences.items()):
            (known[sequence],) = evaluate([right], known, sizes)
        (found,) = evaluate([self.closed.node], known, sizes)
        if scalar:
            return np.asarray(found)
        rows, columns = (tuple(map(sizes, self.system.shapes[n])) for n in (self.target.name, self.wrt.data[0]))
        return unvec(found, rows, columns)

    def _needed(self, root: Node) -> tuple[dict[Node, Node], list[Node]]:
        """The sequences that ``root`` needs, each before those it is made of, and the leaves."""
        equations: dict[Node, Node] = {}
        leaves: dict[Node, None] = {}
        stack = symbols([root])
        while stack:
            leaf = stack.pop()
            name, time = leaf.data
            if name in self.system.definitions and time.offset >= 0:
                right = self.unrolling.equation(name, time.offset)
                equations[leaf] = scalarise(right) if self.form == "scalar" else right
                stack += [each for each in symbols([equations[leaf]]) if each not in equations]
            else:
                leaves[leaf] = None
        order = {name: i for i, name in enumerate(self.system.in_order())}
        latest = sorted(equations, key=lambda leaf: (-leaf.data[1].offset, -order[leaf.data[0]]))
        return {leaf: equations[leaf] for leaf in latest}, list(leaves)


def _is_before(node: Node) -> bool:
    return bool(node.op == "partial" and node.args[0].data[1] == BEFORE)


def unvec(found: Any, target: tuple[int, ...], wrt: tuple[int, ...]) -> Any:
    """Derivatives with respect to vec θ (its columns below one another) as an array (size of target, *shape of θ)."""
    size, count = int(np.prod(target)), int(np.prod(wrt))
    found = np.broadcast_to(np.asarray(found), (size, count)) if np.ndim(found) == 0 else np.asarray(found)
    found = found.reshape(size, count)
    if len(wrt) == 2:
        found = found.reshape(size, wrt[1], wrt[0]).transpose(0, 2, 1)
    return found.reshape((*target, *wrt))


def derive(
    system: System, target: str, wrt: str, form: Form = "matrix", initial: Mapping[str, float] | None = None
) -> Derivation:
    """∂target/∂wrt, for a numbered step (h_2) or symbolic t (h_t).

    ``wrt`` is a parameter, or an input or state at a step; "scalar" is the one-unit case.

    Raises:
        TargetError: there is no such target or quantity; the message lists what there is.
    """
    _check_form(form)
    name = parse_target(system, target, symbolic=True)
    leaf = _wrt(system, wrt)
    if leaf.data[1] is not None and name.time is not None and name.time.anchor:
        raise TargetError(
            f"{target} has no step number, {wrt} has one. Derive {symbol_text(name.name, Time('', 2))} with respect to "
            f"{wrt}, or ask for the jacobian of {target} with respect to a state at t-1."
        )
    unrolling = _unrolling(system, initial, leaf)
    system = unrolling.system
    mode = ForwardMode(system, leaf)
    forward, backward = [], []  # type: list[Equation], list[Equation]
    if leaf.data[1] is None:
        forward = _needed(mode.recursion(), partial(symbol(name.name, NOW), leaf))
        backward = _backward(system, name.name, leaf)
    closed = _closed(mode, name, unrolling)
    shown: Callable[[Node], Node] = tidy
    if form == "scalar":
        refuse_concatenation(system)
        shown = _in_numbers
    return Derivation(
        system, name, leaf, form,
        None if closed is None else Expression(shown(closed), system, scalar=form == "scalar"),
        tuple((left, shown(right)) for left, right in forward),
        tuple((left, shown(right)) for left, right in backward),
        unrolling,
    )  # fmt: skip


def _check_form(form: str) -> None:
    if form not in ("matrix", "scalar"):
        raise TargetError(f"There is no form {form!r}: write matrix or scalar.")


def _in_numbers(node: Node) -> Node:
    return tidy(scalarise(node))


def _unrolling(system: System, initial: Mapping[str, float] | None, wrt: Node) -> Unrolling:
    """The equations at each step, in which a first state that is derived with respect to stays a symbol."""
    name, time = wrt.data
    return Unrolling(system, initial or {}, frozenset([(name, -1)] if time == Time("", -1) else []))


def _backward(system: System, target: str, wrt: Node) -> list[Equation]:
    reverse = BackwardMode(system, target, system.resolve(example_sizes(system)))
    gradient = reverse.gradient(wrt.data[0])
    if gradient is None:
        return []
    return [*_flowing(reverse.recursion(), gradient), (partial(symbol("L"), wrt), gradient)]


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
    name, source = parse_target(system, target, symbolic=True), read_symbol(wrt, "write h_{t-1} or h_0", system.shapes)
    if source.name not in system.sequences or source.time is None:
        raise TargetError(f"{wrt} is no sequence at a step; the sequences are {', '.join(system.sequences)}.")
    _check_form(form)
    leaf = symbol(source.name, source.time)
    if form == "scalar":
        refuse_concatenation(system)
    unrolling = _unrolling(system, initial, leaf)
    system = unrolling.system
    mode = ForwardMode(system, leaf)
    if name.time == NOW and source.time in (BEFORE, NOW):
        found = mode.jacobian(name.name)
    elif name.time is not None and not name.time.anchor and not source.time.anchor:
        found = mode.closed(name.name, name.time.offset, unrolling)
    else:
        raise TargetError(f"{target} and {wrt}: write h_t and h_{{t-1}}, or two numbered steps such as h_2 and h_0.")
    if found is None:
        found = Node("zero", (), tuple((system.shapes[each] or (Size(1),))[0] for each in (name.name, source.name)))
    return Expression(_in_numbers(found) if form == "scalar" else tidy(found), system, scalar=form == "scalar")


def _closed(mode: ForwardMode, name: Name, unrolling: Unrolling) -> Node | None:
    if name.time is None or name.time.anchor:
        return None
    found = mode.closed(name.name, name.time.offset, unrolling)
    if found is None:
        return number(0)
    size = written_size(found)
    if size > LARGEST_FORMULA:
        raise TargetError(
            f"The closed form at step {name.time.offset} has {counted(size)} symbols, more than {LARGEST_FORMULA:,}. "
            f"Derive {symbol_text(name.name, NOW)}: its recursion has a few lines."
        )
    return found


def _needed(lines: list[Equation], target: Node) -> list[Equation]:
    """The derivatives that that of the target needs, at its step or before; zero where it has none."""
    right = {left.args[0].data[0]: expression for left, expression in lines}
    found, stack = set(), [target.args[0].data[0]]  # type: set[str], list[str]
    while stack:
        name = stack.pop()
        if name in right and name not in found:
            found.add(name)
            stack += [node.args[0].data[0] for node in walk([right[name]]) if node.op == "partial"]
    return [line for line in lines if line[0].args[0].data[0] in found] or [(target, number(0))]


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
    example = symbol_text(system.sequences[0], Time("", 0))
    name = read_symbol(wrt, f"derive with respect to a parameter or to {example}", system.shapes)
    if name.time is None and name.name in system.parameters:
        return symbol(name.name)
    if name.time is not None and not name.time.anchor and name.name in system.sequences:
        least = -1 if name.name in system.states else 0
        if name.time.offset < least:
            raise TargetError(
                f"{wrt} is before the first step: steps are numbered from 0, and a first state is h_{{-1}}."
            )
        return symbol(name.name, name.time)
    hint = f" For a symbolic step there is jacobian({wrt!r}…)." if name.time is not None and name.time.anchor else ""
    known = ", ".join(system.parameters) or "here are none"
    raise TargetError(
        f"{wrt} is no parameter of these equations and no sequence at a numbered step. Derive with respect to a "
        f"parameter ({known}), or to an input or state at a step ({example}).{hint}"
    )
