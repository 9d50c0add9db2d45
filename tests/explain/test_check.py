"""Marking answers: the mistakes that students make, the notations that they use, and what is said of each."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys

import pytest

import unrolled as ur
from unrolled.cli import main
from unrolled.errors import TargetError

ELMAN = ur.Recurrence("h_t = tanh(U x_t + W h_{t-1})", "y_t = softmax(V h_t)")
TORCH = ur.Recurrence("torch_rnn")
LSTM = ur.Recurrence("lstm")
ZERO = {"h": 0}

FORWARD = """w_1 = U
w_2 = x_0
w_3 = W
w_4 = x_1
w_5 = w_1 w_2
w_6 = tanh(w_5)
w_7 = w_1 w_4
w_8 = w_3 w_6
w_9 = w_7 + w_8
w_10 = tanh(w_9)
"""
REVERSE = """w̄_10 = 1
w̄_9 = w̄_10 (1 - w_10^2)
w̄_8 = w̄_9
w̄_7 = w̄_9
w̄_6 = w̄_8 w_3
w̄_3 = w̄_8 w_6
w̄_5 = w̄_6 (1 - w_6^2)
w̄_1 = w̄_5 w_2 + w̄_7 w_4
"""
REVERSE_IN_MATRICES = """w̄_10 = v
w̄_9 = w̄_10 ⊙ (1 - w_10^2)
w̄_8 = w̄_9
w̄_7 = w̄_9
w̄_6 = w_3^T w̄_8
w̄_3 = w̄_8 w_6^T
w̄_5 = w̄_6 ⊙ (1 - w_6^2)
w̄_1 = w̄_5 w_2^T + w̄_7 w_4^T
"""


def marked(verdict) -> str:
    """The characters of the claim that the caret marks."""
    return verdict.claim[slice(*verdict.position)]


# ── right, in every notation ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "claim",
    [
        "y_2 = softmax(V tanh(U x_2 + W tanh(U x_1 + W tanh(U x_0))))",
        "y_2 = softmax(V tanh(W tanh(W tanh(Ux_0) + Ux_1) + Ux_2))",
        "y_2 = softmax(V h_2)",
        "y₂ = softmax(V tanh(Ux₂ + Wh₁))",
        "y_2 = softmax[V tanh(U x_2 + [W h_1])]",
        r"y_2 = \text{softmax}\left(\mathbf{V} \tanh\left(U x_2 + W \cdot h_1\right)\right)",
        "h^{(1)} = tanh(U x^{(1)} + W h^{(0)})",
        "h(1) = tanh(U x(1) + W h(0))",
        "h_t = tanh(U x_t + W h_{t-1})",
        "h_t = tanh(U x_t + W tanh(U x_{t-1} + W h_{t-2}))",
        "h_0 = tanh(U x_0); h_1 = tanh(U x_1 + W h_0)",
        "h_1 = tanh(U x_1 + W h_0) = tanh(U x_1 + W tanh(U x_0))",
        "h_{-1} = 0",
        "∂h_t/∂U = diag(1 - h_t^2) (x_t^T ⊗ I + W ∂h_{t-1}/∂U)",
        "∂h_0/∂vec(U) = x_0^T ⊗ diag(1 - h_0 ⊙ h_0)",
        r"\frac{\partial h_t}{\partial U} = \operatorname{diag}\left(1 - h_t \odot h_t\right)"
        r"\left(x_t^\top \otimes I + W \frac{\partial h_{t-1}}{\partial U}\right)",
        "∂h_2/∂h_0 = diag(1 - h_2^2) W diag(1 - tanh^2(U x_1 + W h_0)) W",
        "∂h_1/∂V = 0",
        "∂y_1/∂h_1 = (diag(y_1) - y_1 y_1^T) V",
    ],
)
def test_right(claim):
    assert ELMAN.check(claim, ZERO).kind == "right"


@pytest.mark.parametrize(
    "claim",
    [
        "h_1 = tanh(U*x_1 + W*h_0)",
        "∂h_1/∂U = (1 - h_1^2)(x_1 + W ∂h_0/∂U)",
        "∂h_1/∂U = (1 - h_1^2)(x_1 + W (1 - h_0^2) x_0)",
        "∂h_1/∂U = tanh'(U x_1 + W h_0) (x_1 + W ∂h_0/∂U)",
        r"\frac{\partial h_1}{\partial U} = (1 - \tanh^2(U x_1 + W h_0)) (x_1 + W \frac{\partial h_0}{\partial U})",
        "∂y_1/∂V = y_1 (1 - y_1) h_1",
    ],
)
def test_right_for_one_unit(claim):
    verdict = ELMAN.check(claim, ZERO)
    assert verdict.kind == "right up to scalar reading"
    assert verdict.correct
    assert ELMAN.check(claim, ZERO, form="scalar").kind == "right"
    assert ELMAN.check(claim, ZERO, form="matrix").kind == "wrong"


@pytest.mark.parametrize(
    ("recurrence", "claim"),
    [
        (TORCH, "h_t = tanh(x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh)"),  # as torch documents it
        (ELMAN, "∂h_t/∂h_{t-1} = W^T diag(1 - h_t^2)"),
    ],
)
def test_right_with_rows_for_columns(recurrence, claim):
    verdict = recurrence.check(claim)
    assert verdict.kind == "right up to transposition"
    assert verdict.correct


def test_through_every_gate():
    assert LSTM.check("c_1 = f_1 ⊙ c_0 + i_1 ⊙ g_1").kind == "right"
    verdict = LSTM.check("h_1 = o_1 ⊙ tanh(f_1 ⊙ c_0 - i_1 ⊙ g_1)")
    assert (verdict.kind, marked(verdict)) == ("wrong", "i_1 ⊙ g_1")


# ── what students get wrong ──────────────────────────────────────────────────────────────────────────────────────


def test_an_input_used_twice():
    verdict = ELMAN.check("y_2 = softmax(V tanh(U x_2 + W tanh(U x_2 + W tanh(U x_0))))", ZERO)
    assert verdict.kind == "wrong"
    assert not verdict.correct
    assert verdict.position == (38, 41)
    assert (marked(verdict), verdict.expected) == ("x_2", "x_1")


def test_a_product_with_the_wrong_row():
    verdict = ELMAN.check(FORWARD.replace("w_3 w_6", "w_3 w_5"), ZERO)
    assert (verdict.kind, marked(verdict), verdict.expected) == ("wrong", "w_5", "w_6")


def test_the_scalar_formula_read_as_matrices():
    verdict = ELMAN.check("∂h_1/∂U = (1 - h_1^2)(x_1 + W ∂h_0/∂U)", ZERO, form="matrix")
    assert verdict.kind == "wrong"
    assert "one unit" in verdict.message
    assert verdict.solution == "∂h_1/∂U = diag(1 - h_1^2) (x_1^T ⊗ I + W ∂h_0/∂U)"


@pytest.mark.parametrize("form", [None, "scalar"])
def test_another_letter_under_the_derivative(form):
    verdict = ELMAN.check("∂h_1/∂U = (1 - h_1^2)(x_1 + W ∂h_0/∂V)", ZERO, form)
    assert (verdict.kind, marked(verdict), verdict.expected) == ("wrong", "∂h_0/∂V", "∂h_0/∂U")
    verdict = ELMAN.check("∂h_1/∂V = (1 - h_1^2)(x_1 + W ∂h_0/∂U)", ZERO, form)
    assert (verdict.kind, marked(verdict), verdict.expected) == ("wrong", "∂h_1/∂V", "∂h_1/∂U")


def test_a_missing_transpose():
    verdict = TORCH.check("h_t = tanh(x_t W_ih + b_ih + h_{t-1} W_hh^T + b_hh)")
    assert (verdict.kind, marked(verdict)) == ("wrong", "W_ih")
    assert "must be transposed" in verdict.message
    verdict = TORCH.check("h_t = tanh(x_t W_ih + b_ih + W_hh h_{t-1} + b_hh)")
    assert (verdict.kind, marked(verdict)) == ("wrong", "W_ih")
    assert TORCH.check("h_t = tanh(x_t W_ih + b_ih + W_hh h_{t-1} + b_hh)", form="scalar").kind == "right"


def test_a_factor_dropped_in_the_recursion():
    verdict = ELMAN.check("∂h_t/∂U = (1 - h_t^2)(x_t + ∂h_{t-1}/∂U)")
    assert (verdict.kind, marked(verdict), verdict.expected) == ("wrong", "∂h_{t-1}/∂U", "the factor W")
    verdict = ELMAN.check("∂h_t/∂U = diag(1 - h_t^2) (x_t^T ⊗ I + ∂h_{t-1}/∂U)")
    assert (verdict.kind, verdict.expected) == ("wrong", "the factor W")


@pytest.mark.parametrize(
    ("claim", "place"),
    [
        ("y_2 = softmax(V tanh(U x_2 + W h_1)", 13),
        ("y_2 = softmax(V tanh(U x_2 + W h_1)))", 36),
        ("y_2 = softmax(V tanh(U x_2 + W h_1]", 34),
        ("y_2 = softmax(V tanh(U x_2 + ))", 29),
        ("y_2 = softmax(V tanh U x_2)", 16),
        ("y_2 = softmax(V tahn(U x_2))", 16),
        ("y_2", 0),
        ("y_2 =", 4),
        ("y_2 + h_1 = 3", 4),
        ("∂h_1/U = 3", 5),
        ("h_1 = a / b c", 10),
        (r"h_1 = \foo x_1", 6),
    ],
)
def test_what_cannot_be_read(claim, place):
    verdict = ELMAN.check(claim)
    assert verdict.kind == "unreadable"
    assert not verdict.correct
    assert verdict.position[0] == place
    assert verdict.message


def test_no_claim_at_all():
    assert ELMAN.check("  ").kind == "unreadable"


def test_a_first_state_that_was_taken_for_zero():
    verdict = ELMAN.check("h_0 = tanh(U x_0)")
    assert verdict.kind == "wrong"
    assert 'initial={"h": 0}' in verdict.message


@pytest.mark.parametrize(
    "claim", ["y_2 = softmax(Q h_2)", "y_2 = softmax(V h)", "y_2 = softmax(V h_{-2})", "y_2 = softmax(V_t h_2)"]
)
def test_names_that_are_not_there(claim):
    verdict = ELMAN.check(claim)
    assert verdict.kind == "wrong"
    assert marked(verdict) in ("Q", "h", "h_{-2}", "V_t")


def test_what_says_nothing():
    assert ELMAN.check("h_1 = h_1").kind == "wrong"


def test_two_mistakes_are_marked_at_the_first():
    verdict = ELMAN.check("y_2 = softmax(V tanh(U x_2 + W tanh(U x_2 + W tanh(U x_1))))", ZERO)
    assert verdict.kind == "wrong"
    assert marked(verdict) in ("x_2", "x_1")
    assert verdict.position[0] > 20


def test_a_mistake_many_steps_ago_is_not_forgotten():
    inner = "tanh(U x_1)"
    for step in range(1, 15):
        inner = f"tanh(U x_{{{step}}} + W {inner})"
    verdict = ELMAN.check(f"h_14 = {inner}", ZERO)
    assert (verdict.kind, marked(verdict), verdict.expected) == ("wrong", "x_1", "x_0")


def test_both_sides_of_a_kink_are_tried():
    relu = ur.Recurrence("h_t = relu(U x_t + W h_{t-1})")
    assert relu.check("h_1 = abs(U x_1 + W h_0)").kind == "wrong"
    assert relu.check("h_1 = U x_1 + W h_0").kind == "wrong"
    clipped = ur.Recurrence("h_t = clip(U x_t + W h_{t-1}, -1, 1)")
    assert clipped.check("h_1 = U x_1 + W h_0").kind == "wrong"
    assert clipped.check("h_1 = max(min(U x_1 + W h_0, 1), -1)").kind == "right"


def test_roots_and_logarithms_get_numbers_that_they_take():
    recurrence = ur.Recurrence("h_t = sqrt(x_t) + log(z_t)")
    assert recurrence.check("h_1 = log(z_1) + sqrt(x_1)").kind == "right"
    assert recurrence.check("h_1 = log(z_1) + sqrt(z_1)").kind == "wrong"


@pytest.mark.parametrize(
    ("equations", "claim", "kind"),
    [
        ("h_t = tanh(V [x_t ; h_{t-1}])", "h_0 = tanh(V [x_0 ; 0])", "right"),
        ("h_t = tanh(V [x_t ; h_{t-1}])", "h_0 = tanh(V [0 ; x_0])", "wrong"),
        ("h_t = tanh(V [x_t ; h_{t-1}])", "h_0 = tanh(V [x_1 ; 0])", "wrong"),
        ("h_t = tanh(V [x_t ; W^T h_{t-1}])", "h_0 = tanh(V [x_0 ; W^T 0])", "right"),
        ("h_t = tanh(V [x_t ; σ(W h_{t-1})])", "h_0 = tanh(V [x_0 ; σ(0)])", "right"),
        ("h_t = tanh(V [x_t ; σ(W h_{t-1})])", "h_0 = tanh(V [x_0 ; 0])", "wrong"),
        ("h_t = softmax(U h_{t-1} + W h_{t-1})", "h_0 = softmax(0)", "right"),
        ("h_t = softmax(U h_{t-1} + W h_{t-1})", "h_0 = 0", "wrong"),
        ("k : scalar; a : vector; a_t = k; h_t = W (a_t + h_{t-1})", "h_0 = W (k + 0)", "right"),
        ("k : scalar; a : vector; a_t = k; h_t = W (a_t + h_{t-1})", "h_0 = W (x_0 + 0)", "wrong"),
    ],
)
def test_a_zero_that_stands_for_a_vector_has_the_size_that_fits(equations, claim, kind):
    assert ur.Recurrence(equations).check(claim, {"h": 0}, form="matrix").kind == kind


@pytest.mark.parametrize("inside", ["1 - z_t", "k + z_t", "a_t"])
def test_a_number_in_a_sum_under_a_matrix(inside):
    recurrence = ur.Recurrence(f"k : scalar; a : vector; a_t = k; h_t = tanh(W ({inside}) ⊙ x_t + V a_t + U z_t)")
    right = f"h_0 = tanh(W ({inside}) ⊙ x_0 + V a_0 + U z_0)".replace("_t", "_0")
    assert recurrence.check(right).kind == "right"
    verdict = recurrence.check(right.replace("U z_0", "V z_0"))
    assert (verdict.kind, marked(verdict), verdict.expected) == ("wrong", "V", "U")


def test_a_counterexample_can_be_recalculated():
    verdict = ELMAN.check("h_1 = tanh(U x_1 - W h_0)")
    found = ur.Recurrence("h_t = tanh(U x_t + W h_{t-1})").check("h_1 = tanh(U x_1 - W h_0)").counterexample
    values = found.values
    assert found.claimed == pytest.approx(
        math.tanh(values["U"] * values["x_1"] - values["W"] * values["h_0"]), abs=1e-5
    )
    assert found.right == pytest.approx(math.tanh(values["U"] * values["x_1"] + values["W"] * values["h_0"]), abs=1e-5)
    assert abs(found.claimed - found.right) > 1e-4
    assert verdict.counterexample is not None


# ── tapes ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        (FORWARD, "right"),
        (FORWARD + REVERSE, "right up to scalar reading"),
        (FORWARD + REVERSE_IN_MATRICES, "right"),
        (FORWARD.replace("w_", "v_") + REVERSE.replace("w", "v"), "right up to scalar reading"),
        (FORWARD + REVERSE.replace("w̄", r"\bar{w}"), "right up to scalar reading"),
        ("w_5 = U x_0", "right"),
        ("w_5 = U x_0; w_6 = tanh(w_5) = h_0; w_7 = U x_1 + W w_6; h_1 = tanh(w_7)", "right"),
        ("w_9 = U x_0; w_2 = tanh(w_9); w̄_9 = w̄_2 (1 - w_2^2); ∂h_0/∂U = w̄_9 x_0", "right up to scalar reading"),
        # partial adjoints, as they are printed
        (
            FORWARD
            + REVERSE.replace("w̄_1 = w̄_5 w_2 + w̄_7 w_4", "w̄_1⁽¹⁾ = w̄_7 w_4; w̄_1⁽²⁾ = w̄_5 w_2; w̄_1 = w̄_1⁽¹⁾ + w̄_1⁽²⁾"),
            "right up to scalar reading",
        ),
        # tangents
        ("w_1 = U; w_2 = x_0; w_3 = w_1 w_2; w_4 = tanh(w_3); ẇ_1 = 1; ẇ_3 = ẇ_1 w_2; ẇ_4 = ẇ_3 (1 - w_4^2)",
         "right up to scalar reading"),
    ],
)  # fmt: skip
def test_tapes_that_are_right(rows, kind):
    verdict = ELMAN.check(rows, ZERO)
    assert verdict.kind == kind, verdict


@pytest.mark.parametrize(
    ("right", "wrong", "place", "expected"),
    [
        ("w_6 = tanh(w_5)", "w_6 = σ(w_5)", "σ(w_5)", "tanh(…)"),
        ("w_9 = w_7 + w_8", "w_9 = w_7 - w_8", "w_8", "the other sign"),
        ("w̄_9 = w̄_10 (1 - w_10^2)", "w̄_9 = w̄_10 (1 - w_9^2)", "w_9", "w_10"),
        ("w̄_6 = w̄_8 w_3", "w̄_6 = w̄_8 w_1", "w_1", "w_3"),
        ("w̄_1 = w̄_5 w_2 + w̄_7 w_4", "w̄_1 = w̄_7 w_4", "w̄_7 w_4", "+ w̄_5 w_2"),
        ("w̄_5 = w̄_6 (1 - w_6^2)", "w̄_5 = w̄_6 (1 - w_6)", "w_6", "the exponent 2"),
        ("w̄_10 = 1", "w̄_10 = 0", "0", "1"),
    ],
)
def test_a_wrong_row_is_reported_once(right, wrong, place, expected):
    """The rows after it are those of the right tape, or go on with the error: neither is a second mistake."""
    verdict = ELMAN.check((FORWARD + REVERSE).replace(right, wrong), ZERO)
    assert (verdict.kind, marked(verdict), verdict.expected) == ("wrong", place, expected)
    assert "lines are wrong" not in verdict.message


def test_an_error_that_the_student_goes_on_with():
    forward = FORWARD.replace("w_8 = w_3 w_6", "w_8 = w_3 w_5")
    reverse = REVERSE.replace("w̄_6 = w̄_8 w_3\n", "").replace("w̄_3 = w̄_8 w_6", "w̄_3 = w̄_8 w_5")
    reverse = reverse.replace("w̄_5 = w̄_6 (1 - w_6^2)", "w̄_5 = w̄_8 w_3")
    verdict = ELMAN.check(forward + reverse, ZERO)
    assert (verdict.kind, marked(verdict)) == ("wrong", "w_5")
    assert "lines are wrong" not in verdict.message


def test_a_transpose_in_a_tape_of_matrices():
    verdict = ELMAN.check(FORWARD + REVERSE_IN_MATRICES.replace("w_3^T w̄_8", "w_3 w̄_8"), ZERO)
    assert (verdict.kind, marked(verdict), verdict.expected) == ("wrong", "w_3", "the transpose")


def test_a_tape_with_zeros_for_a_vector():
    recurrence = ur.Recurrence("h_t = tanh(V [h_{t-1} ; x_t])")
    rows = "w_1 = V; w_2 = x_0; w_3 = [0 ; w_2]; w_4 = w_1 w_3; w_5 = tanh(w_4)"
    rows += "; w̄_5 = v; w̄_4 = w̄_5 ⊙ (1 - w_5^2); w̄_3 = w_1^T w̄_4; w̄_1 = w̄_4 w_3^T"
    assert recurrence.check(rows, ZERO, form="matrix").kind == "right"
    verdict = recurrence.check(rows.replace("w_3^T", "w_3"), ZERO, form="matrix")
    assert (verdict.kind, marked(verdict), verdict.expected) == ("wrong", "w_3", "the transpose")
    verdict = recurrence.check(rows.replace("[0 ; w_2]", "[w_2 ; 0]"), ZERO, form="matrix")
    assert (verdict.kind, marked(verdict)) == ("wrong", "[w_2 ; 0]")


def test_two_wrong_rows_are_two():
    rows = (FORWARD + REVERSE).replace("tanh(w_5)", "σ(w_5)").replace("w̄_7 = w̄_9", "w̄_7 = w̄_10")
    verdict = ELMAN.check(rows, ZERO)
    assert marked(verdict) == "σ(w_5)"
    assert "2 of 18 lines are wrong" in verdict.message


def test_an_adjoint_without_its_rows_cannot_be_marked():
    verdict = ELMAN.check(r"\bar{w}_5 = \bar{w}_8 (1 - w_8^2)")
    assert verdict.kind == "unreadable"
    assert "forward rows" in verdict.message


def test_a_row_that_is_used_before_it_is_there():
    verdict = ELMAN.check("w_5 = U x_0; w_6 = tanh(w_7)", ZERO)
    assert (verdict.kind, marked(verdict)) == ("wrong", "w_7")


# ── what is no claim about these equations ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("claim", "named"),
    [
        ("z_2 = softmax(V h_2)", "h, y"),
        ("x_1 = 0", "h, y"),
        ("U = 3", "h, y"),
        ("h = 3", "h_1"),
        ("h_{-3} = 0", "first step"),
        ("∂h_1/∂Q = 0", "U, W, V"),
        ("∂x_1/∂U = 0", "x_1"),
        ("h_10000 = 0", "500"),
    ],
)
def test_unknown_targets(claim, named):
    with pytest.raises(TargetError, match=named):
        ELMAN.check(claim)


def test_unknown_options():
    with pytest.raises(TargetError, match="scalar"):
        ELMAN.check("h_1 = 0", form="vector")
    with pytest.raises(TargetError, match="states are h"):
        ELMAN.check("h_1 = 0", initial={"y": 0})
    with pytest.raises(TargetError, match="no scalar form"):
        ur.Recurrence("h_t = tanh(W [h_{t-1} ; x_t])").check("h_1 = 0", form="scalar")


# ── how a verdict shows itself ───────────────────────────────────────────────────────────────────────────────────


def test_a_verdict_prints_its_place():
    verdict = ELMAN.check("h_1 = tanh(U x_0 + W h_0)", ZERO)
    first, line, carets, *_ = str(verdict).splitlines()
    assert first == "wrong: x_0 stands here; right is x_1."
    assert carets.index("^") == line.index("x_0")
    assert "Expected: h_1 = tanh(U x_1 + W h_0)" in str(verdict)
    assert r"\tanh" in verdict.latex()
    assert "&" not in verdict._repr_html_().replace("&lt;", "").replace("&gt;", "").replace("&amp;", "").replace(
        "&#x27;", ""
    )
    assert json.loads(json.dumps(verdict.to_dict()))["position"] == [13, 16]


def test_the_command(capsys):
    equations = "h_t = tanh(U x_t + W h_{t-1}); y_t = softmax(V h_t)"
    assert main(["check", equations, "h_0 = tanh(U x_0)", "--initial", "h=0"]) == 0
    assert capsys.readouterr().out.strip() == "right"
    assert main(["check", "elman", "h_0 = tanh(U x_1)", "--initial", "h=0", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["expected"] == "x_0"
    assert main(["check", "elman", "h_0 = tanh(U x_1"]) == 2
    assert "unreadable" in capsys.readouterr().out
    assert main(["check", "elman", "∂h_0/∂U = (1 - h_0^2) x_0", "--form", "matrix", "--initial", "h=0"]) == 3
    assert main(["check", "elman"]) == 2


def test_the_command_loads_no_torch():
    code = "import sys; from unrolled.cli import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, "check", "elman", "h_1 = tanh(U x_1)"], capture_output=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["elman", "lstm", "jordan1986"])
def test_no_text_of_a_claim_raises(name):
    """Whatever stands in a claim gets a mark; only an unknown left side is an error."""
    recurrence, dice = ur.Recurrence(name), random.Random(name)
    signs = [
        "(",
        ")",
        "[",
        ";",
        "]",
        "+",
        "-",
        "*",
        "/",
        "⊙",
        "⊗",
        "^2",
        "^T",
        "^{-1}",
        "tanh(",
        "diag(",
        "exp(",
        "clip(",
    ]
    names = ["U", "W", "V", "x_0", "h_0", "h_1", "h_{t-1}", "c_0", "∂h_0/∂U", "I", "0", "1e300", "w_1", "w̄_1"]
    starts = ["h_1 = ", "∂h_1/∂U = ", "w_1 = U; w_2 = x_0; w_3 = ", "w_1 = x_0; w_2 = tanh(w_1); w̄_1 = ", "h_t = "]
    for _ in range(120):
        claim = dice.choice(starts) + " ".join(dice.choices(signs + names, k=dice.randint(1, 6)))
        try:
            verdict = recurrence.check(claim, form=dice.choice([None, "matrix", "scalar"]))
        except TargetError:
            continue
        assert verdict.kind in (
            "right",
            "right up to scalar reading",
            "right up to transposition",
            "wrong",
            "unreadable",
        )
        json.dumps(verdict.to_dict())
        assert str(verdict)
