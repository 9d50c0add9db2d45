"""A derivation checked against a complex step: f(θ + ih) has the imaginary part h f′(θ), without any cancellation.

Source: Squire & Trapp 1998, "Using complex variables to estimate derivatives of real functions".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from unrolled.calculus.evaluate import evaluate
from unrolled.calculus.scalar import scalarise
from unrolled.calculus.unroll import Unrolling, at_step
from unrolled.equations.expression import Expression as Node
from unrolled.equations.expression import Time, symbol, symbols, walk
from unrolled.equations.sizes import Size, Unifier
from unrolled.equations.syntax import Name
from unrolled.equations.system import System
from unrolled.explain.expression import Expression

STEPS = 4
TINY = 1e-30
Values = dict[Node, Any]
Equation = tuple[Node, Node]


class Formulas(Protocol):
    """What a derivation claims; see ``derivation.Derivation``."""

    @property
    def system(self) -> System: ...
    @property
    def target(self) -> Name: ...
    @property
    def wrt(self) -> Node: ...
    @property
    def form(self) -> str: ...
    @property
    def closed(self) -> Expression | None: ...
    @property
    def forward(self) -> tuple[Equation, ...]: ...
    @property
    def backward(self) -> tuple[Equation, ...]: ...
    @property
    def unrolling(self) -> Unrolling: ...


def largest_error(derivation: Formulas) -> float:
    """The largest difference between the derivation and a complex step, relative to the largest entry."""
    trial = Trial(derivation)
    errors = [trial.closed()] if derivation.closed is not None else []
    if derivation.forward:
        errors.append(trial.forward())
    if derivation.backward:
        errors.append(trial.backward())
    return max(errors, default=0.0)


def example_sizes(system: System) -> dict[str, int]:
    """Sizes that are all different, so that a formula with a transpose out of place cannot pass."""
    return {name: size for size, name in enumerate(system.free_sizes, 2)}


class Trial:
    """Random numbers for every name, and the network run on them."""

    def __init__(self, derivation: Formulas) -> None:
        self.derivation, self.system = derivation, derivation.system
        self.scalar = derivation.form == "scalar"
        self.random = np.random.default_rng(0)
        self.shapes = self._shapes()
        last = derivation.target.time
        self.steps = STEPS if last is None or last.anchor else max(STEPS, last.offset + 1)
        if derivation.wrt.data[1] is not None:
            self.steps = max(self.steps, derivation.wrt.data[1].offset + 1)
        every = range(self.steps + 1)  # the step after the last too: the backward recursion reads its values
        self.equations = {
            symbol(name, Time("", step)): self._form(derivation.unrolling.equation(name, step))
            for step in every
            for name in self.system.in_order()
        }
        self.fixed = {symbol(name): value for name, value in self.system.constants}
        self.fixed |= {symbol(name): self._draw(name) for name in self.system.parameters}
        for step in every:
            self.fixed |= {symbol(name, Time("", step)): self._draw(name) for name in self.system.inputs}
        for name in self.system.states:
            self.fixed[symbol(name, Time("", -1))] = self._first(name)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return {} if self.scalar else self.system.resolve(example_sizes(self.system))

    def _draw(self, name: str) -> Any:
        shape = self.shapes.get(name, ())
        return self.random.uniform(-1, 1, shape) / max(1, shape[-1] if len(shape) == 2 else 1) ** 0.5

    def _first(self, name: str) -> Any:
        first = self.derivation.unrolling.first(name)
        if first.op == "number":
            return np.full(self.shapes.get(name, ()), first.data[0])
        return self.fixed[first] if first in self.fixed else self._draw(name)

    def run(self, change: Values) -> Values:
        """Every sequence at every step, with some leaves replaced; a learned first state follows its parameter."""
        known = self.fixed | change
        for name in self.system.states:
            first = self.derivation.unrolling.first(name)
            if first in change:
                known[symbol(name, Time("", -1))] = change[first]
        for here, right in self.equations.items():
            if here not in change:
                (known[here],) = evaluate([right], known, self._size)
        return known

    def _form(self, node: Node) -> Node:
        return scalarise(node) if self.scalar else node

    def difference(self, of: Callable[[Values], Any]) -> Any:
        """The derivative of ``of(values)`` with respect to vec θ, by a complex step in each component."""
        wrt = self.derivation.wrt
        value = np.asarray(self.run({})[wrt], complex)
        columns = []
        for index in np.ndindex(*value.shape[::-1]):  # the columns of a matrix below one another
            moved = value.copy()
            moved[index[::-1]] += 1j * TINY
            columns.append(np.imag(of(self.run({wrt: moved}))) / TINY)
        return np.stack([np.atleast_1d(column) for column in columns], -1)

    def closed(self) -> float:
        target = symbol(self.derivation.target.name, self.derivation.target.time)
        assert self.derivation.closed is not None  # the caller has looked
        (found,) = evaluate([self.derivation.closed.node], self.run({}), self._size)
        return _error(found, self.difference(lambda values: values[target]))

    def _size(self, size: Any) -> int:
        unifier = Unifier({}, {name: Size(value) for name, value in example_sizes(self.system).items()})
        return unifier.resolve(size).constant

    def forward(self) -> float:
        """Follow the forward recursion to the last step."""
        known, wrt = self.run({}), self.derivation.wrt
        name = self.derivation.target.name
        count = int(np.prod(np.shape(known[wrt])))
        for state in self.system.states:
            first, size = self.derivation.unrolling.first(state), np.size(known[symbol(state, Time("", -1))])
            start = np.eye(size) if first is wrt else np.zeros((size, count))
            known[Node("partial", (symbol(state, Time("", -1)), wrt))] = start[0, 0] if self.scalar else start
        for step in range(self.steps):
            for left, right in self.derivation.forward:
                (value,) = evaluate([at_step(right, step)], known, self._size)
                known[at_step(left, step)] = value
        last = symbol(name, Time("", self.steps - 1))
        return _error(known[Node("partial", (last, wrt))], self.difference(lambda values: values[last]))

    def backward(self) -> float:
        """Follow the backward recursion for a loss on the target, and add the gradient up."""
        name = self.derivation.target.name
        *lines, (_, gradient) = self.derivation.backward
        softmax = self.system.definitions[name].op == "softmax"
        known = self.run({})
        weights = {step: self._weights(name, softmax) for step in range(self.steps)}

        def loss(values: Values) -> Any:
            rows = [values[symbol(name, Time("", step))] for step in range(self.steps)]
            pairs = ((np.log(row) * -weights[k] if softmax else row * weights[k]) for k, row in enumerate(rows))
            return sum(np.sum(pair) for pair in pairs)

        sums = dict.fromkeys((node for node in walk([gradient]) if node.op == "over_time"), np.float64(0))
        for step in range(self.steps - 1, -1, -1):
            known[symbol("target", Time("", step))] = weights[step]
            known[Node("partial", (symbol("ℓ", Time("", step)), symbol(name, Time("", step))))] = weights[step]
            for left, right in lines:
                moved = at_step(right, step)
                known[at_step(left, step)] = evaluate([self._without_later(moved, known)], known, self._size)[0]
            for node in sums:
                sums[node] = sums[node] + evaluate([at_step(node.args[0], step)], known, self._size)[0]
        found = np.asarray(evaluate([gradient], known | sums, self._size)[0])
        vec = found.T.reshape(1, -1) if found.ndim == 2 else found.reshape(1, -1)
        return _error(vec, self.difference(loss))

    def _weights(self, name: str, softmax: bool) -> Any:
        weights = self.random.uniform(0.1, 1, self.shapes.get(name, ()))
        return weights / weights.sum() if softmax else weights

    def _without_later(self, node: Node, known: Values) -> Node:
        """After the last step nothing flows back: its δ is zero."""
        for leaf in symbols([node]):
            if leaf not in known:
                _, _, own = leaf.data[0].partition("_")  # δ_h, or δ where only the target has one
                known[leaf] = np.zeros(self.shapes.get(own or self.derivation.target.name, ()))
        return node


def _error(found: Any, expected: Any) -> float:
    found = np.broadcast_to(np.asarray(found, float), np.shape(expected)) if np.ndim(found) == 0 else np.asarray(found)
    found = found.reshape(np.shape(expected))
    scale = float(np.max(np.abs(expected), initial=0.0)) or 1.0
    return float(np.max(np.abs(found - expected), initial=0.0)) / scale
