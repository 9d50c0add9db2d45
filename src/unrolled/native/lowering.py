"""From the instruction lists of a program to those of the core: where each value lives, and which operations touch it.

A value that only its own list reads lives in a register; one that others read has a row for each row of the packed
sequences. A slice is a view, a concatenation is copies into views. What is static is computed in numpy beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.program.instructions import Instruction, Shape

STEP, BATCH, REGISTER, ROW, NUMBER, IDS, PACKED, TABLE = range(8)
REDUCTIONS = ("outer", "total", "scatter")  # sums over the rows of all steps
ALWAYS_STEP = ("zeros", "expand", "concat", "one_hot", "lookup")

VALUE = np.dtype([("kind", "i4"), ("columns", "i4"), ("stride", "i8"), ("data", "u8"), ("number", "f8")], align=True)
INSTRUCTION = np.dtype(
    [("op", "i4"), ("out", "i4"), ("args", "i4", 3), ("unused", "i4"), ("low", "f8"), ("high", "f8")], align=True
)

# where a value's address comes from: the value, how a matrix is laid out, and the first column
Source = tuple[int, str, int]


@dataclass(frozen=True)
class List:
    """One instruction list of the core; ``sources`` are the entries of ``values`` whose address a call fills in."""

    values: NDArray[Any]
    instructions: NDArray[Any]
    registers: int
    sources: tuple[tuple[int, Source], ...]
    shapes: tuple[Shape, ...]
    stores: tuple[int, ...]  # the values for which a call provides a row for each row of the packed sequences


@dataclass
class Lowering:
    """Lowers one list. ``kinds`` says of every value from outside whether it is STEP, BATCH, IDS or static (ROW)."""

    shapes: Sequence[Shape]
    kinds: Mapping[int, int]
    numbers: Mapping[int, float]
    operations: Mapping[str, int]
    outside: frozenset[int]  # what is computed here and read elsewhere
    entries: list[tuple[int, int, int, float]] = field(default_factory=list)
    index: dict[object, int] = field(default_factory=dict)
    views: dict[int, tuple[int, int]] = field(default_factory=dict)  # a value that is part of another: which, where
    offsets: dict[int, int] = field(default_factory=dict)  # of registers
    free: dict[int, list[int]] = field(default_factory=dict)
    registers: int = 0
    sources: list[tuple[int, Source]] = field(default_factory=list)
    written: list[tuple[int, int, list[int], float, float]] = field(default_factory=list)
    stores: list[int] = field(default_factory=list)

    def lower(self, instructions: Sequence[Instruction], copies: Iterable[tuple[int, int]] = ()) -> List:
        """``copies`` are (from, to) at the end of the list: what goes to the next step."""
        copies = list(copies)
        last = self._last_uses(instructions, copies)
        for place, instruction in enumerate(instructions):
            self._instruction(instruction)
            for root in last.get(place, ()):
                self.free.setdefault(self.shapes[root][0], []).append(self.offsets[root])
        # a state that becomes another one is set aside before it is overwritten
        entries = [self._set_aside(source) if self._is_state(source) else self._entry(source) for source, _ in copies]
        for entry, (_, target) in zip(entries, copies, strict=True):
            self._emit("copy", self._entry(target), [entry])
        values = np.zeros(len(self.entries), VALUE)
        for i, (kind, columns, stride, number) in enumerate(self.entries):
            values[i] = kind, columns, stride, 0, number
        written = np.zeros(len(self.written), INSTRUCTION)
        for i, (op, out, args, low, high) in enumerate(self.written):
            written[i] = op, out, [*args, 0, 0, 0][:3], 0, low, high
        return List(values, written, self.registers, tuple(self.sources), tuple(self.shapes), tuple(self.stores))

    def _last_uses(
        self, instructions: Sequence[Instruction], copies: Sequence[tuple[int, int]]
    ) -> dict[int, list[int]]:
        """Place in the list → the registers that nothing reads after it."""
        roots: dict[int, int] = {}
        last: dict[int, int] = {}
        for place, instruction in enumerate(instructions):
            if instruction.op == "slice" and instruction.out not in self.outside:
                roots[instruction.out] = roots.get(instruction.args[0], instruction.args[0])
            elif instruction.out not in self.outside:
                last[instruction.out] = place
            for argument in instruction.args:
                root = roots.get(argument, argument)
                if root in last:
                    last[root] = place
        for source, _ in copies:
            last.pop(roots.get(source, source), None)
        found: dict[int, list[int]] = {}
        for root, place in last.items():
            found.setdefault(place, []).append(root)
        return found

    def _instruction(self, instruction: Instruction) -> None:
        op, out, args, data = instruction.op, instruction.out, instruction.args, instruction.data
        if op == "slice" and out not in self.outside:
            base, at = self.views.get(args[0], (args[0], 0))
            self.views[out] = base, at + data[0]
            return
        self._place(out)
        if op == "concat":
            at = 0
            for part in args:
                (n,) = self.shapes[part]
                self._emit("copy", self._entry(out, at, n), [self._entry(part)])
                at += n
        elif op == "slice":
            base, at = self.views.get(args[0], (args[0], 0))
            self._emit("copy", self._entry(out), [self._entry(base, at + data[0], data[1] - data[0])])
        elif op in ("product", "affine"):
            init = self._entry(args[0]) if op == "affine" else self._zero()
            layout = "rows" if data else "columns"
            self._emit(
                "multiply", self._entry(out), [init, self._matrix(args[-2], layout, PACKED), self._entry(args[-1])]
            )
        elif op == "lookup":
            layout = "rows" if data else "columns"
            self._emit(
                "lookup", self._entry(out), [self._matrix(args[0], f"table {layout}", TABLE), self._entry(args[1])]
            )
        elif op in ("expand", "zeros"):
            self._emit("copy", self._entry(out), [self._entry(args[0]) if args else self._zero()])
        elif op in ("sum", "mean"):
            scale = 1.0 if op == "sum" else 1.0 / self.shapes[args[0]][0]
            self._emit("sum", self._entry(out), [self._entry(args[0])], scale)
        else:
            constants = [] if op == "one_hot" else [float(each) for each in data]
            self._emit("mul" if op == "scale" else op, self._entry(out), [self._entry(a) for a in args], *constants)

    def _emit(self, op: str, out: int, args: list[int], low: float = 0.0, high: float = 0.0) -> None:
        self.written.append((self.operations[op], out, args, low, high))

    def _place(self, value: int) -> None:
        """A register, or rows of its own, for a value that is computed here."""
        if value in self.outside:
            self.stores.append(value)
            return
        (n,) = self.shapes[value]
        free = self.free.get(n)
        if free:
            self.offsets[value] = free.pop()
        else:
            self.offsets[value] = self.registers
            self.registers += -(-n // 16) * 16

    def _entry(self, value: int, at: int = 0, columns: int | None = None) -> int:
        """The core's number for a value, or for some columns of it."""
        if columns is None:
            (columns,) = self.shapes[value] if self.shapes[value] else (1,)
        if value in self.views:
            value, start = self.views[value]
            at += start
        key = value, at, columns
        if key not in self.index:
            self.index[key] = len(self.entries)
            if value in self.offsets:
                self.entries.append((REGISTER, columns, self.offsets[value] + at, 0.0))
            elif value in self.numbers:
                self.entries.append((NUMBER, 1, 0, self.numbers[value]))
            else:
                kind = STEP if value in self.stores else self.kinds[value]
                self.sources.append((len(self.entries), (value, "", at)))
                self.entries.append((kind, columns, self.shapes[value][0], 0.0))
        return self.index[key]

    def _matrix(self, value: int, layout: str, kind: int) -> int:
        key = value, layout
        if key not in self.index:
            rows, columns = self.shapes[value]
            self.index[key] = len(self.entries)
            self.sources.append((len(self.entries), (value, layout, 0)))
            self.entries.append((kind, columns if layout.endswith("rows") else rows, 0, 0.0))
        return self.index[key]

    def _is_state(self, value: int) -> bool:
        return self.kinds.get(self.views.get(value, (value, 0))[0]) == BATCH

    def _set_aside(self, value: int) -> int:
        (n,) = self.shapes[value]
        source = self._entry(value)
        aside = len(self.entries)
        self.entries.append((REGISTER, n, self.registers, 0.0))
        self.registers += -(-n // 16) * 16
        self._emit("copy", aside, [source])
        return aside

    def _zero(self) -> int:
        if "zero" not in self.index:
            self.index["zero"] = len(self.entries)
            self.entries.append((NUMBER, 1, 0, 0.0))
        return self.index["zero"]
