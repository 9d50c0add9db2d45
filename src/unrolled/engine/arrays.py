"""The array functions that the operation table asks for, in torch; a constant operand arrives as a Python number."""

from __future__ import annotations

import torch
from torch import Tensor

tanh, sigmoid, exp, log, sin, cos, sqrt = (
    torch.tanh, torch.sigmoid, torch.exp, torch.log, torch.sin, torch.cos, torch.sqrt,
)  # fmt: skip
relu, abs, sign = torch.relu, torch.abs, torch.sgn


def softplus(a: Tensor) -> Tensor:
    """log(1 + eᵃ) to the last digit: torch's own is the identity from 20 on, which float64 can tell from it."""
    return torch.nn.functional.softplus(a, threshold=40)


def pow(a: Tensor, exponent: float) -> Tensor:
    return a * a if exponent == 2 else torch.pow(a, exponent)


def maximum(a: Tensor | float, b: Tensor | float) -> Tensor:
    return torch.maximum(*_both(a, b))


def minimum(a: Tensor | float, b: Tensor | float) -> Tensor:
    return torch.minimum(*_both(a, b))


def clip(a: Tensor, low: float, high: float) -> Tensor:
    return torch.clamp(a, low, high)


def positive(a: Tensor) -> Tensor:
    """1 above 0, else 0."""
    return 1 - (a <= 0).to(a.dtype)


def heaviside(a: Tensor) -> Tensor:
    """1 above 0, ½ at 0, 0 below."""
    return 0.5 * (torch.sgn(a) + 1)


def within(a: Tensor, low: float, high: float) -> Tensor:
    """1 from ``low`` to ``high``, both included, else 0."""
    return ((a >= low) & (a <= high)).to(a.dtype)


def _both(a: Tensor | float, b: Tensor | float) -> tuple[Tensor, Tensor]:
    like = a if isinstance(a, Tensor) else b
    assert isinstance(like, Tensor)
    one, other = (x if isinstance(x, Tensor) else torch.full_like(like, x) for x in (a, b))
    return torch.broadcast_tensors(one, other)
