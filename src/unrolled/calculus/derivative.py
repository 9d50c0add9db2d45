"""The derivative of a recurrence: its forward recursion (RTRL), its backward recursion (BPTT), and closed forms.

Forward, each sequence has a derivative ∂n_t/∂θ that depends on those of the step before; backward, each has an adjoint
δ_t that depends on those of the step after. Both are made from the equations by the rules of ``tangent`` and
``reverse``.

Sources: Williams & Zipser 1989 (RTRL); Werbos 1990 (BPTT); Pascanu, Mikolov & Bengio 2013, equations 3 to 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from unrolled.calculus.reverse import pullback
from unrolled.calculus.shapes import Shape as Numbers
from unrolled.calculus.shapes import shapes
from unrolled.calculus.tangent import Matrix, Shape, identity, tangent
from unrolled.calculus.unroll import Unrolling, shift
from unrolled.equations.expression import BEFORE, NOW, Expression, Time, number, substitute, symbol, symbols, walk
from unrolled.equations.operations import ELEMENTWISE, VECTOR_FUNCTIONS
from unrolled.equations.sizes import Size
from unrolled.equations.system import System

Equation = tuple[Expression, Expression]


def partial(of: Expression, wrt: Expression) -> Expression:
    """The symbol ∂of/∂wrt."""
    return Expression("partial", (of, wrt))


def symbolic_shape(system: System) -> Callable[[Expression], Shape]:
    """The shape of any expression over the names of ``system``, in its unknown sizes: () for a scalar."""
    known: dict[Expression, Shape] = {}
    constants = dict(system.constants)

    def of(root: Expression) -> Shape:
        for node in walk([root], known):
            if node not in known:
                known[node] = _shape(node, [known[argument] for argument in node.args], system, constants)
        return known[root]

    return of


def _shape(node: Expression, args: list[Shape], system: System, constants: Mapping[str, float]) -> Shape:
    if node.op == "symbol":
        return () if node.data[0] in constants else system.shapes.get(node.data[0], ())
    if node.op == "matmul":
        return args[0][:1]
    if node.op == "transpose":
        return args[0][::-1]
    if node.op == "concat":
        total = Size()
        for each in args:
            total += each[0] if each else Size(1)
        return (total,)
    if node.op in VECTOR_FUNCTIONS and VECTOR_FUNCTIONS[node.op][1]:
        return ()
    return next((each for each in args if each), ())


@dataclass
class ForwardMode:
    """The derivatives of every sequence with respect to ``wrt``: a parameter, or a sequence at one step."""

    system: System
    wrt: Expression
    shape: Callable[[Expression], Shape] = field(init=False)
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
        lines = []
        for name in self.system.in_order():
            if name not in self.depending:
                continue
            seeds = {self.wrt: self.seed()}
            for each in self.depending:
                seeds[symbol(each, NOW)] = partial(symbol(each, NOW), self.wrt)
                seeds[symbol(each, BEFORE)] = partial(symbol(each, BEFORE), self.wrt)
            found = self._derivative(name, self.system.definitions[name], symbol(name, NOW), seeds)
            if found is not None:
                lines.append((partial(symbol(name, NOW), self.wrt), found))
        return lines

    def _derivative(
        self, name: str, right: Expression, result: Expression, seeds: Mapping[Expression, Expression]
    ) -> Matrix:
        """The derivative of one equation, in which its right-hand side is written as the sequence that it defines."""
        found = tangent(right, {leaf: seed for leaf, seed in seeds.items() if leaf is not result}, self.shape)
        if found is None or right.op in ("symbol", "number"):
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
                derivative = self._derivative(name, right, result, {self.wrt: self.seed(), **seeds})
                if derivative is not None:
                    found[name, step] = derivative
        return found

    def jacobian(self, target: str) -> Matrix:
        """∂target_t/∂state_{t-1} within one step, where ``wrt`` is that state at t − 1."""
        seeds = {self.wrt: self.seed()}
        found: Matrix = None
        for name in self.system.in_order():
            found = self._derivative(name, self.system.definitions[name], symbol(name, NOW), seeds)
            if found is not None:
                seeds[symbol(name, NOW)] = found
            if name == target:
                return found
        return found


@dataclass
class BackwardMode:
    """The adjoints δ of a loss Σ_t ℓ_t(target_t) at every sequence, with ``sizes`` in numbers.

    Where an equation is n_t = f(a) with f elementwise or softmax, δ belongs to a, as in textbooks; else to n_t itself.
    A softmax target takes the cross-entropy, for which ∂ℓ_t/∂a = y_t − target_t.
    """

    system: System
    target: str
    sizes: Mapping[str, Numbers]

    def recursion(self) -> list[Equation]:
        """δ for each sequence on which the target depends, the target's first."""
        lines = []
        for name in reversed(self.system.in_order()):
            incoming = self._incoming(name)
            if incoming is None:
                continue
            right = self.system.definitions[name]
            if name == self.target and right.op == "softmax":
                lines.append((self.delta(name), symbol(name, NOW) - symbol("target", NOW) + self._others(name)))
            elif self._inside(name) is not right:
                found = self._pull(right, incoming, [right.args[0]])[right.args[0]]
                lines.append((self.delta(name), substitute(found, {right: symbol(name, NOW)})))
            else:
                lines.append((self.delta(name), incoming))
        return lines

    def gradient(self, wrt: str) -> Expression | None:
        """∂L/∂θ as a sum over time."""
        total: Expression | None = None
        for name in self.system.in_order():
            if self._reaches(name):
                part = self._contribution(name, symbol(wrt))
                if part is not None:
                    total = part if total is None else total + part
        return None if total is None else Expression("over_time", (total,))

    def delta(self, name: str, time: Time = NOW) -> Expression:
        """δ_t, or δ_{n,t} where several sequences have one."""
        several = sum(self._reaches(each) for each, _ in self.system.equations) > 1
        return symbol(f"δ_{name}" if several else "δ", time)

    def _reaches(self, name: str) -> bool:
        """Does the target depend on ``name``, now or later?"""
        return name in _ancestors(self.system, self.target)

    def _inside(self, name: str) -> Expression:
        """What δ belongs to."""
        right = self.system.definitions[name]
        unary = right.op == "softmax" or (right.op in ELEMENTWISE and len(right.args) == 1)
        return right.args[0] if unary and right.args[0].op not in ("symbol", "number") else right

    def _incoming(self, name: str) -> Expression | None:
        """The adjoint of n_t: from the loss, from its uses at this step, and from those at the next."""
        total: Expression | None = None
        if name == self.target:
            total = partial(symbol("ℓ", NOW), symbol(name, NOW))
        for each, _ in self.system.equations:
            if not self._reaches(each):
                continue
            here = self._contribution(each, symbol(name, NOW))
            later = self._contribution(each, symbol(name, BEFORE))
            for part in (here, None if later is None else shift(later, 1)):
                if part is not None:
                    total = part if total is None else total + part
        return total

    def _others(self, name: str) -> Expression:
        """What a softmax output that feeds back receives from elsewhere, at its argument."""
        right = self.system.definitions[name]
        total = number(0)
        for each, _ in self.system.equations:
            later = self._contribution(each, symbol(name, BEFORE)) if self._reaches(each) else None
            here = self._contribution(each, symbol(name, NOW)) if self._reaches(each) else None
            for part in (here, None if later is None else shift(later, 1)):
                total = total if part is None else total + part
        if total is number(0):
            return total
        found = self._pull(right, total, [right.args[0]])[right.args[0]]
        return substitute(found, {right: symbol(name, NOW)})

    def _contribution(self, name: str, leaf: Expression) -> Expression | None:
        """What the equation of ``name`` hands to ``leaf``, given its own δ."""
        inside = self._inside(name)
        if leaf not in symbols([inside]):
            return None
        found = self._pull(inside, self.delta(name), [leaf]).get(leaf)
        right = self.system.definitions[name]
        if found is None or inside is not right or right.op == "symbol":
            return found
        return substitute(found, {right: symbol(name, NOW)})

    def _pull(self, root: Expression, seed: Expression, wrt: list[Expression]) -> dict[Expression, Expression]:
        leaves: dict[Expression, Numbers] = {}
        for leaf in symbols([root]):
            leaves[leaf] = self.sizes.get(leaf.data[0], ()) or (1,)
        known = shapes([root], leaves)
        for leaf in symbols([seed]):
            name = leaf.data[0].removeprefix("δ_")
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
