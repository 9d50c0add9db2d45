"""Evaluation against a loop over single symbols in numpy."""

import itertools
import math

import numpy as np
import pytest
import torch

from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import DataError
from unrolled.nn import language_model
from unrolled.training.evaluation import Evaluation, evaluate

V, H = 5, 7


@pytest.fixture
def layer():
    torch.manual_seed(0)
    layer = language_model("vanilla", vocabulary=V, hidden=H, dropout=0.5, dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(3)  # far from uniform predictions
    return layer


def by_hand(layer, ids):
    """The mean of −log p over all symbols but the first, state from zero, one symbol after the other."""
    U, W, V_, b, c = (getattr(layer, name).detach().numpy() for name in "UWVbc")
    h, total = np.zeros(H), 0.0
    for now, following in itertools.pairwise(ids):
        h = np.tanh(U[:, now] + W @ h + b)
        o = V_ @ h + c
        total += math.log(np.exp(o - o.max()).sum()) + o.max() - o[following]
    return total / (len(ids) - 1)


@pytest.mark.parametrize("length", [2, 3, 1001, 2500])
def test_one_lane_is_the_definition(layer, length):
    ids = np.random.default_rng(1).integers(0, V, length)
    layer.train()
    result = evaluate(layer, ids)
    assert math.isclose(result.nats, by_hand(layer, ids), rel_tol=1e-12)
    assert (result.symbols, result.characters, result.lanes) == (length - 1, length - 1, 1)
    assert layer.training  # left as it was, and dropout did not take part


def test_several_lanes_predict_the_same_symbols_and_nearly_as_well(layer):
    ids = np.random.default_rng(2).integers(0, V, 3333)
    with torch.no_grad():
        layer.W.div_(10)  # a network that forgets: what came 200 symbols ago does not matter
    exact = evaluate(layer, ids)
    for lanes in (2, 3, 7):
        result = evaluate(layer, ids, lanes=lanes)
        assert (result.symbols, result.lanes) == (3332, lanes)
        assert math.isclose(result.nats, exact.nats, rel_tol=1e-9)


def test_a_short_text_is_read_in_one_lane(layer):
    assert evaluate(layer, np.zeros(300, np.int64), lanes=32).lanes == 1


def test_nothing_to_predict(layer):
    with pytest.raises(DataError, match="at least 2"):
        evaluate(layer, np.zeros(1, np.int64))


def test_the_figures_by_hand():
    # uniform over four symbols: 2 bits each; bytes that make half as many characters: 4 bits per character
    result = Evaluation(nats=math.log(4), symbols=10, characters=5)
    assert math.isclose(result.bits_per_character, 4)
    assert math.isclose(result.perplexity, 4)
    assert Evaluation(nats=1e6, symbols=1, characters=1).perplexity == math.inf


def test_bytes_count_their_characters():
    text = "é🙂a" * 40
    vocabulary = Vocabulary.of(text, "bytes")
    torch.manual_seed(0)
    layer = language_model("vanilla", vocabulary=256, hidden=3)
    result = evaluate(layer, vocabulary.encode(text), vocabulary)
    assert (result.symbols, result.unit) == (40 * 7 - 1, "byte")
    # the first byte is given: its character ends with a byte that is predicted, read alone as U+FFFD
    assert result.characters == 40 * 3
