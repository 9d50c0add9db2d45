"""What the forward rows of a tape demand of its adjoints and tangents, whatever the numbering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from unrolled.calculus.reverse import pullback
from unrolled.calculus.scalar import scalarise
from unrolled.calculus.shapes import shapes
from unrolled.equations.expression import Expression, number, substitute, symbol, symbols
from unrolled.explain.marking.draws import Draws
from unrolled.explain.marking.readings import Value, agreement

SEED = symbol("v")  # the adjoint of a target that is a vector
Values = dict[Expression, Value]
_MARKED = {"": "w", "bar": "w̄", "dot": "ẇ"}


def row(index: str, mark: str = "") -> Expression:
    """w_5, and with a mark w̄_5 or ẇ_5."""
    return symbol(f"{_MARKED[mark]}_{index}")


def is_row(leaf: Expression, letter: str = "w") -> bool:
    """Is this the symbol of a row (w), of an adjoint (w̄) or of a tangent (ẇ)?"""
    return leaf.op == "symbol" and leaf.data[1] is None and leaf.data[0].startswith(f"{letter}_")


def index_of(leaf: Expression) -> tuple[str, str]:
    """The number of a row, and the number of the part for w̄_1^{(2)}."""
    index, _, part = leaf.data[0].partition("_")[2].partition("^")
    return index, part


def same(one: Value, other: Value) -> bool:
    """Are the two equal on all draws?"""
    return one.shape == other.shape and bool(agreement(one, other))


@dataclass
class ForwardRows:
    """The forward rows so far: their ``values``, and their ``formulas`` in terms of earlier rows.

    ``adjoints`` are the values of adjoints and tangents that have a row; ``leaves`` are those of names.
    """

    frame: Draws
    scalar: bool
    leaves: Values
    values: Values = field(default_factory=dict)
    formulas: dict[Expression, Expression] = field(default_factory=dict)
    adjoints: Values = field(default_factory=dict)

    def keep(self, name: Expression, value: Value, formula: Expression | None) -> None:
        """Add a row; a leaf or sequence that has a row of its own is named by it."""
        if formula is not None:
            self.formulas[name] = substitute(formula, self._aliases())
        self.values[name] = value

    def _aliases(self) -> dict[Expression, Expression]:
        found: dict[Expression, Expression] = {}
        for each, value in self.values.items():
            for leaf, own in self.leaves.items():
                if leaf not in found and leaf.op == "symbol" and same(value, own):
                    found[leaf] = each
        return found

    def uses(self, name: Expression) -> list[Expression]:
        """What each row that uses the row ``name`` hands back to it."""
        found = [
            self.handed_back(user, row(index_of(user)[0], "bar"), name)
            for user, formula in self.formulas.items()
            if user is not name and name in symbols([formula])
        ]
        return [part for part in found if part is not None]

    def handed_back(self, user: Expression, seed: Expression, name: Expression) -> Expression | None:
        """``seed`` at the row ``user``, handed back to the row ``name``."""
        formula = self.formulas[user]
        sizes = shapes([formula], {leaf: self._shape(leaf) for leaf in symbols([formula])})
        sizes[seed] = sizes[formula]
        found = pullback({formula: seed}, [name], sizes).get(name)
        if found is None:
            return None
        found = substitute(found, {formula: user})
        return scalarise(found) if self.scalar else found

    def _shape(self, leaf: Expression) -> tuple[int, ...]:
        value = self.values.get(leaf, self.leaves.get(leaf))
        return (1,) if value is None or not value.rank else value.shape

    def all_adjoints(self) -> Values:
        """The adjoint of each row: as its row has it, else as it follows from those of the rows that use it."""
        known: Values = {}
        for name in reversed(list(self.formulas)):
            bar = row(index_of(name)[0], "bar")
            known[bar] = self.adjoints.get(bar) or self.adjoint(name, known)
        if self.formulas:
            known[SEED] = self.seed(self.target)
        return known | self.adjoints

    def adjoint(self, name: Expression, known: Values) -> Value:
        """The adjoint of one row, from those of the rows that use it."""
        return self.seed(name) if name is self.target else self.together(name, self.uses(name), known)

    def together(self, name: Expression, uses: list[Expression], known: Values) -> Value:
        """What ``uses`` hand back to the row ``name``; zeros where nothing does."""
        if not uses:
            value = self.values[name]
            return Value(np.zeros_like(value.array), value.rank)
        return self.value(total(uses), known)

    @property
    def target(self) -> Expression:
        """The last row that is no leaf; what no row uses before it does not count."""
        computed = [name for name, formula in self.formulas.items() if formula.args]
        return computed[-1] if computed else next(reversed(self.formulas))

    def seed(self, name: Expression) -> Value:
        """The adjoint of a target: 1, or random numbers for a vector."""
        value = self.values[name]
        drawn = np.random.default_rng(1).uniform(0.5, 1.5, value.array.shape)
        return Value(np.asarray(drawn) if value.rank else np.ones_like(value.array), value.rank)

    def value(self, node: Expression, known: Mapping[Expression, Value]) -> Value:
        """An expression in terms of rows and adjoints on all draws."""
        return self.frame.values([node], {**self.values, **known})[node]


def total(parts: list[Expression]) -> Expression:
    """The sum of the parts."""
    result = number(0)
    for part in parts:
        result = result + part
    return result
