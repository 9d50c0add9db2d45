"""S_t = ∂s_t/∂θ, forward in time: S_t = J_t S_{t-1} + I_t, of which a pattern of entries is kept.

Shapes. The entries of a block with G groups of r states and c parameters are (B, G, r, c).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from unrolled.training.online.jacobian import Step, Use
from unrolled.training.online.matrices import Matrices, entries
from unrolled.training.online.pattern import Block, Lines, blocks_of, lines_of

Entries = tuple[Tensor, ...]


class Influence:
    """How S begins, moves on, and gives gradients; ``shapes`` are those of the parameters that are learnt.

    ``order`` n keeps the entries (i, j) where θ_j influences state i within n steps, None those where it ever does.
    """

    def __init__(
        self, step: Step, shapes: Mapping[str, tuple[int, ...]], order: int | None, device: torch.device
    ) -> None:
        self.step, self.shapes = step, dict(shapes)
        self.lines = {name: lines_of(shape, step.uses[name]) for name, shape in shapes.items()}
        self.blocks = tuple(blocks_of(step, self.lines, order, device))

    @property
    def entries(self) -> int:
        """How many numbers S has for each lane."""
        return sum(block.entries for block in self.blocks)

    def start(self, lanes: int, like: Tensor) -> Entries:
        """S before the first step: zero, but for a state that starts from a parameter."""
        found = []
        for block in self.blocks:
            first = like.new_zeros(lanes, block.groups, block.height, block.width)
            for state, value in self.step.system.initial:
                if value.op == "symbol" and state in block.rows and value.data[0] in block.lines:
                    (high, rows), (wide, lines) = block.rows[state], block.lines[value.data[0]]
                    same = rows[:, :, None] == lines[:, None, :]
                    first[:, :, high, wide] = same.to(like.dtype)
            found.append(first)
        return tuple(found)

    def next(self, before: Sequence[Tensor], matrices: Matrices) -> Entries:
        """The kept entries of S_t."""
        found = []
        for block, old in zip(self.blocks, before, strict=True):
            jacobian = self._jacobian(block, len(old), matrices)
            total = jacobian * old if block.height == 1 else jacobian @ old
            self._add_immediate(block, total, matrices)
            found.append(total)
        return tuple(found)

    def gradients(self, influence: Sequence[Tensor], states: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What reaches each parameter through the states, from the gradients (B, n) of a loss at these."""
        found: dict[str, Tensor] = {}
        for block, each in zip(self.blocks, influence, strict=True):
            received = torch.cat([states[name][:, rows] for name, (_, rows) in block.rows.items()], -1)
            total = torch.einsum("bgr,bgrc->gc", received, each)
            for name, (wide, lines) in block.lines.items():
                own = self.lines[name]
                if name not in found:
                    found[name] = each.new_zeros(self.shapes[name])
                own.of(found[name])[lines] = total[:, wide].reshape(*lines.shape, own.width)
        return found

    def _jacobian(self, block: Block, lanes: int, matrices: Matrices) -> Tensor:
        """∂s_t/∂s_{t-1} (B, G, r, r) between the states of each group."""
        found = matrices.values.like.new_zeros(lanes, block.groups, block.height, block.height)
        for before, (wide, columns) in block.rows.items():
            for after, derivative in self.step.states[before].items():
                if after in block.rows:
                    high, rows = block.rows[after]
                    found[:, :, high, wide] = entries(matrices(derivative), rows, columns)
        return found

    def _add_immediate(self, block: Block, total: Tensor, matrices: Matrices) -> None:
        """Add I_t, what the parameters do within this step, to ``total``."""
        for name, (wide, lines) in block.lines.items():
            own = self.lines[name]
            for use in self.step.uses[name]:
                for state in block.rows.keys() & use.derivatives.keys():
                    high, rows = block.rows[state]
                    part = total[:, :, high, wide].unflatten(-1, (-1, own.width))
                    _add(part, own, use, matrices(use.derivatives[state]), rows, lines, matrices)


def _add(
    part: Tensor, own: Lines, use: Use, derivative: Tensor, rows: Tensor, lines: Tensor, matrices: Matrices
) -> None:
    """Add ∂s_i/∂θ_jk (B, G, r, lines, width) of one use: ∂s_i/∂a_j v_k of a product a = W v."""
    if use.vector is None:
        part += entries(derivative, rows, lines)[..., None]
        return
    vector = matrices.values(use.vector)
    if use.transposed == own.turned:
        part.addcmul_(entries(derivative, rows, lines)[..., None], vector[:, None, None, None, :])
    else:  # a line meets one component of the vector, and reaches all of the product
        every = torch.arange(own.width, device=rows.device).expand(len(rows), -1)
        part.addcmul_(entries(derivative, rows, every)[:, :, :, None, :], vector[:, lines][:, :, None, :, None])
