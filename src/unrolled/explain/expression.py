"""A formula as a reader meets it: printed, set in LaTeX, evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log10
from typing import Any

from unrolled.calculus.unroll import Unrolling, parse_target
from unrolled.equations.expression import Expression as Node
from unrolled.equations.expression import Time, symbol, symbols, walk
from unrolled.equations.printing import symbol_text
from unrolled.equations.system import System
from unrolled.errors import TargetError
from unrolled.explain.latex import latex
from unrolled.explain.result import Result, aligned

LARGEST_FORMULA = 20_000  # symbols and signs; a page holds about 2,000


@dataclass(frozen=True, repr=False)
class Expression(Result):
    """A formula over the names of ``system``; in the named form it stands on the ``definitions`` before it."""

    node: Node
    system: System
    definitions: tuple[tuple[Node, Node], ...] = ()
    scalar: bool = False

    def __str__(self) -> str:
        if not self.definitions:
            return str(self.node)
        return "\n".join(f"{left} = {right}" for left, right in self.definitions)

    def latex(self) -> str:
        """LaTeX, for mathematics mode with amsmath."""
        if not self.definitions:
            return latex(self.node)
        return aligned([(latex(left), latex(right)) for left, right in self.definitions])

    def to_dict(self) -> dict[str, Any]:
        """The text, the LaTeX and the symbols as JSON data."""
        lines = {str(left): str(right) for left, right in self.definitions}
        return {"text": str(self), "latex": self.latex(), "symbols": list(self.symbols), "definitions": lines}

    @property
    def symbols(self) -> tuple[str, ...]:
        """The names that need a value, in order of appearance."""
        return tuple(symbol_text(*leaf.data) for leaf in self._leaves())

    def _leaves(self) -> list[Node]:
        defined = {left for left, _ in self.definitions}
        found = symbols([right for _, right in self.definitions] or [self.node])
        return [leaf for leaf in found if leaf not in defined]

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The value as a numpy array, from a value for each of ``symbols`` (constants may be left out).

        Raises:
            TargetError: a value is missing, unknown, or of the wrong shape.

        >>> from unrolled import Recurrence
        >>> h1 = Recurrence("h_t = x_t + 0.5 h_{t-1}").expand("h_1", initial={"h": 0})
        >>> print(h1, "=", h1.evaluate({"x_0": [2.0], "x_1": [3.0]}))
        x_1 + 0.5 x_0 = [4.]
        """
        from unrolled.calculus.evaluate import evaluate  # numpy, which writing a formula does not need
        from unrolled.explain.values import bind

        known, sizes = bind(self.system, values, self._leaves(), self.scalar)
        for left, right in self.definitions:
            (known[left],) = evaluate([right], known, sizes)
        return known[self.node] if self.node in known else evaluate([self.node], known, sizes)[0]


def expand(system: System, target: str, initial: Mapping[str, float] | None = None, named: bool = False) -> Expression:
    """``target``, such as y_2, in terms of inputs, parameters and first states.

    ``initial`` sets first states, ``{"h": 0}``; ``named`` keeps every sequence at every step as a line of its own.

    Raises:
        TargetError: there is no such sequence or step, or the nested formula would fill many pages.
    """
    name = parse_target(system, target)
    assert name.time is not None  # a target has a step
    step = name.time.offset
    unrolling = Unrolling(system, initial or {})
    node, system = unrolling(name.name, step), unrolling.system
    if named:
        return Expression(symbol(name.name, name.time), system, _definitions(unrolling, name.name, step))
    size = written_size(node)
    if size > LARGEST_FORMULA:
        raise TargetError(
            f"{target} written out has {counted(size)} symbols, more than {LARGEST_FORMULA:,}. Ask for the named form, "
            "in which every step is a line: expand(…, named=True), or --named on the command line."
        )
    return Expression(node, system)


def _definitions(unrolling: Unrolling, target: str, last: int) -> tuple[tuple[Node, Node], ...]:
    """The sequences at each step that the target needs, each in terms of those before."""
    lines: dict[Node, Node] = {}
    for step in range(last + 1):
        for name in unrolling.system.in_order():
            lines[symbol(name, Time("", step))] = unrolling.equation(name, step)
    needed, stack = set(), [symbol(target, Time("", last))]
    while stack:
        left = stack.pop()
        if left in lines and left not in needed:
            needed.add(left)
            stack += symbols([lines[left]])
    return tuple((left, right) for left, right in lines.items() if left in needed)


def counted(number: int) -> str:
    """A number for a message, which may have thousands of digits."""
    return f"{number:,}" if number < 10**9 else f"about 10^{round(log10(number))}"


def written_size(root: Node) -> int:
    """How many symbols and signs ``root`` has when nothing is shared."""
    size: dict[Node, int] = {}
    for node in walk([root]):
        size[node] = 1 + sum(size[argument] for argument in node.args)
    return size[root]
