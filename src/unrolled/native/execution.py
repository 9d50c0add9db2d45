"""Programs and their adjoints on the core, with numpy arrays; the shapes are those of ``engine/reference.py``.

Step values are packed, N = Σ n_t rows, n_t sequences at step t, sorted by falling length. A step value of size n is
(N, n), a state (B, n), a static vector (n,), a matrix (m, n). All floats of a call have one dtype, float32 or float64.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.native import static
from unrolled.native.core import Core
from unrolled.native.lowering import ALWAYS_STEP, BATCH, IDS, REDUCTIONS, ROW, STEP, List, Lowering
from unrolled.program.instructions import Adjoint, Instruction, Program, Shape

Array = NDArray[Any]


@dataclass(frozen=True)
class Forward:
    """What a forward run leaves: outputs (N, n), final states (B, n), and the step values that were asked for."""

    outputs: tuple[Array, ...]
    final: tuple[Array, ...]
    saved: tuple[Array, ...]


def forward(
    core: Core, threads: int, program: Program, inputs: Sequence[Array], initial: Sequence[Array],
    parameters: Sequence[Array], batch_sizes: Sequence[int], save: Sequence[int] = (),
) -> Forward:  # fmt: skip
    """Run ``program`` over packed ``inputs`` from the states ``initial``."""
    call = _Call(core, threads, program.shapes, batch_sizes, _dtype(parameters, initial, inputs))
    call.bind(program, inputs, parameters)
    plan = _forward_plan(program, tuple(save), core.operations)
    call.rows(plan.before)
    final = [np.array(state, call.dtype, order="C") for state in initial]
    call.values |= zip(program.previous, final, strict=True)
    if plan.loop:
        call.loop(plan.loop, backward=False)
    call.values |= {v: call.values[copy] for v, copy in plan.kept.items()}
    call.rows(plan.after)
    return Forward(tuple(call.values[v] for v in program.outputs), tuple(final), tuple(call.values[v] for v in save))


def backward(
    core: Core, threads: int, program: Program, adjoint: Adjoint, inputs: Sequence[Array],
    parameters: Sequence[Array], saved: Sequence[Array], outputs: Sequence[Array], final: Sequence[Array],
    batch_sizes: Sequence[int],
) -> tuple[list[Array | None], list[Array], list[Array | None]]:  # fmt: skip
    """Gradients of inputs (N, n), first states (B, n) and parameters, from those of outputs and final states."""
    call = _Call(core, threads, adjoint.shapes, batch_sizes, _dtype(parameters, final, inputs))
    call.bind(program, inputs, parameters)
    plan = _backward_plan(program, adjoint, core.operations)
    static.compute(adjoint.fixed, call.values, call.dtype)
    call.values |= zip(adjoint.saved, saved, strict=True)
    call.values |= zip(adjoint.seeds, map(call.floats, outputs), strict=True)
    call.rows(plan.after)
    call.sums(plan.sums_after)
    first = [np.array(state, call.dtype, order="C") for state in final]
    call.values |= zip(adjoint.carry, first, strict=True)
    if plan.loop:
        call.loop(plan.loop, backward=True)
    call.values |= {v: call.values[copy] for v, copy in plan.kept.items()}
    call.rows(plan.before)
    call.sums(plan.sums)
    static.compute(adjoint.static, call.values, call.dtype)
    weights = [
        None if v is None else call.values[v].reshape(parameter.shape)
        for v, parameter in zip(adjoint.parameters, parameters, strict=True)
    ]
    return [None if v is None else call.values[v] for v in adjoint.inputs], first, weights


def _dtype(*groups: Sequence[Array]) -> np.dtype[Any]:
    return next(array.dtype for group in groups for array in group if array.dtype.kind == "f")


# ── plans: the lists of one program, lowered once ────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _ForwardPlan:
    before: List
    loop: List | None
    after: List
    kept: dict[int, int]  # states before each step that are read after the loop → the value that keeps them


@dataclass(frozen=True)
class _BackwardPlan:
    after: List
    sums_after: tuple[Instruction, ...]
    loop: List | None
    before: List
    sums: tuple[Instruction, ...]
    kept: dict[int, int]  # adjoints of states after each step, likewise


@dataclass
class _Keeping:
    """Copies of what lives in the batch (states, their adjoints) for those who read it for all steps at once."""

    shapes: list[Shape]
    kept: dict[int, int] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)

    def keep(self, value: int) -> None:
        self.kept[value] = len(self.shapes)
        self.shapes.append(self.shapes[value])
        self.instructions.append(Instruction("expand", self.kept[value], (value,), self.shapes[value]))


@lru_cache(maxsize=256)
def _forward_plan(program: Program, save: tuple[int, ...], operations: tuple[str, ...]) -> _ForwardPlan:
    p, numbers = program, _numbers(program)
    shapes = list(p.shapes)
    read_after = {*p.outputs, *save, *(a for i in p.after for a in i.args)}
    read_in_loop = {*p.following, *(a for i in p.loop for a in i.args)}
    statics = dict.fromkeys((*p.parameters, *(i.out for i in p.static)), ROW)
    given = {v: IDS if ids else STEP for v, ids in zip(p.inputs, p.ids, strict=True)}
    kinds = statics | given | dict.fromkeys((i.out for i in p.before), STEP)
    table = {name: i for i, name in enumerate(operations)}

    def lowered(
        own: Sequence[Instruction], also: dict[int, int], outside: set[int], copies: Sequence[Any] = ()
    ) -> List:
        return Lowering(shapes, kinds | also, numbers, table, frozenset(outside)).lower(own, copies)

    before = lowered(p.before, {}, read_after | read_in_loop)
    keeping = _Keeping(shapes)
    for value in p.previous:
        if value in read_after:
            keeping.keep(value)
    states = dict.fromkeys(p.previous, BATCH)
    copies = [(after, before_) for after, before_ in zip(p.following, p.previous, strict=True) if after != before_]
    loop = (
        lowered([*keeping.instructions, *p.loop], states, read_after | set(keeping.kept.values()), copies)
        if p.previous
        else None
    )
    stored = dict.fromkeys((*p.previous, *(i.out for i in p.loop)), STEP)
    after = lowered(p.after, stored, read_after)
    return _ForwardPlan(before, loop, after, keeping.kept)


@lru_cache(maxsize=256)
def _backward_plan(program: Program, adjoint: Adjoint, operations: tuple[str, ...]) -> _BackwardPlan:
    p, a, numbers = program, adjoint, _numbers(program, adjoint)
    statics = dict.fromkeys((*p.parameters, *(i.out for i in (*p.static, *a.fixed))), ROW)
    given = {v: IDS if ids else STEP for v, ids in zip(p.inputs, p.ids, strict=True)}
    kinds = statics | given | dict.fromkeys((*a.saved, *a.seeds, *(i.out for i in a.after)), STEP) | {
        v: IDS for v in given if given[v] == IDS
    }  # fmt: skip
    table = {name: i for i, name in enumerate(operations)}

    def lowered(
        own: Sequence[Instruction], also: dict[int, int], outside: set[int], copies: Sequence[Any] = ()
    ) -> List:
        return Lowering(a.shapes, kinds | also, numbers, table, frozenset(outside)).lower(own, copies)

    step = {*a.saved, *a.seeds, *p.inputs}
    by_step, sums_after = _divide(a.after, a.shapes, step)
    by_step_before, sums = _divide(a.before, a.shapes, step | set(a.stored))
    inputs = {v for v in a.inputs if v is not None}
    read_last = {v for i in sums for v in i.args} | inputs
    read_before = read_last | {v for i in by_step_before for v in i.args}
    in_loop = {v for i in a.loop for v in i.args} | {v for v in a.carry_out if v is not None}
    after = lowered(by_step, {}, read_before | in_loop | {v for i in sums_after for v in i.args})
    carried = [(source, target) for source, target in zip(a.carry_out, a.carry, strict=True) if source != target]
    keeping = _Keeping([*a.shapes, (1,)])
    zero = len(a.shapes)
    for value in a.stored:
        if value in a.carry:
            keeping.keep(value)
    outside = {*keeping.kept.values(), *a.stored} - set(keeping.kept)
    states = dict.fromkeys(a.carry, BATCH)
    lowering = Lowering(keeping.shapes, kinds | states, numbers | {zero: 0.0}, table, frozenset(outside))
    copies = [(zero if source is None else source, target) for source, target in carried]
    loop = lowering.lower([*keeping.instructions, *a.loop], copies) if a.carry else None
    before = lowered(by_step_before, dict.fromkeys(a.stored, STEP), read_last)
    return _BackwardPlan(after, sums_after, loop, before, sums, keeping.kept)


def _divide(
    instructions: Sequence[Instruction], shapes: Sequence[Shape], step: set[int]
) -> tuple[list[Instruction], tuple[Instruction, ...]]:
    """What is computed for each step (added to ``step``), and the sums over steps with what is made of them."""
    by_step, sums = [], []
    for instruction in instructions:
        each = instruction.op in ALWAYS_STEP or not step.isdisjoint(instruction.args)
        if each and instruction.op not in REDUCTIONS and len(shapes[instruction.out]) == 1:
            by_step.append(instruction)
            step.add(instruction.out)
        else:
            sums.append(instruction)
    return by_step, tuple(sums)


def _numbers(program: Program, adjoint: Adjoint | None = None) -> dict[int, float]:
    lists = (program.static, adjoint.fixed) if adjoint else (program.static,)
    return {i.out: i.data[0] for each in lists for i in each if i.op == "number"}


# ── one call ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Call:
    """The values of one call, and the buffers whose addresses the core is given."""

    core: Core
    threads: int
    shapes: Sequence[tuple[int, ...]]
    batch_sizes: Sequence[int]
    dtype: np.dtype[Any]
    values: dict[int, Any] = field(default_factory=dict)
    layouts: dict[tuple[int, str], Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sizes = np.asarray(self.batch_sizes, np.int64)
        self.total = int(self.sizes.sum())
        self.how = self.core.how(self.dtype, self.threads)

    def bind(self, program: Program, inputs: Sequence[Array], parameters: Sequence[Array]) -> None:
        for value, ids, array in zip(program.inputs, program.ids, inputs, strict=True):
            self.values[value] = np.ascontiguousarray(array, np.int64) if ids else self.floats(array)
        for value, array in zip(program.parameters, parameters, strict=True):
            self.values[value] = np.asarray(array, self.dtype).reshape(program.shapes[value])
        static.compute(program.static, self.values, self.dtype)

    def floats(self, array: Array) -> Array:
        return np.ascontiguousarray(array, self.dtype)

    def rows(self, plan: List) -> None:
        if len(plan.instructions):
            values = self._addresses(plan)
            self.core.call("unrolled_run_rows", self.how, _list(plan, values), self.total)

    def loop(self, plan: List, backward: bool) -> None:
        values = self._addresses(plan)
        steps = _Loop(self.sizes.ctypes.data, len(self.sizes), int(backward), 0)
        self.core.call("unrolled_run_loop", self.how, _list(plan, values), ctypes.byref(steps))

    def sums(self, instructions: Sequence[Instruction]) -> None:
        """Sums over all steps, and what is made of them."""
        for instruction in instructions:
            if instruction.op in REDUCTIONS:
                self.reduce(instruction)
            else:
                static.compute([instruction], self.values, self.dtype)

    def reduce(self, instruction: Instruction) -> None:
        first, *rest = (self._step_rows(a) for a in instruction.args)
        out = np.zeros(self._reduced_shape(instruction), self.dtype)
        data, columns, to = first.ctypes.data, first.shape[1], out.ctypes.data
        if instruction.op == "outer":
            (right,) = rest
            n = right.shape[1]
            self.core.call(
                "unrolled_outer", self.how, to, n, data, columns, columns, right.ctypes.data, n, n, self.total
            )
        elif instruction.op == "total":
            self.core.call("unrolled_total", self.how, to, data, columns, columns, self.total)
        else:
            (ids,) = rest
            self.core.call("unrolled_scatter", self.how, to, data, columns, columns, ids.ctypes.data, self.total)
            out = out.T
        self.values[instruction.out] = out

    def _reduced_shape(self, instruction: Instruction) -> tuple[int, ...]:
        shape = self.shapes[instruction.out]
        return shape[::-1] if instruction.op == "scatter" else shape

    def _step_rows(self, value: int) -> Array:
        """A step value; what is the same at every step is repeated."""
        array: Array = self.values[value]
        if array.ndim == 1 and array.dtype.kind == "f":
            return np.ascontiguousarray(np.broadcast_to(array, (self.total, *array.shape)))
        return array

    def _addresses(self, plan: List) -> Array:
        """The values of a list with their addresses, after making room for what it computes."""
        for value in plan.stores:
            self.values[value] = np.empty((self.total, *plan.shapes[value]), self.dtype)
        values = plan.values.copy()
        for entry, (value, layout, at) in plan.sources:
            array = self._laid_out(value, layout) if layout else self._plain(value)
            values["data"][entry] = array.ctypes.data + at * array.itemsize
        return values

    def _plain(self, value: int) -> Array:
        array: Array = self.values[value]
        if not array.flags.c_contiguous:
            self.values[value] = array = np.ascontiguousarray(array)
        return array

    def _laid_out(self, value: int, layout: str) -> Array:
        """A matrix as the core reads it: packed for products with its columns or rows, or a table of them."""
        key = value, layout
        if key not in self.layouts:
            matrix = self.values[value]
            if layout.startswith("table"):
                self.layouts[key] = np.ascontiguousarray(matrix if layout.endswith("rows") else matrix.T)
            else:
                self.layouts[key] = self.core.pack(self.how, matrix if layout == "rows" else matrix.T)
        return self.layouts[key]


class _Loop(ctypes.Structure):
    _fields_ = [
        ("sizes", ctypes.c_void_p),
        ("steps", ctypes.c_int64),
        ("backward", ctypes.c_int32),
        ("unused", ctypes.c_int32),
    ]


class _ListOfCore(ctypes.Structure):
    _fields_ = [
        ("values", ctypes.c_void_p), ("value_count", ctypes.c_int64), ("instructions", ctypes.c_void_p),
        ("count", ctypes.c_int64), ("registers", ctypes.c_int64),
    ]  # fmt: skip


def _list(plan: List, values: Array) -> Any:
    made = _ListOfCore(
        values.ctypes.data, len(values), plan.instructions.ctypes.data, len(plan.instructions), plan.registers
    )
    return ctypes.byref(made)
