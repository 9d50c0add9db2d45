"""Which executor runs a call. The environment variable ``UNROLLED_BACKEND`` forces one: reference or native."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from unrolled.engine import native, reference
from unrolled.engine.reference import Forward
from unrolled.errors import BackendError
from unrolled.native.core import forced_backend
from unrolled.program.instructions import Adjoint, Program

_log = logging.getLogger("unrolled")


@dataclass(frozen=True)
class Choice:
    """The executor of one recurrence, ``native`` or ``reference``: how it runs, or why no other serves."""

    backend: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """Plain JSON data."""
        return asdict(self)


_watching: ContextVar[list[Choice] | None] = ContextVar("watching", default=None)


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
    forced = forced_backend()
    if forced == "reference":
        return "UNROLLED_BACKEND asks for the reference"
    reason = native.refusal(program, inputs, tensors)
    if forced == "native" and reason is not None:
        raise BackendError(f"UNROLLED_BACKEND asks for the native executor, which cannot serve this call: {reason}.")
    return reason


def explain_choice(layer: Callable[..., object], *inputs: Any, **options: Any) -> list[Choice]:
    """Which executor runs each recurrence of ``layer(*inputs, **options)``, and why: a stack has several.

    The layer is called once, without gradients.

    Raises:
        BackendError: a forced backend cannot serve.

    >>> from unrolled import nn
    >>> layer = nn.RNN(3, 4).half()
    >>> [choice] = explain_choice(layer, torch.zeros(7, 5, 3, dtype=torch.float16))
    >>> choice.backend
    'reference'
    >>> choice.to_dict()["reason"].startswith("native:")
    True
    """
    choices: list[Choice] = []
    token = _watching.set(choices)
    try:
        with torch.no_grad():
            layer(*inputs, **options)
    finally:
        _watching.reset(token)
    return choices


def _natively(program: Program, inputs: Sequence[Tensor], tensors: Sequence[Tensor]) -> bool:
    reason = refusal(program, inputs, tensors)
    if reason is not None:
        _say_once(reason)
    if (choices := _watching.get()) is not None:
        if reason is None:
            choices.append(Choice("native", f"{native.describe()}, {torch.get_num_threads()} threads"))
        else:
            choices.append(Choice("reference", f"native: {reason}"))
    return reason is None


@lru_cache(maxsize=64)
def _say_once(reason: str) -> None:
    # that there is no core deserves to be seen; that it does not serve a GPU is as it should be
    level = logging.WARNING if native.is_absent() else logging.INFO
    _log.log(level, "recurrences run on the reference executor, because of the native one: %s", reason)
