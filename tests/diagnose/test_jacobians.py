"""Jacobians on data, against numpy's eigenvalues and plain products of diag(1 − h²) W."""

import json

import numpy as np
import pytest
import torch

from unrolled.diagnose import jacobian_report
from unrolled.diagnose.stretches import stretches
from unrolled.errors import DataError
from unrolled.nn import Recurrent, language_model
from unrolled.training.evaluation import result_of


def by_hand(layer, ids):
    """D_t W for every step and lane (T, B, n, n)."""
    U, W = (each.detach().double().numpy() for each in (layer.U, layer.W))
    h, found = np.zeros((ids.shape[1], len(W))), []
    for symbols in ids.numpy():
        h = np.tanh(U.T[symbols] + h @ W.T)
        found.append((1 - h**2)[:, :, None] * W)
    return np.array(found)


def test_of_an_elman_network():
    torch.manual_seed(0)
    layer = language_model("elman", 5, hidden=6)
    ids = torch.randint(0, 5, (14, 3))
    found = result_of(jacobian_report(layer, ids, steps=9, warm_up=5))
    jacobians = by_hand(layer, ids)[5:]
    for lane in range(3):
        eigenvalues, expected = found.eigenvalues[lane], np.linalg.eigvals(jacobians[0, lane])
        assert np.poly(eigenvalues) == pytest.approx(np.poly(expected), abs=1e-9)
        assert list(map(abs, eigenvalues)) == sorted(map(abs, eigenvalues), reverse=True)
        singular = np.linalg.svd(jacobians[0, lane], compute_uv=False)
        assert found.singular_values[lane] == pytest.approx(singular, abs=1e-12)
    norms, product = [], np.eye(6)
    for each in jacobians:
        product = each @ product
        norms.append(np.linalg.svd(product, compute_uv=False)[:, 0])
    assert found.products == pytest.approx(np.exp(np.log(norms).mean(1)), rel=1e-9)
    assert np.array(found.products_range) == pytest.approx(np.stack([np.min(norms, 1), np.max(norms, 1)], 1), rel=1e-9)
    assert found.radius == pytest.approx(np.abs(np.linalg.eigvals(jacobians[0])).max(1).mean())
    assert found.largest == pytest.approx(np.array(norms[0]).mean())
    assert list(found.matrices) == ["W"]
    assert found.matrices["W"].radius == pytest.approx(
        np.abs(np.linalg.eigvals(layer.W.detach().double().numpy())).max(), rel=1e-12
    )
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize(("layer", "names"), [
    (lambda: language_model("gru", 5, hidden=3, num_layers=2), [f"W_h{gate}_l{n}" for gate in "rzn" for n in (0, 1)]),
    (lambda: language_model("gru_reset_before", 5, hidden=3), ["U_r", "U_z", "U"]),
    (lambda: language_model("jordan", 5, hidden=3), []),  # W is 3×5
    (lambda: language_model("lstm_peephole", 3, hidden=3), ["W_hi", "W_hf", "W_hg", "W_ho"]),
])  # fmt: skip
def test_which_matrices_are_recurrent(layer, names):
    found = result_of(jacobian_report(layer(), torch.zeros(4, 1, dtype=torch.int64), steps=2, warm_up=1))
    assert sorted(found.matrices) == sorted(names)


def test_a_product_that_is_zero():
    layer = Recurrent("h_t = tanh(W h_{t-1} + x_t)", x=2, h=2)
    with torch.no_grad():
        layer.W.copy_(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    found = result_of(jacobian_report(layer, torch.zeros(5, 1, 2), steps=3, warm_up=0))
    assert found.products == (1, 0, 0)


def test_inputs_that_are_too_short():
    layer = language_model("gru", 5, hidden=3)
    with pytest.raises(DataError, match="has 9 steps; products of 5 Jacobians after 5 steps"):
        result_of(jacobian_report(layer, torch.zeros(9, 1, dtype=torch.int64), steps=5, warm_up=5))


def test_stretches_of_a_text():
    text = np.arange(100, dtype=np.uint8)
    assert stretches(text, 3, 4).T.tolist() == [[0, 1, 2, 3], [33, 34, 35, 36], [66, 67, 68, 69]]
    assert stretches(text, 1, 100).dtype == torch.int64
    with pytest.raises(DataError, match="100 symbols, and 5 lanes of 21 steps take 105"):
        stretches(text, 5, 21)
