"""Values with their first and second derivatives, for tests that compare two modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree


def floats(values: Any) -> list[Tensor]:
    """The floating-point tensors in nested tuples, lists and dicts (a PackedSequence is a tuple)."""
    return [v for v in pytree.tree_leaves(values) if isinstance(v, Tensor) and v.is_floating_point()]


def gradients(results: list[Tensor], wanted: list[Tensor]) -> list[Tensor]:
    """The gradients of Σ sin(results): a seed that differs from entry to entry."""
    total = torch.stack([result.sin().sum() for result in results]).sum()
    found = torch.autograd.grad(total, wanted, create_graph=True, allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for w, g in zip(wanted, found, strict=True)]


def two_derivatives(module: nn.Module, arguments: tuple[Any, ...], call: Callable[..., Any] | None = None) -> list[Any]:
    """Results, gradients, and gradients of these, with respect to all floating-point arguments and the parameters."""
    leaves = floats(arguments)
    for leaf in leaves:
        leaf.requires_grad_()
    wanted = [*leaves, *module.parameters()]
    results = floats((call or module)(*arguments))
    first = gradients(results, wanted)
    second = gradients([g for g in first if g.requires_grad], wanted)
    return [results, first, second]
