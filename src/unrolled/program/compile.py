"""From a System and its sizes to a Program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache

from unrolled.calculus.reverse import measure
from unrolled.calculus.shapes import Shape
from unrolled.equations.expression import BEFORE as STEP_BEFORE
from unrolled.equations.expression import NOW, Expression, number, substitute, symbol, symbols
from unrolled.equations.system import System
from unrolled.errors import ConfigurationError
from unrolled.program.instructions import Instruction, Program
from unrolled.program.schedule import BEFORE, LOOP, STATIC, Schedule, schedule
from unrolled.program.validation import PRECISIONS
from unrolled.program.writing import Writer


def compile_system(
    system: System, sizes: Mapping[str, int], ids: Iterable[str] = (), logits: bool = False, precision: str = "fp32"
) -> Program:
    """The Program of ``system``.

    ``sizes`` are as in ``System.resolve``; ``ids`` names the inputs that come as integer symbols; with ``logits`` an
    output that is a softmax is replaced by its argument; ``precision`` as in ``Program``.

    Raises:
        ConfigurationError: there is no such precision.
    """
    if precision not in PRECISIONS:
        raise ConfigurationError(f"The precision is {precision!r}; it can be {' or '.join(PRECISIONS)}.")
    program = _compile(system, tuple(sorted(sizes.items())), tuple(sorted(ids)), logits)
    return program if precision == program.precision else replace(program, precision=precision)


@lru_cache(maxsize=256)
def _compile(system: System, sizes: tuple[tuple[str, int], ...], ids: tuple[str, ...], logits: bool) -> Program:
    shapes = {name: shape or (1,) for name, shape in system.resolve(dict(sizes)).items()}
    leaves: dict[Expression, tuple[int, Shape]] = {}
    for name in system.inputs:
        leaves[symbol(name, NOW)] = BEFORE, shapes[name]
    for name in system.states:
        leaves[symbol(name, STEP_BEFORE)] = LOOP, shapes[name]
    for name in system.parameters:
        leaves[symbol(name)] = STATIC, shapes[name]
    flat = _flat(system, shapes, leaves)
    outputs = [flat[n].args[0] if logits and flat[n].op == "softmax" else flat[n] for n in system.outputs]
    plan = schedule([flat[n] for n in system.states], outputs, leaves, (symbol(n, NOW) for n in ids))
    _complete(plan, [shapes[n] for n in system.states], [shapes[n] for n in system.outputs])
    return _Emission(system, plan, shapes, frozenset(ids)).program()


def _flat(
    system: System, shapes: Mapping[str, Shape], leaves: Mapping[Expression, tuple[int, Shape]]
) -> dict[str, Expression]:
    """As ``System.flat``, but a scalar that defines a vector is repeated: a sum over it has all its terms."""
    sizes = {leaf: shape for leaf, (_, shape) in leaves.items()}
    definitions = system.definitions
    done: dict[Expression, Expression] = {symbol(name): number(value) for name, value in system.constants}
    numbers = set(done)  # what will be folded into a number, which is not even a vector of one
    for name in system.in_order():
        folds = numbers.issuperset(symbols([definitions[name]]))
        right = substitute(definitions[name], done)
        if measure(right, sizes) != shapes[name] or (folds and system.shapes[name]):
            right = Expression("expand", (right,), shapes[name])
        elif folds:
            numbers.add(symbol(name, NOW))
        done[symbol(name, NOW)] = right
    return {name: done[symbol(name, NOW)] for name in definitions}


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
        self.writer = Writer()
        self.inputs = tuple(self.writer.leaf(symbol(n, NOW), shapes[n]) for n in system.inputs)
        self.parameters = tuple(self.writer.leaf(symbol(n), shapes[n]) for n in system.parameters)
        self.previous = tuple(self.writer.leaf(symbol(n, STEP_BEFORE), shapes[n]) for n in system.states)

    def program(self) -> Program:
        plan, numbers = self.plan, self.writer.numbers
        lists: tuple[list[Instruction], ...] = ([], [], [], [])
        for node, instruction in self.writer.write([*plan.states, *plan.outputs], plan.sizes, self._same_phase):
            lists[STATIC if node.op == "number" else plan.phases[node]].append(instruction)
        first = dict(self.system.initial)
        static, before, loop, after = (tuple(each) for each in lists)
        return Program(
            tuple(self.writer.shapes), self.inputs, tuple(name in self.ids for name in self.system.inputs),
            self.parameters, self.previous, tuple(numbers[root] for root in plan.states),
            tuple(self._initial(first.get(name)) for name in self.system.states),
            tuple(numbers[root] for root in plan.outputs), static, before, loop, after,
        )  # fmt: skip

    def _same_phase(self, total: Expression, product: Expression) -> bool:
        return self.plan.phases[product] == self.plan.phases[total] != STATIC

    def _initial(self, value: Expression | None) -> float | int:
        if value is None:
            return 0.0
        return float(value.data[0]) if value.op == "number" else self.writer.numbers[value]
