"""Forward mode: the derivative of a column vector with respect to the components of another quantity, as a matrix.

The derivative of a vector of n components with respect to one of p components is an n × p matrix; with respect to a
matrix A it is taken with respect to vec(A), the columns of A below one another, so that ∂(A v) = (vᵀ ⊗ I) vec(A). A
scalar is a vector of one. The rules are the textbook's: an elementwise f contributes diag(f′), and zeros and identities
are left out.

Sources: Magnus & Neudecker, Matrix Differential Calculus, ch. 9; Williams & Zipser 1989 for the recursion (RTRL).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from unrolled.calculus.normalisation import layernorm_parts
from unrolled.calculus.shapes import SymbolicShape as Shape
from unrolled.equations.expression import Expression, is_number, number, walk
from unrolled.equations.operations import ELEMENTWISE
from unrolled.equations.sizes import Size

ShapeOf = Callable[[Expression], Shape]
Matrix = Expression | None  # None is a zero matrix


def tangent(root: Expression, seeds: Mapping[Expression, Expression], shape: ShapeOf) -> Matrix:
    """The derivative of ``root``, given those of some leaves (or inner nodes) as ``seeds``; all others are constant."""
    done: dict[Expression, Matrix] = dict(seeds)
    for node in walk([root], seeds):
        if node not in done:
            done[node] = _rule(node, [done[argument] for argument in node.args], done, shape)
    return done[root]


def _rule(node: Expression, tangents: list[Matrix], done: dict[Expression, Matrix], shape: ShapeOf) -> Matrix:
    if all(each is None for each in tangents):
        return None
    if node.op == "layernorm":
        parts = layernorm_parts(node.args[0])
        return tangent(parts, {node.args[0]: _known(tangents[0])}, shape)
    if node.op in ELEMENTWISE:
        return _elementwise(node, tangents, shape)
    match node.op:
        case "matmul":
            return _matmul(node, tangents, shape)
        case "transpose":
            return tangents[0]  # that of vec W, which _matmul places
        case "softmax":
            return times(subtract(diagonal(node), outer(node, node)), _known(tangents[0]))
        case "sum":
            return times(ones_row(shape(node.args[0])[0]), _known(tangents[0]))
        case "mean":
            size = shape(node.args[0])[0]
            return times(Expression("mean_row", (), (size,)), _known(tangents[0]))
        case "dot":
            pairs = zip(reversed(node.args), tangents, strict=True)
            return total(times(transpose(other), each) for other, each in pairs if each is not None)
        case "concat":
            return Expression(
                "stack", tuple(_zero_or(each, shape(a)) for each, a in zip(tangents, node.args, strict=True))
            )
    raise NotImplementedError(f"no forward rule for {node.op}")


def _elementwise(node: Expression, tangents: list[Matrix], shape: ShapeOf) -> Matrix:
    parts = []
    factors = ELEMENTWISE[node.op].derivative(node, *node.args)
    for argument, factor, each in zip(node.args, factors, tangents, strict=True):
        if each is None or is_number(factor, 0):
            continue
        if factor.op == "number":
            part = _scaled(factor.data[0], each)
            wide = not shape(argument) and bool(shape(node))
            parts.append(times(ones_column(shape(node)[0]), part) if wide else part)
        elif shape(node) and not shape(argument):  # a scalar that was repeated: the factor is a column
            column = Expression("column", (factor,))
            parts.append(times(column if shape(factor) else times_scalar(factor, ones_column(shape(node)[0])), each))
        elif shape(factor):
            parts.append(times(diagonal(factor), each))
        else:
            parts.append(times_scalar(factor, each))
    return total(parts)


def _matmul(node: Expression, tangents: list[Matrix], shape: ShapeOf) -> Matrix:
    matrix, vector = node.args
    of_matrix, of_vector = tangents
    parts = []
    if of_matrix is not None:
        rows = shape(node)[0]
        transposed = matrix.op == "transpose"
        kron = Expression("kron_left" if transposed else "kron_right", (vector,), (rows,))
        parts.append(times(kron, _known(of_matrix)))
    if of_vector is not None:
        parts.append(times(matrix, of_vector))
    return total(parts)


def identity(size: Size) -> Expression:
    """The identity matrix."""
    return Expression("eye", (), (size,))


def diagonal(vector: Expression) -> Expression:
    """The diagonal matrix of a vector."""
    return Expression("diag", (vector,))


def outer(left: Expression, right: Expression) -> Expression:
    """left rightᵀ."""
    return Expression("outer", (left, right))


def transpose(node: Expression) -> Expression:
    return node.args[0] if node.op == "transpose" else Expression("transpose", (node,))


def ones_row(size: Size) -> Expression:
    """1ᵀ, which sums the components of what follows."""
    return Expression("ones_row", (), (size,))


def ones_column(size: Size) -> Expression:
    """1, which repeats a scalar."""
    return Expression("ones_column", (), (size,))


def times(left: Expression, right: Expression) -> Expression:
    """A matrix product, without identities."""
    if left.op == "eye":
        return right
    if right.op == "eye":
        return left
    if left.op == "neg":
        return -times(left.args[0], right)
    if right.op == "neg":
        return -times(left, right.args[0])
    return Expression("matmul", (left, right))


def times_scalar(scalar: Expression, matrix: Expression) -> Expression:
    return Expression("scale", (scalar, matrix))


def subtract(left: Expression, right: Expression) -> Expression:
    return Expression("sub", (left, right))


def total(parts) -> Matrix:  # type: ignore[no-untyped-def]  # an iterable of expressions
    """The sum; None for no terms."""
    result: Matrix = None
    for part in parts:
        if result is None:
            result = part
        elif part.op == "neg":
            result = Expression("sub", (result, part.args[0]))
        else:
            result = Expression("add", (result, part))
    return result


def _scaled(factor: float, matrix: Expression) -> Expression:
    return matrix if factor == 1 else -matrix if factor == -1 else times_scalar(number(factor), matrix)


def _known(matrix: Matrix) -> Expression:
    assert matrix is not None  # the caller has seen that not all are zero
    return matrix


def _zero_or(matrix: Matrix, shape: Shape) -> Expression:
    return Expression("zero", (), (shape[0] if shape else Size(1),)) if matrix is None else matrix
