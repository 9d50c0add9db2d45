"""The computation graph of a recurrence: every operation a node, over one step or several."""

from __future__ import annotations

from unrolled.equations.expression import BEFORE, NOW, Expression, Time, substitute, symbol, symbols, walk
from unrolled.equations.operations import ELEMENTWISE
from unrolled.equations.printing import number_text, text
from unrolled.equations.system import System
from unrolled.errors import ConfigurationError
from unrolled.explain.drawing.board import Board, Item, Wire
from unrolled.explain.drawing.captions import Colours, key_of

from unrolled.explain.drawing.text import Line, Run, symbol as runs_of  # isort: skip

MOST_STEPS = 8  # beyond these nobody reads such a picture
_SIGNS = {"add": "+", "sub": "−", "neg": "−", "matmul": "×", "mul": "⊙", "scale": "·", "div": "÷", "concat": "[ ; ]"}


class _Graph:
    """The nodes of one step, each with its level: how many lie below it."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.levels: dict[str, int] = dict.fromkeys(system.inputs, 0)
        self.expressions: dict[str, Expression] = {}  # kind → what it computes, parameters and numbers included
        self.joins: list[tuple[str, str, bool]] = []  # source kind, target kind, from the step before
        definitions = system.definitions
        for name in system.in_order():
            self._define(name, definitions[name])
        self.carried = {source for source, _, before in self.joins if before}
        self.rows = self._in_rows()

    def _define(self, name: str, right: Expression) -> None:
        for node in walk([right]):
            if node.op not in ("symbol", "number"):
                self._operation(node)
        self._read(right, name, self._level(right))
        self.levels[name] = self._level(right) + 1

    def _operation(self, node: Expression) -> None:
        kind = _kind(node)
        if kind in self.levels:
            return
        below = max((self._level(argument) for argument in node.args), default=0)
        for argument in node.args:
            self._read(argument, kind, below)
        self.levels[kind], self.expressions[kind] = below + 1, node

    def _level(self, node: Expression) -> int:
        """A leaf that is no sequence of this step stands just below what reads it."""
        if node.op == "symbol":
            return self.levels[node.data[0]] if node.data[1] == NOW else 0
        return 0 if node.op == "number" else self.levels[_kind(node)]

    def _read(self, argument: Expression, target: str, below: int) -> None:
        if argument.op == "symbol" and argument.data[1] is not None:
            self.joins.append((argument.data[0], target, argument.data[1] == BEFORE))
            return
        kind = _kind(argument)
        if argument.op in ("symbol", "number"):
            kind = f"{kind} for {target}"  # each use has its own, so that no arrow crosses the picture
            self.levels[kind], self.expressions[kind] = below, argument
        self.joins.append((kind, target, False))

    def _order(self, kind: str, level: int) -> int:
        """Within a level: operations, then what has a row of its own, then the parameters of the next level."""
        leaf = kind in self.expressions and self.expressions[kind].op in ("symbol", "number")
        return 1 if kind in self.carried else 2 if leaf and any(self.levels[c] == level for c in self.carried) else 0

    def _in_rows(self) -> dict[str, int]:
        """What the next step reads has a row of its own, to leave the way free."""
        keys = {
            kind: (level, self._order(kind, level), kind * (kind in self.carried))
            for kind, level in self.levels.items()
        }
        numbers = {key: row for row, key in enumerate(sorted({(0, 0, ""), *keys.values()}))}
        return {kind: numbers[key] for kind, key in keys.items()}


def detailed(system: System, steps: int | None) -> Board:
    """The board of every operation, at step t or at the steps 0, 1, ….

    Raises:
        ConfigurationError: more steps than such a picture can show.
    """
    if steps is not None and steps > MOST_STEPS:
        raise ConfigurationError(
            f"The computation graph of {steps} steps is larger than a page: draw at most {MOST_STEPS} of them."
        )
    graph = _Graph(system)
    indices = ["t"] if steps is None else [str(number) for number in range(steps)]
    before = "t-1" if steps is None else "-1"
    items, wires, colours = [], [], Colours()
    first = bool(graph.carried)
    sections = ["first"] * first + ["step"] * len(indices)
    for name in system.states if first else ():
        line = Line(runs_of(name, before))
        items.append(Item(f"{name}@0", name, key_of(name, before), 0, graph.rows[name], "initial", (line,)))
    for column, index in enumerate(indices, start=int(first)):
        items += [_item(graph, kind, column, index) for kind in graph.levels]
        for source, target, lag in graph.joins:
            expression = graph.expressions.get(source)
            parameter = expression is not None and expression.op == "symbol"
            colour = colours((source.split(" for ")[0],)) if parameter else None
            ends = f"{source}@{column - lag}", f"{target}@{column}"
            kind = f"{source}>{target}{' later' if lag else ''}"
            wires.append(Wire(f"{kind}@{column}", kind, *ends, "weight" if parameter else "plain", (), colour))
    told = f"The operations of {'; '.join(str(system).splitlines())}, from the inputs below to the outputs above."
    unique = {wire.id: wire for wire in wires}
    return Board(tuple(items), tuple(unique.values()), tuple(sections), "The computation graph of a recurrence", told)


def _item(graph: _Graph, kind: str, column: int, index: str) -> Item:
    row, system = graph.rows[kind], graph.system
    expression = graph.expressions.get(kind)
    if expression is None:
        role = "input" if kind in system.inputs else "output" if kind in system.outputs else "intermediate"
        role = "state" if kind in system.states and role != "output" else role
        shape = "circle" if role in ("input", "output") else "box"
        line = Line(runs_of(kind, index))
        return Item(f"{kind}@{column}", kind, key_of(kind, index), column, row, role, (line,), shape)
    if expression.op == "symbol":
        line = Line(runs_of(expression.data[0]))
        return Item(f"{kind}@{column}", kind, text(expression), column, row, "parameter", (line,), "small")
    if expression.op == "number":
        line = Line((Run(number_text(expression.data[0])),))
        return Item(f"{kind}@{column}", kind, "", column, row, "parameter", (line,), "small")
    key = text(_at(expression, index))
    return Item(f"{kind}@{column}", kind, key, column, row, "operation", (_sign(expression),), "dot")


def _kind(node: Expression) -> str:
    return text(node) if node.op != "number" else number_text(node.data[0])


def _at(node: Expression, index: str) -> Expression:
    """``node`` at a numbered step."""
    if not index.isdigit():
        return node
    step = int(index)
    leaves = [leaf for leaf in symbols([node]) if leaf.data[1] in (NOW, BEFORE)]
    return substitute(node, {leaf: symbol(leaf.data[0], Time("", step + leaf.data[1].offset)) for leaf in leaves})


def _sign(node: Expression) -> Line:
    if node.op in _SIGNS:
        return Line((Run(_SIGNS[node.op]),))
    if node.op == "pow":
        return Line((Run("( · )"), Run(number_text(node.data[0]), 1)))
    if node.op == "transpose":
        return Line((Run("( · )"), Run("T", 1)))
    entry = ELEMENTWISE.get(node.op)
    return Line((Run(entry.spellings[0] if entry and entry.spellings else node.op),))
