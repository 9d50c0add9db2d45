"""Derivations: the formulas of the lecture letter by letter; numbers against autograd, SymPy and components."""

from __future__ import annotations

from dataclasses import replace

import mpmath
import numpy as np
import pytest
import sympy

import symbolic
from autograd import Numbers, at, close
from unrolled.engine import verify
from unrolled.equations.expression import Time
from unrolled.equations.library import CELLS
from unrolled.errors import TargetError
from unrolled.explain.derivation import Derivation
from unrolled.recurrence import Recurrence

BIASED = Recurrence("h_t = tanh(U x_t + W h_{t-1} + b); y_t = softmax(V h_t + c)")


def lines(derivation: Derivation, part: str) -> dict[str, str]:
    return {str(left): str(right) for left, right in getattr(derivation, part)}


# ── the formulas of the lecture ──────────────────────────────────────────────────────────────────────────────


def test_the_forward_recursion_of_elman(elman: Recurrence) -> None:
    # S_t = D_t (x_tᵀ ⊗ I + W S_{t-1}), D_t = diag(1 − h_t²), from S_{-1} = 0
    found = elman.derive("h_t", "U")
    assert lines(found, "forward") == {"∂h_t/∂U": "diag(1 - h_t^2) (x_t^T ⊗ I + W ∂h_{t-1}/∂U)"}
    assert lines(found, "start") == {"∂h_{-1}/∂U": "0"}
    found = elman.derive("h_t", "W")
    assert lines(found, "forward") == {"∂h_t/∂W": "diag(1 - h_t^2) (h_{t-1}^T ⊗ I + W ∂h_{t-1}/∂W)"}
    assert lines(BIASED.derive("h_t", "b"), "forward") == {"∂h_t/∂b": "diag(1 - h_t^2) (W ∂h_{t-1}/∂b + I)"}


@pytest.mark.parametrize(("wrt", "gradient"), [("U", "Σ_t δ_t x_t^T"), ("W", "Σ_t δ_t h_{t-1}^T"), ("b", "Σ_t δ_t")])
def test_the_backward_recursion_of_a_hidden_layer(wrt: str, gradient: str) -> None:
    # δ_t = D_t (∂ℓ_t/∂h_t + Wᵀ δ_{t+1})
    found = lines(BIASED.derive("h_t", wrt), "backward")
    assert found == {"δ_t": "(∂ℓ_t/∂h_t + W^T δ_{t+1}) ⊙ (1 - h_t^2)", f"∂L/∂{wrt}": gradient}


@pytest.mark.parametrize(("wrt", "gradient"), [("V", "Σ_t δ_{y,t} h_t^T"), ("c", "Σ_t δ_{y,t}")])
def test_softmax_and_cross_entropy(wrt: str, gradient: str) -> None:
    found = lines(BIASED.derive("y_t", wrt), "backward")
    assert found == {"δ_{y,t}": "y_t - target_t", f"∂L/∂{wrt}": gradient}


def test_from_the_output_back_to_the_input() -> None:
    assert lines(BIASED.derive("y_t", "U"), "backward") == {
        "δ_{y,t}": "y_t - target_t",
        "δ_{h,t}": "(W^T δ_{h,t+1} + V^T δ_{y,t}) ⊙ (1 - h_t^2)",
        "∂L/∂U": "Σ_t δ_{h,t} x_t^T",
    }


def test_closed_forms_as_students_write_them(elman: Recurrence) -> None:
    closed = [str(elman.derive(f"h_{t}", "U", "scalar", {"h": 0}).closed) for t in range(3)]
    assert closed == [
        "(1 - h_0^2) x_0",
        "(1 - h_1^2) (x_1 + W (1 - h_0^2) x_0)",
        "(1 - h_2^2) (x_2 + W (1 - h_1^2) (x_1 + W (1 - h_0^2) x_0))",
    ]
    softmax = elman.derive("y_0", "V", "scalar").closed
    assert str(softmax) == "y_0 (1 - y_0) h_0"


def test_the_printed_derivation(elman: Recurrence) -> None:
    text = str(elman.derive("h_1", "W", initial={"h": 0}))
    assert text.startswith(
        "∂h_1/∂W = diag(1 - h_1^2) (h_0^T ⊗ I)\n\n"
        "Forward recursion (RTRL), from ∂h_{-1}/∂W = 0\n"
        "  ∂h_t/∂W = diag(1 - h_t^2) (h_{t-1}^T ⊗ I + W ∂h_{t-1}/∂W)\n\n"
        "Backward recursion (BPTT)\n"
        "  δ_t = (∂ℓ_t/∂h_t + W^T δ_{t+1}) ⊙ (1 - h_t^2)\n"
        "  ∂L/∂W = Σ_t δ_t h_{t-1}^T\n\n"
        "Verified by complex step: largest error "
    )


def test_the_gates_of_the_gru_read_like_a_lecture() -> None:
    found = Recurrence("gru").derive("h_t", "W_hz")
    assert lines(found, "forward")["∂h_t/∂W_hz"] == (
        "diag(h_{t-1} - n_t) ∂z_t/∂W_hz + diag(1 - z_t) ∂n_t/∂W_hz + diag(z_t) ∂h_{t-1}/∂W_hz"
    )
    assert lines(found, "backward")["δ_{z,t}"] == "δ_{h,t} ⊙ (h_{t-1} - n_t) ⊙ z_t ⊙ (1 - z_t)"


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────

DERIVATIVES = [(cell, name) for cell in CELLS for name, _ in Recurrence(cell).system.equations]


@pytest.mark.parametrize(("cell", "name"), DERIVATIVES)
def test_every_derivative_of_every_cell_agrees_with_autograd(cell: str, name: str) -> None:
    recurrence = Recurrence(cell)
    numbers = Numbers(recurrence, 2)
    state = recurrence.states[-1]
    others = [at(recurrence.inputs[0], 0), at(recurrence.inputs[0], 1), at(state, 0), at(state, -1)]
    for wrt in [*recurrence.parameters, *(each for each in others if each != at(name, 0))]:
        found = recurrence.derive(at(name, 1), wrt)
        assert close(found.evaluate(numbers.values), numbers.derivative(at(name, 1), wrt)), wrt
        assert verify(found) < 1e-9, wrt  # the recursions too
        assert found.error < 1e-9, wrt
    for wrt in recurrence.parameters:
        assert verify(recurrence.derive(f"{name}_t", wrt, "scalar")) < 1e-9, wrt


def leaves_of(recurrence: Recurrence) -> dict[tuple[str, Time | None], sympy.Rational]:
    """Two steps of one unit: a fraction for each leaf, not all positive, so that nothing saturates."""
    system = recurrence.system
    names: list[tuple[str, Time | None]] = [(name, None) for name in system.parameters]
    names += [(name, Time("", t)) for name in system.inputs for t in range(2)]
    names += [(name, Time("", -1)) for name in system.states]
    return {key: sympy.Rational(7 * i % 11 - 5, 9) for i, key in enumerate(names, 1)}


@pytest.mark.parametrize("cell", ["elman", "vanilla", "output_feedback", "torch_rnn_relu"])
def test_the_scalar_form_agrees_with_sympy(cell: str) -> None:
    recurrence = Recurrence(cell)
    point = leaves_of(recurrence)
    letters = {key: sympy.Symbol(f"q{i}") for i, key in enumerate(point)}
    sequences = symbolic.run(recurrence.system, letters, 2, symbolic.ONE_UNIT)
    numbers = {letter: point[key] for key, letter in letters.items()}
    exact = {key: value.subs(numbers).evalf(40) for key, value in sequences.items()}
    for name, _ in recurrence.system.equations:
        for wrt in recurrence.parameters:
            closed = recurrence.derive(at(name, 1), wrt, "scalar").closed
            assert closed is not None
            found = symbolic.value(closed.node, {**point, **exact}, symbolic.ONE_UNIT)
            expected = sympy.diff(sequences[name, Time("", 1)], letters[wrt, None]).subs(numbers)
            assert abs((found - expected).evalf(30)) < 1e-25, (name, wrt)


@pytest.mark.parametrize("cell", CELLS)
def test_the_scalar_form_agrees_to_thirty_digits(cell: str) -> None:
    recurrence = Recurrence(cell)
    with mpmath.workdps(50):
        point = {key: mpmath.mpf(value.p) / value.q for key, value in leaves_of(recurrence).items()}
        point |= {(name, None): mpmath.mpf(value) for name, value in recurrence.system.constants}
        exact = symbolic.run(recurrence.system, point, 2, symbolic.FIFTY_DIGITS)
        for name, _ in recurrence.system.equations:
            for wrt in recurrence.parameters:
                closed = recurrence.derive(at(name, 1), wrt, "scalar").closed
                assert closed is not None

                def moved(value: mpmath.mpf, name: str = name, wrt: str = wrt) -> mpmath.mpf:
                    changed = {**point, (wrt, None): value}
                    return symbolic.run(recurrence.system, changed, 2, symbolic.FIFTY_DIGITS)[name, Time("", 1)]

                found = symbolic.value(closed.node, {**point, **exact}, symbolic.FIFTY_DIGITS)
                assert abs(found - mpmath.diff(moved, point[wrt, None])) < 1e-30, (name, wrt)


@pytest.mark.parametrize(
    ("equations", "target", "wrt"),
    [
        ("h_t = tanh(U x_t + W h_{t-1})", "h_1", "U"),
        ("h_t = tanh(U x_t + W h_{t-1})", "h_1", "W"),
        ("h_t = tanh(U x_t + W h_{t-1}); y_t = softmax(V h_t)", "y_1", "W"),
        ("h_t = tanh(U^T x_t + W^T h_{t-1} + W h_{t-1})", "h_1", "W"),
        ("h_t = U x_t; y_t = softmax(V h_t + W y_{t-1})", "y_1", "V"),
        ("z_t = σ(W x_t + U h_{t-1}); h_t = z_t ⊙ h_{t-1} + (1 - z_t) ⊙ tanh(V x_t)", "h_1", "U"),
        ("h_t = W [h_{t-1} ; x_t]", "h_1", "W"),
    ],
)
def test_explicit_two_by_two_matrices(equations: str, target: str, wrt: str) -> None:
    recurrence = Recurrence(equations)
    system = recurrence.system
    shapes = system.resolve(dict.fromkeys(system.free_sizes, 2))
    leaves: dict[tuple[str, Time | None], sympy.Matrix] = {}
    numbers: dict[str, np.ndarray] = {}
    point: dict[sympy.Symbol, sympy.Rational] = {}
    times = [(n, None) for n in system.parameters] + [(n, Time("", t)) for n in system.inputs for t in range(2)]
    for name, time in times + [(name, Time("", -1)) for name in system.states]:
        shape = (*shapes[name], 1)[:2]
        label = at(name, time.offset) if time else name
        leaves[name, time] = sympy.Matrix(*shape, lambda i, j, label=label: sympy.Symbol(f"{label}[{i},{j}]"))
        for entry in leaves[name, time]:
            point[entry] = sympy.Rational((5 * len(point)) % 13 - 6, 10)
        numbers[label] = np.array(leaves[name, time].subs(point), float).reshape(shapes[name])
    value = symbolic.run(system, leaves, 2, symbolic.COMPONENTS)[target[0], Time("", int(target[-1]))]
    expected = [
        [[float(sympy.diff(component, entry).subs(point)) for entry in leaves[wrt, None].row(i)]
         for i in range(leaves[wrt, None].rows)] for component in value
    ]  # fmt: skip
    assert close(recurrence.derive(target, wrt).evaluate(numbers), expected, 1e-12)


@pytest.mark.parametrize("equations", [
    "h_t = tanh(W [h_{t-1} ; x_t]); h_{-1} = h0",
    "h_t = layernorm(U x_t + W h_{t-1})",
    "h_t = tanh(U x_t + W softmax(V h_{t-1}))",
    "y_t = softmax(h_t); h_t = tanh(U x_t + W y_{t-1})",
    "h_t = max(U x_t, W h_{t-1}) + min(b, h_{t-1})",
    "h_t = clip(U x_t + W h_{t-1}, -0.5, 0.5) + abs(b ⊙ h_{t-1})",
    "h_t = α h_{t-1} + β tanh(U x_t)",
    "α = 0.5; h_t = α h_{t-1} + (1 - α) tanh(U x_t)",
    "h_t = tanh(U x_t + W^T h_{t-1} + W h_{t-1})",
    "h_t = h_{t-1} / (2 + (U x_t)^2) + sqrt(1 + b^2)",
    "a_t = dot(v, h_{t-1}); h_t = a_t ⊙ tanh(U x_t) + mean(x_t) ⊙ σ(W h_{t-1}) + sum(h_{t-1})",
    "k : scalar; h : vector; h_t = k; y_t = softmax(V (h_{t-1} + h_t))",
    "h_t = exp(-(U x_t)^2) ⊙ log(2 + abs(W h_{t-1})) + sin(h_{t-1}) + cos(b) + softplus(h_{t-1})",
    "h_t = sign(W h_{t-1}) + U x_t; y_t = V h_t",
    "δ_t = tanh(U x_t + W δ_{t-1}); d_t = softmax(V δ_t)",
])  # fmt: skip
def test_everything_that_an_equation_can_say(equations: str) -> None:
    recurrence = Recurrence(equations)
    numbers = Numbers(recurrence, 2)
    for name, _ in recurrence.system.equations:
        for wrt in (*recurrence.parameters, at(recurrence.states[-1], -1), at(recurrence.states[-1], 0)):
            if wrt in numbers.leaves | numbers.sequences and wrt != at(name, 0):
                found = recurrence.derive(at(name, 1), wrt)
                assert close(found.evaluate(numbers.values), numbers.derivative(at(name, 1), wrt)), (name, wrt)
                assert verify(found) < 1e-9, (name, wrt)
                assert found.verified, (name, wrt)


def test_a_learned_first_state() -> None:
    recurrence = Recurrence("h_t = tanh(U x_t + W h_{t-1}); y_t = V h_t; h_{-1} = h0")
    found = recurrence.derive("h_1", "h0")
    assert str(found.closed) == "diag(1 - h_1^2) W diag(1 - h_0^2) W"
    assert lines(found, "start") == {"∂h_{-1}/∂h0": "I"}
    assert lines(found, "forward") == {"∂h_t/∂h0": "diag(1 - h_t^2) W ∂h_{t-1}/∂h0"}
    assert lines(found, "backward")["∂L/∂h0"] == "W^T δ_0"
    numbers = Numbers(recurrence, 2)
    assert close(found.evaluate(numbers.values), numbers.derivative("h_1", "h0"))
    assert verify(found) < 1e-12
    scalar = recurrence.derive("h_t", "h0", "scalar")
    assert (lines(scalar, "start"), lines(scalar, "backward")["∂L/∂h0"]) == ({"∂h_{-1}/∂h0": "1"}, "W δ_0")


def test_a_first_state_that_is_also_a_bias() -> None:
    recurrence = Recurrence("h_t = tanh(W h_{t-1} + b); c_t = c_{t-1} ⊙ h_t; h_{-1} = b; c_{-1} = b")
    numbers = Numbers(recurrence, 3)
    for name in ("h", "c"):
        found = recurrence.derive(at(name, 2), "b")
        assert close(found.evaluate(numbers.values), numbers.derivative(at(name, 2), "b"))
        assert verify(found) < 1e-12


def test_a_first_state_set_to_a_number() -> None:
    recurrence = Recurrence("elman")
    for value in (0, 0.5):
        numbers = Numbers(recurrence, 2, initial={"h": value})
        for wrt in ("W", "h_{-1}"):
            found = recurrence.derive("h_1", wrt, initial={"h": value})
            values = {name: each for name, each in numbers.values.items() if name != "h_{-1}"}
            assert close(found.evaluate(values), numbers.derivative("h_1", wrt))


def test_no_dependence_is_a_zero_derivative(elman: Recurrence) -> None:
    numbers = Numbers(elman, 3)
    for target, wrt in (("h_1", "V"), ("h_0", "x_2"), ("y_0", "h_1")):
        found = elman.derive(target, wrt)
        assert str(found).startswith(f"∂{target}/∂{wrt} = 0\n")
        shape = (*numbers.tensor(target).shape, *numbers.tensor(wrt).shape)
        assert close(found.evaluate(numbers.values), np.zeros(shape))
    assert lines(elman.derive("h_t", "V"), "forward") == {"∂h_t/∂V": "0"}
    assert lines(elman.derive("h_0", "W", initial={"h": 0}), "forward") != {}


@pytest.mark.parametrize(
    "mistaken",
    [
        "h_t = tanh(U x_t - W h_{t-1}); y_t = softmax(V h_t)",  # a sign
        "h_t = tanh(U x_t + W^T h_{t-1}); y_t = softmax(V h_t)",  # a transpose
        "h_t = sin(U x_t + W h_{t-1}); y_t = softmax(V h_t)",  # a function
        "h_t = tanh(U x_t + W h_{t-1}); y_t = V h_t",  # a missing factor
    ],
)
def test_a_wrong_derivation_is_found_out(elman: Recurrence, mistaken: str) -> None:
    right, other = elman.derive("y_1", "U"), Recurrence(mistaken).derive("y_1", "U")
    assert verify(right) < 1e-12
    for wrong in (
        replace(right, closed=other.closed),
        replace(right, forward=other.forward),
        replace(right, backward=other.backward),
    ):
        assert verify(wrong) > 1e-3
        assert wrong.error > 1e-3
        assert not wrong.verified


def test_a_derivative_that_vanishes_by_cancellation_is_verified_and_one_that_does_not_is_found_out() -> None:
    """softmax(k - x) is the same for all scalars k; what the formulas leave in numbers is rounding."""
    right = Recurrence("k : scalar", "a_t = softmax(k - x_t)", "h_t = tanh(k) ⊙ h_{t-1} + a_t").derive("a_2", "k")
    other = Recurrence("k : scalar", "a_t = softmax(k x_t)", "h_t = tanh(k) ⊙ h_{t-1} + a_t").derive("a_2", "k")
    assert verify(right) < 1e-12
    assert right.error < 1e-12
    for wrong in (replace(right, closed=other.closed), replace(right, backward=other.backward)):
        assert verify(wrong) > 1e-3
        assert not wrong.verified


def test_a_derivative_of_the_wrong_size_is_found_out(elman: Recurrence) -> None:
    wrong = replace(elman.derive("h_1", "U"), closed=elman.derive("y_1", "U").closed)
    assert verify(wrong) == wrong.error == float("inf")


@pytest.mark.parametrize(
    ("target", "wrt", "message"),
    [
        ("q_1", "U", "No equation defines q"),
        ("h_{-2}", "U", "before the first step"),
        ("h_1", "Q", "Q is no parameter of these equations"),
        ("h_1", "x", "Derive with respect to a parameter (U, W, V), or to an input or state at a step (x_0)."),
        ("h_1", "h_t", "For a symbolic step there is jacobian"),
        ("h_1", "x_{-1}", "before the first step"),
        ("h_1", "h_{-2}", "before the first step"),
        ("h_1", "", "is no name here"),
        ("h_t", "h_{-1}", "h_t has no step number, h_{-1} has one"),
        ("h_{t-2}", "U", "h_{t-2} is not at t or t-1"),
    ],
)
def test_refusals(elman: Recurrence, target: str, wrt: str, message: str) -> None:
    with pytest.raises(TargetError) as refusal:
        elman.derive(target, wrt)
    assert message in str(refusal.value)


def test_more_refusals(elman: Recurrence) -> None:
    with pytest.raises(TargetError, match="There is no form 'tensor'"):
        elman.derive("h_1", "U", "tensor")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TargetError, match="concatenation, which has no scalar form"):
        Recurrence("h_t = W [h_{t-1} ; x_t]").derive("h_1", "W", "scalar")
    with pytest.raises(TargetError, match="Numbers need a numbered step"):
        elman.derive("h_t", "U").evaluate({})
    with pytest.raises(TargetError, match="No value was given for"):
        elman.derive("h_1", "U").evaluate({"U": [[1.0]]})
    with pytest.raises(TargetError, match=r"x_0 has the shape \(2,\), but x is 1 elsewhere"):
        elman.derive("h_0", "U").evaluate({"U": [[1.0]], "W": [[1.0]], "x_0": [1.0, 2.0], "h_{-1}": [0.0]})
    with pytest.raises(TargetError, match="Derive h_t: its recursion has a few lines"):
        Recurrence("lstm").derive("h_9", "W_hi")


def test_as_data(elman: Recurrence) -> None:
    data = elman.derive("h_0", "U").to_dict()
    assert (data["derivative"], data["form"]) == ("∂h_0/∂U", "matrix")
    assert data["closed"] == "diag(1 - h_0^2) (x_0^T ⊗ I)"
    assert data["start"] == {"∂h_{-1}/∂U": "0"}
    assert data["backward"]["∂L/∂U"] == "Σ_t δ_t x_t^T"
    assert data["error"] < 1e-12
