"""The named cells: each parses, prints, means the same again, and has the roles that its paper gives it."""

import pytest

from unrolled.equations.elaboration import system
from unrolled.equations.library import CELLS, load
from unrolled.errors import EquationError
from unrolled.recurrence import Recurrence

# inputs, states, outputs, number of parameters, number of trained numbers for x = 3, h = 5 (c = 5, y = o = s = 4)
EXPECTED = {
    "elman": ("x", "h", "y", 3, 5 * 3 + 5 * 5 + 4 * 5),
    "vanilla": ("x", "h", "o", 5, 5 * 3 + 5 * 5 + 5 + 4 * 5 + 4),
    "jordan": ("x", "y", "y", 5, 5 * 3 + 5 * 4 + 5 + 4 * 5 + 4),
    "jordan1986": ("x", "s y", "y", 5, 5 * 3 + 5 * 4 + 5 + 4 * 5 + 4),
    "output_feedback": ("x", "y", "y", 3, 5 * 3 + 4 * 5 + 4 * 4),
    "torch_rnn": ("x", "h", "", 4, 5 * 3 + 5 * 5 + 5 + 5),
    "torch_rnn_relu": ("x", "h", "", 4, 5 * 3 + 5 * 5 + 5 + 5),
    "gru": ("x", "h", "", 12, 3 * (5 * 3 + 5 * 5 + 5 + 5)),
    "gru_reset_before": ("x", "h", "", 9, 3 * (5 * 3 + 5 * 5 + 5)),
    "lstm": ("x", "c h", "", 16, 4 * (5 * 3 + 5 * 5 + 5 + 5)),
    "lstm_peephole": ("x", "c h", "", 15, 4 * (5 * 3 + 5 * 5 + 5) + 3 * 5),
    "lstm_projection": ("x", "c h", "", 17, 4 * (6 * 3 + 6 * 5 + 6 + 6) + 5 * 6),
    "irnn": ("x", "h", "", 3, 5 * 3 + 5 * 5 + 5),
    "minimal_gated": ("x", "h", "", 6, 2 * (5 * 3 + 5 * 5 + 5)),
}
SIZES = {"x": 3, "h": 5, "y": 4, "o": 4}


@pytest.mark.parametrize(
    ("word", "hint"),
    [("gruu", "did you mean gru?"), (" LSTM\n", "did you mean lstm?"), ("xyz", "the library cells are elman,")],
)
def test_a_word_that_names_no_cell(word: str, hint: str) -> None:
    with pytest.raises(EquationError) as caught:
        load(word)
    assert str(caught.value).startswith(f"There is no library cell {word.strip()}: {hint}")
    assert str(caught.value).endswith("An equation is written h_t = …")


def test_every_cell_is_expected_here() -> None:
    assert set(CELLS) == set(EXPECTED)


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_has_its_roles_and_its_number_of_weights(name: str) -> None:
    cell = load(name)
    inputs, states, outputs, parameters, weights = EXPECTED[name]
    assert (" ".join(cell.inputs), " ".join(cell.states), " ".join(cell.outputs)) == (inputs, states, outputs)
    assert len(cell.parameters) == parameters
    given = {size: SIZES.get(size, 6) for size in cell.free_sizes}
    shapes = cell.resolve(given)
    count = 0
    for parameter in cell.parameters:
        rows, columns = (*shapes[parameter], 1)[:2]
        count += rows * columns
    assert count == weights


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_prints_the_text_that_the_library_holds(name: str) -> None:
    assert str(Recurrence(name)) == CELLS[name]
    assert Recurrence(str(Recurrence(name))) == Recurrence(name) == Recurrence(CELLS[name])


def test_the_jordan_context_decays_by_a_constant_that_is_not_trained() -> None:
    assert load("jordan1986").constants == (("α", 0.5),)
    assert "α" not in load("jordan1986").parameters


def test_two_cells_are_different() -> None:
    assert len({system(text) for text in CELLS.values()}) == len(CELLS)
