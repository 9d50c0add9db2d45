"""Lyapunov exponents against networks of which they are known, and against determinants and products of Jacobians."""

import json
import math

import numpy as np
import pytest
import torch

from unrolled.diagnose import lyapunov_spectrum
from unrolled.diagnose.step import StepMap, at
from unrolled.errors import ConfigurationError, DataError
from unrolled.nn import Recurrent, language_model
from unrolled.training.evaluation import result_of

F64 = torch.float64
TURN = 0.8 * np.array([[math.cos(0.7), -math.sin(0.7)], [math.sin(0.7), math.cos(0.7)]])


def linear(W, layers=1):
    W = torch.as_tensor(np.asarray(W), dtype=F64)
    layer = Recurrent("h_t = W h_{t-1} + U x_t", layers, x=1, h=len(W), dtype=F64)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.startswith("W"):
                parameter.copy_(W)
    return layer


@pytest.mark.parametrize(
    "W",
    [
        [[1.5]],
        [[0.5, 0.0], [0.0, -0.9]],
        [[0.9, 40.0, 3.0], [0.0, 0.6, 20.0], [0.0, 0.0, 0.2]],  # far from normal
        [[0.0, 2.0], [0.5, 0.3]],
    ],
)
def test_a_linear_network(W):
    found = result_of(lyapunov_spectrum(linear(W), torch.randn(700, 1, 1), warm_up=200))
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(W))))[::-1]
    assert found.exponents == pytest.approx(expected, abs=1e-9)
    assert found.errors == pytest.approx(np.zeros(len(W)), abs=1e-9)


def test_complex_eigenvalues():
    found = result_of(lyapunov_spectrum(linear(TURN @ np.diag([1.0, 1.1])), torch.zeros(2000, 1, 1)))
    assert found.exponents == pytest.approx([math.log(0.8 * math.sqrt(1.1))] * 2, abs=1e-3)


def test_the_exponents_of_a_stack_are_those_of_its_layers():
    found = result_of(
        lyapunov_spectrum(linear([[0.9, 1.0], [0.0, 0.4]], layers=2), torch.randn(900, 1, 1), warm_up=300)
    )
    # those of the two layers are equal, so that they settle like ln T / T
    assert np.exp(found.exponents) == pytest.approx([0.9, 0.9, 0.4, 0.4], abs=0.02)
    assert found.states == {"h, layer 1": 2, "h, layer 2": 2}


def test_one_unit_by_hand():
    layer = Recurrent("h_t = tanh(w ⊙ h_{t-1} + x_t)", x=1, h=1, dtype=F64)
    w, x = 1.3, np.random.default_rng(0).standard_normal((60, 5))
    with torch.no_grad():
        layer.w.fill_(w)
    h, slopes = np.zeros(5), []
    for t in range(60):
        h = np.tanh(w * h + x[t])
        slopes.append(np.log(np.abs(w * (1 - h**2))))
    counted = np.array(slopes[10:])
    found = result_of(lyapunov_spectrum(layer, torch.from_numpy(x)[:, :, None], warm_up=10))
    assert found.exponents == pytest.approx([counted.mean()], rel=1e-12)
    assert found.errors == pytest.approx([counted.mean(0).std(ddof=1) / math.sqrt(5)], rel=1e-9)  # of 5 lanes
    means = counted.mean(1)
    assert found.running == pytest.approx(means.cumsum() / np.arange(1, 51), rel=1e-9)
    few = result_of(lyapunov_spectrum(layer, torch.from_numpy(x)[:, :2, None], warm_up=10))
    blocks = counted[2:, :2].reshape(8, 6, 2).mean(1).ravel()  # 8 stretches of each of 2 lanes
    assert few.errors == pytest.approx([blocks.std(ddof=1) / 4], rel=1e-9)
    short = result_of(lyapunov_spectrum(layer, torch.from_numpy(x)[:12, 0, None], warm_up=10))
    assert short.errors == (math.inf,)
    assert short.to_dict()["errors"] == [None]


def test_the_logistic_map():
    """s_t = 4 s_{t-1} (1 − s_{t-1}) has the exponent ln 2."""
    layer = Recurrent("s_t = 4 * s_{t-1} * (1 - s_{t-1}) + 0 * u_t\ns_{-1} = 0.3", u=1, s=1)
    found = result_of(lyapunov_spectrum(layer, torch.zeros(2000, 1, 1)))
    assert found.exponents[0] == pytest.approx(math.log(2), abs=0.01)
    assert abs(found.exponents[0] - math.log(2)) < 3 * found.errors[0]
    assert found.lifetime == math.inf


@pytest.mark.parametrize(("cell", "layers"), [("lstm", 2), ("gru", 1), ("jordan", 1)])
def test_the_sum_is_the_mean_log_determinant(cell, layers):
    torch.manual_seed(0)
    layer = language_model(cell, 5, hidden=3, num_layers=layers, dtype=F64)
    ids = torch.randint(0, 5, (40, 2))
    found = result_of(lyapunov_spectrum(layer, ids, warm_up=7))
    step = StepMap(layer)
    batch, sequences = step.inputs(ids)
    states = step.trajectory(batch)
    jacobians = [step.jacobians(states[t], *at(sequences, t)) for t in range(7, 40)]
    logs = [torch.linalg.slogdet(each)[1] for each in jacobians]
    assert found.total == pytest.approx(torch.stack(logs).mean().item(), rel=1e-9)
    assert sum(found.states.values()) == len(found.exponents) == step.size


def test_the_largest_is_the_growth_of_products():
    torch.manual_seed(1)
    layer = language_model("lstm", 5, hidden=4, dtype=F64)
    ids = torch.randint(0, 5, (400, 1))
    whole = result_of(lyapunov_spectrum(layer, ids, warm_up=0))
    step = StepMap(layer)
    batch, sequences = step.inputs(ids)
    states, product, growth = step.trajectory(batch), torch.eye(8, dtype=F64), 0.0
    for t in range(400):
        product = step.jacobians(states[t], *at(sequences, t))[0] @ product
        norm = torch.linalg.matrix_norm(product, 2)
        product, growth = product / norm, growth + norm.log().item()
    assert whole.exponents[0] == pytest.approx(growth / 400, abs=0.02)
    leading = result_of(lyapunov_spectrum(layer, ids, warm_up=0, count=3))
    assert len(leading.exponents) == 3
    # other first directions: what they have in the largest one fades like 1/T
    assert leading.exponents[0] == pytest.approx(whole.exponents[0], abs=0.02)


def test_directions_that_die_at_once():
    layer = Recurrent("h_t = tanh(W h_{t-1} + U x_t)", x=1, h=2, dtype=F64)
    with torch.no_grad():
        layer.W.copy_(torch.tensor([[0.5, 0.0], [0.0, 0.0]]))
        layer.U.zero_()
    found = result_of(lyapunov_spectrum(layer, torch.zeros(30, 5, 1), warm_up=5))
    assert found.exponents == (pytest.approx(math.log(0.5)), -math.inf)
    assert found.errors == (pytest.approx(0, abs=1e-12), 0.0)
    assert found.lifetime == pytest.approx(1 / math.log(2))
    assert found.to_dict()["exponents"][1] is None
    json.dumps(found.to_dict(), allow_nan=False)


def test_saturation_tames_a_large_radius():
    """ρ(W) = 3, and yet everything vanishes: at the fixed point h = tanh(3 h) the slope is 3 (1 − h²) = 0.0315."""
    layer = Recurrent("h_t = tanh(W h_{t-1} + x_t)\nh_{-1} = 0.5", x=1, h=1, dtype=F64)
    with torch.no_grad():
        layer.W.fill_(3.0)
    h = 0.5
    for _ in range(100):
        h = math.tanh(3 * h)
    found = result_of(lyapunov_spectrum(layer, torch.zeros(60, 1, 1), warm_up=50))
    assert found.exponents[0] == pytest.approx(math.log(3 * (1 - h * h)))
    assert found.exponents[0] < -3


def test_what_cannot_be_measured():
    layer = language_model("gru", 5, hidden=3)
    with pytest.raises(DataError, match="has 100 steps, and 100 of them are warm-up"):
        result_of(lyapunov_spectrum(layer, torch.zeros(100, dtype=torch.int64)))
    with pytest.raises(ConfigurationError, match="both ends"):
        result_of(lyapunov_spectrum(Recurrent("gru", bidirectional=True, x=2, h=3), torch.zeros(9, 1, 2)))
