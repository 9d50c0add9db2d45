"""Reverse mode on expressions: from the adjoint of a result to the adjoints of what it is made of.

For a node n = f(a, b) with adjoint n̄ (the gradient of a scalar loss with respect to n, a column), each argument
receives ā += (∂f/∂a)ᵀ n̄. Everything stays an expression, so that the gradient of a recurrence is again equations.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from unrolled.calculus.shapes import Shape, shape
from unrolled.equations.expression import Expression, number, walk
from unrolled.equations.operations import ELEMENTWISE

Piece = tuple[int, int]


@dataclass
class _Adjoint:
    """What a node has received so far: whole contributions, and ones to a slice [low, high) of it."""

    whole: list[Expression] = field(default_factory=list)
    pieces: dict[Piece, Expression] = field(default_factory=dict)

    def add_piece(self, piece: Piece, contribution: Expression) -> None:
        known = self.pieces.get(piece)
        self.pieces[piece] = contribution if known is None else known + contribution

    def total(self, size: int) -> Expression:
        parts = list(self.whole)
        if _disjoint(self.pieces):
            parts += [_fill(self.pieces, size)] if self.pieces else []
        else:
            parts += [_fill({piece: value}, size) for piece, value in self.pieces.items()]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total


def pullback(
    seeds: Mapping[Expression, Expression], wrt: Collection[Expression], sizes: dict[Expression, Shape]
) -> dict[Expression, Expression]:
    """The adjoint of each node of ``wrt`` (those that receive one), given the adjoints ``seeds`` of some results.

    The descent ends at the nodes of ``wrt``. ``sizes`` gives the shape of every forward node and seed; those of the
    adjoints are added to it.
    """
    stop = frozenset(wrt)
    order = list(walk(seeds, stop))
    relevant: set[Expression] = set()
    for node in order:
        if node in stop or any(argument in relevant for argument in node.args):
            relevant.add(node)
    received: dict[Expression, _Adjoint] = {}
    for node, seed in seeds.items():
        received.setdefault(node, _Adjoint()).whole.append(seed)
    result: dict[Expression, Expression] = {}
    for node in reversed(order):
        if node not in relevant or node not in received:
            continue
        adjoint = received[node].total(sizes[node][0])
        measure(adjoint, sizes)
        if node in stop:
            result[node] = adjoint
        else:
            _pass_down(node, adjoint, relevant, received, sizes)
    return result


def measure(root: Expression, sizes: dict[Expression, Shape]) -> Shape:
    """The shape of ``root``, added to ``sizes`` with those of all nodes below that are new."""
    for node in walk([root], sizes):
        if node not in sizes:
            sizes[node] = shape(node, *(sizes[argument] for argument in node.args))
    return sizes[root]


def _pass_down(
    node: Expression, adjoint: Expression, relevant: set[Expression], received: dict[Expression, _Adjoint],
    sizes: dict[Expression, Shape],
) -> None:  # fmt: skip
    for i, argument in enumerate(node.args):
        if argument not in relevant:
            continue
        into = received.setdefault(argument, _Adjoint())
        if node.op == "slice":
            into.add_piece((node.data[0], node.data[1]), adjoint)
            continue
        contribution = vjp(node, i, adjoint, sizes)
        if contribution is None:
            continue
        # an argument that was broadcast receives the sum over what it was broadcast to
        if len(sizes[argument]) == 1 and sizes[argument] < measure(contribution, sizes):
            contribution = Expression("sum", (contribution,))
        into.whole.append(contribution)
    for argument in node.args:
        if argument in received and not received[argument].whole and not received[argument].pieces:
            del received[argument]


def vjp(node: Expression, i: int, g: Expression, sizes: dict[Expression, Shape]) -> Expression | None:
    """The contribution of ``g``, the adjoint of ``node``, to argument ``i``; None where it is zero.

    Where the argument was broadcast, its adjoint is the sum of the components of this.
    """
    args = node.args
    if node.op in ELEMENTWISE:
        derivative = ELEMENTWISE[node.op].derivative(node, *args)[i]
        return None if derivative.op == "number" and derivative.data[0] == 0 else g * derivative
    match node.op:
        case "matmul" if i == 0:
            return outer(g, args[1])
        case "matmul":
            return Expression("matmul", (transpose(args[0]), g))
        case "lookup":
            return Expression("scatter", (g, args[1]), (sizes[args[0]][1],))
        case "transpose":
            return transpose(g)
        case "softmax":
            return node * (g - Expression("dot", (g, node)))
        case "dot":
            return g * args[1 - i]
        case "sum":
            return Expression("expand", (g,), sizes[args[0]])
        case "mean":
            (n,) = sizes[args[0]]
            return Expression("expand", (g * number(1 / n),), (n,))
        case "expand":
            return g
        case "concat":
            low = sum(sizes[argument][0] for argument in args[:i])
            return slice_of(g, low, low + sizes[args[i]][0])
        case "rows":
            low = sum(sizes[argument][0] for argument in args[:i])
            return Expression("row_block", (g,), (low, low + sizes[args[i]][0]))
        case "columns":
            return Expression("pad_columns", (g,), (*node.data, sizes[args[0]][1]))
    raise NotImplementedError(f"no reverse rule for {node.op}")


def outer(left: Expression, right: Expression) -> Expression:
    """left rightᵀ."""
    return Expression("outer", (left, right))


def transpose(matrix: Expression) -> Expression:
    if matrix.op == "transpose":
        return matrix.args[0]
    return outer(matrix.args[1], matrix.args[0]) if matrix.op == "outer" else Expression("transpose", (matrix,))


def slice_of(vector: Expression, low: int, high: int) -> Expression:
    """Components ``low`` to ``high`` of a vector."""
    if vector.op == "slice":
        return slice_of(vector.args[0], vector.data[0] + low, vector.data[0] + high)
    return Expression("slice", (vector,), (low, high))


def _disjoint(pieces: Collection[Piece]) -> bool:
    ordered = sorted(pieces)
    return all(one[1] <= other[0] for one, other in pairwise(ordered))


def _fill(pieces: Mapping[Piece, Expression], size: int) -> Expression:
    """A vector with the given pieces, zero elsewhere."""
    parts, at = [], 0
    for (low, high), value in sorted(pieces.items(), key=lambda item: item[0]):
        if low > at:
            parts.append(Expression("zeros", (), (low - at,)))
        parts.append(value)
        at = high
    if at < size:
        parts.append(Expression("zeros", (), (size - at,)))
    return parts[0] if len(parts) == 1 else Expression("concat", tuple(parts))
