"""A program as one opaque torch operator, for torch.compile: the graph holds a single node instead of T steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from unrolled.engine import dispatch
from unrolled.errors import BackendError
from unrolled.program.adjoint import adjoint_of
from unrolled.program.instructions import Adjoint, Program


def run(
    program: Program, inputs: Sequence[Tensor], initial: Sequence[Tensor], parameters: Sequence[Tensor],
    batch_sizes: Sequence[int],
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:  # fmt: skip
    """Outputs (N, n) and final states (B, n), through the operator ``unrolled::run``."""
    flat = torch.ops.unrolled.run(program.text, list(inputs), list(initial), list(parameters), list(batch_sizes))
    outputs, states = len(program.outputs), len(program.previous)
    return tuple(flat[:outputs]), tuple(flat[outputs : outputs + states])


@lru_cache(maxsize=256)
def _deserialised(text: str) -> tuple[Program, Adjoint]:
    program = Program.from_dict(json.loads(text))
    floats = tuple(not ids for ids in program.ids)
    return program, adjoint_of(program, floats, (True,) * len(program.parameters))


def _own(tensor: Tensor) -> Tensor:
    """A copy: an operator's results may not share storage with each other or with its arguments."""
    return tensor.clone(memory_format=torch.contiguous_format)


def _own_like(tensor: Tensor) -> Tensor:
    """What ``_own`` returns, as far as a fake tensor tells."""
    return torch.empty_like(tensor, memory_format=torch.contiguous_format)


@torch.library.custom_op("unrolled::run", mutates_args=())
def _run(
    program: str, inputs: list[Tensor], initial: list[Tensor], parameters: list[Tensor], batch_sizes: list[int]
) -> list[Tensor]:
    if forward_ad._current_level >= 0:  # torch would drop the tangent without a word
        raise BackendError(
            "A recurrence inside an exported or compiled graph has no forward-mode derivative. Differentiate the "
            "module itself, or call torch.func.jvp inside the function that is compiled."
        )
    plan, adjoint = _deserialised(program)
    result = dispatch.forward(plan, inputs, initial, parameters, batch_sizes, adjoint.saved)
    return [_own(tensor) for tensor in (*result.outputs, *result.final, *result.saved)]


@_run.register_fake
def _(
    program: str, inputs: list[Tensor], initial: list[Tensor], parameters: list[Tensor], batch_sizes: list[int]
) -> list[Tensor]:
    plan, adjoint = _deserialised(program)
    like = next(t for t in (*parameters, *initial, *inputs) if t.is_floating_point())
    rows = sum(batch_sizes)
    outputs = [like.new_empty(rows, *plan.shapes[v]) for v in plan.outputs]
    final = [_own_like(state) for state in initial]
    ids = {v for v, is_ids in zip(plan.inputs, plan.ids, strict=True) if is_ids}
    saved = [
        _own_like(inputs[plan.inputs.index(v)]) if v in ids else like.new_empty(rows, *plan.shapes[v])
        for v in adjoint.saved
    ]
    return outputs + final + saved


@torch.library.custom_op("unrolled::run_backward", mutates_args=())
def _run_backward(
    program: str, inputs: list[Tensor], parameters: list[Tensor], saved: list[Tensor], gradients: list[Tensor],
    batch_sizes: list[int],
) -> list[Tensor]:  # fmt: skip
    plan, adjoint = _deserialised(program)
    n = len(plan.outputs)
    found = dispatch.backward(
        plan, adjoint, inputs, parameters, saved, gradients[:n], gradients[n:], batch_sizes
    )  # fmt: skip
    sources = (*inputs, *gradients[n:], *parameters)
    flat = [gradient for group in found for gradient in group]
    return [
        torch.zeros_like(source, memory_format=torch.contiguous_format) if gradient is None else _own(gradient)
        for gradient, source in zip(flat, sources, strict=True)
        if source.is_floating_point()
    ]


@_run_backward.register_fake
def _(
    program: str, inputs: list[Tensor], parameters: list[Tensor], saved: list[Tensor], gradients: list[Tensor],
    batch_sizes: list[int],
) -> list[Tensor]:  # fmt: skip
    n = len(_deserialised(program)[0].outputs)
    likes = (*inputs, *gradients[n:], *parameters)
    return [_own_like(tensor) for tensor in likes if tensor.is_floating_point()]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    program, sequences, initial, parameters, batch_sizes = inputs
    plan, _ = _deserialised(program)
    results = len(plan.outputs) + len(plan.previous)
    ctx.save_for_backward(*sequences, *parameters, *output[results:])
    ctx.program, ctx.batch_sizes, ctx.counts = program, batch_sizes, (len(sequences), len(initial), len(parameters))


def _backward(ctx: Any, gradients: list[Tensor]) -> tuple[Any, ...]:
    n_inputs, n_initial, n_parameters = ctx.counts
    tensors = ctx.saved_tensors
    sequences, parameters = tensors[:n_inputs], tensors[n_inputs : n_inputs + n_parameters]
    saved = tensors[n_inputs + n_parameters :]
    plan, _ = _deserialised(ctx.program)
    results = len(plan.outputs) + n_initial
    found = iter(
        torch.ops.unrolled.run_backward(
            ctx.program,
            list(sequences),
            list(parameters),
            list(saved),
            [g.contiguous() for g in gradients[:results]],
            ctx.batch_sizes,
        )
    )
    by_input = [next(found) if t.is_floating_point() else None for t in sequences]
    return None, by_input, [next(found) for _ in range(n_initial)], [next(found) for _ in parameters], None


_run.register_autograd(_backward, setup_context=_keep)
