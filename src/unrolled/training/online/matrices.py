"""The matrices of derivatives of one step in numbers, for a batch of lanes.

Shapes. A matrix (B, m, n), or (1, m, n) where it is the same for all lanes; one that is diagonal is kept as its
diagonal (B, n), so that what acts unit by unit costs no more than units.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.equations.expression import Expression
from unrolled.training.online.jacobian import matrices, parts_of
from unrolled.training.online.values import Values


class Matrices:
    """Those of a step with these ``values``."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self._found: dict[Expression, Tensor] = {}

    def __call__(self, root: Expression) -> Tensor:
        for node in matrices(root):
            if node not in self._found:
                self._found[node] = self._rule(node, [self._found[each] for each in parts_of(node)])
        return self._found[root]

    def _rule(self, node: Expression, parts: list[Tensor]) -> Tensor:
        match node.op:
            case "matmul":
                return times(*parts)
            case "add":
                return plus(*parts)
            case "sub":
                return plus(parts[0], -parts[1])
            case "neg":
                return -parts[0]
            case "scale":
                factor = self.values(node.args[0])
                return parts[0] * (factor if parts[0].dim() == 2 else factor[:, :, None])
            case "stack":
                return _stacked(parts)
            case "symbol":
                return self.values(node)[None]
            case "transpose":
                found = self.values(node.args[0])
                # of a parameter's rows and columns, or of the components of a vector in each lane
                return found.t()[None] if self._is_matrix(node.args[0]) else found[:, None, :]
            case "diag":
                return self.values(node.args[0])
            case "column":
                return self.values(node.args[0])[:, :, None]
            case "outer":
                left, right = map(self.values, node.args)
                return left[:, :, None] * right[:, None, :]
        return self._constant(node.op, node.data[0].constant)

    def _constant(self, op: str, size: int) -> Tensor:
        like = self.values.like
        match op:
            case "eye":
                return like.new_ones(1, size)
            case "ones_row":
                return like.new_ones(1, 1, size)
            case "mean_row":
                return like.new_full((1, 1, size), 1 / size)
            case "ones_column":
                return like.new_ones(1, size, 1)
            case "zero":  # its columns are those of what it stands above
                return like.new_zeros(1, size, 1)
        raise NotImplementedError(f"no number for {op}")

    def _is_matrix(self, node: Expression) -> bool:
        return node.op == "symbol" and len(self.values.step.system.shapes[node.data[0]]) == 2


def times(left: Tensor, right: Tensor) -> Tensor:
    """The product of two matrices, of which each may be a diagonal."""
    if left.dim() == 2:
        return left * right if right.dim() == 2 else left[:, :, None] * right
    return left * right[:, None, :] if right.dim() == 2 else left @ right


def plus(left: Tensor, right: Tensor) -> Tensor:
    """The sum of two matrices, of which each may be a diagonal."""
    if left.dim() == right.dim():
        return left + right
    return whole(left) + whole(right)


def whole(matrix: Tensor) -> Tensor:
    """A matrix with all its entries."""
    return torch.diag_embed(matrix) if matrix.dim() == 2 else matrix


def entries(matrix: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Parts (B, G, r, c) of a matrix: in part g those in ``rows`` (G, r) and ``columns`` (G, c)."""
    if matrix.dim() == 2:
        return matrix[:, rows][..., None] * (rows[:, :, None] == columns[:, None, :])
    return matrix[:, rows[:, :, None], columns[:, None, :]]


def _stacked(parts: list[Tensor]) -> Tensor:
    blocks = [whole(part) for part in parts]
    lanes, width = max(len(each) for each in blocks), max(each.shape[2] for each in blocks)
    return torch.cat([each.expand(lanes, -1, width) for each in blocks], 1)
