"""From expressions to instructions: every node gets a number, a few patterns become one instruction.

The patterns are those that pay on every machine: a product with something added (``affine``), a product with a
transposed matrix, and the derivatives of tanh and σ in terms of their results (``dtanh``: g (1 − n²), ``dsigmoid``:
g n (1 − n)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from unrolled.calculus.shapes import Shape
from unrolled.equations.expression import Expression, is_number, walk
from unrolled.program.instructions import Instruction

Form = tuple[str, tuple[Expression, ...], tuple[object, ...]]


class Writer:
    """Numbers for expressions, and the shapes of what they number."""

    def __init__(self, shapes: Iterable[Shape] = ()) -> None:
        self.numbers: dict[Expression, int] = {}
        self.shapes: list[Shape] = list(shapes)

    def leaf(self, node: Expression, shape: Shape) -> int:
        """A number for something that no instruction computes."""
        self.numbers[node] = len(self.shapes)
        self.shapes.append(shape)
        return self.numbers[node]

    def write(
        self,
        roots: Iterable[Expression],
        sizes: Mapping[Expression, Shape],
        may_fuse: Callable[[Expression, Expression], bool] = lambda total, product: True,
    ) -> Iterator[tuple[Expression, Instruction]]:
        """The instructions that ``roots`` need, each with its node, in an order in which they can run.

        ``may_fuse`` tells whether a sum and a product below it may be one instruction.
        """
        roots = list(roots)
        uses: dict[Expression, int] = dict.fromkeys(roots, 1)
        for node in walk(roots, self.numbers):
            for argument in node.args if node not in self.numbers else ():
                uses[argument] = uses.get(argument, 0) + 1
        for root in roots:
            stack = [(root, False)]
            while stack:
                node, ready = stack.pop()
                if node in self.numbers:
                    continue
                op, args, data = self._form(node, sizes, uses, may_fuse)
                if ready:
                    out = self.leaf(node, sizes[node])
                    yield node, Instruction(op, out, tuple(self.numbers[a] for a in args), data)
                else:
                    stack.append((node, True))
                    stack.extend((argument, False) for argument in reversed(args))

    def _form(
        self,
        node: Expression,
        sizes: Mapping[Expression, Shape],
        uses: Mapping[Expression, int],
        may_fuse: Callable[[Expression, Expression], bool],
    ) -> Form:
        if node.op in ("matmul", "lookup"):
            return _product(node)
        if node.op == "add" and sizes[node.args[0]] == sizes[node.args[1]]:
            for product in reversed(node.args):
                alone = product.op == "matmul" and uses[product] == 1 and product not in self.numbers
                if alone and may_fuse(node, product):
                    other = node.args[0] if node.args[1] is product else node.args[1]
                    _, args, data = _product(product)
                    return "affine", (other, *args), data
        if node.op == "mul":
            return _derivative(node, sizes) or (node.op, node.args, node.data)
        return node.op, node.args, node.data


def _product(node: Expression) -> Form:
    matrix, vector = node.args
    op = "product" if node.op == "matmul" else node.op
    return (op, (matrix.args[0], vector), ("transposed",)) if matrix.op == "transpose" else (op, node.args, ())


def _derivative(node: Expression, sizes: Mapping[Expression, Shape]) -> Form | None:
    """g (1 − n²) and g (n (1 − n)), the adjoints of tanh and σ, as one instruction each."""
    g, factor = node.args
    if factor.op == "sub" and is_number(factor.args[0], 1):
        square = factor.args[1]
        if square.op == "pow" and square.data == (2.0,) and sizes[square.args[0]] == sizes[g]:
            return "dtanh", (g, square.args[0]), ()
    if factor.op == "mul" and factor.args[1].op == "sub" and factor.args[1].args[1] is factor.args[0]:
        n = factor.args[0]
        if is_number(factor.args[1].args[0], 1) and sizes[n] == sizes[g]:
            return "dsigmoid", (g, n), ()
    return None
