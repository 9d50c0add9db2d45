"""The expressions of one step in numbers, for a batch of lanes.

Shapes. A value (B, n), or (1, n) where it is the same for all lanes; a parameter that is a matrix (m, n).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.calculus.normalisation import layernorm_parts
from unrolled.engine import arrays
from unrolled.equations.expression import NOW, Expression, symbol, walk
from unrolled.equations.operations import ELEMENTWISE
from unrolled.training.online.jacobian import Step

Leaves = Mapping[Expression, Tensor]


class Values:
    """A step, given what its ``leaves`` are, and the sequences ``names`` in the order in which they are computed."""

    def __init__(self, step: Step, leaves: Leaves, names: Iterable[str], like: Tensor) -> None:
        self.step, self.like, self._found = step, like, dict(leaves)
        definitions = step.system.definitions
        for name in names:
            # a scalar that stands for a vector of equal numbers has all of them
            self._found[symbol(name, NOW)] = self(definitions[name]).expand(-1, step.size(name))

    def __call__(self, root: Expression) -> Tensor:
        for node in walk([root], self._found):
            if node not in self._found:
                self._found[node] = self._evaluated(node)
        return self._found[root]

    def _evaluated(self, node: Expression) -> Tensor:
        if node.op == "number":
            return self.like.new_full((1, 1), node.data[0])
        args = [self._found[each] for each in node.args]
        if node.op in ELEMENTWISE:
            found: Tensor = ELEMENTWISE[node.op].value(arrays, *args, *node.data)
            return found
        if node.op == "concat":
            lanes = max(len(each) for each in args)
            return torch.cat([each.expand(lanes, -1) for each in args], -1)
        if node.op == "layernorm":
            return self(layernorm_parts(node.args[0]))
        return _VECTOR[node.op](*args)


def parameter_leaves(parameters: Mapping[str, Tensor]) -> dict[Expression, Tensor]:
    """Parameters by name as leaves: what is no matrix is the same for all lanes."""
    return {symbol(name): each if each.dim() == 2 else each.reshape(1, -1) for name, each in parameters.items()}


_VECTOR: dict[str, Callable[..., Tensor]] = {
    "matmul": lambda matrix, vector: F.linear(vector, matrix),
    "transpose": lambda matrix: matrix.t(),
    "softmax": lambda vector: torch.softmax(vector, -1),
    "dot": lambda left, right: (left * right).sum(-1, keepdim=True),
    "sum": lambda vector: vector.sum(-1, keepdim=True),
    "mean": lambda vector: vector.mean(-1, keepdim=True),
}
