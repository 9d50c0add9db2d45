"""From the work of a call to a pass of the core: its buffers, operands, instructions and stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.native.core import HALVES, NUMBERS
from unrolled.native.layout import Layout, Line
from unrolled.native.work import AFTER, BATCH, BEFORE, IDS, MATRIX, NUMBER, PACKED, REGISTER, ROW, STEP, Work
from unrolled.program.instructions import Instruction, Shape

VALUE = np.dtype(
    [("kind", "i4"), ("buffer", "i4"), ("rows", "i8"), ("columns", "i8"), ("start", "i8"), ("number", "f8")]
)
INSTRUCTION = np.dtype(
    [("op", "i4"), ("out", "i4"), ("args", "i4", 3), ("segment", "i4"), ("low", "f8"), ("high", "f8")]
)
STAGE = np.dtype(
    [
        ("stage", "i4"), ("out", "i4"), ("left", "i4"), ("right", "i4"),
        ("first", "i8"), ("count", "i8"), ("registers", "i8"),
    ]
)  # fmt: skip
PACK, ROWS, FORWARD, BACKWARD, OUTER, TOTAL, SCATTER, OUTER_HALVES = range(8)
_LANES = 16  # registers begin where a vector register would


@dataclass(frozen=True)
class Given:
    """What the caller has: a value, or its transpose. Only what is packed may have gaps between its columns."""

    value: int
    transposed: bool = False
    packed: bool = False


@dataclass(frozen=True)
class Rows:
    """A new array with a row for each row of the packed sequences, after those of ``states`` (number, column)."""

    columns: int
    states: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class State:
    """A new array (B, n) with the first values of a state, which the call replaces."""

    index: int


@dataclass(frozen=True)
class Room:
    """A new array: for a packed matrix that ``holds`` NUMBERS, HALVES or QUARTERS, or for the sum over all rows that
    ``value`` is, or its transpose."""

    shape: Shape
    holds: int | None = None
    value: int | None = None
    transposed: bool = False


Buffer = Given | Rows | State | Room
Found = tuple[int, int, bool]


@dataclass(frozen=True)
class Plan:
    """A pass of the core but for the addresses.

    ``found`` tells where a value lies afterwards: buffer, first column, and whether it is after the first states.
    ``symbols`` are the operands that are ids, ``passing`` those of the states that are not kept for all steps.
    """

    buffers: tuple[Buffer, ...]
    values: NDArray[Any]
    instructions: NDArray[Any]
    stages: NDArray[Any]
    found: Mapping[int, Found]
    states: tuple[tuple[Found, int], ...]  # of each state after the last step, and its columns
    shapes: tuple[Shape, ...]
    symbols: tuple[int, ...]
    passing: tuple[int, ...]

    @cached_property
    def addresses(self) -> tuple[int, ...]:
        """Of values, instructions and stages."""
        return self.values.ctypes.data, self.instructions.ctypes.data, self.stages.ctypes.data

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Of values, instructions and stages."""
        return len(self.values), len(self.instructions), len(self.stages)


def plan(work: Work, operations: Sequence[str], holds: int = NUMBERS) -> Plan:
    """Lower ``work`` for a core that knows ``operations``; packed matrices hold NUMBERS, HALVES or QUARTERS."""
    return _Lowering(work, {name: i for i, name in enumerate(operations)}, holds).plan()


@dataclass
class _Lowering:
    work: Work
    operations: Mapping[str, int]
    holds: int
    buffers: list[Buffer] = field(default_factory=list)
    values: list[tuple[int, int, int, int, int, float]] = field(default_factory=list)
    instructions: list[tuple[int, int, list[int], int, float, float]] = field(default_factory=list)
    packs: list[tuple[int, ...]] = field(default_factory=list)
    stages: list[tuple[int, ...]] = field(default_factory=list)
    index: dict[object, int] = field(default_factory=dict)
    places: dict[int, tuple[int, int]] = field(default_factory=dict)  # id of a line → buffer, or −1, and first column
    in_loop: bool = False

    def plan(self) -> Plan:
        work = self.work
        self.layout = Layout(work)
        self._arrays()
        for number, kind in enumerate((ROWS, BACKWARD if work.backward else FORWARD, ROWS)):
            self.in_loop = number == 1
            self._list(number, kind)
        self.in_loop = False
        sums = [self._sum(instruction) for instruction in work.sums]
        stages = [*self.packs, *self.stages, *sums]
        found = {v: self._found(v) for v in sorted(work.wanted)}
        found |= {v: found[copy] for v, copy in work.kept.items() if copy in found}
        states = tuple((self._state(i), work.shapes[v][0]) for i, (v, _) in enumerate(work.states))
        symbols = tuple(self._value(v) for v, kind in work.given.items() if kind == IDS)
        passing = tuple(
            self._operand(BATCH, self.index["state", i], 0, work.shapes[v][0])
            for i, (v, _) in enumerate(work.states)
            if not work.stepwise[i]
        )
        instructions = [(op, out, [*args, 0, 0, 0][:3], *rest) for op, out, args, *rest in self.instructions]
        return Plan(
            tuple(self.buffers), np.array(self.values, VALUE), np.array(instructions, INSTRUCTION),
            np.array(stages, STAGE), found, states, work.shapes, symbols,
            passing,
        )  # fmt: skip

    # ── buffers ──────────────────────────────────────────────────────────────────────────────────────────────

    def _arrays(self) -> None:
        """A buffer for each line of rows and for each state that is not kept for all steps."""
        for line in {id(line): line for line in self.layout.lines.values()}.values():
            if line.rows:
                self._array(line)
        for index, stepwise in enumerate(self.work.stepwise):
            if not stepwise:
                self.index["state", index] = self._buffer(State(index))

    def _array(self, line: Line) -> None:
        low, high = _extent(line, self.layout)
        states = tuple(
            (index, line.columns[following] - low)
            for index, (_, following) in enumerate(self.work.states)
            if self.work.stepwise[index] and self.layout.lines[following] is line
        )
        self.places[id(line)] = self._buffer(Rows(high - low, states)), low

    def _buffer(self, buffer: Buffer) -> int:
        self.buffers.append(buffer)
        return len(self.buffers) - 1

    def _given(self, given: Given) -> int:
        if given not in self.index:
            self.index[given] = self._buffer(given)
        return self.index[given]

    def _found(self, value: int) -> Found:
        """Where a value lies that is read after the pass."""
        line, column = self.layout.find(value)
        if line:
            buffer, low = self.places[id(line)]
            return buffer, column - low, self._after_states(buffer)
        root, at = self.layout.roots.get(value, (value, 0))
        for index, (previous, _) in enumerate(self.work.states):
            if root == previous:
                buffer, column, _ = self._state(index)
                return buffer, column + at, False
        return self._given(Given(root)), at, False

    def _after_states(self, buffer: int) -> bool:
        array = self.buffers[buffer]
        return isinstance(array, Rows) and bool(array.states)

    def _state(self, index: int) -> Found:
        if self.work.stepwise[index]:
            return self._found(self.work.states[index][1])
        return self.index["state", index], 0, False

    # ── one list ─────────────────────────────────────────────────────────────────────────────────────────────

    def _list(self, number: int, stage: int) -> None:
        instructions = self.work.lists[number]
        first = len(self.instructions)
        registers = self._registers(number)
        for instruction in instructions:
            self._instruction(instruction)
        if self.in_loop:
            for index, (_, following) in enumerate(self.work.states):
                if not self.work.stepwise[index] and self.layout.lines[following].state != index:
                    state = self._operand(BATCH, self.index["state", index], 0, self.work.shapes[following][0])
                    self._emit("copy", state, [self._value(following)])
        count = len(self.instructions) - first
        if count:
            self.stages.append((stage, 0, 0, 0, first, count, registers))

    def _registers(self, number: int) -> int:
        """Places for the lines of a list that are not rows; the columns that they need together."""
        layout, free, used, ends = self.layout, dict[int, list[int]](), 0, dict[int, list[tuple[int, int]]]()
        for place, instruction in enumerate(self.work.lists[number]):
            line = layout.lines.get(instruction.out)
            if line and not line.rows and line.state is None and id(line) not in self.places:
                low, high = _extent(line, layout)
                size = -(-(high - low) // _LANES) * _LANES
                at = free[size].pop() if free.get(size) else used
                used = max(used, at + size)
                self.places[id(line)] = -1, low - at
                last = max(layout.last_use(line), *(layout.born[v] for v in line.columns))
                if last[0] == number:
                    ends.setdefault(last[1], []).append((size, at))
            for size, at in ends.get(place, ()):
                free.setdefault(size, []).append(at)
        return used

    def _segment(self, value: int) -> int:
        """How many columns at a time threads divide: slices that are read begin and end where segments do."""
        width = self.layout.width(value)
        cut = [(at, self.layout.width(v)) for v, (root, at) in self.layout.roots.items() if root == value]
        return gcd(width, *(n for each in cut for n in each))

    def _instruction(self, instruction: Instruction) -> None:
        op, out, args, data = instruction.op, instruction.out, instruction.args, instruction.data
        if op == "slice":
            return
        if op == "concat":
            return self._join(instruction)
        if op in ("product", "affine"):
            init = self._value(args[0]) if op == "affine" else self._number(0.0)
            # columns of what is packed are components of the result
            matrix = self._packed(args[-2], transposed=not data)
            self._emit("multiply", self._value(out), [init, matrix, self._value(args[-1])], segment=self._segment(out))
        elif op == "lookup":
            self._emit("lookup", self._value(out), [self._table(args[0], transposed=not data), self._value(args[1])])
        elif op in ("expand", "zeros"):
            self._emit("copy", self._value(out), [self._value(args[0]) if args else self._number(0.0)])
        elif op in ("sum", "mean"):
            scale = 1.0 if op == "sum" else 1.0 / self.work.shapes[args[0]][0]
            self._emit("sum", self._value(out), [self._value(args[0])], scale)
        else:
            constants = [] if op == "one_hot" else [float(each) for each in data]
            low, high = [*constants, 0.0, 0.0][:2]
            self._emit("mul" if op == "scale" else op, self._value(out), [self._value(a) for a in args], low, high)
        return None

    def _join(self, concat: Instruction) -> None:
        line, at = self.layout.find(concat.out)
        for part in concat.args:
            if self.layout.find(part) != (line, at):
                self._emit("copy", self._columns(line, at, self.layout.width(part)), [self._value(part)])
            at += self.layout.width(part)

    def _emit(self, op: str, out: int, args: list[int], low: float = 0.0, high: float = 0.0, segment: int = 0) -> None:
        self.instructions.append((self.operations[op], out, args, segment, low, high))

    # ── operands ─────────────────────────────────────────────────────────────────────────────────────────────

    def _value(self, value: int) -> int:
        work = self.work
        line, column = self.layout.find(value)
        width = work.shapes[value][0] if work.shapes[value] else 1
        if line:
            return self._columns(line, column, width)
        root, at = self.layout.roots.get(value, (value, 0))
        for index, (previous, _) in enumerate(work.states):
            if root == previous:
                buffer, column, _ = self._state(index)
                kind = STEP if not self.in_loop else BEFORE if work.stepwise[index] else BATCH
                return self._operand(kind, buffer, column + at, width)
        if root in work.numbers:
            return self._number(work.numbers[root])
        kind = work.given[root]
        rows = width if kind == IDS else 0
        return self._operand(kind, self._given(Given(root)), at, 1 if kind == IDS else width, rows)

    def _columns(self, line: Line | None, column: int, width: int) -> int:
        assert line is not None
        if line.state is not None:
            return self._operand(BATCH, self.index["state", line.state], column, width)
        buffer, low = self.places[id(line)]
        if buffer < 0:
            return self._operand(REGISTER, 0, column - low, width)
        return self._operand(AFTER if self._after_states(buffer) else STEP, buffer, column - low, width)

    def _packed(self, value: int, transposed: bool) -> int:
        key = "packed", value, transposed
        if key not in self.index:
            shape = self._shape(value, transposed)
            matrix = self._operand(MATRIX, self._given(Given(value, transposed, packed=True)), 0, shape[1], shape[0])
            self.index[key] = self._operand(PACKED, self._buffer(Room(shape, self.holds)), 0, shape[1], shape[0])
            self.packs.append((PACK, self.index[key], matrix, 0, 0, 0, 0))
        return self.index[key]

    def _table(self, value: int, transposed: bool) -> int:
        rows, columns = self._shape(value, transposed)
        return self._operand(MATRIX, self._given(Given(value, transposed)), 0, columns, rows)

    def _shape(self, value: int, transposed: bool) -> Shape:
        return self.work.shapes[value][:: -1 if transposed else 1]

    def _number(self, number: float) -> int:
        return self._operand(NUMBER, 0, 0, 1, 0, number)

    def _operand(self, kind: int, buffer: int, start: int, columns: int, rows: int = 0, number: float = 0.0) -> int:
        key = "operand", kind, buffer, start, columns, rows, number
        if key not in self.index:
            self.index[key] = len(self.values)
            self.values.append((kind, buffer, rows, columns, start, number))
        return self.index[key]

    # ── sums over all rows ───────────────────────────────────────────────────────────────────────────────────

    def _sum(self, instruction: Instruction) -> tuple[int, ...]:
        transposed = instruction.op == "scatter"
        shape = self._shape(instruction.out, transposed)
        room = self._buffer(Room(shape, None, instruction.out, transposed))
        self.index["sum", instruction.out] = room
        kind, rows = (ROW, 0) if instruction.op == "total" else (MATRIX, shape[0])
        out = self._operand(kind, room, 0, shape[-1], rows)
        outer = OUTER_HALVES if self.holds == HALVES else OUTER
        stage = {"outer": outer, "total": TOTAL, "scatter": SCATTER}[instruction.op]
        left, right = [*(self._value(a) for a in instruction.args), 0][:2]
        return stage, out, left, right, 0, 0, 0


def _extent(line: Line, layout: Layout) -> tuple[int, int]:
    """The first column of a line and the one after its last."""
    return min(line.columns.values()), max(c + layout.width(v) for v, c in line.columns.items())
