"""The Wengert list as a reader meets it: a table of the forward values and of the adjoints, with numbers if given."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from unrolled.calculus.evaluate import evaluate
from unrolled.calculus.scalar import scalarise
from unrolled.calculus.tape import adjoint, variable
from unrolled.calculus.unroll import at_step, read_symbol
from unrolled.equations.expression import Expression as Node
from unrolled.equations.expression import substitute, symbol, walk
from unrolled.equations.printing import symbol_text
from unrolled.equations.system import System
from unrolled.errors import TargetError
from unrolled.explain.drawing.drawing import Drawing, draw
from unrolled.explain.latex import latex
from unrolled.explain.result import Result, aligned
from unrolled.explain.values import array, bind

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class TapeRow:
    """One line of a tape.

    ``formula`` computes w_index from earlier ones (or is the leaf that it stands for), ``adjoint`` is w̄_index in terms
    of later ones (None where nothing asked for depends on it); ``uses`` are the partial adjoints (the user's index,
    the rule, the contribution) that add up to it; ``rule`` names the rule of this row's operation; ``tangent`` is
    ẇ_index (None for 0). ``value``, ``adjoint_value``, ``use_values`` and ``tangent_value`` are numbers or arrays once
    the tape was evaluated.
    """

    index: int
    name: str
    formula: Node
    rule: str
    adjoint: Node | None
    uses: tuple[tuple[int, str, Node], ...]
    tangent: Node | None
    use_values: tuple[Any, ...] = ()
    value: Any = None
    adjoint_value: Any = None
    tangent_value: Any = None

    @property
    def is_leaf(self) -> bool:
        """Is this an input, a parameter or a first state?"""
        return self.rule == "leaf"


@dataclass(frozen=True, repr=False)
class Tape(Result):
    """The rows, forward; the reverse pass reads them from the last to the first."""

    system: System
    target: str
    rows: tuple[TapeRow, ...]
    scalar: bool
    mode: str = "reverse"
    seed: Any = None

    # ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────

    def evaluate(self, values: Mapping[str, Any], seed: Any = None, tangents: Mapping[str, Any] | None = None) -> Tape:
        """The same tape with numbers, from a value for each leaf.

        ``seed`` is the adjoint of the target (1 for a number; else an array of its shape).
        ``tangents`` gives ẇ of leaves for forward mode, the others being 0; where one leaf alone was asked for, in
        scalars, its ẇ is 1.

        Raises:
            TargetError: a value is missing, unknown, or of the wrong shape.
        """
        leaves = [row.formula for row in self.rows if row.is_leaf]
        given, sizes = bind(self.system, values, leaves, self.scalar)
        known: dict[Node, Any] = {}
        for row in self.rows:
            value = given[row.formula] if row.is_leaf else evaluate([row.formula], known, sizes)[0]
            known[variable(row.index)] = value
        seed = self.seed if seed is None else seed
        self._pull(known, array("the seed", 1.0 if seed is None else seed))
        self._push(known, tangents or {})
        return replace(self, rows=tuple(self._filled(row, known) for row in self.rows))

    def _pull(self, known: dict[Node, Any], seed: Any) -> None:
        """The adjoints, from the last to the first."""
        last = self.rows[-1]
        if np.shape(seed) != np.shape(known[variable(last.index)]):
            raise TargetError(
                f"The seed has the shape {np.shape(seed)}; {self.target} has {np.shape(known[variable(last.index)])}."
            )
        for row in reversed(self.rows):
            if row.adjoint is not None:
                found = seed if row is last else evaluate([row.adjoint], known)[0]
                known[adjoint(row.index)] = _shaped(found, known[variable(row.index)])

    def _push(self, known: dict[Node, Any], tangents: Mapping[str, Any]) -> None:
        """The tangents, from the first to the last."""
        given: dict[int, Any] = {}
        for name, tangent in tangents.items():
            row = self.leaf(name)
            given[row.index] = array(f"the tangent of {name}", tangent)
            if row.tangent is None:
                raise TargetError(f"This tape does not follow {name}: name it in wrt.")
            if np.shape(given[row.index]) != np.shape(known[variable(row.index)]):
                raise TargetError(
                    f"The tangent of {name} has the shape {np.shape(tangent)}, which is not that of {name}."
                )
        for row in self.rows:
            value, dot = known[variable(row.index)], 0.0
            if row.is_leaf:
                own = row.tangent.data[0] if row.tangent is not None and row.tangent.op == "number" else 0.0
                dot = given.get(row.index, own)
            elif row.tangent is not None:
                dot = evaluate([row.tangent], known)[0]
            known[variable(row.index, "ẇ")] = _shaped(dot, value)

    def _filled(self, row: TapeRow, known: Mapping[Node, Any]) -> TapeRow:
        return replace(
            row,
            value=known[variable(row.index)],
            adjoint_value=None if row.adjoint is None else known[adjoint(row.index)],
            tangent_value=known[variable(row.index, "ẇ")],
            use_values=tuple(_shaped(evaluate([p], known)[0], known[variable(row.index)]) for _, _, p in row.uses),
        )

    def gradient(self, name: str) -> Any:
        """The adjoint of the leaf ``name`` (U, x_0, h_{-1}) as a number or array, once the tape was evaluated.

        Raises:
            TargetError: there is no such leaf, or the tape has no numbers yet.
        """
        row = self.leaf(name)
        if row.value is None:
            raise TargetError("This tape has no numbers yet: call evaluate({…}) first, then gradient of its result.")
        return np.zeros(np.shape(row.value)) if row.adjoint_value is None else row.adjoint_value

    def leaf(self, name: str) -> TapeRow:
        """The row of a leaf."""
        leaves = {row.name: row for row in self.rows if row.is_leaf}
        wanted = read_symbol(name, names=self.system.shapes)
        text = symbol_text(wanted.name, wanted.time)
        if text not in leaves:
            raise TargetError(f"{name} is no leaf of this tape; the leaves are {', '.join(leaves)}.")
        return leaves[text]

    # ── print ────────────────────────────────────────────────────────────────────────────────────────────────

    def __str__(self) -> str:
        forward = [(f"w_{r.index}", str(r.formula), self._note(r), _shown(r.value)) for r in self.rows]
        if self.mode == "forward":
            dots = [(f"ẇ_{r.index}", *self._dot(r), _shown(r.tangent_value)) for r in self.rows]
            return "\n".join(["Forward", *_columns(forward), "", "Tangents", *_columns(dots)])
        lines = [
            (_with_use(f"w̄_{line.row}", line.use), _right_side(line), note, shown)
            for line, note, shown in self._reverse_lines()
        ]
        return "\n".join(["Forward", *_columns(forward), "", "Reverse", *_columns(lines)])

    def _note(self, row: TapeRow) -> str:
        return "" if row.is_leaf or not row.name else f"= {row.name}"

    def _dot(self, row: TapeRow) -> tuple[str, str]:
        """The formula of a tangent, and a remark."""
        formula = "0" if row.tangent is None else str(row.tangent)
        if row.is_leaf:
            return formula, row.name
        return formula, "constant" if row.tangent is None else f"{row.rule}; {row.name}" if row.name else row.rule

    def _reverse_lines(self) -> Iterator[tuple[_Line, str, str]]:
        """Each line of the reverse pass with its remark and its number."""
        for row in reversed(self.rows):
            if row.adjoint is None:
                continue
            name = f"∂{self.target}/∂{row.name}" if row.is_leaf else ""
            if len(row.uses) < 2:
                note = row.uses[0][1] if row.uses else "seed"
                yield _Line(row.index, row.adjoint), "; ".join(filter(None, (note, name))), _shown(row.adjoint_value)
                continue
            numbers = row.use_values or (None,) * len(row.uses)
            for k, ((user, rule, part), number_) in enumerate(zip(row.uses, numbers, strict=True), 1):
                yield _Line(row.index, part, k), f"{rule}, used in w_{user}", _shown(number_)
            note = f"sum of {len(row.uses)} uses" + (f"; {name}" if name else "")
            yield _Line(row.index, None, 0, len(row.uses)), note, _shown(row.adjoint_value)

    def latex(self) -> str:
        """LaTeX, for mathematics mode with amsmath."""
        lines = [(f"w_{{{row.index}}}", latex(row.formula)) for row in self.rows]
        if self.mode == "forward":
            dots = [(rf"\dot{{w}}_{{{r.index}}}", "0" if r.tangent is None else latex(r.tangent)) for r in self.rows]
            return aligned(lines + dots)
        for line, *_ in self._reverse_lines():
            bar = rf"\bar{{w}}_{{{line.row}}}"
            uses = " + ".join(f"{bar}^{{({k})}}" for k in range(1, line.uses + 1))
            left = f"{bar}^{{({line.use})}}" if line.use else bar
            lines.append((left, uses if line.formula is None else latex(line.formula)))
        return aligned(lines)

    def _repr_html_(self) -> str:
        pairs = [(r, r.tangent, r.tangent_value) if self.mode == "forward" else (r, r.adjoint, r.adjoint_value)
                 for r in self.rows]  # fmt: skip
        cells = [[f"w<sub>{r.index}</sub>", *map(html.escape, (str(r.formula), _shown(r.value), str(formula or ""),
                  _shown(value), r.rule))] for r, formula, value in pairs]  # fmt: skip
        head = "".join(f"<th>{title}</th>" for title in ("", "formula", "value", self._second, "value", "rule"))
        body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cells)
        return f"<table><tr>{head}</tr>{body}</table>"

    @property
    def _second(self) -> str:
        return "tangent" if self.mode == "forward" else "adjoint"

    def to_dict(self) -> dict[str, Any]:
        """The rows as JSON data."""
        return {
            "target": self.target,
            "form": "scalar" if self.scalar else "matrix",
            "mode": self.mode,
            "rows": [
                {
                    "index": row.index,
                    "name": row.name,
                    "formula": str(row.formula),
                    "rule": row.rule,
                    "adjoint": None if row.adjoint is None else str(row.adjoint),
                    "uses": [{"user": user, "rule": rule, "part": str(part)} for user, rule, part in row.uses],
                    "tangent": None if row.tangent is None else str(row.tangent),
                    "value": _plain(row.value),
                    "adjoint_value": _plain(row.adjoint_value),
                    "tangent_value": _plain(row.tangent_value),
                }
                for row in self.rows
            ],
        }

    # ── picture ──────────────────────────────────────────────────────────────────────────────────────────────

    def draw(self) -> Drawing:
        """The computation graph up to the target's step, with the value and the adjoint of each node in it.

        Raises:
            TargetError: the tape has no numbers yet.

        >>> from unrolled import Recurrence
        >>> tape = Recurrence("h_t = tanh(U x_t)").tape("h_0").evaluate({"U": 0.5, "x_0": 2.0})
        >>> {node.key: [line.plain for line in node.lines[1:]] for node in tape.draw().scene.nodes}["U x_0"]
        ['1', '0.42']
        """
        if self.rows[0].value is None:
            raise TargetError("This tape has no numbers yet: call evaluate({…}) first, then draw its result.")
        steps = _step(self.target) + 1
        keys = {node.key for node in draw(self.system, steps, detail=True).scene.nodes}
        values, adjoints = ({k: v for k, v in each.items() if k in keys} for each in self._labels(steps))
        return draw(self.system, steps, detail=True, values=values, adjoints=adjoints)

    def _labels(self, steps: int) -> tuple[dict[str, str], dict[str, str]]:
        """The value and the adjoint of each quantity, by its text: ``h_0``, ``U x_0``."""
        shown: dict[Node, Node] = {}
        found: tuple[dict[str, str], dict[str, str]] = ({}, {})
        for row in self.rows:
            written = substitute(row.formula, shown)
            name = _symbol(row.name) if row.name and not row.is_leaf else written
            shown[variable(row.index)] = name
            for labels, value in zip(found, (row.value, row.adjoint_value), strict=True):
                if value is not None:
                    labels[str(written)] = labels[str(name)] = _short(value)
        values, adjoints = (self._as_written(labels, steps) for labels in found)
        return values, adjoints

    def _as_written(self, labels: dict[str, str], steps: int) -> dict[str, str]:
        """Labels of products of numbers also under the product of matrices or vectors that they stand for."""
        equations = [at_step(right, step) for step in range(steps) for _, right in self.system.equations]
        same = ((str(node), str(scalarise(node))) for node in walk(equations))
        return labels | {text: labels[scalar] for text, scalar in same if scalar in labels}


class _Line(NamedTuple):
    """One line of a reverse pass: w̄_index or its partial adjoint number ``use``; no formula where ``uses`` add up."""

    row: int
    formula: Node | None
    use: int = 0
    uses: int = 0


def _right_side(line: _Line) -> str:
    if line.formula is not None:
        return str(line.formula)
    return " + ".join(_with_use(f"w̄_{line.row}", k) for k in range(1, line.uses + 1))


def _with_use(bar: str, use: int) -> str:
    return f"{bar}⁽{str(use).translate(_RAISED)}⁾" if use else bar


def _shaped(found: Any, like: Any) -> Any:
    """``found`` in the shape of ``like``: a scalar may have come as a vector of one, or stand for equal numbers."""
    shape = np.shape(like)
    return np.reshape(found, shape) if np.size(found) == np.size(like) else np.broadcast_to(found, shape)


def _columns(lines: list[tuple[str, str, str, str]]) -> list[str]:
    widths = [min(60, max(_width(line[column]) for line in lines)) for column in range(4)]
    rows = ([cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return [f"  {a} = {b}  {c}  {d}".rstrip() for a, b, c, d in rows]


def _width(text: str) -> int:
    """How many columns ``text`` takes: the bar of w̄ takes none."""
    return sum(not unicodedata.combining(character) for character in text)


def _shown(value: Any) -> str:
    return "" if value is None else np.array2string(np.asarray(value), precision=6, separator=", ").replace("\n", "")


def _step(target: str) -> int:
    time = read_symbol(target).time
    assert time is not None  # a target has a step
    return time.offset


def _symbol(text: str) -> Node:
    name = read_symbol(text)
    return symbol(name.name, name.time)


def _short(value: Any) -> str:
    """Two significant digits of a number; the components of a vector one after the other."""
    return " ".join(f"{number:.2g}" for number in np.ravel(value))


def _plain(value: Any) -> Any:
    return None if value is None else np.asarray(value).tolist()
