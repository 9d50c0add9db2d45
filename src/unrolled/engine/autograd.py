"""How torch differentiates a program: the adjoint where it serves, the reference where it does not.

Eager first-order gradients run the adjoint program inside an ``autograd.Function``. For what the adjoint has no rule
for (forward mode, ``torch.func`` transforms, a second derivative) the reference itself is differentiated by torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from unrolled.engine import dispatch, operator, reference
from unrolled.program.adjoint import adjoint_of
from unrolled.program.instructions import Adjoint, Program

Result = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]


def run(
    program: Program, inputs: Sequence[Tensor], initial: Sequence[Tensor], parameters: Sequence[Tensor],
    batch_sizes: Sequence[int],
) -> Result:  # fmt: skip
    """Outputs (N, n) and final states (B, n) of ``program`` on packed inputs, differentiable."""
    tensors = (*inputs, *initial, *parameters)
    if torch.compiler.is_compiling() and not _transforming():
        return operator.run(program, inputs, initial, parameters, batch_sizes)
    if torch.compiler.is_compiling() or transformed(tensors):
        result = reference.forward(program, inputs, initial, parameters, batch_sizes)
        return result.outputs, result.final
    if not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)):
        result = dispatch.forward(program, inputs, initial, parameters, batch_sizes)
        return result.outputs, result.final
    adjoint = adjoint_of(
        program, tuple(tensor.requires_grad for tensor in inputs), tuple(tensor.requires_grad for tensor in parameters)
    )
    flat = _Run.apply(program, adjoint, tuple(batch_sizes), len(inputs), len(initial), *tensors)
    return flat[: len(program.outputs)], flat[len(program.outputs) :]


@torch.compiler.assume_constant_result
def _transforming() -> bool:
    """Is a functorch transform or a forward-mode level open? For use while compiling, where torch guards both."""
    return torch._C._functorch.maybe_current_level() is not None or forward_ad._current_level >= 0


def transformed(tensors: Sequence[Tensor]) -> bool:
    """Does a functorch transform or forward-mode differentiation look at this call?"""
    if torch._C._functorch.maybe_current_level() is not None:
        return True
    # _current_level is −1 outside of dual_level()
    return forward_ad._current_level >= 0 and any(forward_ad.unpack_dual(t).tangent is not None for t in tensors)


class _Run(torch.autograd.Function):
    """A program with its adjoint program as its derivative."""

    @staticmethod
    def forward(
        ctx: Any, program: Program, adjoint: Adjoint, batch_sizes: tuple[int, ...], n_inputs: int, n_initial: int,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        inputs, initial, parameters = _split(tensors, n_inputs, n_initial)
        result = dispatch.forward(program, inputs, initial, parameters, batch_sizes, adjoint.saved)
        ctx.program, ctx.adjoint, ctx.batch_sizes, ctx.counts = program, adjoint, batch_sizes, (n_inputs, n_initial)
        ctx.autocast = _autocast_of_now(tensors[0].device.type)
        ctx.save_for_backward(*tensors, *result.saved)
        return _distinct((*result.outputs, *result.final), tensors, result.saved)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        saved = ctx.saved_tensors
        count = len(saved) - len(ctx.adjoint.saved)
        tensors, step_values = saved[:count], saved[count:]
        if torch.is_grad_enabled():  # create_graph=True: a derivative of this derivative will be asked for
            return (None,) * 5 + _differentiable(ctx, tensors, gradients)
        inputs, _, parameters = _split(tensors, *ctx.counts)
        outputs = len(ctx.program.outputs)
        with ctx.autocast():
            found = dispatch.backward(
                ctx.program, ctx.adjoint, inputs, parameters, step_values, gradients[:outputs], gradients[outputs:],
                ctx.batch_sizes,
            )  # fmt: skip
        return (None,) * 5 + tuple(gradient for group in found for gradient in group)


def _autocast_of_now(device: str) -> Callable[[], AbstractContextManager[Any]]:
    """What ran in mixed precision is reversed in it, although backward() is called outside of autocast."""
    if not torch.amp.is_autocast_available(device):
        return nullcontext
    return partial(torch.autocast, device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))


def _split(tensors: Sequence[Tensor], n_inputs: int, n_initial: int) -> tuple[Sequence[Tensor], ...]:
    return tensors[:n_inputs], tensors[n_inputs : n_inputs + n_initial], tensors[n_inputs + n_initial :]


def _differentiable(ctx: Any, tensors: Sequence[Tensor], gradients: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """The gradients as functions of tensors and gradients, by differentiating the reference."""
    inputs, initial, parameters = _split(tensors, *ctx.counts)
    result = reference.forward(ctx.program, inputs, initial, parameters, ctx.batch_sizes)
    wanted = [tensor for tensor in tensors if tensor.requires_grad]
    results = [(r, g) for r, g in zip((*result.outputs, *result.final), gradients, strict=True) if r.requires_grad]
    found = torch.autograd.grad(
        [r for r, _ in results], wanted, [g for _, g in results], create_graph=True, allow_unused=True
    )
    remaining = iter(found)
    return tuple(next(remaining) if tensor.requires_grad else None for tensor in tensors)


def _distinct(results: Sequence[Tensor], given: Sequence[Tensor], saved: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The results, none of them an argument or a part of another result, which are copied.

    What is also saved is shared: it counts its changes in place with what is saved, so that torch sees them.
    """
    seen, kept = set(map(_storage, given)), set(map(_storage, saved))
    distinct = []
    for result in results:
        storage = _storage(result)
        own = result.clone() if storage in seen and storage else result.detach() if storage in kept else result
        distinct.append(own)
        seen.add(storage)
    return tuple(distinct)


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
