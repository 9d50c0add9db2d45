"""Jacobians of one step and between steps, against autograd."""

from __future__ import annotations

import numpy as np
import pytest

from autograd import Numbers, at, close
from unrolled.equations.library import CELLS
from unrolled.errors import TargetError
from unrolled.recurrence import Recurrence


@pytest.mark.parametrize(
    ("cell", "target", "wrt", "written"),
    [
        ("elman", "h_t", "h_{t-1}", "diag(1 - h_t^2) W"),
        ("elman", "h_t", "x_t", "diag(1 - h_t^2) U"),
        ("elman", "y_t", "h_{t-1}", "(diag(y_t) - y_t y_t^T) V diag(1 - h_t^2) W"),
        ("elman", "h_2", "h_0", "diag(1 - h_2^2) W diag(1 - h_1^2) W"),
        ("elman", "h_t", "h_t", "I"),
        ("jordan", "h_t", "y_{t-1}", "diag(1 - h_t^2) W"),
        ("lstm", "c_t", "c_{t-1}", "diag(f_t)"),
        ("lstm", "h_t", "c_{t-1}", "diag(o_t ⊙ (1 - tanh(c_t)^2) ⊙ f_t)"),
    ],
)
def test_as_written_in_the_lecture(cell: str, target: str, wrt: str, written: str) -> None:
    assert str(Recurrence(cell).jacobian(target, wrt)) == written


def test_a_scalar_weight_is_a_multiple_of_the_identity() -> None:
    recurrence = Recurrence("h_t = α h_{t-1} + tanh(U x_t)")
    found = recurrence.jacobian("h_t", "h_{t-1}")
    assert str(found) == "α I"
    assert found.evaluate({"α": 0.25, "h_t": [1.0, 2.0]}).tolist() == [[0.25, 0], [0, 0.25]]
    assert str(recurrence.jacobian("h_t", "h_{t-1}", "scalar")) == "α"


def test_no_dependence_is_a_zero_matrix(elman: Recurrence) -> None:
    found = elman.jacobian("h_0", "y_0")
    assert close(found.evaluate({"h_0": [1.0, 2.0, 3.0], "y_0": [1.0, 2.0]}), np.zeros((3, 2)))


def relative(name: str) -> str:
    """A name at step 0 or before it as one at t or t-1."""
    return name.replace("_{-1}", "_{t-1}").replace("_0", "_t")


@pytest.mark.parametrize("cell", CELLS)
def test_one_step_of_every_cell(cell: str) -> None:
    recurrence = Recurrence(cell)
    numbers = Numbers(recurrence, 1)
    values = {relative(name): value for name, value in numbers.all_values.items()}
    for state in recurrence.states:
        for name, _ in recurrence.system.equations:
            found = recurrence.jacobian(f"{name}_t", f"{state}_{{t-1}}").evaluate(values)
            assert close(found, numbers.derivative(at(name, 0), at(state, -1))), (name, state)


@pytest.mark.parametrize("cell", CELLS)
def test_between_numbered_steps_everything_follows(cell: str) -> None:
    recurrence = Recurrence(cell)
    numbers = Numbers(recurrence, 3)
    for state in recurrence.states:
        for name in recurrence.states:
            found = recurrence.jacobian(at(name, 2), at(state, 0)).evaluate(numbers.all_values)
            assert close(found, numbers.derivative(at(name, 2), at(state, 0))), (name, state)


@pytest.mark.parametrize(
    ("target", "wrt", "message"),
    [
        ("h_t", "h_{t-2}", "write h_t and h_{t-1}, or two numbered steps"),
        ("h_t", "h_0", "two numbered steps"),
        ("h_t", "U", "U is no sequence at a step; the sequences are x, h, y"),
        ("h_t", "", "is no name here"),
        ("q_t", "h_{t-1}", "No equation defines q"),
    ],
)
def test_refusals(elman: Recurrence, target: str, wrt: str, message: str) -> None:
    with pytest.raises(TargetError) as refusal:
        elman.jacobian(target, wrt)
    assert message in str(refusal.value)
