"""The random recurrences that other tests rely on: everything that a program can say occurs among them."""

from collections.abc import Callable
from typing import Any

from hypothesis import Phase, given, settings

from recurrences import Example, recurrences
from unrolled.engine.reference import _KERNELS
from unrolled.equations.expression import BEFORE, walk
from unrolled.equations.operations import ELEMENTWISE, FUNCTIONS, VECTOR_FUNCTIONS
from unrolled.program.adjoint import adjoint_of
from unrolled.program.compile import compile_system
from unrolled.program.instructions import Instruction

# what the schedule or the writer replaces by other instructions
REWRITTEN = {"scale"}
# what every adjoint may contain beside products and elementwise operations
ADJOINT = {"outer", "scatter", "total", "row_block", "pad_columns", "zeros", "expand", "dtanh", "dsigmoid"}


def over(examples: int, look: Callable[[Example], Any]) -> list[Any]:
    """What ``look`` finds in each of the same many examples."""
    found: list[Any] = []

    @settings(max_examples=examples, derandomize=True, database=None, phases=[Phase.generate])
    @given(recurrences())
    def collect(example: Example) -> None:
        found.append(look(example))

    collect()
    return found


def test_every_operation_and_every_instruction_occurs() -> None:
    def look(example: Example) -> tuple[set[str], set[str], set[str]]:
        program = compile_system(example.system, dict(example.sizes), example.ids)
        adjoint = adjoint_of(program, tuple(not ids for ids in program.ids), (True,) * len(program.parameters))
        return (
            {node.op for node in walk(right for _, right in example.system.equations)},
            {_kind(i) for phase in ("static", "before", "loop", "after") for i in getattr(program, phase)},
            {_kind(i) for phase in ("fixed", "after", "loop", "before", "static") for i in getattr(adjoint, phase)},
        )

    written, forward, adjoint = (set().union(*each) for each in zip(*over(700, look), strict=True))
    assert written >= {*ELEMENTWISE, *VECTOR_FUNCTIONS, "matmul", "transpose", "concat", "number", "symbol"}
    assert written >= {*FUNCTIONS.values()} - {"identity"}
    turned = {f"{op} transposed" for op in ("product", "affine", "lookup")}
    instructions = ({*_KERNELS} | {*ELEMENTWISE} | turned) - REWRITTEN
    assert forward == instructions - (ADJOINT - {"expand", "dtanh", "dsigmoid"})
    assert adjoint >= ADJOINT | {"product", "product transposed", "affine", "affine transposed"}
    assert forward | adjoint == instructions


def _kind(instruction: Instruction) -> str:
    return " ".join([instruction.op, *(each for each in instruction.data if isinstance(each, str))])


def test_every_kind_of_recurrence_occurs() -> None:
    def look(example: Example) -> set[str]:
        s = example.system
        program = compile_system(s, dict(example.sizes), example.ids)
        in_loop = {program.shapes[v] for i in program.loop if i.op in ("product", "affine") for v in [i.out]}
        products = [i for i in program.loop if i.op in ("product", "affine")]
        uses = [use.name for use in s.uses if use.name in s.parameters]
        matrices = [use.name for use in s.uses if len(use.shape) == 2]
        facts = {
            "several states": len(s.states) > 1,
            "three states": len(s.states) > 2,
            "several phases": _chained(products, program.loop),
            "shared": len(set(uses)) < len(uses),
            "shared matrix": len(set(matrices)) < len(matrices),
            "vector parameter": any(len(s.shapes[p]) == 1 for p in s.parameters),
            "scalar parameter": any(not s.shapes[p] for p in s.parameters),
            "constant": bool(s.constants),
            "learned first state": any(value.op == "symbol" for _, value in s.initial),
            "number as first state": any(value.op == "number" for _, value in s.initial),
            "several outputs": len(s.outputs) > 1,
            "output feeds back": any(name in s.states for name in s.outputs),
            "ids": bool(example.ids),
            "two inputs": len(s.inputs) > 1,
            "scalar input": any(not s.shapes[name] for name in s.inputs),
            "scalar state": any(not s.shapes[name] for name in s.states),
            "size one": any(n == 1 for (n, *_) in filter(None, example.shapes.values())),
            "no state": not s.states,
            "a loop without products": bool(program.loop) and not in_loop,
            "concatenation below a matrix": any(
                node.op == "matmul" and node.args[1].op == "concat" for node in walk(r for _, r in s.equations)
            ),
            "a state of a state": any(
                right.op == "symbol" and right.data[1] == BEFORE for name, right in s.equations if name in s.states
            ),
        }
        return {fact for fact, holds in facts.items() if holds} | {
            f"not {f}" for f, holds in facts.items() if not holds
        }

    found = set().union(*over(400, look))
    assert {fact for fact in found if not fact.startswith("not ")} == {f.removeprefix("not ") for f in found}


def _chained(products: list[Any], loop: tuple[Any, ...]) -> bool:
    """Does one product of the loop depend on another?"""
    reached = {products[0].out} if products else set()
    for instruction in loop:
        if reached & set(instruction.args):
            if instruction in products:
                return True
            reached.add(instruction.out)
    return False
