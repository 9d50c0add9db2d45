"""Programs as data: JSON and back, equality, what the adjoint says of itself."""

import json
import pickle

import pytest
from hypothesis import given

from recurrences import Example, recurrences
from stepwise import case, cell
from unrolled.equations.elaboration import system
from unrolled.equations.library import CELLS
from unrolled.program.adjoint import adjoint_of
from unrolled.program.compile import compile_system
from unrolled.program.instructions import Adjoint, Program

PHASES = ("static", "before", "loop", "after")


def program_of(example: Example) -> Program:
    return compile_system(example.system, dict(example.sizes), example.ids)


@pytest.mark.parametrize("name", CELLS)
def test_json_and_back(name: str) -> None:
    program = program_of(cell(name))
    again = Program.from_dict(json.loads(json.dumps(program.to_dict())))
    assert again == program
    assert hash(again) == hash(program)
    assert again.text == program.text
    assert again == Program.from_dict(json.loads(program.text))


@given(recurrences())
def test_json_and_back_for_random_recurrences(example: Example) -> None:
    program = program_of(example)
    assert Program.from_dict(json.loads(program.text)) == program
    assert pickle.loads(pickle.dumps(program)) == program


def test_a_number_and_a_static_value_are_told_apart_in_json() -> None:
    learned = program_of(Example("h_t = W h_{t-1}; h_{-1} = s", (("h", 2),)))
    zero = program_of(Example("h_t = W h_{t-1}; h_{-1} = 0", (("h", 2),)))
    assert learned.initial == (learned.parameters[1],)
    assert zero.initial == (0.0,)
    assert [type(p.initial[0]) for p in (learned, zero)] == [int, float]
    for program in (learned, zero):
        (first,) = Program.from_dict(json.loads(program.text)).initial
        assert type(first) is type(program.initial[0])


def test_different_recurrences_have_different_programs() -> None:
    programs = {program_of(cell(name)).text for name in CELLS}
    alike = {"torch_rnn": "torch_rnn_relu"}
    assert len(programs) == len(CELLS), f"only the names of {alike} might be alike, and their functions differ"


def test_sizes_and_ids_are_part_of_the_program() -> None:
    elman = system("h_t = tanh(U x_t + W h_{t-1})")
    one = compile_system(elman, {"x": 2, "h": 3})
    assert one != compile_system(elman, {"x": 2, "h": 4})
    assert one != compile_system(elman, {"x": 2, "h": 3}, ("x",))
    assert one == compile_system(elman, {"h": 3, "x": 2})


@given(recurrences())
def test_every_value_is_defined_once_and_before_it_is_used(example: Example) -> None:
    program = program_of(example)
    adjoint = adjoint_of(program, tuple(not ids for ids in program.ids), (True,) * len(program.parameters))
    static = {*program.parameters}
    for instruction in program.static:
        assert static.issuperset(instruction.args)
        assert instruction.out not in static
        static.add(instruction.out)
    _check_adjoint(program, adjoint, static)


def _check_adjoint(program: Program, adjoint: Adjoint, static: set[int]) -> None:
    known = static | {*adjoint.saved, *adjoint.seeds, *program.inputs}
    everything = [i.out for name in ("fixed", "after", "loop", "before", "static") for i in getattr(adjoint, name)]
    assert len(set(everything)) == len(everything)
    for instruction in adjoint.fixed:
        assert static.issuperset(instruction.args), "fixed needs static values only"
        static.add(instruction.out)
    known |= static
    for instruction in adjoint.after:
        assert known.issuperset(instruction.args)
        known.add(instruction.out)
    inside = known | {*adjoint.carry}
    for instruction in adjoint.loop:
        assert inside.issuperset(instruction.args)
        inside.add(instruction.out)
    assert inside.issuperset(adjoint.stored)
    assert inside.issuperset(v for v in adjoint.carry_out if v is not None)
    known |= {*adjoint.stored}  # nothing else of a step survives it
    for name in ("before", "static"):
        for instruction in getattr(adjoint, name):
            assert known.issuperset(instruction.args), name
            known.add(instruction.out)
    assert known.issuperset(v for v in (*adjoint.inputs, *adjoint.parameters) if v is not None)


def test_the_adjoint_saves_no_more_than_it_reads() -> None:
    for name in CELLS:
        program = program_of(cell(name))
        adjoint = adjoint_of(program, (True,), (True,) * len(program.parameters))
        read = {a for each in ("after", "loop", "before", "static") for i in getattr(adjoint, each) for a in i.args}
        assert set(adjoint.saved) <= read
        assert not set(adjoint.saved) & {*program.parameters, *(i.out for i in program.static)}


@pytest.mark.parametrize(("name", "products"), [("elman", 1), ("lstm", 1), ("gru", 1), ("gru_reset_before", 2)])
def test_the_reverse_loop_has_the_products_of_the_loop_and_no_gradient_of_a_parameter(name: str, products: int) -> None:
    program = program_of(cell(name))
    adjoint = adjoint_of(program, (True,), (True,) * len(program.parameters))
    ops = [i.op for i in adjoint.loop]
    assert sum(op in ("product", "affine") for op in ops) == products
    assert not {"outer", "scatter", "total", "rows", "row_block"} & set(ops)


def test_what_is_not_asked_for_is_not_computed() -> None:
    program = program_of(cell("lstm"))
    adjoint = adjoint_of(program, (False,), (False,) * len(program.parameters))
    assert adjoint.inputs == (None,)
    assert set(adjoint.parameters) == {None}
    assert not adjoint.before
    assert not adjoint.static
    assert adjoint.loop, "the gradient of the first state is always there"


def test_the_adjoint_of_a_deep_step_needs_no_deep_stack() -> None:
    lines = [f"a{i + 1}_t = tanh(a{i}_t + 1)" for i in range(2000)]
    text = "\n".join(["a0_t = x_t + h_{t-1}", *lines, "h_t = a2000_t"])
    program = compile_system(system(text), {"x": 2})
    assert len(adjoint_of(program, (True,), ()).loop) >= 2000


def test_a_case_is_what_its_program_says() -> None:
    """The numbers that these tests feed have the shapes that the program states."""
    given_ = case(cell("lstm"), (2, 1))
    assert [t.shape for t in given_.parameters] == [given_.program.shapes[v] for v in given_.program.parameters]
