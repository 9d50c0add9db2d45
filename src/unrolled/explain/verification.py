"""A derivation checked against a complex step: f(θ + ih) has the imaginary part h f′(θ), without any cancellation.

Source: Squire & Trapp 1998, "Using complex variables to estimate derivatives of real functions".
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
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
ROUNDING = 1e-14  # what is left of numbers of about 1 that cancel
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
    return max((relative_error(found, trial.difference(of)) for found, of in trial.claims()), default=0.0)


def relative_error(found: Any, expected: Any) -> float:
    """The largest difference between two arrays, relative to the largest of the second; infinity for other sizes.

    The numbers of a trial are about 1. What is smaller than ``ROUNDING`` is left of those that cancel: a derivative
    that is 0, such as that of softmax(x + k) with respect to a scalar k, which leaves nothing to be relative to.
    """
    found = np.broadcast_to(np.asarray(found, float), np.shape(expected)) if np.ndim(found) == 0 else np.asarray(found)
    if found.size != np.size(expected):
        return inf
    largest = float(np.max(np.abs(expected), initial=0.0))
    scale = largest if largest > ROUNDING else 1.0
    return float(np.max(np.abs(found.reshape(np.shape(expected)) - expected), initial=0.0)) / scale


def example_sizes(system: System) -> dict[str, int]:
    """Sizes that are all different, so that a formula with a transpose out of place cannot pass."""
    return {name: size for size, name in enumerate(system.free_sizes, 2)}


class Trial:
    """Random numbers for every name, and the network run on them."""

    def __init__(self, derivation: Formulas, seed: int = 0) -> None:
        self.derivation, self.system = derivation, derivation.system
        self.scalar = derivation.form == "scalar"
        self.random = np.random.default_rng(seed)
        self.shapes = self._shapes()
        last = derivation.target.time
        self.steps = STEPS if last is None or last.anchor else max(STEPS, last.offset + 1)
        if derivation.wrt.data[1] is not None:
            self.steps = max(self.steps, derivation.wrt.data[1].offset + 1)
        every = range(self.steps + 1)  # the step after the last too: the backward recursion reads its values
        self.softmax = self.system.definitions[derivation.target.name].op == "softmax"
        self.weights = [(step, self._weights()) for step in range(self.steps)]
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

    def claims(self) -> list[tuple[Any, Callable[[Values], Any]]]:
        """What the derivation says, in numbers, with the function of which it says that it is the derivative.

        Each is an array (size of the function, number of components of vec θ), or one number where all are equal.
        """
        target, last = self.derivation.target, symbol(self.derivation.target.name, Time("", self.steps - 1))
        found: list[tuple[Any, Callable[[Values], Any]]] = []
        if self.derivation.closed is not None:
            numbered = symbol(target.name, target.time)
            found.append((self.closed(), lambda values: values[numbered]))
        if self.derivation.forward:
            found.append((self.forward(), lambda values: values[last]))
        if self.derivation.backward:
            found.append((self.backward(), self.loss))
        return found

    def closed(self) -> Any:
        """The closed form."""
        assert self.derivation.closed is not None  # the caller has looked
        return evaluate([self.derivation.closed.node], self.run({}), self._size)[0]

    def _size(self, size: Any) -> int:
        unifier = Unifier({}, {name: Size(value) for name, value in example_sizes(self.system).items()})
        return unifier.resolve(size).constant

    def forward(self) -> Any:
        """What the forward recursion comes to at the last step."""
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
        return known[Node("partial", (symbol(name, Time("", self.steps - 1)), wrt))]

    def loss(self, values: Values) -> Any:
        """Σ_t ℓ_t: the cross-entropy of a softmax, else a weighted sum of the components."""
        rows = ((weights, values[symbol(self.derivation.target.name, Time("", k))]) for k, weights in self.weights)
        return sum((-weights * np.log(row) if self.softmax else weights * row).sum() for weights, row in rows)

    def backward(self) -> Any:
        """What the backward recursion gives for the gradient of the loss."""
        name = self.derivation.target.name
        *lines, (_, gradient) = self.derivation.backward
        known, weights = self.run({}), dict(self.weights)
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
        return found.T.reshape(1, -1) if found.ndim == 2 else found.reshape(1, -1)

    def _weights(self) -> Any:
        """∂ℓ_t/∂n_t, or the probabilities that a softmax should give."""
        weights = self.random.uniform(0.1, 1, self.shapes.get(self.derivation.target.name, ()))
        return weights / weights.sum() if self.softmax else weights

    def _without_later(self, node: Node, known: Values) -> Node:
        """After the last step nothing flows back: its δ is zero."""
        for leaf in symbols([node]):
            if leaf not in known:
                _, _, own = leaf.data[0].partition("_")  # δ_h, or δ where only the target has one
                known[leaf] = np.zeros(self.shapes.get(own or self.derivation.target.name, ()))
        return node
