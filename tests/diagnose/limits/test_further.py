"""Training further for a little while: against plain PyTorch, step by step."""

import copy
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from unrolled.data.documents import Documents
from unrolled.data.truncation import Truncation
from unrolled.diagnose.limits.further import Plan, trained
from unrolled.nn import language_model
from unrolled.training import TrainConfig
from unrolled.training.evaluation import result_of

SYMBOLS, LANES, BACK, UPDATES, RATE = 5, 3, 6, 9, 0.03
CONFIG = TrainConfig(recurrence="gru", layers=1, hidden=4, clip=0.2, dtype="float64")
TEXT = np.random.default_rng(0).integers(0, SYMBOLS, 100)


@pytest.fixture
def layer():
    torch.manual_seed(4)
    return language_model("gru", vocabulary=SYMBOLS, hidden=4, dtype=torch.float64)


def by_hand(layer, seed):
    """Adam on windows of three lanes, one after the other, from a window that the seed chooses; the state carried on
    within an epoch; gradients shortened to 0.2."""
    layer = copy.deepcopy(layer)
    adam = torch.optim.Adam(layer.parameters(), lr=RATE)
    steps = (len(TEXT) - 1) // LANES
    read, came = (torch.from_numpy(part[: steps * LANES].reshape(LANES, steps).T) for part in (TEXT, TEXT[1:]))
    windows, state = steps // BACK, None
    window = int(np.random.default_rng(seed).integers(windows))
    for update in range(UPDATES):
        part = slice(window * BACK, window * BACK + BACK)
        logits, state = layer.logits(read[part], state)
        adam.zero_grad()
        functional.cross_entropy(logits.flatten(0, 1), came[part].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(layer.parameters(), 0.2)
        adam.param_groups[0]["lr"] = RATE * (1 + math.cos(math.pi * update / UPDATES)) / 2
        adam.step()
        window = (window + 1) % windows
        state = {name: value.detach() for name, value in state.items()} if window else None
    return layer


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_as_by_hand(layer, seed):
    before = copy.deepcopy(layer.state_dict())
    plan = Plan(RATE, LANES, Truncation(BACK, BACK), UPDATES, seed)
    found = result_of(trained(layer, Documents(TEXT), CONFIG, plan))
    expected = by_hand(layer, seed).state_dict()
    for name, value in found.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-9, atol=1e-9)
        assert not torch.equal(value, before[name])
        assert torch.equal(layer.state_dict()[name], before[name])  # it was a copy that learnt


def test_longer_windows_read_as_many_symbols():
    plan = Plan(RATE, 12, Truncation(10, 10), 1).longer(40)
    assert (plan.lanes, plan.truncation) == (3, Truncation(40, 40))
    assert Plan(RATE, 7, Truncation(10, 10), 1).longer(40).lanes == 1  # 40 symbols an update, for 70
    assert Plan(RATE, 3, Truncation(10, 10), 1).longer(40) is None


def test_one_that_explodes_stays_where_it_was(layer):
    with torch.no_grad():
        layer.get_parameter(next(name for name, _ in layer.named_parameters())).fill_(math.nan)
    found = result_of(trained(layer, Documents(TEXT), CONFIG, Plan(RATE, LANES, Truncation(BACK, BACK), 3)))
    for one, other in zip(found.parameters(), layer.parameters(), strict=True):
        assert torch.equal(one.isnan(), other.isnan())
        assert torch.equal(one.nan_to_num(), other.nan_to_num())


def test_dropout_does_not_touch_the_users_random_numbers():
    layer = language_model("gru", vocabulary=SYMBOLS, hidden=4, dropout=0.5)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    result_of(trained(layer, Documents(TEXT), CONFIG, Plan(RATE, LANES, Truncation(BACK, BACK), 3)))
    assert torch.equal(torch.rand(3), expected)
