"""Programs and their adjoints on the core, with numpy arrays; the shapes are those of ``engine/reference.py``.

Step values are packed, N = Σ n_t rows, n_t sequences at step t, sorted by falling length. A step value of size n is
(N, n), a state (B, n), a static vector (n,), a matrix (m, n). All floats of a call have one dtype, float32 or float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.native import lowering, static
from unrolled.native.core import HALVES, NUMBERS, Core, Pass
from unrolled.native.lowering import Found, Given, Plan, Room, Rows, State
from unrolled.native.memory import WRITABLE, Entry, address, entry, room
from unrolled.native.work import Instructions, backward_work, forward_work
from unrolled.program.instructions import Adjoint, Program

Array = NDArray[Any]
_HOLDS = {"fp32": NUMBERS, "bf16": HALVES}  # what packed matrices hold, by the precision of a program


@dataclass(frozen=True)
class Forward:
    """What a forward run leaves: outputs (N, n), final states (B, n), and the step values that were asked for.

    Outputs and saved values may be parts of the same arrays.
    """

    outputs: tuple[Array, ...]
    final: tuple[Array, ...]
    saved: tuple[Array, ...]


def forward(
    core: Core, threads: int, program: Program, inputs: Sequence[Array], initial: Sequence[Array],
    parameters: Sequence[Array], batch_sizes: Sequence[int], save: Sequence[int] = (),
) -> Forward:  # fmt: skip
    """Run ``program`` over packed ``inputs`` from the states ``initial``."""
    batch = max([*batch_sizes[:1], *(len(state) for state in initial)], default=0)
    call = _Call(core, threads, tuple(batch_sizes), batch, _dtype(parameters, initial, inputs))
    call.bind(program, inputs, parameters)
    call.run(_forward_plan(program, tuple(save), call.dense, core.operations), initial)
    return Forward(
        tuple(call.rows(v) for v in program.outputs), tuple(call.final_states()), tuple(call.rows(v) for v in save)
    )


def backward(
    core: Core, threads: int, program: Program, adjoint: Adjoint, inputs: Sequence[Array],
    parameters: Sequence[Array], saved: Sequence[Array], outputs: Sequence[Array], final: Sequence[Array],
    batch_sizes: Sequence[int],
) -> tuple[list[Array | None], list[Array], list[Array | None]]:  # fmt: skip
    """Gradients of inputs (N, n), first states (B, n) and parameters, from those of outputs and final states."""
    batch = max([*batch_sizes[:1], *(len(state) for state in final)], default=0)
    call = _Call(core, threads, tuple(batch_sizes), batch, _dtype(parameters, final, inputs))
    call.bind(program, inputs, parameters)
    plan, last = _backward_plan(program, adjoint, core.operations)
    static.compute(adjoint.fixed, call.values, call.dtype)
    call.values |= zip(adjoint.saved, saved, strict=True)
    call.values |= zip(adjoint.seeds, outputs, strict=True)
    call.run(plan, final)
    static.compute((*last, *adjoint.static), call.values, call.dtype)
    weights = [
        None if v is None else call.values[v].reshape(parameter.shape)
        for v, parameter in zip(adjoint.parameters, parameters, strict=True)
    ]
    return [None if v is None else call.rows(v) for v in adjoint.inputs], call.final_states(), weights


def _dtype(*groups: Sequence[Array]) -> np.dtype[Any]:
    return next(array.dtype for group in groups for array in group if array.dtype.kind == "f")


@lru_cache(maxsize=256)
def _forward_plan(program: Program, save: tuple[int, ...], dense: bool, operations: tuple[str, ...]) -> Plan:
    return lowering.plan(forward_work(program, save, dense), operations, _HOLDS[program.precision])


@lru_cache(maxsize=256)
def _backward_plan(program: Program, adjoint: Adjoint, operations: tuple[str, ...]) -> tuple[Plan, Instructions]:
    work, last = backward_work(program, adjoint)
    return lowering.plan(work, operations, _HOLDS[program.precision]), last


@dataclass(frozen=True)
class _Steps:
    """``sizes[t]`` of the sequences are alive at step t; ``total`` rows."""

    sizes: Array
    total: int
    address: int


@lru_cache(maxsize=64)
def _steps(batch_sizes: tuple[int, ...]) -> _Steps:
    sizes = np.array(batch_sizes, np.int64)
    return _Steps(sizes, int(sizes.sum()), address(sizes))


@dataclass
class _Call:
    """The values of one call, and the buffers whose addresses the core is given."""

    core: Core
    threads: int
    batch_sizes: tuple[int, ...]
    batch: int
    dtype: np.dtype[Any]
    values: dict[int, Any] = field(default_factory=dict)
    buffers: list[Array] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.steps = _steps(self.batch_sizes)
        self.total = self.steps.total
        self.dense = self.total == self.batch * len(self.batch_sizes)
        self.how = self.core.how(self.dtype, self.threads)

    def bind(self, program: Program, inputs: Sequence[Array], parameters: Sequence[Array]) -> None:
        for value, ids, array in zip(program.inputs, program.ids, inputs, strict=True):
            self.values[value] = np.asarray(array, np.int64 if ids else self.dtype)
        for value, array in zip(program.parameters, parameters, strict=True):
            self.values[value] = np.asarray(array, self.dtype).reshape(program.shapes[value])
        static.compute(program.static, self.values, self.dtype)

    def run(self, plan: Plan, states: Sequence[Array]) -> None:
        """Run a plan from the first ``states``, which are not changed."""
        self.plan, self.buffers = plan, []
        entries = [self._buffer(each, states) for each in plan.buffers]
        if plan.counts[-1]:
            table = np.array(entries, np.int64)
            lists, steps = plan.addresses, self.steps
            made = Pass(
                address(table), *lists, steps.address, len(entries), *plan.counts, len(self.batch_sizes), self.batch
            )
            self.core.run(self.how, made)
        for each, array in zip(plan.buffers, self.buffers, strict=True):
            if type(each) is Room and each.value is not None:
                self.values[each.value] = array.T if each.transposed else array

    def rows(self, value: int) -> Array:
        """A step value (N, n)."""
        array, column, first = self._found(self.plan.found[value])
        if array.ndim == 1:  # ids, or what is the same at every step
            return array if array.dtype.kind == "i" else np.broadcast_to(array, (self.total, *array.shape))
        return array[first : first + self.total, column : column + self.plan.shapes[value][0]]

    def final_states(self) -> list[Array]:
        """The states (B, n) after each sequence's last step."""
        return [self._final(*each) for each in self.plan.states]

    def _final(self, found: Found, n: int) -> Array:
        array, column, first = self._found(found)
        if not first:
            return array if array.shape == (self.batch, n) else array[: self.batch, column : column + n].copy()
        if self.dense:
            return array[self.total : self.total + self.batch, column : column + n].copy()
        ends = np.arange(self.batch)  # the rows of the first states, for sequences without a step
        offset = self.batch
        for size in self.batch_sizes:
            ends[:size] = np.arange(offset, offset + size)
            offset += size
        return array[ends, column : column + n]

    def _found(self, found: Found) -> tuple[Array, int, int]:
        buffer, column, after = found
        return self.buffers[buffer], column, self.batch if after else 0

    def _buffer(self, wanted: lowering.Buffer, states: Sequence[Array]) -> Entry:
        """Add an array to the buffers, and return how the core is told of it."""
        holds = NUMBERS
        if type(wanted) is Given:
            array = self._given(wanted)
            self.buffers.append(array)
            return entry(array)
        if type(wanted) is State:
            array, at = room(states[wanted.index].shape, self.dtype)
            array[...] = states[wanted.index]
        elif type(wanted) is Rows:
            array, at = room((self.total + self.batch if wanted.states else self.total, wanted.columns), self.dtype)
            for index, column in wanted.states:
                array[: self.batch, column : column + states[index].shape[1]] = states[index]
        else:
            assert type(wanted) is Room
            shape, holds = wanted.shape, NUMBERS if wanted.holds is None else wanted.holds
            if wanted.holds is not None:
                rows, columns = shape
                shape = (self.core.packed_size(self.how, rows, columns, holds),)
            array, at = room(shape, self.dtype)
        self.buffers.append(array)
        return at, array.size, array.shape[-1], 1, WRITABLE | holds

    def _given(self, wanted: Given) -> Array:
        return laid_out(self.values[wanted.value], wanted)


def laid_out(array: Array, wanted: Given) -> Array:
    """What a pass wants, as it lies or else copied."""
    if wanted.transposed:
        array = array.T
    usable = array.ndim == 2 and min(array.strides) >= 0
    if usable and (wanted.packed or array.shape[1] == 1 or array.strides[1] == array.itemsize):
        return array
    return np.ascontiguousarray(array)
