"""One recurrence over one batch, forwards or backwards in time."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from unrolled.engine import autograd
from unrolled.nn.sequences import Batch
from unrolled.program.instructions import Program


def run_direction(
    program: Program, inputs: Sequence[Tensor], initial: Sequence[Tensor], parameters: Sequence[Tensor], batch: Batch,
    backward: bool,
) -> autograd.Result:  # fmt: skip
    """Outputs (N, n) and final states (B, n) on packed inputs; ``backward`` starts each sequence at its own end."""
    if backward:
        inputs = [_reversed(tensor, batch) for tensor in inputs]
    outputs, final = autograd.run(program, inputs, initial, parameters, batch.batch_sizes)
    if backward:
        outputs = tuple(_reversed(tensor, batch) for tensor in outputs)
    return outputs, final


def _reversed(rows: Tensor, batch: Batch) -> Tensor:
    """Packed rows with every sequence running backwards."""
    index = batch.reversed_rows()
    if index is None:
        return rows.reshape(batch.steps, batch.batch, *rows.shape[1:]).flip(0).reshape(rows.shape)
    return rows.index_select(0, index.to(rows.device))
