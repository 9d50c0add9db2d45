"""The derivative of a recurrence: its forward recursion (RTRL), its backward recursion (BPTT), and closed forms.

Forward, each sequence has a derivative ∂n_t/∂θ that depends on those of the step before; backward, each has an adjoint
δ_t that depends on those of the step after. Both are made from the equations by the rules of ``tangent`` and
``reverse``.

Sources: Williams & Zipser 1989 (RTRL); Werbos 1990 (BPTT); Pascanu, Mikolov & Bengio 2013, equations 3 to 5.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from unrolled.calculus.normalisation import without_layernorm
from unrolled.calculus.reverse import pullback
from unrolled.calculus.shapes import Shape as Numbers
from unrolled.calculus.shapes import SymbolicShape, shapes, symbolic_shape
from unrolled.calculus.tangent import Matrix, identity, ones_column, tangent, times
from unrolled.calculus.unroll import Unrolling, at_step, shift, zero
from unrolled.equations.expression import BEFORE, NOW, Expression, Time, number, substitute, symbol, symbols, walk
from unrolled.equations.operations import ELEMENTWISE
from unrolled.equations.sizes import Size
from unrolled.equations.system import System

Equation = tuple[Expression, Expression]


def partial(of: Expression, wrt: Expression) -> Expression:
    """The symbol ∂of/∂wrt."""
    return Expression("partial", (of, wrt))


@dataclass
class ForwardMode:
    """The derivatives of every sequence with respect to ``wrt``: a parameter, or a sequence at one step."""

    system: System
    wrt: Expression
    shape: Callable[[Expression], SymbolicShape] = field(init=False)
    depending: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.shape = symbolic_shape(self.system)
        self.depending = self._depending()

    def _depending(self) -> frozenset[str]:
        """The sequences that depend on ``wrt`` at some step."""
        name, time = self.wrt.data
        found = {name} if time is not None else set()
        grown = True
        while grown:
            grown = False
            for each, right in self.system.equations:
                leaves = symbols([right])
                if each not in found and any(leaf.data[0] in found or leaf is self.wrt for leaf in leaves):
                    found.add(each)
                    grown = True
        learned = [n for n, value in self.system.initial if value is self.wrt]
        return frozenset(found | set(learned))

    def seed(self) -> Expression:
        """∂θ/∂θ, an identity; that of a matrix (on vec θ) only stands beside a Kronecker product and vanishes there."""
        shape = self.shape(self.wrt)
        return identity(shape[0] if shape else Size(1))

    def recursion(self) -> list[Equation]:
        """∂n_t/∂θ for each sequence n that depends on θ, in the order in which they are computed."""
        learned = {state for state, value in self.system.initial if value is self.wrt}
        moving = set(self.depending)
        while True:
            found = self._one_step(moving | learned)
            if moving == found.keys():
                break
            moving = set(found)  # a sequence that is flat in what moves does not move, nor do those that need only it
        for name in learned - moving:  # it differs from zero before the first step only
            rows, columns = (self.shape(leaf) or (Size(1),) for leaf in (symbol(name), self.wrt))
            found[name] = Expression("zero", (), (*rows, *columns))
        return [(partial(symbol(n, NOW), self.wrt), found[n]) for n in self.system.in_order() if n in found]

    def _one_step(self, moving: Collection[str]) -> dict[str, Expression]:
        """∂n_t/∂θ where it is not zero, if only the sequences ``moving`` have a derivative."""
        seeds = {self.wrt: self.seed()}
        for each in moving:
            seeds[symbol(each, NOW)] = partial(symbol(each, NOW), self.wrt)
            seeds[symbol(each, BEFORE)] = partial(symbol(each, BEFORE), self.wrt)
        found = {}
        for name in self.system.in_order():
            derivative = self._derivative(self.system.definitions[name], symbol(name, NOW), seeds)
            if derivative is not None:
                found[name] = derivative
        return found

    def _derivative(self, right: Expression, result: Expression, seeds: Mapping[Expression, Expression]) -> Matrix:
        """The derivative of one equation, in which its right-hand side is written as the sequence that it defines."""
        found = tangent(right, {leaf: seed for leaf, seed in seeds.items() if leaf is not result}, self.shape)
        if found is None:
            return None
        if self.shape(result) and not self.shape(right):  # a scalar that stands for a vector of equal numbers
            return times(ones_column(self.shape(result)[0]), found)
        if right.op in ("symbol", "number"):
            return found
        return substitute(found, {right: result})

    def closed(self, target: str, step: int, unrolling: Unrolling) -> Matrix:
        """∂target/∂θ at ``step``, in terms of the sequences at the steps so far."""
        return self.at_each_step(step, unrolling).get((target, step))

    def at_each_step(self, last: int, unrolling: Unrolling) -> dict[tuple[str, int], Expression]:
        """The closed derivative of each sequence at each step up to ``last``."""
        found: dict[tuple[str, int], Expression] = {}
        for name in self.system.states:
            if unrolling.first(name) is self.wrt:
                found[name, -1] = self.seed()
        for step in range(last + 1):
            for name in self.system.in_order():
                result = symbol(name, Time("", step))
                if result is self.wrt:
                    found[name, step] = self.seed()
                    continue
                right = unrolling.equation(name, step)
                seeds = {symbol(n, Time("", s)): d for (n, s), d in found.items() if s in (step, step - 1)}
                derivative = self._derivative(right, result, {self.wrt: self.seed(), **seeds})
                if derivative is not None:
                    found[name, step] = derivative
        return found

    def jacobian(self, target: str) -> Matrix:
        """∂target_t/∂state_{t-1} within one step, where ``wrt`` is that state at t − 1."""
        seeds = {self.wrt: self.seed()}
        for name in self.system.in_order():
            result = symbol(name, NOW)
            if result is not self.wrt:
                found = self._derivative(self.system.definitions[name], result, seeds)
                if found is not None:
                    seeds[result] = found
        return seeds.get(symbol(target, NOW))


@dataclass
class BackwardMode:
    """The adjoints δ of a loss Σ_t ℓ_t(target_t) at every sequence, with ``sizes`` in numbers.

    Where an equation is n_t = f(a) with f elementwise or softmax, δ belongs to a, as in textbooks; else to n_t itself.
    A softmax target takes the cross-entropy, for which ∂ℓ_t/∂a = y_t − target_t.
    """

    system: System
    target: str
    sizes: Mapping[str, Numbers]
    definitions: Mapping[str, Expression] = field(init=False)
    reached: frozenset[str] = field(init=False)  # the sequences that receive an adjoint

    def __post_init__(self) -> None:
        self.definitions = {name: without_layernorm(right) for name, right in self.system.equations}
        self.reached = _ancestors(self.system, self.target)
        known: frozenset[str] = frozenset()
        while self.reached != known:  # what the target needs through a function that is flat everywhere receives none
            known = self.reached
            self.reached = frozenset(name for name in known if self._incoming(name) is not None)

    def recursion(self) -> list[Equation]:
        """δ for each sequence on which the target depends, the target's first."""
        lines = []
        for name in reversed(self.system.in_order()):
            incoming = self._incoming(name) if name in self.reached else None
            if incoming is None:
                continue
            right = self.definitions[name]
            if name == self.target and right.op == "softmax":
                lines.append((self.delta(name), symbol(name, NOW) - symbol("target", NOW) + self._others(name)))
            elif self._inside(name) is not right:
                lines.append((self.delta(name), self._at_argument(name, incoming)))
            else:
                lines.append((self.delta(name), incoming))
        return lines

    def gradient(self, wrt: str) -> Expression | None:
        """∂L/∂θ: a sum over time, and what reaches θ as a first state."""
        over_time = self._received(symbol(wrt))
        first: Expression | None = None
        for state, value in self.system.initial:
            part = self._received(symbol(state, BEFORE)) if value is symbol(wrt) else None
            if part is not None:
                part = at_step(part, 0)
                first = part if first is None else first + part
        if over_time is None:
            return first
        total = Expression("over_time", (over_time,))
        return total if first is None else first + total

    def _received(self, leaf: Expression) -> Expression | None:
        """What all equations of one step hand to ``leaf``."""
        total: Expression | None = None
        for name in self.system.in_order():
            part = self._contribution(name, leaf) if name in self.reached else None
            if part is not None:
                total = part if total is None else total + part
        return total

    @cached_property
    def letter(self) -> str:
        """δ, or where the equations use that, another."""
        return next(letter for letter in ("δ", "d", "D", "ε", "Δ") if letter not in self.sizes)

    def delta(self, name: str, time: Time = NOW) -> Expression:
        """δ_t, or δ_{n,t} where several sequences have one."""
        return symbol(f"{self.letter}_{name}" if len(self.reached) > 1 else self.letter, time)

    def _inside(self, name: str) -> Expression:
        """What δ belongs to."""
        right = self.definitions[name]
        unary = right.op in ELEMENTWISE and len(right.args) == 1 and right.args[0].op not in ("symbol", "number")
        return right.args[0] if (unary or right.op == "softmax") and not self._is_repeated(name) else right

    def _is_repeated(self, name: str) -> bool:
        """Is n a vector whose equation gives one number for all its components?"""
        right = self.definitions[name]
        return self._shapes(right)[right] != (self.sizes[name] or (1,))

    def _shapes(self, root: Expression) -> dict[Expression, Numbers]:
        return shapes([root], {leaf: self.sizes.get(leaf.data[0], ()) or (1,) for leaf in symbols([root])})

    def _incoming(self, name: str) -> Expression | None:
        """The adjoint of n_t: from the loss, from its uses at this step, and from those at the next."""
        total: Expression | None = None
        if name == self.target:
            total = partial(symbol("ℓ", NOW), symbol(name, NOW))
        for each, _ in self.system.equations:
            if each not in self.reached:
                continue
            here = self._contribution(each, symbol(name, NOW))
            later = self._contribution(each, symbol(name, BEFORE))
            for part in (here, None if later is None else shift(later, 1)):
                if part is not None:
                    total = part if total is None else total + part
        return total

    def _others(self, name: str) -> Expression:
        """What a softmax output that feeds back receives from elsewhere, at its argument."""
        total = number(0)
        for each, _ in self.system.equations:
            later = self._contribution(each, symbol(name, BEFORE)) if each in self.reached else None
            here = self._contribution(each, symbol(name, NOW)) if each in self.reached else None
            for part in (here, None if later is None else shift(later, 1)):
                total = total if part is None else total + part
        if total is number(0):
            return total
        return self._at_argument(name, total)

    def _at_argument(self, name: str, adjoint: Expression) -> Expression:
        """The adjoint of a, for n_t = f(a), from that of n_t."""
        right = self.definitions[name]
        found = self._pull(right, adjoint, [right.args[0]]).get(right.args[0])
        # a function that is flat everywhere hands nothing down
        return zero(self.system.shapes[name]) if found is None else substitute(found, {right: symbol(name, NOW)})

    def _contribution(self, name: str, leaf: Expression) -> Expression | None:
        """What the equation of ``name`` hands to ``leaf``, given its own δ."""
        inside = self._inside(name)
        if leaf not in symbols([inside]):
            return None
        delta = self.delta(name)
        seed = Expression("sum", (delta,)) if self._is_repeated(name) else delta
        found = self._pull(inside, seed, [leaf]).get(leaf)
        right = self.definitions[name]
        if found is None or inside is not right or right.op == "symbol" or self._is_repeated(name):
            return found
        return substitute(found, {right: symbol(name, NOW)})

    def _pull(self, root: Expression, seed: Expression, wrt: list[Expression]) -> dict[Expression, Expression]:
        known = self._shapes(root)
        for leaf in symbols([seed]):
            name = leaf.data[0].removeprefix(f"{self.letter}_")
            own = name if name in self.sizes else self.target if leaf.data[0] == "target" else None
            known.setdefault(leaf, (self.sizes.get(own or "", ()) if own else known[root]) or (1,))
        for node in walk([seed]):
            if node.op == "partial":
                known[node] = known[root]
        return pullback({root: seed}, wrt, known)


def _ancestors(system: System, target: str) -> frozenset[str]:
    """The defined names on which ``target`` depends, itself included."""
    found, stack = set(), [target]  # type: set[str], list[str]
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack += [
                leaf.data[0] for leaf in symbols([system.definitions[name]]) if leaf.data[0] in system.definitions
            ]
    return frozenset(found)
