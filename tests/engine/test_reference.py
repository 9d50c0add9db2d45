"""The reference executor against the equations evaluated naively, step by step: outputs and last states."""

from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

import stepwise
from recurrences import Example, recurrences
from stepwise import F64, Case, case, cell
from unrolled.engine import reference
from unrolled.equations.library import CELLS

LENGTHS = [(3,), (1,), (2, 2), (4, 2, 2), (3, 3, 1, 0), (1, 0), (0, 0), ()]


def close(found: Tensor, expected: Tensor, bound: float = 1e-12) -> None:
    """Equal within ``bound`` of the largest number."""
    assert found.shape == expected.shape
    if expected.numel():
        assert (found - expected).abs().max() <= bound * max(1.0, expected.abs().max().item())


def check_forward(given: Case) -> None:
    result = reference.forward(given.program, given.inputs, given.initial, given.parameters, given.batch_sizes)
    for found, expected in zip((*result.outputs, *result.final), given.expected(), strict=True):
        assert found.dtype == F64
        close(found, expected)


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_library_cells(name: str, lengths: tuple[int, ...]) -> None:
    check_forward(case(cell(name), lengths))


@given(recurrences(), st.sampled_from(LENGTHS))
def test_random_recurrences(example: Example, lengths: tuple[int, ...]) -> None:
    given_ = case(example, lengths)
    assume(given_.differentiable)
    check_forward(given_)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("k_t = x_t; y_t = x_t + k_{t-1}", {"x": 2}),  # a state that is an input
        ("h_t = x_t + h_{t-1}; k_t = h_{t-1}; j_t = k_{t-1}; y_t = j_{t-1} + k_t", {"x": 2}),  # a shift register
        ("h_t = b; y_t = h_{t-1} + x_t", {"x": 2}),  # a state that is a parameter
        ("h_t = 0.5; y_t = h_{t-1} + x_t", {"x": 2}),  # … and one that is a number
        ("y : output; h : output; y_t = x_t; h_t = y_t", {"x": 2}),  # outputs that are an input, twice
        ("b : 2; y_t = b", {}),  # an output without input or state
        ("h_t = 0.5 h_{t-1} + 1", {"h": 3}),  # no input
        ("h : output; h_t = x_t + h_{t-1}", {"x": 2}),  # an output that is a state
        ("g : vector; h_t = h_{t-1} + x_t; g_t = tanh(2); y_t = W [g_t ; h_t] + sum(g_t)", {"x": 2, "g": 3, "y": 2}),
        ("g : vector; h_t = h_{t-1} + x_t; g_t = dot(h_t, h_t); y_t = W g_t", {"x": 2, "g": 3, "y": 2}),
        ("g : vector; g_t = 2; y_t = W g_t + x_t", {"x": 2, "g": 1}),
        ("s_t = dot(x_t, x_t) + s_{t-1}; y_t = [s_t ; x_t]", {"x": 2}),  # a scalar state
        ("a : scalar; h_t = a_t h_{t-1} + x_t", {"x": 2}),  # a scalar input
    ],
)
def test_corners_of_the_language(text: str, sizes: dict[str, int]) -> None:
    example = Example(text, tuple(sizes.items()))
    for lengths in ((3, 2), (1,), (2, 0)):
        given_ = case(example, lengths)
        if not given_.differentiable:
            continue
        check_forward(given_)


@pytest.mark.parametrize("name", ["elman", "lstm", "gru_reset_before", "jordan"])
def test_ids_are_one_hot_vectors(name: str) -> None:
    plain, symbols = case(cell(name), (4, 2)), case(cell(name, ids=("x",)), (4, 2))
    one_hot = torch.nn.functional.one_hot(symbols.inputs[0], plain.example.shapes["x"][0]).to(F64)
    fast = reference.forward(symbols.program, symbols.inputs, plain.initial, plain.parameters, plain.batch_sizes)
    slow = reference.forward(plain.program, [one_hot], plain.initial, plain.parameters, plain.batch_sizes)
    for found, expected in zip((*fast.outputs, *fast.final), (*slow.outputs, *slow.final), strict=True):
        close(found, expected)
    assert not [i for i in (*symbols.program.before, *symbols.program.loop) if i.op == "one_hot"]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("h_t = tanh(U x_t + W h_{t-1})", 0.0),
        ("h_t = tanh(U x_t + W h_{t-1}); h_{-1} = 0.5", 0.5),
        ("h_t = tanh(U x_t + W h_{t-1}); h_{-1} = -1/4", -0.25),
    ],
)
def test_first_states_are_numbers(text: str, first: float) -> None:
    (state,) = stepwise.first_states(case(Example(text, (("x", 2), ("h", 3))), (2, 1)))
    assert torch.equal(state, torch.full((2, 3), first, dtype=F64))


def test_a_first_state_is_learned() -> None:
    text = "h_t = tanh(U x_t + W h_{t-1} + b); c_t = h_t + c_{t-1}; h_{-1} = s; c_{-1} = b"
    given_ = case(Example(text, (("x", 2), ("h", 3))), (2, 1))
    named = dict(zip(given_.example.system.parameters, given_.parameters, strict=True))
    states = dict(zip(given_.example.system.states, stepwise.first_states(given_), strict=True))
    assert torch.equal(states["h"], named["s"].expand(2, 3))
    assert torch.equal(states["c"], named["b"].expand(2, 3))


def test_an_argument_is_never_changed() -> None:
    for name in CELLS:
        given_ = case(cell(name), (3, 2)).asking()
        before = [t.detach().clone() for t in given_.differentiable]
        sum(t.square().sum() for t in given_.found()).backward()
        assert all(torch.equal(t, old) for t, old in zip(given_.differentiable, before, strict=True))


def test_float32_follows_float64() -> None:
    for name in CELLS:
        double = case(cell(name), (5, 3))
        single = [[t.float() for t in group] for group in (double.inputs, double.initial, double.parameters)]
        result = reference.forward(double.program, *single, double.batch_sizes)
        for found, expected in zip((*result.outputs, *result.final), double.expected(), strict=True):
            assert found.dtype == torch.float32
            close(found.double(), expected, 1e-5)


# ── rows do not look at each other ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", CELLS)
def test_a_sequence_does_not_depend_on_its_neighbours(name: str) -> None:
    together = case(cell(name), (4, 4, 2))
    every = together.found()
    outputs = len(together.program.outputs)
    for b, length in enumerate(together.lengths):
        alone = Case(
            together.example, together.program, (length,),
            tuple(stepwise.unpack(t, together.lengths)[b] for t in together.inputs),
            tuple(t[b : b + 1] for t in together.initial), together.parameters,
        )  # fmt: skip
        for i, (found, expected) in enumerate(zip(alone.found(), every, strict=True)):
            own = stepwise.unpack(expected, together.lengths)[b] if i < outputs else expected[b : b + 1]
            close(found, own, 1e-14)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", CELLS)
def test_a_bad_number_stays_in_its_row_and_spreads_as_in_torch(name: str, bad: float) -> None:
    given_ = case(cell(name), (4, 4, 2))
    clean = given_.found()
    inputs = tuple(t.clone() for t in given_.inputs)
    row = given_.batch_sizes[0]  # the second step of the first sequence
    inputs[0][row, 0] = bad
    spoilt = replace(given_, inputs=inputs)
    for found, expected, old in zip(spoilt.found(), spoilt.expected(), clean, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12, equal_nan=True)
        sequences = [[0, 1, 2]] if found.shape[0] == 3 else [list(range(n)) for n in given_.batch_sizes]
        whose = [b for step in sequences for b in step]
        changed = {whose[i] for i in range(len(found)) if not torch.equal(found[i], old[i])}
        assert changed <= {0}, "another sequence changed"
