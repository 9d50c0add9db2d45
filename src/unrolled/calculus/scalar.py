"""The one-unit case: every vector and matrix is a number, every product an ordinary one, as students write it."""

from __future__ import annotations

from collections.abc import Iterable

from unrolled.equations.expression import Expression, is_number, number, walk
from unrolled.equations.system import System
from unrolled.errors import TargetError

_PRODUCTS = frozenset(("mul", "scale", "matmul", "outer", "dot"))
_SAME = frozenset(("transpose", "diag", "sum", "mean", "expand", "column", "kron_right", "kron_left"))
_ZEROS = frozenset(("zero", "zeros"))
_ONES = frozenset(("eye", "ones_row", "ones_column", "mean_row"))


def scalarise(root: Expression) -> Expression:
    """``root`` with one unit everywhere: matrices, vectors and diagonals become numbers, all products juxtaposed."""
    return scalars([root])[root]


def scalars(roots: Iterable[Expression]) -> dict[Expression, Expression]:
    """The scalar form of every node below ``roots``."""
    done: dict[Expression, Expression] = {}
    for node in walk(roots):
        done[node] = _scalar(node, tuple(done[argument] for argument in node.args))
    return done


def _scalar(node: Expression, args: tuple[Expression, ...]) -> Expression:
    if node.op in _PRODUCTS:
        return product(*args)
    if node.op in _SAME:
        return args[0]
    if node.op in _ONES:
        return number(1)
    if node.op in _ZEROS:
        return number(0)
    if node.op == "add":
        return args[0] + args[1]
    if node.op == "sub":
        return _difference(*args)
    if node.op == "softmax":
        return Expression("softmax", args)
    return Expression(node.op, args, node.data)


def _difference(left: Expression, right: Expression) -> Expression:
    if right.op == "scale" and right.args[0] is left:  # y − y y, from diag(y) − y yᵀ
        return product(left, 1 - right.args[1])
    return left - right


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


def refuse_concatenation(system: System) -> None:
    """Raise TargetError where an equation has no scalar form."""
    for name, right in system.equations:
        if any(node.op == "concat" for node in walk([right])):
            raise TargetError(f"{name} is made by concatenation, which has no scalar form. Ask for the matrix form.")
