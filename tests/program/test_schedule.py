"""What stays in the time loop, and what leaves it."""

import pytest

from recurrences import Example
from stepwise import cell
from unrolled.equations.elaboration import system
from unrolled.equations.expression import Expression, substitute, symbol, symbols
from unrolled.equations.library import CELLS
from unrolled.errors import EquationError
from unrolled.program.compile import compile_system
from unrolled.program.instructions import Instruction, Program
from unrolled.program.writing import Writer

PRODUCTS = ("product", "affine", "lookup")


def compiled(text: str, logits: bool = False, ids: tuple[str, ...] = (), **sizes: int) -> Program:
    return compile_system(system(text), sizes, ids, logits)


def library(name: str, ids: tuple[str, ...] = (), logits: bool = False) -> Program:
    example = cell(name)
    return compile_system(example.system, dict(example.sizes), ids, logits)


def products(instructions: tuple[Instruction, ...]) -> list[Instruction]:
    return [i for i in instructions if i.op in PRODUCTS]


def matrix(program: Program, instruction: Instruction) -> tuple[int, ...]:
    """The shape of the matrix of a product."""
    return program.shapes[instruction.args[-2]]


@pytest.mark.parametrize(
    ("name", "before", "loop", "after"),
    [
        # how many products, and the shapes of their matrices for x = 3, h = 4, y = 2, o = 5, c = 5
        ("elman", [(4, 3)], [(4, 4)], [(2, 4)]),
        ("vanilla", [(4, 3)], [(4, 4)], [(5, 4)]),
        ("irnn", [(4, 3)], [(4, 4)], []),
        ("torch_rnn", [(4, 3)], [(4, 4)], []),
        ("gru", [(12, 3)], [(12, 4)], []),
        ("lstm", [(16, 3)], [(16, 4)], []),
        ("lstm_peephole", [(16, 3)], [(16, 4)], []),
        ("lstm_projection", [(20, 3)], [(20, 4), (4, 5)], []),
        # the output feeds back: V stays inside
        ("jordan", [(4, 3)], [(4, 2), (2, 4)], []),
        ("jordan1986", [(4, 3)], [(4, 2), (2, 4)], []),
        # here h depends on no state: V h_t leaves too, and W y_{t-1} alone remains
        ("output_feedback", [(4, 3), (2, 4)], [(2, 2)], []),
        # two phases a step: the gates, then U (r ⊙ h)
        ("gru_reset_before", [(12, 3)], [(8, 4), (4, 4)], []),
        ("minimal_gated", [(8, 3)], [(4, 4), (4, 4)], []),
    ],
)
def test_products_of_the_library(
    name: str, before: list[tuple[int, int]], loop: list[tuple[int, int]], after: list[tuple[int, int]]
) -> None:
    program = library(name)
    for expected, phase in ((before, "before"), (loop, "loop"), (after, "after")):
        found = [matrix(program, i) for i in products(getattr(program, phase))]
        assert sorted(found) == sorted(expected), phase


@pytest.mark.parametrize("name", CELLS)
def test_nothing_of_the_loop_is_known_before_it(name: str) -> None:
    program = library(name)
    depends = set(program.previous)
    for instruction in program.loop:
        assert depends & set(instruction.args), instruction
        depends.add(instruction.out)


@pytest.mark.parametrize("name", CELLS)
def test_everything_in_the_loop_is_needed_by_a_state(name: str) -> None:
    program = library(name)
    needed = set(program.following)
    for instruction in reversed(program.loop):
        assert instruction.out in needed, instruction
        needed |= set(instruction.args)


@pytest.mark.parametrize("name", ["elman", "gru", "lstm"])
def test_biases_are_added_before_the_loop(name: str) -> None:
    program = library(name)
    static = {*program.parameters, *(i.out for i in program.static)}
    added = [i for i in program.loop if i.op in ("add", "affine") and i.args[0] in static]
    assert not added


def test_the_loop_of_the_lstm_has_one_product_and_adds_the_input_in_the_same_instruction() -> None:
    assert [i.op for i in products(library("lstm").loop)] == ["affine"]


def test_a_concatenation_below_a_matrix_is_divided() -> None:
    program = compiled("h_t = tanh(W [h_{t-1} ; x_t] + b)", x=3, h=4)
    assert [matrix(program, i) for i in products(program.before)] == [(4, 3)]
    assert [matrix(program, i) for i in products(program.loop)] == [(4, 4)]
    assert not [i for i in program.loop if i.op == "concat"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("h_t = tanh(h_{t-1} + U x_t); y_t = V h_t + W x_t", {"before": 1, "after": 1}),  # U and W as one
        ("h_t = tanh(W (h_{t-1} + U x_t))", {"before": 1, "loop": 1}),
        ("h_t = tanh(h_{t-1} + U tanh(W b) + x_t)", {"static": 2}),
        ("h_t = x_t + h_{t-1}; y_t = V tanh(W h_t)", {"after": 2}),
    ],
)
def test_each_product_stands_where_it_first_can(text: str, where: dict[str, int]) -> None:
    sizes = {"x": 2, "h": 2, "y": 2, "b": 2}
    example = system(text)
    known = {n: sizes.get(n, 2) for n in (*example.free_sizes, *example.sequences)}
    program = compile_system(example, known)
    found = {phase: len(products(getattr(program, phase))) for phase in ("static", "before", "loop", "after")}
    assert {phase: n for phase, n in found.items() if n} == where


def test_ids_are_looked_up_and_never_multiplied() -> None:
    program = library("lstm", ids=("x",))
    assert [i.op for i in products(program.before)] == ["lookup"]
    assert "one_hot" not in {i.op for i in program.before}
    assert program.ids == (True,)


def test_ids_that_are_used_as_a_vector_become_one_hot() -> None:
    program = compiled("h_t = tanh(x_t ⊙ h_{t-1} + U x_t)", ids=("x",), h=3)
    assert sorted(i.op for i in program.before if i.op in ("one_hot", "lookup")) == ["lookup", "one_hot"]


def test_a_closing_softmax_is_left_out_of_logits() -> None:
    assert "softmax" in {i.op for i in library("elman").after}
    assert "softmax" not in {i.op for i in library("elman", logits=True).after}
    fed_back = library("jordan", logits=True)
    assert "softmax" in {i.op for i in fed_back.loop}, "what feeds back stays"
    assert fed_back.outputs != fed_back.following


# ── no name of a cell, no name at all ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", CELLS)
def test_renaming_every_symbol_gives_the_same_program(name: str) -> None:
    example = cell(name)
    renamed, names = _renamed(example)
    assert set(names).isdisjoint(names.values())
    original = compile_system(example.system, dict(example.sizes))
    again = compile_system(renamed.system, dict(renamed.sizes))
    assert again == original
    assert hash(again) == hash(original)
    assert again.text == original.text


def _renamed(example: Example) -> tuple[Example, dict[str, str]]:
    """The same equations in other letters."""
    made = example.system
    names = {name: f"s{i}" for i, name in enumerate(made.sequences)}
    names |= {name: f"Q{i}" for i, name in enumerate(made.parameters)}
    names |= {name: f"κ{i}" for i, (name, _) in enumerate(made.constants)}

    def other(right: Expression) -> str:
        return str(substitute(right, {leaf: symbol(names[leaf.data[0]], leaf.data[1]) for leaf in symbols([right])}))

    lines = [f"{names[name]} : {kind}" for name, kind in made.declarations]
    lines += [f"{names[name]} = {value}" for name, value in made.constants]
    lines += [f"{names[name]}_t = {other(right)}" for name, right in made.equations]
    return Example("\n".join(lines), tuple((names[size], n) for size, n in example.sizes)), names


def test_parameters_and_states_are_in_the_order_of_the_equations() -> None:
    example = cell("lstm")
    program = compile_system(example.system, dict(example.sizes))
    assert [program.shapes[v] for v in program.parameters] == [
        example.shapes[name] for name in example.system.parameters
    ]
    assert [program.shapes[v] for v in program.previous] == [example.shapes[name] for name in example.system.states]


def test_a_sum_of_a_thousand_terms_compiles() -> None:
    text = "h_t = tanh(" + " + ".join(f"W{i} h_{{t-1}}" for i in range(1000)) + " + x_t)"
    assert len(products(compiled(text, x=2).loop)) == 1


def test_a_deep_recurrence_compiles() -> None:
    lines = [f"a{i + 1}_t = tanh(a{i}_t + 1)" for i in range(3000)]
    program = compiled("\n".join(["a0_t = x_t + h_{t-1}", *lines, "h_t = a3000_t"]), x=2)
    assert len(program.loop) > 3000


def test_a_writer_numbers_every_node_once() -> None:
    program = library("lstm")
    outs = [i.out for phase in ("static", "before", "loop", "after") for i in getattr(program, phase)]
    assert len(set(outs)) == len(outs)
    assert Writer([(1,)]).shapes == [(1,)]


@pytest.mark.parametrize("right", ["x_t / 0", "x_t / (1 - 1)", "x_t ⊙ (1 / 0)", "x_t + log(0)", "x_t ⊙ exp(1000)"])
def test_what_is_no_finite_number_is_refused(right: str) -> None:
    with pytest.raises(EquationError, match=r"divides by zero|is no finite number"):
        compiled(f"h_t = {right}", x=2)


def test_numbers_are_computed_once_and_for_all() -> None:
    program = compiled("α = 0.5; h_t = (2 α - 3^2 / 2) x_t + 0.25 - (0.25 + h_{t-1})", x=2)
    assert {i.data for i in program.static if i.op == "number"} <= {(-3.5,), (0.0,), (0.25,), (-0.25,)}
    assert {i.op for i in program.static} == {"number"}


def test_products_that_are_added_to_each_other_are_neighbours() -> None:
    """Of [n ; z ; r] = U x and [z ; r ; n] = W h the last two and the first two are added: they are one window."""
    program = compile_system(system(CELLS["gru"], outputs=("h",)), {"x": 3, "h": 4})
    concatenations = [i for i in (*program.before, *program.loop) if i.op == "concat"]
    (added,) = concatenations
    slices = {i.out: i.data for i in program.before if i.op == "slice"}
    assert [slices.get(part) for part in added.args] == [(4, 8), (8, 12), None]  # the rest of it is a bias


def test_a_number_beside_a_bias() -> None:
    program = compiled("a_t = tanh(U x_t + b)\nc_t = c_{t-1} + σ(V x_t + 0.5)\ny_t = a_t", ids=("x",), x=3, a=2, c=1)
    joined = [i for i in program.static if i.op == "concat"]
    numbers = {i.out for i in program.static if i.op == "number"}
    assert all(numbers.isdisjoint(i.args) for i in joined)
