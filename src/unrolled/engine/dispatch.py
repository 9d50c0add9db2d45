"""Which executor runs a call. The environment variable ``UNROLLED_BACKEND`` forces one: reference or native."""

from __future__ import annotations

import os
from collections.abc import Sequence

from torch import Tensor

from unrolled.engine import native, reference
from unrolled.engine.reference import Forward
from unrolled.errors import BackendError
from unrolled.program.instructions import Adjoint, Program

BACKENDS = ("native", "reference")


def forward(
    program: Program, inputs: Sequence[Tensor], initial: Sequence[Tensor], parameters: Sequence[Tensor],
    batch_sizes: Sequence[int], save: Sequence[int] = (),
) -> Forward:  # fmt: skip
    """``reference.forward`` on the executor that serves."""
    executor = native if _natively(program, inputs, (*inputs, *initial, *parameters)) else reference
    return executor.forward(program, inputs, initial, parameters, batch_sizes, save)


def backward(
    program: Program, adjoint: Adjoint, inputs: Sequence[Tensor], parameters: Sequence[Tensor],
    saved: Sequence[Tensor], outputs: Sequence[Tensor], final: Sequence[Tensor], batch_sizes: Sequence[int],
) -> tuple[list[Tensor | None], list[Tensor], list[Tensor | None]]:  # fmt: skip
    """``reference.backward`` on the executor that serves."""
    tensors = (*inputs, *parameters, *saved, *outputs, *final)
    executor = native if _natively(program, inputs, tensors) else reference
    return executor.backward(program, adjoint, inputs, parameters, saved, outputs, final, batch_sizes)


def refusal(program: Program, inputs: Sequence[Tensor], tensors: Sequence[Tensor]) -> str | None:
    """Why the native executor does not run this call; None if it does.

    Raises:
        BackendError: ``UNROLLED_BACKEND`` names no backend, or forces the native one, which cannot serve.
    """
    forced = os.environ.get("UNROLLED_BACKEND")
    if forced not in (None, "", *BACKENDS):
        raise BackendError(f"UNROLLED_BACKEND is {forced!r}; it can be {' or '.join(BACKENDS)}.")
    if forced == "reference":
        return "UNROLLED_BACKEND asks for the reference"
    reason = native.refusal(program, inputs, tensors)
    if forced == "native" and reason is not None:
        raise BackendError(f"UNROLLED_BACKEND asks for the native executor, which cannot serve this call: {reason}.")
    return reason


def _natively(program: Program, inputs: Sequence[Tensor], tensors: Sequence[Tensor]) -> bool:
    return refusal(program, inputs, tensors) is None
