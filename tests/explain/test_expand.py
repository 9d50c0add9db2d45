"""Expansions: by hand, against a naive run, nested against named; what is refused, and with which words."""

from __future__ import annotations

import numpy as np
import pytest

from autograd import Numbers, at, close
from unrolled.equations.elaboration import system
from unrolled.equations.expression import NOW, Expression, Time, substitute, symbol, symbols
from unrolled.equations.library import CELLS
from unrolled.errors import TargetError
from unrolled.explain.expression import LARGEST_FORMULA
from unrolled.recurrence import Recurrence


def test_elman_by_hand(elman: Recurrence) -> None:
    assert str(elman.expand("h_0")) == "tanh(U x_0 + W h_{-1})"
    assert str(elman.expand("y_1")) == "softmax(V tanh(U x_1 + W tanh(U x_0 + W h_{-1})))"
    zero = {"h": 0}
    assert str(elman.expand("y_2", zero)) == "softmax(V tanh(U x_2 + W tanh(U x_1 + W tanh(U x_0))))"
    assert str(elman.expand("h_{-1}")) == "h_{-1}"
    assert str(elman.expand("h_{-1}", zero)) == "0"


def test_the_named_form_by_hand(elman: Recurrence) -> None:
    lines = ["h_0 = tanh(U x_0)", "h_1 = tanh(U x_1 + W h_0)", "y_1 = softmax(V h_1)"]
    assert str(elman.expand("y_1", {"h": 0}, named=True)).splitlines() == lines


def test_only_what_the_target_needs_is_named() -> None:
    found = Recurrence("h_t = tanh(U x_t); s_t = W s_{t-1} + h_t; y_t = V h_t").expand("y_2", named=True)
    assert str(found).splitlines() == ["h_2 = tanh(U x_2)", "y_2 = V h_2"]


def test_a_network_in_which_the_output_feeds_back() -> None:
    found = Recurrence("output_feedback").expand("y_1", {"y": 0})
    assert str(found) == "softmax(V tanh(U x_1) + W softmax(V tanh(U x_0)))"


@pytest.mark.parametrize(
    "spelling", ["y_2", "y₂", "y_{2}", r"\mathbf{y}_{2}", "y^{(2)}", " y_2 ", "y(2)", r"y_{\,2}", "y_{ 2 }"]
)
def test_spellings_of_a_target(elman: Recurrence, spelling: str) -> None:
    assert str(elman.expand(spelling)) == str(elman.expand("y_2"))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("initial", [None, 0, 0.5])
def test_a_formula_gives_what_a_naive_run_gives(cell: str, initial: float | None) -> None:
    recurrence = Recurrence(cell)
    given = {} if initial is None else dict.fromkeys(recurrence.states, initial)
    numbers = Numbers(recurrence, 3, initial=given)
    values = numbers.values if initial is None else {n: v for n, v in numbers.values.items() if "-1" not in n}
    for name, _ in recurrence.system.equations:
        expected = numbers.sequences[at(name, 2)].detach().numpy()
        for named in (False, True):
            assert close(recurrence.expand(at(name, 2), given, named).evaluate(values), expected, 1e-12)


@pytest.mark.parametrize(
    ("equations", "written"),
    [
        ("h_t = tanh(W h_{t-1} + b)", "tanh(b)"),
        ("h_t = x_t - W h_{t-1}", "x_0"),
        ("h_t = W h_{t-1} - x_t", "-x_0"),
        ("h_t = tanh(W h_{t-1})", "0"),
        ("h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ x_t", "z_0 ⊙ x_0"),
        # what is not zero at zero stays, and so does the size that a sum or a concatenation takes from the state
        ("h_t = σ(W h_{t-1})", "σ(0)"),
        ("h_t = softmax(W h_{t-1})", "softmax(0)"),
        ("h_t = W [h_{t-1} ; x_t]", "W [0 ; x_0]"),
        ("α : scalar; h_t = tanh(α + W h_{t-1})", "tanh(α + 0)"),
        ("k : scalar; h : vector; h_t = k; y_t = W h_{t-1}", "k + 0"),
    ],
)
def test_zero_first_states(equations: str, written: str) -> None:
    recurrence = Recurrence(equations)
    found = recurrence.expand("h_0", {"h": 0})
    assert str(found) == written
    numbers = Numbers(recurrence, 2, initial={"h": 0})
    values = numbers.values | {"h_{-1}": np.zeros(numbers.shapes["h"])}  # which tells the size where nothing else does
    assert close(found.evaluate(values), numbers.sequences["h_0"].detach().numpy())
    assert close(recurrence.expand("h_1", {"h": 0}).evaluate(values), numbers.sequences["h_1"].detach().numpy())


def test_first_states_that_the_equations_set() -> None:
    learned = Recurrence("h_t = tanh(U x_t + W h_{t-1}); h_{-1} = h0")
    assert str(learned.expand("h_0")) == "tanh(U x_0 + W h0)"
    assert str(learned.expand("h_0", {"h": 0})) == "tanh(U x_0)"
    half = Recurrence("h_t = U x_t + W h_{t-1}; h_{-1} = 0.5").expand("h_0")
    assert half.symbols == ("U", "x_0", "W", "h_{-1}")
    values = {"U": [[1.0], [2.0]], "x_0": [3.0], "W": [[1.0, 1.0], [0.0, 2.0]]}
    assert half.evaluate(values).tolist() == [3 + 0.5 + 0.5, 6 + 2 * 0.5]
    assert half.evaluate({**values, "h_{-1}": [0.0, 0.0]}).tolist() == [3, 6]


def test_symbols_and_constants() -> None:
    found = Recurrence("α = 0.5; h_t = α h_{t-1} + x_t").expand("h_1")
    assert found.symbols == ("α", "h_{-1}", "x_0", "x_1")
    assert found.evaluate({"h_{-1}": [4.0], "x_0": [1.0], "x_1": [0.0]}).tolist() == [(4 * 0.5 + 1) * 0.5]
    assert found.evaluate({"α": 0.0, "h_{-1}": [4.0], "x_0": [1.0], "x_1": [7.0]}).tolist() == [7]


def reread(written: str, node: Expression, recurrence: Recurrence) -> tuple[Expression, Expression]:
    """``written``, parsed as an equation, and ``node``: with names x2 where they have x_2."""
    inputs = {
        leaf: symbol(f"{leaf.data[0]}{leaf.data[1].offset % 10}", NOW) for leaf in symbols([node]) if leaf.data[1]
    }
    for leaf, renamed in inputs.items():
        name, step = leaf.data[0], leaf.data[1].offset
        for form in (f"{name}_{{{step}}}", f"{name}_{step}"):
            written = written.replace(form, f"{renamed.data[0]}_t")
    constants = "".join(f"{name} = {value}\n" for name, value in recurrence.system.constants)
    return system(f"{constants}q_t = {written}").definitions["q"], substitute(node, inputs)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("form", ["text", "latex"])
def test_whatever_is_printed_parses_to_the_same_expression(cell: str, form: str) -> None:
    recurrence = Recurrence(cell)
    for name, _ in recurrence.system.equations:
        for step in (0, 1):
            found = recurrence.expand(at(name, step))
            parsed, expected = reread(str(found) if form == "text" else found.latex(), found.node, recurrence)
            assert parsed is expected


def test_step_fifty(elman: Recurrence) -> None:
    found = elman.expand("y_50", {"h": 0})
    assert str(found).count("tanh") == 51
    assert str(found).endswith("tanh(U x_0)" + ")" * 51)
    numbers = Numbers(elman, 51, initial={"h": 0})
    assert close(found.evaluate(numbers.values), numbers.sequences["y_{50}"].detach().numpy())


def test_depth_is_no_limit(elman: Recurrence) -> None:
    found = elman.expand("h_2500", {"h": 0})
    assert str(found).count("tanh") == found.latex().count(r"\tanh") == 2501
    assert len(str(elman.expand("h_4000", named=True)).splitlines()) == 4001


def test_a_formula_of_many_pages_is_refused_and_the_named_form_offered(elman: Recurrence) -> None:
    # a step of Elman's hidden layer has seven symbols and signs
    last = (LARGEST_FORMULA - 7) // 7
    elman.expand(f"h_{last}")
    with pytest.raises(
        TargetError, match=r"has 2\d,\d{3} symbols, more than 20,000. Ask for the named form.*named=True"
    ):
        elman.expand(f"h_{last + 200}")
    with pytest.raises(TargetError, match=r"about 10\^\d+ symbols.*named=True"):
        Recurrence("gru").expand("h_50")
    assert len(str(Recurrence("gru").expand("h_50", named=True)).splitlines()) == 51 * 4


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("q_1", "No equation defines q; they define h, y"),
        ("yy_1", "Did you mean y?"),
        ("x_1", "No equation defines x"),
        ("y_{-1}", "before the first step: steps are numbered from 0"),
        ("h_{-2}", "before the first step"),
        ("h_t", "no step number: write y_2"),
        ("h", "no step number"),
        ("h_{100001}", "beyond 100000"),
        ("", "is no name here: write y_2"),
        ("h_1 + 2", "No equation defines"),
        (r"\frac{1}{2}", "No equation defines"),
        (r"\oops", "is no name here"),
    ],
)
def test_targets_that_do_not_exist(elman: Recurrence, target: str, message: str) -> None:
    with pytest.raises(TargetError) as refusal:
        elman.expand(target)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        ({"y": 0}, "y has no first value: it is no state. The states are h."),
        ({"h": "zero"}, "a number is needed"),
        ({"h": float("nan")}, "a number is needed"),
        ({"h": [0.0, 0.0]}, "a number is needed"),
    ],
)
def test_first_values_that_are_none(elman: Recurrence, initial: dict, message: str) -> None:
    with pytest.raises(TargetError) as refusal:
        elman.expand("y_1", initial)
    assert message in str(refusal.value)


VALUES = {"U": [[1.0, 2.0]], "x_0": [1.0, 1.0], "W": [[1.0]], "h_{-1}": [0.0], "V": [[1.0], [2.0], [3.0]]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"V": None}, "No value was given for V."),
        ({"Q": 1.0}, "There is no Q in these equations; the names are x, h, y, U, W, V."),
        ({"U": 1.0}, "U is a matrix, but the value has the shape ()."),
        ({"x_0": [[1.0, 1.0]]}, "x_0 is a vector, but the value has the shape (1, 2)."),
        ({"x_0": [1.0, 1.0, 1.0]}, "x_0 has the shape (3,), but x is 2 elsewhere."),
        ({"U": [[1.0], [1.0, 2.0]]}, "U is no number and no array of numbers"),
        ({"U": [["a", "b"]]}, "U is no number and no array of numbers"),
        ({"x_": [1.0]}, "There is no x_ in these equations"),
        ({"": 1.0}, "is no name"),
    ],
)
def test_values_that_do_not_fit(elman: Recurrence, change: dict, message: str) -> None:
    values = {name: value for name, value in (VALUES | change).items() if value is not None}
    with pytest.raises(TargetError) as refusal:
        elman.expand("y_0").evaluate(values)
    assert message in str(refusal.value)


def test_data_and_notebook(elman: Recurrence) -> None:
    found = elman.expand("h_0")
    assert found.to_dict() == {
        "text": "tanh(U x_0 + W h_{-1})",
        "latex": r"\tanh\left(U \, x_{0} + W \, h_{-1}\right)",
        "symbols": ["U", "x_0", "W", "h_{-1}"],
        "definitions": {},
    }
    assert found._repr_html_() == f"<div>$${found.latex()}$$</div>"
    named = elman.expand("h_0", named=True)
    assert named.latex() == r"\begin{aligned} h_{0} &= \tanh\left(U \, x_{0} + W \, h_{-1}\right) \end{aligned}"
    assert Time("", 0) == symbols([named.node])[0].data[1]
