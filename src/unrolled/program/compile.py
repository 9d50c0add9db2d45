"""From a System and its sizes to a Program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from unrolled.calculus.reverse import measure
from unrolled.calculus.shapes import Shape
from unrolled.equations.expression import BEFORE as STEP_BEFORE
from unrolled.equations.expression import NOW, Expression, symbol, walk
from unrolled.equations.system import System
from unrolled.program.instructions import Instruction, Program
from unrolled.program.schedule import BEFORE, LOOP, STATIC, Schedule, schedule


def compile_system(system: System, sizes: Mapping[str, int], ids: Iterable[str] = (), logits: bool = False) -> Program:
    """The Program of ``system``.

    ``sizes`` are as in ``System.resolve``; ``ids`` names the inputs that come as integer symbols; with ``logits`` an
    output that is a softmax is replaced by its argument.
    """
    return _compile(system, tuple(sorted(sizes.items())), tuple(sorted(ids)), logits)


@lru_cache(maxsize=256)
def _compile(system: System, sizes: tuple[tuple[str, int], ...], ids: tuple[str, ...], logits: bool) -> Program:
    shapes = {name: shape or (1,) for name, shape in system.resolve(dict(sizes)).items()}
    flat = system.flat()
    leaves: dict[Expression, tuple[int, Shape]] = {}
    for name in system.inputs:
        leaves[symbol(name, NOW)] = BEFORE, shapes[name]
    for name in system.states:
        leaves[symbol(name, STEP_BEFORE)] = LOOP, shapes[name]
    for name in system.parameters:
        leaves[symbol(name)] = STATIC, shapes[name]
    outputs = [flat[n].args[0] if logits and flat[n].op == "softmax" else flat[n] for n in system.outputs]
    plan = schedule([flat[n] for n in system.states], outputs, leaves)
    _complete(plan, [shapes[n] for n in system.states], [shapes[n] for n in system.outputs])
    return _Emission(system, plan, shapes, frozenset(ids)).program()


def _complete(plan: Schedule, states: list[Shape], outputs: list[Shape]) -> None:
    """A result that is static, or smaller than its sequence, is repeated to its full size at every step."""
    for roots, sizes in ((plan.states, states), (plan.outputs, outputs)):
        for i, (root, size) in enumerate(zip(roots, sizes, strict=True)):
            if plan.sizes[root] != size or plan.phase(root) == STATIC:
                roots[i] = Expression("expand", (root,), size)
                measure(roots[i], plan.sizes)
                plan.phases[roots[i]] = max(BEFORE, plan.phases[root])


class _Emission:
    """Numbers the values and writes the lists."""

    def __init__(self, system: System, plan: Schedule, shapes: Mapping[str, Shape], ids: frozenset[str]) -> None:
        self.system, self.plan, self.ids = system, plan, ids
        self.numbers: dict[Expression, int] = {}
        self.shapes: list[Shape] = []
        self.lists: tuple[list[Instruction], ...] = ([], [], [], [])
        self.inputs = tuple(self._leaf(symbol(n, NOW), shapes[n]) for n in system.inputs)
        self.parameters = tuple(self._leaf(symbol(n), shapes[n]) for n in system.parameters)
        self.previous = tuple(self._leaf(symbol(n, STEP_BEFORE), shapes[n]) for n in system.states)

    def program(self) -> Program:
        roots = [*self.plan.states, *self.plan.outputs]
        self._one_hot(roots)
        fused = self._fusable(roots)
        for node in walk(roots):
            if node not in self.numbers and node not in fused:
                self._emit(node, fused)
        first = dict(self.system.initial)
        return Program(
            tuple(self.shapes), self.inputs, tuple(name in self.ids for name in self.system.inputs), self.parameters,
            self.previous, tuple(self.numbers[root] for root in self.plan.states),
            tuple(self._initial(first.get(name)) for name in self.system.states),
            tuple(self.numbers[root] for root in self.plan.outputs), *(tuple(each) for each in self.lists),
        )  # fmt: skip

    def _leaf(self, node: Expression, shape: Shape) -> int:
        self.numbers[node] = len(self.shapes)
        self.shapes.append(shape)
        return self.numbers[node]

    def _initial(self, value: Expression | None) -> float | int:
        if value is None:
            return 0.0
        return float(value.data[0]) if value.op == "number" else self.numbers[value]

    def _one_hot(self, roots: list[Expression]) -> None:
        """An input of ids multiplies by look-up; used in any other way it becomes a one-hot vector first."""
        leaves = {symbol(name, NOW) for name in self.ids}
        dense = {a for node in walk(roots) for a in node.args if a in leaves and node.op != "matmul"} | (
            leaves & set(roots)
        )
        self.one_hot = {}
        for leaf in (leaf for leaf in self.numbers if leaf in dense):
            (size,) = self.plan.sizes[leaf]
            number = self._leaf(Expression("one_hot", (leaf,), (size,)), (size,))
            self.lists[BEFORE].append(Instruction("one_hot", number, (self.numbers[leaf],), (size,)))
            self.one_hot[leaf] = number

    def _fusable(self, roots: list[Expression]) -> set[Expression]:
        """Products that are used once, by a sum in the same phase: they run as one instruction, a + A v."""
        uses: dict[Expression, int] = {}
        fused: set[Expression] = set()
        order = list(walk(roots))
        for node in order:
            for argument in node.args:
                uses[argument] = uses.get(argument, 0) + 1
        for node in order:
            if node.op == "add" and self.plan.sizes[node.args[0]] == self.plan.sizes[node.args[1]]:
                for product in reversed(node.args):
                    same = self.plan.phases[product] == self.plan.phases[node] != STATIC
                    once = uses[product] == 1 and product not in roots
                    if product.op == "matmul" and same and once and not self._is_lookup(product):
                        fused.add(product)
                        break
        return fused

    def _is_lookup(self, node: Expression) -> bool:
        leaf = node.args[1]
        return leaf.op == "symbol" and leaf.data == (leaf.data[0], NOW) and leaf.data[0] in self.ids

    def _emit(self, node: Expression, fused: set[Expression]) -> None:
        out = self._leaf(node, self.plan.sizes[node])
        target = self.lists[self.plan.phases[node]]
        if node.op == "number":
            self.lists[STATIC].append(Instruction("number", out, (), node.data))
            return
        if node.op == "matmul":
            target.append(Instruction("lookup" if self._is_lookup(node) else "product", out, *self._matrix(node)))
            return
        product = next((argument for argument in reversed(node.args) if argument in fused), None)
        if product is not None:
            other = node.args[0] if node.args[1] is product else node.args[1]
            args, data = self._matrix(product)
            target.append(Instruction("affine", out, (self._number(other), *args), data))
            return
        if node.op == "transpose":  # a product says itself that its matrix is transposed
            self.lists[STATIC].append(Instruction("transpose", out, (self._number(node.args[0]),)))
            return
        target.append(Instruction(node.op, out, tuple(self._number(argument) for argument in node.args), node.data))

    def _matrix(self, product: Expression) -> tuple[tuple[int, int], tuple[str, ...]]:
        matrix, vector = product.args
        if matrix.op == "transpose" and not self._is_lookup(product):
            return (self._number(matrix.args[0]), self._number(vector)), ("transposed",)
        column = self.numbers[vector] if self._is_lookup(product) else self._number(vector)
        return (self._number(matrix), column), ()

    def _number(self, node: Expression) -> int:
        return self.one_hot.get(node, self.numbers[node]) if node in self.numbers else self.numbers[node]
