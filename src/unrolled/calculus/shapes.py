"""The shape of every node, from those of the leaves: in numbers, or in the unknown sizes of a System.

In numbers (n,) is a vector, (1,) a scalar, (m, n) a matrix; in unknown sizes () is a scalar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from unrolled.equations.expression import Expression, walk
from unrolled.equations.operations import ELEMENTWISE, VECTOR_FUNCTIONS
from unrolled.equations.sizes import Size
from unrolled.equations.system import System

Shape = tuple[int, ...]
SymbolicShape = tuple[Size, ...]


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


def symbolic_shape(system: System) -> Callable[[Expression], SymbolicShape]:
    """The shape of any expression over the names of ``system``, in its unknown sizes."""
    known: dict[Expression, SymbolicShape] = {}

    def of(root: Expression) -> SymbolicShape:
        for node in walk([root], known):
            if node not in known:
                known[node] = _symbolic(node, [known[argument] for argument in node.args], system)
        return known[root]

    return of


def _symbolic(node: Expression, args: list[SymbolicShape], system: System) -> SymbolicShape:
    if node.op == "symbol":
        return system.shapes.get(node.data[0], ())  # a constant is a scalar
    if node.op == "zeros":
        return (node.data[0],)
    if node.op == "matmul":
        return args[0][:1]
    if node.op == "transpose":
        return args[0][::-1]
    if node.op == "concat":
        total = Size()
        for each in args:
            total += each[0] if each else Size(1)
        return (total,)
    if node.op in VECTOR_FUNCTIONS and VECTOR_FUNCTIONS[node.op][1]:
        return ()
    return next((each for each in args if each), ())
