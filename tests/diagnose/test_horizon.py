"""The influence of inputs long ago: against torch's own Jacobian of the layer, and finite differences."""

import json
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from unrolled.diagnose import influence_horizon, receptive_field
from unrolled.diagnose.horizon import decay_rate, horizon_steps, layers_needed, with_vectors
from unrolled.diagnose.step import StepMap
from unrolled.errors import ConfigurationError, DataError
from unrolled.nn import Recurrent, language_model
from unrolled.training.evaluation import result_of

F64 = torch.float64
BACK, WARM_UP, LANES, POSITIONS = 6, 3, 2, 3
STEPS = WARM_UP + BACK + POSITIONS + 2


def measured(layer, x, **options):
    options = {"back": BACK, "warm_up": WARM_UP, "positions": POSITIONS} | options
    found = result_of(influence_horizon(layer, x, **options))
    json.dumps(found.to_dict(), allow_nan=False)
    return found


def norms_by_torch(layer, x, state):
    """(K + 1, positions, lanes): ‖∂h_t/∂x_{t−k}‖ by a derivative of the whole layer, x as vectors."""
    layer = layer.double().eval()
    ends = np.linspace(WARM_UP + BACK, STEPS - 1, POSITIONS).round().astype(int)
    found = np.zeros((BACK + 1, POSITIONS, LANES))
    for place, end in enumerate(ends):
        for lane in range(LANES):

            def last(steps):
                value = layer(steps[:, None])[1][state]
                return (value[-1] if value.dim() == 3 else value)[0]

            jacobian = torch.autograd.functional.jacobian(last, x[: end + 1, lane])
            for k in range(BACK + 1):
                found[k, place, lane] = jacobian[:, end - k].norm().item()
    return found


@pytest.mark.parametrize(
    ("cell", "symbols", "options"),
    [
        ("elman", 5, {}),
        ("elman", 30, {}),  # more symbols than rows of U: they are turned
        ("gru", 30, {"num_layers": 2}),
        ("lstm", 7, {"num_layers": 2}),
        ("lstm", 30, {"embedding": 3}),
        ("h_t = tanh(A [x_t ; h_{t-1}])", 30, {}),
        ("h_t = tanh(W h_{t-1} + U x_t) ⊙ σ(U x_t)", 30, {}),
    ],
)
def test_norms_against_the_jacobian_of_the_layer(cell, symbols, options):
    torch.manual_seed(0)
    layer = language_model(cell, symbols, hidden=3, dtype=F64, **options)
    ids = torch.randint(0, symbols, (STEPS, LANES))
    found = measured(layer, ids)
    expected = norms_by_torch(layer, functional.one_hot(ids, symbols).double(), "h")
    flat = expected.reshape(BACK + 1, -1)
    assert found.typical == pytest.approx(np.exp(np.log(flat).mean(1)), rel=1e-9)
    assert found.mean == pytest.approx(flat.mean(1), rel=1e-9)
    for low, high, row in zip(found.low, found.high, np.sort(flat), strict=True):
        assert np.isclose(low, row[:2]).any()  # 80 % of 6 places
        assert np.isclose(high, row[-2:]).any()
    assert (found.positions, found.lanes, found.back) == (POSITIONS, LANES, BACK)


def test_vectors_and_finite_differences():
    torch.manual_seed(0)
    layer = Recurrent("h_t = tanh(U x_t + A z_t + W h_{t-1})", x=2, z=3, h=4, dtype=F64)
    x, z = torch.randn(12, 1, 2, dtype=F64), torch.randn(12, 1, 3, dtype=F64)
    found = measured(layer, {"x": x, "z": z}, positions=1, warm_up=5)
    for k in range(BACK + 1):
        squares = 0.0
        for name, size in (("x", 2), ("z", 3)):
            for j in range(size):
                ends = []
                for sign in (1, -1):
                    moved = {"x": x.clone(), "z": z.clone()}
                    moved[name][11 - k, 0, j] += sign * 1e-6
                    with torch.no_grad():
                        ends.append(layer(moved)[1]["h"])
                squares += ((ends[0] - ends[1]) / 2e-6).square().sum().item()
        assert found.typical[k] == pytest.approx(math.sqrt(squares), rel=1e-6)


def test_a_symbol_that_is_also_read_in_another_way_keeps_its_matrix():
    """D reads x and h: turning it for x would change what it says of h."""
    layer = language_model("h_t = tanh(D x_t + D h_{t-1})", 3, hidden=3, dtype=F64)
    step = StepMap(layer)
    turned, (vectors,) = with_vectors(step, [torch.tensor([[1], [2]])])
    assert vectors.tolist() == [[[0, 1, 0]], [[0, 0, 1]]]
    assert turned.pieces[0].sizes["x"] == 3


def test_turned_symbols_give_the_same_states():
    torch.manual_seed(0)
    step = StepMap(language_model("gru", 40, hidden=3, dtype=F64))
    ids = torch.randint(0, 40, (5, 2))
    turned, (vectors,) = with_vectors(step, [ids])
    assert vectors.shape == (5, 2, 9)
    state = torch.randn(2, 3, dtype=F64)
    assert turned(state, vectors[0]) == pytest.approx(step(state, ids[0]), abs=1e-14)
    assert step.pieces[0].sizes["x"] == 40  # the step itself is left as it was


def test_a_linear_network_is_predicted_exactly():
    layer = Recurrent("h_t = W h_{t-1} + U x_t", x=1, h=2, dtype=F64)
    with torch.no_grad():
        layer.W.copy_(torch.tensor([[0.8, 5.0], [0.0, 0.3]]))
        layer.U.copy_(torch.tensor([[1.0], [0.0]]))
    found = measured(layer, torch.randn(400, 3, 1), back=40, warm_up=200)
    assert found.typical == pytest.approx(0.8 ** np.arange(41))
    assert found.rate == pytest.approx(-math.log(0.8))
    assert found.rate_band == pytest.approx((found.rate, found.rate))
    assert -found.exponent == pytest.approx(found.rate)
    assert found.predicted == pytest.approx(math.log(100) / -math.log(0.8))  # 20.6
    assert found.steps == 21
    assert found.steps_band == (21, 21)
    assert measured(layer, torch.randn(400, 3, 1), back=10).steps is None


def test_what_grows_has_no_end():
    layer = Recurrent("h_t = W h_{t-1} + U x_t", x=1, h=1, dtype=F64)
    with torch.no_grad():
        layer.W.fill_(1.1)
    found = measured(layer, torch.randn(20, 1, 1))
    assert (found.steps, found.predicted, found.steps_band) == (None, None, (None, None))
    assert found.rate == pytest.approx(-math.log(1.1))


def test_no_memory_at_all():
    layer = Recurrent("h_t = tanh(W h_{t-1} + U x_t)", x=1, h=2, dtype=F64)
    with torch.no_grad():
        layer.W.zero_()
    found = measured(layer, torch.randn(20, 2, 1))
    assert found.typical[0] > 0
    assert not any(found.typical[1:])
    assert (found.steps, found.rate, found.exponent, found.predicted) == (1, math.inf, -math.inf, 0)


def test_bands_are_those_of_lanes():
    torch.manual_seed(0)
    layer = language_model("elman", 5, hidden=8, dtype=F64)
    with torch.no_grad():
        layer.W.mul_(2)
    found = measured(layer, torch.randint(0, 5, (60, 8)), back=20)
    assert found.rate_band[0] < found.rate < found.rate_band[1]
    one = torch.randint(0, 5, (60, 1))
    same = measured(layer, one.expand(-1, 4), back=20)  # lanes that do not differ say that nothing is uncertain
    assert same.rate_band == pytest.approx((same.rate, same.rate))


def test_rates_and_horizons_of_curves():
    k = np.arange(21)
    assert decay_rate(3 * np.exp(-0.25 * k)) == pytest.approx(0.25)
    assert decay_rate(np.where(k < 10, 7.0, np.exp(-0.5 * k))) == pytest.approx(0.5)  # the second half alone counts
    assert decay_rate(np.zeros(9)) == math.inf
    assert horizon_steps(np.array([1, 0.5, 0.009, 0.02, 0.009, 0.0]), 0.01) == 4
    assert horizon_steps(np.array([1, 0.5]), 0.01) == math.inf
    assert horizon_steps(np.zeros(3), 0.01) == 0


@pytest.mark.parametrize("layers", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("dilated", [False, True])
def test_receptive_fields_by_convolution(layers, kernel, dilated):
    """How many entries of the input reach one output of causal convolutions with positive weights."""
    seen = torch.zeros(1, 1, 301)
    seen[..., 150] = 1
    for depth in range(layers):
        gap = 2**depth if dilated else 1
        seen = functional.conv1d(seen, torch.ones(1, 1, kernel), dilation=gap, padding=gap * (kernel - 1))
    assert receptive_field(layers, kernel, dilated) == int((seen > 0).sum())


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 50])
def test_layers_that_are_needed(steps):
    for dilated in (False, True):
        layers = layers_needed(steps, dilated=dilated)
        assert receptive_field(layers, dilated=dilated) >= steps
        assert layers == 0 or receptive_field(layers - 1, dilated=dilated) < steps


def test_what_cannot_be_measured():
    layer, ids = language_model("gru", 5, hidden=3), torch.zeros(100, 1, dtype=torch.int64)
    with pytest.raises(DataError, match="has 100 steps; to look 60 steps back from 4 of them, after 50 for warm-up"):
        result_of(influence_horizon(layer, ids, back=60))
    options = {"back": 4, "warm_up": 50, "positions": 6}
    with pytest.raises(DataError, match=r"has 59 steps; to look 4 steps back from 6 of them, after 50 .* takes 60"):
        result_of(influence_horizon(layer, ids[:59], **options))
    assert result_of(influence_horizon(layer, ids[:60], **options)).positions == 6
    with pytest.raises(DataError, match="back = 3 is at least 4"):
        result_of(influence_horizon(layer, ids, back=3))
    with pytest.raises(ConfigurationError, match="both ends"):
        result_of(influence_horizon(Recurrent("gru", bidirectional=True, x=2, h=3), torch.zeros(99, 1, 2)))
