"""From all steps of a sequence to one vector.

Shapes: packed rows (N, n) in, (B, n) out, the sequences in packed order. An empty sequence gives zeros.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.errors import ConfigurationError
from unrolled.nn.sequences import Batch

POOLINGS = ("last", "mean", "max", "attention")


def pool_of(name: str, size: int, device: torch.device | None = None, dtype: torch.dtype | None = None) -> nn.Module:
    """The pooling of that name: a module that maps (rows, batch) to (B, ``size``).

    Raises:
        ConfigurationError: there is none of that name; "last" needs the states, and no module.
    """
    if name == "mean":
        return Mean()
    if name == "max":
        return Max()
    if name == "attention":
        return Attention(size, device, dtype)
    raise ConfigurationError(f"pooling is {name!r}; it can be {', '.join(POOLINGS)}.")


class Mean(nn.Module):
    """(1/T) Σ_t h_t."""

    def forward(self, rows: Tensor, batch: Batch) -> Tensor:
        """Pool packed rows."""
        lengths = batch.lengths().to(rows.device).clamp(min=1)
        return _sums(rows, batch) / lengths[:, None]


class Max(nn.Module):
    """max_t h_t, component by component."""

    def forward(self, rows: Tensor, batch: Batch) -> Tensor:
        """Pool packed rows."""
        return _maxima(rows, batch)


class Attention(nn.Module):
    """Σ_t a_t h_t with a = softmax over the steps of w · h_t (Yang et al. 2016, eq. 5 to 7, without a hidden layer)."""

    def __init__(self, size: int, device: torch.device | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(size, device=device, dtype=dtype))  # at first all steps count alike

    def weights(self, rows: Tensor, batch: Batch) -> Tensor:
        """How much each row counts (N,); those of a sequence add up to 1."""
        scores = (rows * self.w).sum(-1, keepdim=True)
        sequence = batch.sequence_of_rows().to(rows.device)
        e = torch.exp(scores - _maxima(scores.detach(), batch)[sequence])
        return (e / _sums(e, batch)[sequence])[:, 0]

    def forward(self, rows: Tensor, batch: Batch) -> Tensor:
        """Pool packed rows."""
        return _sums(self.weights(rows, batch)[:, None] * rows, batch)


def _sums(rows: Tensor, batch: Batch) -> Tensor:
    sequence = batch.sequence_of_rows().to(rows.device)
    return rows.new_zeros(batch.batch, rows.shape[1]).index_add(0, sequence, rows)


def _maxima(rows: Tensor, batch: Batch) -> Tensor:
    sequence = batch.sequence_of_rows().to(rows.device)[:, None].expand_as(rows)
    zeros = rows.new_zeros(batch.batch, rows.shape[1])
    return zeros.scatter_reduce(0, sequence, rows, "amax", include_self=False)
