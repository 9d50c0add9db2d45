"""The Wengert list as a reader meets it: a table of the forward values and of the adjoints, with numbers if given."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from unrolled.calculus import tape as calculus
from unrolled.calculus.evaluate import evaluate
from unrolled.calculus.tape import adjoint, variable
from unrolled.calculus.unroll import Unrolling, parse_target
from unrolled.equations.expression import Expression as Node
from unrolled.equations.expression import Time, number, symbol, symbols
from unrolled.equations.printing import symbol_text
from unrolled.equations.syntax import read_name
from unrolled.equations.system import System
from unrolled.errors import TargetError
from unrolled.explain.latex import latex
from unrolled.explain.result import Result, aligned
from unrolled.explain.values import bind

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class TapeRow:
    """One line of a tape.

    ``formula`` computes w_index from earlier ones (or is the leaf that it stands for), ``adjoint`` is w̄_index in terms
    of later ones (None where nothing asked for depends on it); ``uses`` are the partial adjoints (the user's index,
    the rule, the contribution) that add up to it; ``rule`` names the rule of this row's operation. ``value`` and
    ``adjoint_value`` are numbers or arrays once the tape was evaluated.
    """

    index: int
    name: str
    formula: Node
    rule: str
    adjoint: Node | None
    uses: tuple[tuple[int, str, Node], ...]
    tangent: Node | None
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
        ``tangents`` gives ẇ of leaves for forward mode; the others are 0.

        Raises:
            TargetError: a value is missing, unknown, or of the wrong shape.
        """
        leaves = [row.formula for row in self.rows if row.is_leaf]
        known, sizes = bind(self.system, values, leaves, self.scalar)
        seed = self.seed if seed is None else seed
        for row in self.rows:
            value = known[row.formula] if row.is_leaf else evaluate([row.formula], known, sizes)[0]
            known[variable(row.index)] = value
        last = known[variable(self.rows[-1].index)]
        known[symbol("v")] = np.asarray(1.0 if seed is None else seed)
        if np.shape(known[symbol("v")]) != np.shape(last) and not self.scalar:
            raise TargetError(f"The seed has the shape {np.shape(known[symbol('v')])}, the target {np.shape(last)}.")
        for row in reversed(self.rows):
            if row.adjoint is not None:
                known[adjoint(row.index)] = evaluate([row.adjoint], known, sizes)[0]
        self._push(known, tangents or {}, sizes)
        return replace(self, rows=tuple(self._filled(row, known) for row in self.rows))

    def _push(self, known: dict[Node, Any], tangents: Mapping[str, Any], sizes: Any) -> None:
        given = {symbol(n.name, n.time): np.asarray(t) for n, t in ((read_name(k), t) for k, t in tangents.items())}
        for row in self.rows:
            value = known[variable(row.index)]
            dot = given.get(row.formula, np.zeros(np.shape(value))) if row.is_leaf else np.zeros(np.shape(value))
            if row.tangent is not None:
                dot = evaluate([row.tangent], known, sizes)[0]
            known[variable(row.index, "ẇ")] = dot

    def _filled(self, row: TapeRow, known: Mapping[Node, Any]) -> TapeRow:
        return replace(
            row,
            value=known[variable(row.index)],
            adjoint_value=None if row.adjoint is None else known[adjoint(row.index)],
            tangent_value=known[variable(row.index, "ẇ")],
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
        wanted = read_name(name.strip())
        text = symbol_text(wanted.name, wanted.time)
        if text not in leaves:
            raise TargetError(f"{name} is no leaf of this tape; the leaves are {', '.join(leaves)}.")
        return leaves[text]

    # ── print ────────────────────────────────────────────────────────────────────────────────────────────────

    def __str__(self) -> str:
        forward = [(f"w_{r.index}", str(r.formula), self._note(r), _shown(r.value)) for r in self.rows]
        if self.mode == "forward":
            dots = [(f"ẇ_{r.index}", str(r.tangent or _dot(r)), r.rule, _shown(r.tangent_value)) for r in self.rows]
            return "\n".join(["Forward", *_columns(forward), "", "Tangents", *_columns(dots)])
        return "\n".join(["Forward", *_columns(forward), "", "Reverse", *_columns(list(self._reverse_lines()))])

    def _note(self, row: TapeRow) -> str:
        return "" if row.is_leaf or not row.name else f"= {row.name}"

    def _reverse_lines(self) -> Any:
        for row in reversed(self.rows):
            if row.adjoint is None:
                continue
            bar, name = f"w̄_{row.index}", f"∂{self.target}/∂{row.name}" if row.is_leaf else ""
            shown = _shown(row.adjoint_value)
            if len(row.uses) < 2:
                note = row.uses[0][1] if row.uses else "seed"
                yield bar, str(row.adjoint), "; ".join(part for part in (note, name) if part), shown
                continue
            raised = [f"{bar}⁽{str(k).translate(_RAISED)}⁾" for k in range(1, len(row.uses) + 1)]
            for label, (user, rule, part) in zip(raised, row.uses, strict=True):
                yield label, str(part), f"{rule}, used in w_{user}", ""
            yield bar, " + ".join(raised), f"sum of {len(raised)} uses" + (f"; {name}" if name else ""), shown

    def latex(self) -> str:
        """LaTeX, for mathematics mode with amsmath."""
        lines = [(f"w_{{{row.index}}}", latex(row.formula)) for row in self.rows]
        for row in reversed(self.rows):
            if row.adjoint is None:
                continue
            bar = rf"\bar{{w}}_{{{row.index}}}"
            if len(row.uses) < 2:
                lines.append((bar, latex(row.adjoint)))
                continue
            partial = [f"{bar}^{{({k})}}" for k in range(1, len(row.uses) + 1)]
            lines += [(label, latex(part)) for label, (_, _, part) in zip(partial, row.uses, strict=True)]
            lines.append((bar, " + ".join(partial)))
        return aligned(lines)

    def _repr_html_(self) -> str:
        cells = [[f"w<sub>{r.index}</sub>", str(r.formula), _shown(r.value), str(r.adjoint or ""),
                  _shown(r.adjoint_value), r.rule] for r in self.rows]  # fmt: skip
        head = "<tr><th></th><th>formula</th><th>value</th><th>adjoint</th><th>value</th><th>rule</th></tr>"
        body = "".join(f"<tr><td>{c[0]}</td>{''.join(f'<td>{html.escape(x)}</td>' for x in c[1:])}</tr>" for c in cells)
        return f"<table>{head}{body}</table>"

    def to_dict(self) -> dict[str, Any]:
        """The rows as JSON data."""
        return {
            "target": self.target,
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
                }
                for row in self.rows
            ],
        }


def tape(
    system: System,
    target: str,
    wrt: str | tuple[str, ...] | None = None,
    sizes: Mapping[str, int] | None = None,
    seed: Any = None,
    initial: Mapping[str, float] | None = None,
    mode: str = "reverse",
) -> Tape:
    """The tape of ``target`` at a numbered step: scalar as in a worked exercise, in matrices where ``sizes`` are given.

    ``wrt`` names parameters, inputs or states at a step (all by default); an earlier state such as h_0 becomes a leaf.
    A vector target takes a ``seed`` v, and the gradient is vᵀ ∂target/∂θ. ``mode`` is "reverse" or "forward".

    Raises:
        TargetError: there is no such target or leaf, or a vector target has no seed (then ``derive`` is what is meant).
    """
    name = parse_target(system, target)
    assert name.time is not None  # a target has a step
    step = name.time.offset
    wanted = None if wrt is None else [read_name(each) for each in ((wrt,) if isinstance(wrt, str) else wrt)]
    keep = frozenset(
        (each.name, each.time.offset)
        for each in wanted or ()
        if each.time is not None and each.name in system.definitions and 0 <= each.time.offset <= step
    )
    unrolling = Unrolling(system, initial or {}, keep)
    node = unrolling(name.name, step)
    scalar = sizes is None
    shapes = {} if sizes is None else system.resolve(sizes)
    if not scalar and seed is None and shapes[name.name]:
        raise TargetError(
            f"{target} is a vector of {shapes[name.name][0]}: its gradient needs a seed v, which gives vᵀ ∂{target}/∂θ."
            " For the whole derivative use derive."
        )
    leaves = {leaf: shapes.get(leaf.data[0], ()) or (1,) for leaf in symbols([node])}
    asked = None if wanted is None else frozenset(_leaf(system, each, leaves) for each in wanted)
    named = {unrolling(each, k): symbol_text(each, Time("", k)) for k in range(step + 1) for each in system.in_order()}
    made = calculus.Tape(
        node, scalar, {} if scalar else leaves, asked, number(1) if scalar else symbol("v"), named
    ).rows()  # fmt: skip
    rows = tuple(
        TapeRow(
            row.index, str(row.formula) if row.is_leaf else row.name, row.formula,
            "leaf" if row.is_leaf else calculus.rule(row.node), row.adjoint, row.parts, row.tangent,
        )
        for row in made
    )  # fmt: skip
    return Tape(system, target, rows, scalar, mode, seed)


def _leaf(system: System, name: Any, leaves: Mapping[Node, Any]) -> Node:
    leaf = symbol(name.name, name.time)
    if leaf not in leaves:
        known = ", ".join(symbol_text(*each.data) for each in leaves)
        raise TargetError(f"{symbol_text(name.name, name.time)} does not occur here; the leaves are {known}.")
    return leaf


def _dot(row: TapeRow) -> str:
    return f"∂{row.name}" if row.is_leaf else "0"


def _columns(lines: list[tuple[str, str, str, str]]) -> list[str]:
    widths = [min(60, max(_width(line[column]) for line in lines)) for column in range(4)]
    rows = ([cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return [f"  {a} = {b}  {c}  {d}".rstrip() for a, b, c, d in rows]


def _width(text: str) -> int:
    """How many columns ``text`` takes: the bar of w̄ takes none."""
    return sum(not unicodedata.combining(character) for character in text)


def _shown(value: Any) -> str:
    return "" if value is None else np.array2string(np.asarray(value), precision=6, separator=", ").replace("\n", "")


def _plain(value: Any) -> Any:
    return None if value is None else np.asarray(value).tolist()
