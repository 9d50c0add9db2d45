"""The one-unit case: every vector and matrix is a number, every product an ordinary one, as students write it."""

from __future__ import annotations

from unrolled.equations.expression import Expression, is_number, number, walk
from unrolled.equations.operations import LAYERNORM_EPSILON

_PRODUCTS = frozenset(("mul", "scale", "matmul", "outer", "dot"))
_SAME = frozenset(("transpose", "diag", "sum", "mean", "kron_right", "kron_left"))
_ONES = frozenset(("eye", "ones_row", "ones_column", "mean_row"))


def scalarise(root: Expression) -> Expression:
    """``root`` with one unit everywhere: matrices, vectors and diagonals become numbers, all products juxtaposed."""
    done: dict[Expression, Expression] = {}
    for node in walk([root]):
        done[node] = _scalar(node, tuple(done[argument] for argument in node.args))
    return done[root]


def _scalar(node: Expression, args: tuple[Expression, ...]) -> Expression:
    if node.op in _PRODUCTS:
        return product(*args)
    if node.op in _SAME:
        return args[0]
    if node.op in _ONES:
        return number(1)
    if node.op == "softmax":
        return Expression("softmax", args)
    return Expression(node.op, args, node.data)


def product(left: Expression, right: Expression) -> Expression:
    """Two numbers beside each other, without ones and zeros."""
    for one, other in ((left, right), (right, left)):
        if is_number(one, 1):
            return other
        if is_number(one, 0):
            return number(0)
        if is_number(one, -1):
            return -other
    if left.op == "neg":
        return -product(left.args[0], right)
    if right.op == "neg":
        return -product(left, right.args[0])
    return Expression("scale", (left, right))


def layernorm_parts(vector: Expression) -> Expression:
    """Layer normalisation by its definition: (a − mean a) / √(mean (a − mean a)² + ε)."""
    centred = vector - Expression("mean", (vector,))
    variance = Expression("mean", (centred**2,)) + LAYERNORM_EPSILON
    return centred / Expression("sqrt", (variance,))
