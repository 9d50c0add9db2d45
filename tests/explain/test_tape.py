"""Tapes: an exercise worked by hand, gradients against autograd, forward mode against reverse mode, what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from autograd import Numbers, at, close
from unrolled.equations.library import CELLS
from unrolled.errors import SizeError, TargetError
from unrolled.recurrence import Recurrence

ZERO = {"h": 0}

# ∂h_0/∂U and ∂h_1/∂U of h_t = tanh(U x_t + W h_{t-1}) with h_{-1} = 0, worked on paper
FIRST_STEP = """\
Forward
  w_1 = U
  w_2 = x_0
  w_3 = w_1 w_2
  w_4 = tanh(w_3)  = h_0

Reverse
  w̄_4 = 1                 seed
  w̄_3 = w̄_4 (1 - w_4^2)   tanh′ = 1 − tanh²
  w̄_1 = w̄_3 w_2           product; ∂h_0/∂U"""

SECOND_STEP = """\
Forward
  w_1  = U
  w_2  = x_0
  w_3  = x_1
  w_4  = W
  w_5  = w_1 w_2
  w_6  = tanh(w_5)  = h_0
  w_7  = w_1 w_3
  w_8  = w_4 w_6
  w_9  = w_7 + w_8
  w_10 = tanh(w_9)  = h_1

Reverse
  w̄_10   = 1                  seed
  w̄_9    = w̄_10 (1 - w_10^2)  tanh′ = 1 − tanh²
  w̄_8    = w̄_9                sum
  w̄_7    = w̄_9                sum
  w̄_6    = w̄_8 w_4            product
  w̄_5    = w̄_6 (1 - w_6^2)    tanh′ = 1 − tanh²
  w̄_1⁽¹⁾ = w̄_5 w_2            product, used in w_5
  w̄_1⁽²⁾ = w̄_7 w_3            product, used in w_7
  w̄_1    = w̄_1⁽¹⁾ + w̄_1⁽²⁾    sum of 2 uses; ∂h_1/∂U"""


def words(text: str) -> list[list[str]]:
    """The lines without the spaces that align them."""
    return [line.split() for line in text.splitlines()]


def test_the_tape_of_the_first_step(elman: Recurrence) -> None:
    assert words(str(elman.tape("h_0", "U", initial=ZERO))) == words(FIRST_STEP)


def test_the_tape_of_the_second_step(elman: Recurrence) -> None:
    assert words(str(elman.tape("h_1", "U", initial=ZERO))) == words(SECOND_STEP)


def test_its_numbers(elman: Recurrence) -> None:
    U, W, x_0, x_1 = 0.5, 0.3, 1.0, 2.0
    h_0 = math.tanh(U * x_0)
    h_1 = math.tanh(U * x_1 + W * h_0)
    outer, inner = 1 - h_1**2, 1 - h_0**2
    filled = elman.tape("h_1", initial=ZERO).evaluate({"U": U, "W": W, "x_0": x_0, "x_1": x_1})
    values = {row.index: row.value for row in filled.rows}
    assert values == pytest.approx(
        {1: U, 2: x_0, 3: x_1, 4: W, 5: U * x_0, 6: h_0, 7: U * x_1, 8: W * h_0, 9: U * x_1 + W * h_0, 10: h_1}
    )
    adjoints = {row.index: row.adjoint_value for row in filled.rows}
    assert adjoints == pytest.approx(
        {
            10: 1, 9: outer, 8: outer, 7: outer, 6: outer * W, 5: outer * W * inner, 4: outer * h_0, 3: outer * U,
            2: outer * W * inner * U, 1: outer * (x_1 + W * inner * x_0),
        }
    )  # fmt: skip
    assert filled.rows[0].use_values == pytest.approx((outer * W * inner * x_0, outer * x_1))
    assert filled.gradient("U") == adjoints[1]
    assert f"{outer * x_1:.6f}".rstrip("0") in str(filled)


def test_the_forward_mode_by_hand(elman: Recurrence) -> None:
    found = elman.tape("h_1", "U", initial=ZERO, mode="forward")
    tangents = [
        "ẇ_1 = 1 U", "ẇ_2 = 0 x_0", "ẇ_3 = 0 x_1", "ẇ_4 = 0 W", "ẇ_5 = ẇ_1 w_2 product",
        "ẇ_6 = ẇ_5 (1 - w_6^2) tanh′ = 1 − tanh²; h_0", "ẇ_7 = ẇ_1 w_3 product", "ẇ_8 = ẇ_6 w_4 product",
        "ẇ_9 = ẇ_7 + ẇ_8 sum", "ẇ_10 = ẇ_9 (1 - w_10^2) tanh′ = 1 − tanh²; h_1",
    ]  # fmt: skip
    lines = words(str(found))
    assert lines[lines.index(["Tangents"]) + 1 :] == words("\n".join(tangents))
    values = {"U": 0.5, "W": 0.3, "x_0": 1.0, "x_1": 2.0}
    reverse = elman.tape("h_1", "U", initial=ZERO).evaluate(values).gradient("U")
    assert found.evaluate(values).rows[-1].tangent_value == pytest.approx(float(reverse))


def test_a_tape_in_matrices_by_hand(elman: Recurrence) -> None:
    found = elman.tape("y_0", sizes={"x": 2, "h": 3, "y": 2}, seed=[1, 0], initial=ZERO)
    reverse = words(str(found))[len(found.rows) + 3 :]
    assert reverse == words("""\
        w̄_7 = v seed
        w̄_6 = w_7 ⊙ (w̄_7 - dot(w̄_7, w_7)) softmax′ = diag(y) − y yᵀ
        w̄_5 = w_3^T w̄_6 product
        w̄_4 = w̄_5 ⊙ (1 - w_5^2) tanh′ = 1 − tanh²
        w̄_3 = w̄_6 w_5^T product; ∂y_0/∂V
        w̄_2 = w_1^T w̄_4 product; ∂y_0/∂x_0
        w̄_1 = w̄_4 w_2^T product; ∂y_0/∂U""")


def seed_for(value: object) -> np.ndarray:
    """A seed whose components all differ."""
    shape = np.shape(value)
    return np.linspace(0.5, 1.5, int(np.prod(shape))).reshape(shape)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_those_of_autograd_and_forward_mode_agrees(cell: str) -> None:
    recurrence = Recurrence(cell)
    numbers = Numbers(recurrence, 2)
    for name, _ in recurrence.system.equations:
        target = at(name, 1)
        seed = seed_for(numbers.sequences[target].detach())
        found = recurrence.tape(target, sizes=numbers.sizes, seed=seed).evaluate(numbers.values)
        leaves = [row.name for row in found.rows if row.is_leaf and row.name in numbers.leaves]
        assert {leaf for leaf in leaves if "_" not in leaf} <= set(recurrence.parameters)
        for leaf in leaves:
            assert close(found.gradient(leaf), numbers.gradient(target, leaf, seed)), (target, leaf)
        directions = {leaf: np.cos(np.arange(numbers.leaves[leaf].numel())).reshape(numbers.leaves[leaf].shape)
                      for leaf in leaves}  # fmt: skip
        pushed = recurrence.tape(target, sizes=numbers.sizes, seed=seed, mode="forward")
        pushed = pushed.evaluate(numbers.values, tangents=directions)
        reverse = sum((found.gradient(leaf) * direction).sum() for leaf, direction in directions.items())
        assert close((seed * pushed.rows[-1].tangent_value).sum(), reverse)


def test_a_scalar_target_needs_no_seed() -> None:
    recurrence = Recurrence("h_t = tanh(U x_t + W h_{t-1}); s_t = dot(h_t, h_t)")
    numbers = Numbers(recurrence, 2)
    found = recurrence.tape("s_1", sizes=numbers.sizes).evaluate(numbers.values)
    assert close(found.gradient("W"), numbers.derivative("s_1", "W"))
    assert close(found.evaluate(numbers.values, seed=3).gradient("W"), 3 * numbers.derivative("s_1", "W"))


def test_an_earlier_state_is_a_leaf_when_it_is_asked_for(elman: Recurrence) -> None:
    found = elman.tape("h_2", ("h_0", "W"))
    assert {row.name for row in found.rows if row.is_leaf} == {"U", "x_1", "W", "h_0", "x_2"}
    filled = found.evaluate({"U": 1, "x_1": 0.5, "x_2": 0.25, "W": 0.5, "h_0": 0.1})
    h_1 = math.tanh(0.5 + 0.5 * 0.1)
    h_2 = math.tanh(0.25 + 0.5 * h_1)
    assert filled.gradient("h_0") == pytest.approx((1 - h_2**2) * 0.5 * (1 - h_1**2) * 0.5)
    assert filled.gradient("U") == 0  # nobody asked


def test_a_first_state_that_is_a_number_can_be_asked_for(elman: Recurrence) -> None:
    found = elman.tape("h_0", "h_{-1}", initial={"h": 0.5}).evaluate({"U": 1, "x_0": 0.5, "W": 2})
    assert found.gradient("h_{-1}") == pytest.approx((1 - math.tanh(0.5 + 2 * 0.5) ** 2) * 2)
    at_zero = elman.tape("h_0", "h_{-1}", initial=ZERO).evaluate({"U": 1, "x_0": 0.5, "W": 2})
    assert at_zero.gradient("h_{-1}") == pytest.approx((1 - math.tanh(0.5) ** 2) * 2)


def test_a_learned_first_state_is_a_leaf() -> None:
    found = Recurrence("h_t = tanh(U x_t + W h_{t-1}); h_{-1} = h0").tape("h_0", "h0")
    filled = found.evaluate({"U": 1, "x_0": 0.5, "W": 2, "h0": 0.1})
    assert filled.gradient("h0") == pytest.approx((1 - math.tanh(0.7) ** 2) * 2)


def test_sizes_of_one() -> None:
    recurrence = Recurrence("h_t = tanh(U x_t + W h_{t-1}); y_t = V h_t")
    for sizes in ({"x": 1, "h": 1, "y": 1}, {"x": 3, "h": 1, "y": 2}, {"x": 1, "h": 3, "y": 1}):
        numbers = Numbers(recurrence, 2, sizes)
        seed = seed_for(numbers.sequences["y_1"].detach())
        found = recurrence.tape("y_1", sizes=sizes, seed=seed).evaluate(numbers.values)
        for leaf in numbers.leaves:
            assert close(found.gradient(leaf), numbers.gradient("y_1", leaf, seed))


@pytest.mark.parametrize(
    "equations",
    [
        "h_t = tanh(W [h_{t-1} ; x_t])",
        "h_t = layernorm(U x_t + W h_{t-1})",
        "h_t = tanh(U x_t + W softmax(V h_{t-1}))",
        "h_t = max(U x_t, W h_{t-1}) + min(b, h_{t-1})",
        "h_t = clip(U x_t + W h_{t-1}, -0.5, 0.5) + abs(b ⊙ h_{t-1})",
        "h_t = α h_{t-1} + β tanh(U x_t)",
        "α = 0.5; h_t = α h_{t-1} + (1 - α) tanh(U x_t)",
        "h_t = tanh(U x_t + W^T h_{t-1} + W h_{t-1})",
        "h_t = h_{t-1} / (2 + (U x_t)^2) + sqrt(1 + b^2)",
        "a_t = dot(v, h_{t-1}); h_t = a_t ⊙ tanh(U x_t) + mean(x_t) ⊙ σ(W h_{t-1}) + sum(h_{t-1})",
        "k : scalar; h : vector; h_t = k; y_t = softmax(V (h_{t-1} + h_t))",
        "h_t = exp(-(U x_t)^2) ⊙ log(2 + abs(W h_{t-1})) + sin(h_{t-1}) + cos(b) + softplus(h_{t-1})",
    ],
)
def test_everything_that_an_equation_can_say(equations: str) -> None:
    recurrence = Recurrence(equations)
    numbers = Numbers(recurrence, 2)
    for name, _ in recurrence.system.equations:
        target = at(name, 1)
        seed = seed_for(numbers.sequences[target].detach())
        found = recurrence.tape(target, sizes=numbers.sizes, seed=seed).evaluate(numbers.values)
        for row in found.rows:
            if row.is_leaf and row.name in numbers.leaves:
                assert close(row.adjoint_value, numbers.gradient(target, row.name, seed)), (target, row.name)


# a state that starts at 0 stands under a matrix in a concatenation, and has vanished there at the first step
VANISHED = """
W : 1×2; U : 1×1; V : 2×3
c_t = tanh(U x_t + c_{t-1})
h_t = tanh(V [x_t ; W^T c_{t-1}])
c_{-1} = 0
"""


@pytest.mark.parametrize(
    "flat", ["tanh", "sign", "heaviside"]
)  # what is flat hands no adjoint down to the joined parts
@pytest.mark.parametrize("order", ["x_t ; W^T c_{t-1}", "W^T c_{t-1} ; x_t"])
@pytest.mark.parametrize("step", [0, 1])
def test_zeros_that_vanished_keep_their_size(flat: str, order: str, step: int) -> None:
    recurrence = Recurrence(VANISHED.replace("x_t ; W^T c_{t-1}", order).replace("tanh(V", f"{flat}(V"))
    numbers = Numbers(recurrence, 2)
    target, seed = at("h", step), np.array([0.5, -1.5])
    found = recurrence.tape(target, sizes={}, seed=seed).evaluate(numbers.values)
    assert close(found.rows[-1].value, numbers.sequences[target].detach().numpy())
    names = [row.name for row in found.rows if row.is_leaf]
    for name in names:
        assert close(found.gradient(name), numbers.gradient(target, name, seed)), name
        tangent = np.cos(np.arange(found.leaf(name).value.size)).reshape(found.leaf(name).value.shape)
        pushed = recurrence.tape(target, sizes={}, seed=seed, mode="forward").evaluate(
            numbers.values, tangents={name: tangent}
        )
        expected = (numbers.gradient(target, name, seed) * tangent).sum()
        assert float(seed @ pushed.rows[-1].tangent_value) == pytest.approx(expected, abs=1e-12), name


def test_the_size_of_zeros_must_be_given_too() -> None:
    repeated = Recurrence("k : scalar; h : vector; h_t = k; y_t = W h_{t-1}")
    with pytest.raises(SizeError, match="The size of h does not follow from what was given: write h="):
        repeated.tape("h_0", sizes={}, seed=np.ones(3))
    found = repeated.tape("h_0", sizes={"h": 3}, seed=np.ones(3)).evaluate({"k": 2.0})
    assert found.rows[-1].value.tolist() == [2, 2, 2]
    assert found.gradient("k") == 3


def test_ten_thousand_rows(elman: Recurrence) -> None:
    found = elman.tape("h_1999", initial=ZERO)
    assert len(found.rows) == 10_000
    values = {"U": 0.5, "W": 0.5} | {f"x_{t}": 0.1 for t in range(2000)}
    with pytest.raises(TargetError, match="There is no"):
        found.evaluate(values | {"q_0": 1.0})
    filled = found.evaluate(values)
    # long since at rest: h = tanh(0.05 + h/2), and S = (1 − h²)(x + W S)
    h = 0.0
    for _ in range(200):
        h = math.tanh(0.05 + 0.5 * h)
    assert filled.gradient("U") == pytest.approx((1 - h**2) * 0.1 / (1 - (1 - h**2) * 0.5))
    assert len(str(filled).splitlines()) > 20_000


SIZES = {"x": 2, "h": 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wrt": "V"}, "V does not occur here; the leaves are"),
        ({"wrt": "x_2"}, "x_2 does not occur here"),
        ({"wrt": ("U", "h_t")}, "h_t does not occur here"),
        ({"wrt": ()}, "wrt names no leaf"),
        ({"wrt": "?"}, "? does not occur here"),
        ({"sizes": SIZES}, "its gradient needs a seed v, which gives vᵀ ∂h_1/∂θ. For the whole derivative use derive."),
        ({"sizes": SIZES, "seed": [1, 2]}, "The seed has the shape (2,), but h_1 is a vector of 3."),
        ({"seed": [1, 2]}, "The seed has the shape (2,), but h_1 is a number."),
        ({"seed": "one"}, "the seed is no number"),
        ({"mode": "sideways"}, "There is no mode 'sideways': write reverse or forward."),
    ],
)
def test_refusals(elman: Recurrence, options: dict, message: str) -> None:
    with pytest.raises(TargetError) as refusal:
        elman.tape("h_1", **options)
    assert message in str(refusal.value)


def test_more_refusals(elman: Recurrence) -> None:
    with pytest.raises(SizeError, match="write h="):
        elman.tape("h_1", sizes={"x": 2}, seed=[1])
    with pytest.raises(TargetError, match=r"h_\{-1\} is 0: there is nothing to list"):
        elman.tape("h_{-1}", initial=ZERO)
    with pytest.raises(TargetError, match="concatenation, which has no scalar form"):
        Recurrence("h_t = W [h_{t-1} ; x_t]").tape("h_1")
    empty = elman.tape("h_0")
    with pytest.raises(TargetError, match="no numbers yet"):
        empty.gradient("U")
    with pytest.raises(TargetError, match="V is no leaf of this tape; the leaves are U, x_0, W"):
        empty.gradient("V")
    values = {"U": 1, "x_0": 1, "W": 1, "h_{-1}": 0}
    with pytest.raises(TargetError, match="in the scalar form it is a number"):
        empty.evaluate(values | {"U": [[1.0]]})
    with pytest.raises(TargetError, match="does not follow x_0"):
        elman.tape("h_0", "U", mode="forward").evaluate(values, tangents={"x_0": 1})
    with pytest.raises(TargetError, match=r"The tangent of U has the shape \(2,\)"):
        elman.tape("h_0", "U", mode="forward").evaluate(values, tangents={"U": [1, 2]})


def test_as_data(elman: Recurrence) -> None:
    filled = elman.tape("h_0", "U", initial=ZERO).evaluate({"U": 0.5, "x_0": 2})
    data = json.loads(json.dumps(filled.to_dict()))
    assert (data["target"], data["form"], data["mode"]) == ("h_0", "scalar", "reverse")
    last, first = data["rows"][-1], data["rows"][0]
    assert (last["index"], last["name"], last["formula"], last["adjoint"]) == (4, "h_0", "tanh(w_3)", "1")
    assert first["uses"] == [{"user": 3, "rule": "product", "part": "w̄_3 w_2"}]
    assert first["adjoint_value"] == pytest.approx(2 * (1 - math.tanh(1) ** 2))


def test_in_a_notebook(elman: Recurrence) -> None:
    shown = elman.tape("h_0", "U", initial=ZERO)._repr_html_()
    assert shown.count("<tr>") == 5
    assert "<td>w<sub>3</sub></td><td>w_1 w_2</td><td></td><td>w̄_4 (1 - w_4^2)</td>" in shown
    assert "<th>tangent</th>" in elman.tape("h_0", "U", mode="forward")._repr_html_()
