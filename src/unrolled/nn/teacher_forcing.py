"""What a decoder reads and ought to write at every step of whole sequences, so that all steps are one pass.

Shapes. Packed rows (N, …), N = Σ (T_i + 1), step after step, the sequences sorted by falling length, as
``PackedSequence`` has them; dense (B, T, …) with T the most steps, in the caller's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.nn.sequences import flat_ids


@dataclass(frozen=True)
class Steps:
    """One step for each symbol of each sequence, and one for its end.

    At each of the N steps: ``before``, the symbol that was written before, and ``wanted``, the one to be written; both
    may be V, at the first step the beginning, at the last one the end. ``sequence`` and ``step`` count from 0.
    ``lengths`` (B,) are in the caller's order, and ``order`` is how that was sorted.
    """

    before: Tensor
    wanted: Tensor
    sequence: Tensor
    step: Tensor
    lengths: Tensor
    order: Tensor
    batch_sizes: Tensor

    @classmethod
    def of(cls, sequences: Sequence[Tensor], symbols: int) -> Steps:
        """The steps of ``sequences``, which are not none, over ``symbols`` symbols.

        Raises:
            DataError: one of them does not consist of symbols.
        """
        flat, lengths = flat_ids(sequences, symbols, "sequences")
        starts = (lengths.cumsum(0) - lengths).to(flat.device)
        falling, order = lengths.sort(descending=True, stable=True)
        alive = torch.arange(int(falling[0]) + 1)[:, None] <= falling
        step, place = (each.to(flat.device) for each in alive.nonzero(as_tuple=True))
        order, lengths = order.to(flat.device), lengths.to(flat.device)
        sequence = order[place]
        edge = flat.new_full((1,), symbols)
        around, at = torch.cat([edge, flat, edge]), starts[sequence] + step
        before = around[at].masked_fill(step == 0, symbols)
        wanted = around[at + 1].masked_fill(step == lengths[sequence], symbols)
        return cls(before, wanted, sequence, step, lengths, order, alive.sum(1))

    @property
    def remaining(self) -> Tensor:
        """How many symbols are still to come at each step (N,)."""
        return self.lengths[self.sequence] - self.step

    def packed(self, rows: Tensor) -> PackedSequence:
        """Rows (N, n) as torch packs them."""
        return PackedSequence(rows, self.batch_sizes, self.order)

    def dense(self, rows: Tensor) -> Tensor:
        """Rows (N, n) as (B, T, n), zero beyond the end."""
        batch, steps = len(self.lengths), len(self.batch_sizes)
        flat = rows.new_zeros(batch * steps, rows.shape[1]).index_copy(0, self._places(), rows)
        return flat.reshape(batch, steps, -1)

    def rows(self, dense: Tensor) -> Tensor:
        """The rows (N, n) of (B, T, n)."""
        return dense.flatten(0, 1).index_select(0, self._places())

    def sums(self, values: Tensor) -> Tensor:
        """Of values (N,) the sum over each sequence (B,)."""
        return values.new_zeros(len(self.lengths)).index_add(0, self.sequence, values)

    def _places(self) -> Tensor:
        """Where each row stands in (B · T)."""
        return self.sequence * len(self.batch_sizes) + self.step
