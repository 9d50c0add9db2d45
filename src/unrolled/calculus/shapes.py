"""The shape of every node, from the shapes of the leaves: (n,) for a vector, (1,) for a scalar, (m, n) for a matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from unrolled.equations.expression import Expression, walk
from unrolled.equations.operations import ELEMENTWISE, VECTOR_FUNCTIONS

Shape = tuple[int, ...]


def shapes(roots: Iterable[Expression], leaves: Mapping[Expression, Shape]) -> dict[Expression, Shape]:
    """The shape of every node below ``roots``; ``leaves`` gives those of the symbols (and may give inner nodes')."""
    found: dict[Expression, Shape] = dict(leaves)
    for node in walk(roots, leaves):
        if node not in found:
            found[node] = shape(node, *(found[argument] for argument in node.args))
    return found


def shape(node: Expression, *args: Shape) -> Shape:
    """The shape of one node from those of its arguments."""
    op, data = node.op, node.data
    if op == "number":
        return (1,)
    if op in ELEMENTWISE or op == "softmax":
        return max(args)
    if op in VECTOR_FUNCTIONS:
        return max(args) if not VECTOR_FUNCTIONS[op][1] else (1,)
    match op:
        case "matmul" | "lookup":
            return args[0][:1]
        case "transpose":
            return args[0][::-1]
        case "outer":
            return args[0] + args[1]
        case "concat":
            return (sum(n for (n,) in args),)
        case "slice":
            return (data[1] - data[0],)
        case "rows":
            return sum(m for m, _ in args), args[0][1]
        case "columns":
            return args[0][0], data[1] - data[0]
        case "row_block":
            return data[1] - data[0], args[0][1]
        case "pad_columns":
            return args[0][0], data[2]
        case "expand" | "zeros" | "one_hot":
            return (data[0],)
        case "scatter":
            return args[0] + (data[0],)
        case "total":
            return args[0]
    raise KeyError(f"{node.op} at {node} has no shape: a symbol needs one given")
