"""Which parameters carry a state from one step to the next, of cells of the library and of others."""

import pytest

from unrolled.equations.carrying import biases_beside, keeping_biases, recurrent_matrices
from unrolled.equations.library import load


@pytest.mark.parametrize(
    ("cell", "matrices"),
    [
        ("elman", {"W"}),
        ("jordan", {"W"}),
        ("gru", {"W_hr", "W_hz", "W_hn"}),
        ("gru_reset_before", {"U_r", "U_z", "U"}),
        ("lstm", {"W_hi", "W_hf", "W_hg", "W_ho"}),
        ("lstm_peephole", {"W_hi", "W_hf", "W_hg", "W_ho"}),
        ("lstm_projection", {"W_hi", "W_hf", "W_hg", "W_ho"}),
        ("minimal_gated", {"U_f", "U"}),
        ("h_t = tanh(U x_t + A (B h_{t-1}))", {"B"}),
        ("h_t = tanh(U x_t + W^T h_{t-1})", {"W"}),
        ("y_t = softmax(V x_t)", set()),
    ],
)
def test_recurrent_matrices_follow_from_the_equations(cell, matrices):
    assert set(recurrent_matrices(load(cell))) == matrices


@pytest.mark.parametrize(
    ("cell", "biases"),
    [
        ("elman", {}),
        ("gru", {("b_iz", "b_hz"): 1}),
        ("gru_reset_before", {("b_z",): 1}),
        ("lstm", {("b_if", "b_hf"): 1}),
        ("lstm_peephole", {("b_f",): 1}),
        ("minimal_gated", {("b_f",): -1}),
        ("c_t = σ(W x_t + b) ⊙ c_{t-1} + U x_t", {("b",): 1}),
        ("c_t = c_{t-1} ⊙ (1 - (1 - σ(b + W x_t))) + U x_t", {("b",): 1}),
        ("c_t = U x_t - (1 - σ(W x_t - b)) ⊙ c_{t-1}", {("b",): 1}),
        ("c_t = σ(a - (W x_t - b)) ⊙ c_{t-1} + U x_t", {("a", "b"): 1}),
        ("c_t = σ(W x_t - b) ⊙ c_{t-1} + U x_t", {("b",): -1}),
        ("c_t = σ(-(W x_t + b)) ⊙ c_{t-1} + U x_t", {("b",): -1}),
        ("c_t = σ(-(W x_t - b)) ⊙ c_{t-1} + U x_t", {("b",): 1}),
        ("f_t = σ(W x_t); c_t = f_t ⊙ c_{t-1} + U x_t", {}),
    ],
)
def test_gates_that_keep_a_state_follow_from_the_equations(cell, biases):
    assert keeping_biases(load(cell)) == biases


@pytest.mark.parametrize(
    ("cell", "biases"),
    [
        ("elman", []),
        ("vanilla", ["b"]),
        ("torch_rnn", ["b_ih", "b_hh"]),
        ("minimal_gated", ["b_f", "b"]),
        ("lstm_peephole", ["b_i", "b_f", "b_g", "b_o"]),
        ("h_t = tanh(W h_{t-1} + b) + a", ["b"]),
    ],
)
def test_biases_beside_recurrent_matrices(cell, biases):
    assert sorted(set(biases_beside(load(cell)))) == sorted(biases)
