"""Models that write on the core: one step again and again, in which each symbol is drawn from the logits before it.

Shapes: B streams side by side; a state (B, n), symbols (number, B), logits (B, V).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import BackendError
from unrolled.native import lowering
from unrolled.native.core import NUMBERS, Core, Pass, Writing
from unrolled.native.execution import laid_out
from unrolled.native.lowering import Given, Room, State
from unrolled.native.memory import WRITABLE, Entry, address, entry, room
from unrolled.native.work import Work

Array = NDArray[Any]


@dataclass(frozen=True)
class Sampling:
    """How symbols are drawn: ``temperature``, ``top_k`` and ``top_p`` as in ``generation.Sampler``; after the symbol
    ``stop`` a stream has ended, and its further symbols are −1."""

    seed: int = 0
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    stop: int | None = None


class Writer:
    """A work of one step that reads symbols and leaves logits as its last state; ``values`` are its static values.

    ``holds``: whether its matrices are packed as numbers of the dtype, or for float32 rounded to bf16 (``HALVES``) or
    to 8 bits (``QUARTERS``).
    """

    def __init__(
        self,
        core: Core,
        threads: int,
        work: Work,
        values: Mapping[int, Any],
        dtype: np.dtype[Any],
        holds: int = NUMBERS,
    ) -> None:
        self.core, self.dtype, self.how, self.holds = core, dtype, core.how(dtype, threads), holds
        self.plan = lowering.plan(work, core.operations, holds)
        self.arrays: list[Array] = []  # so that they live
        self.entries = [self._entry(buffer, values) for buffer in self.plan.buffers]
        made = self._pass([], 0, self.plan.stages[:-1])  # all but the last stage pack
        self.core.run(self.how, made)

    def write(
        self, states: Sequence[Array], read: Array, count: int, choice: Sampling, numbers: Array, positions: Array
    ) -> tuple[Array, Array] | None:
        """Read symbols (given, B), then draw ``count`` more: (count, B), and their probabilities (count, B).

        The ``states`` (B, n), of which the last are the logits, are replaced. Stream i draws the numbers that belong to
        (choice.seed, numbers[i], positions[i] and on). None where a logit was not finite.

        Raises:
            BackendError: a symbol or the choice is out of range.
        """
        batch = read.shape[1]
        drawn, probabilities = np.empty((count, batch), np.int64), np.empty((count, batch))
        read = np.ascontiguousarray(read, np.int64)
        numbers, positions = (np.ascontiguousarray(each, np.uint64) for each in (numbers, positions))
        writing = Writing(
            self.plan.symbols[0], self.plan.passing[-1], len(read), count,
            *map(address, (read, drawn, probabilities, numbers, positions)),
            choice.seed, choice.temperature, choice.top_p or 1.0, choice.top_k or 0,
            -1 if choice.stop is None else choice.stop,
        )  # fmt: skip
        made = self._pass(states, batch, self.plan.stages[-1:])
        return (drawn, probabilities) if self.core.write(self.how, made, writing) else None

    def _entry(self, wanted: lowering.Buffer, values: Mapping[int, Any]) -> Entry:
        """What stays from call to call; the rest is empty until then."""
        if type(wanted) is State:
            return 0, 0, 1, 1, WRITABLE
        if type(wanted) is Given:
            if wanted.value not in values:  # the symbols, which the core itself provides
                return 0, 0, 1, 1, 1
            self.arrays.append(laid_out(values[wanted.value], wanted))
            return entry(self.arrays[-1])
        assert type(wanted) is Room
        rows, columns = wanted.shape
        size = self.core.packed_size(self.how, rows, columns, self.holds)
        if size < 0:
            raise BackendError(f"A matrix of {rows} columns is too wide for 8 bits: at most 65,536; choose bf16.")
        array, at = room((size,), self.dtype)
        self.arrays.append(array)
        return at, size, 1, 1, WRITABLE | self.holds

    def _pass(self, states: Sequence[Array], batch: int, stages: Array) -> Pass:
        """A pass over ``batch`` streams."""
        entries = list(self.entries)
        if states:
            for n, wanted in enumerate(self.plan.buffers):
                if type(wanted) is State:
                    state = states[wanted.index]
                    entries[n] = address(state), state.size, state.shape[1], 1, WRITABLE
        sizes = np.full(1, batch, np.int64)
        table = np.array([*entries, (address(sizes), 0, 0, 0, 0)], np.int64)
        values, instructions, _ = self.plan.addresses
        counts = len(entries), *self.plan.counts[:2], len(stages)
        made = Pass(
            address(table), values, instructions, stages.ctypes.data, address(sizes), *counts, int(bool(states)), batch
        )
        made.keeps = sizes, table  # what it points to lives as long as it does
        return made
