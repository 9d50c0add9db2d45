"""What symbols further back tell: tables against counting by hand, gains against entropies that are known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import planted
from unrolled.data.documents import Documents
from unrolled.diagnose.limits.lags import PRIOR, Predicted, best_lag, gains, table
from unrolled.diagnose.limits.samples import Sample
from unrolled.nn import language_model
from unrolled.training.evaluation import result_of

SYMBOLS = 8


def ids(text):
    return np.array([ord(letter) - ord("a") for letter in text])


def knowing_nothing(text, steps_before=30):
    """Predictions of a model that holds all letters to be equally likely, along one lane."""
    read = torch.from_numpy(ids(text))[:, None]
    wanted = read[steps_before + 1 :]
    log_p = torch.full((*wanted.shape, SYMBOLS), -math.log(SYMBOLS), dtype=torch.float64)
    return Predicted(log_p, wanted, read[:-1], torch.zeros_like(read[:-1]))


def entropy_of_an_echo(share):
    copied = share + (1 - share) / SYMBOLS
    rest = (1 - share) / SYMBOLS
    return -copied * math.log(copied) - (SYMBOLS - 1) * rest * math.log(rest)


def test_the_echo_tells_what_its_entropy_says():
    known, other = (knowing_nothing(planted.echo(20_000, 7, seed, 0.8)) for seed in (1, 2))
    gained = gains(known, other, 7)
    assert gained.mean() == pytest.approx(math.log(SYMBOLS) - entropy_of_an_echo(0.8), abs=0.03)
    assert abs(gains(known, other, 6).mean()) < 0.01  # nothing stands there


def test_the_lag_is_found_and_measured_on_other_text():
    training, held_out = (knowing_nothing(planted.echo(6_000, 7, seed, 0.5)) for seed in (1, 2))
    found = result_of(best_lag(training, held_out, range(1, 25)))
    assert found.lag == 7
    even = training.balanced(training), held_out.balanced(training)
    assert found.gain.nats == pytest.approx(gains(*even, 7).mean())
    assert found.gain.surely(0.1)


def test_what_the_model_knows_already_is_no_gain():
    """The same text, predicted by who knows the echo."""
    text = planted.echo(20_000, 7, 3, 0.8)
    nothing = knowing_nothing(text)
    p = torch.full((*nothing.wanted.shape, SYMBOLS), 0.2 / SYMBOLS, dtype=torch.float64)
    p.scatter_add_(-1, nothing.lagged(7)[..., None], torch.full_like(p[..., :1], 0.8))
    knows = Predicted(p.log(), nothing.wanted, nothing.read, nothing.documents)
    first, second = knows.halves()
    assert abs(gains(first, second, 7).mean()) < 0.01


def test_no_lag_is_credited_with_how_often_a_letter_comes():
    """Letters that know nothing of each other, half of them a, predicted as if all were equally likely."""
    random = np.random.default_rng(5)
    texts = ["".join(random.choice(list("aaaaaaabcdefgh"), 6_000)) for _ in range(2)]
    training, held_out = map(knowing_nothing, texts)
    assert gains(training, held_out, 9).mean() > 0.3
    assert abs(result_of(best_lag(training, held_out, range(1, 25))).gain.nats) < 0.01


def test_balance_is_that_of_the_letters_and_leaves_probabilities():
    training = knowing_nothing(planted.markov(3_000))
    found = training.balanced(training)
    np.testing.assert_allclose(found.log_p.exp().sum(-1), 1)
    counts = np.bincount(training.wanted.flatten(), minlength=SYMBOLS)
    expected = (counts + PRIOR) / (counts.sum() / SYMBOLS + PRIOR)
    np.testing.assert_allclose(found.log_p[0, 0].exp(), expected / expected.sum())


def test_there_may_be_nothing_to_choose_from():
    training = knowing_nothing(planted.echo(200, 7))
    assert result_of(best_lag(training, training, range(32, 40))) is None


@given(st.integers(1, 9), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_a_table_is_counted(lag, symbols, seed):
    random = np.random.default_rng(seed)
    read, wanted = random.integers(0, symbols, (14, 3)), random.integers(0, symbols, (6, 3))
    documents = random.integers(0, 2, (14, 3)).cumsum(0)
    log_p = torch.log_softmax(torch.from_numpy(random.normal(size=(6, 3, symbols))), -1)
    predicted = Predicted(log_p, *map(torch.from_numpy, (wanted, read, documents)))
    observed, expected = np.zeros((2, symbols + 1, symbols))
    for step in range(6):
        for lane in range(3):
            place = step + 8 - lag + 1  # the last that was read stands at step + 8
            x = read[place, lane] if documents[place, lane] == documents[step + 8, lane] else symbols
            observed[x, wanted[step, lane]] += 1
            expected[x] += log_p[step, lane].exp().numpy()
    b = table(predicted, lag)
    np.testing.assert_allclose(b, np.log((observed + PRIOR) / (expected + PRIOR)))
    better = torch.log_softmax(log_p + b[predicted.lagged(lag)], -1) - log_p
    by_hand = better.gather(-1, torch.from_numpy(wanted)[..., None])[..., 0]
    np.testing.assert_allclose(gains(predicted, predicted, lag), by_hand, atol=1e-12)


def test_halves_are_parts_of_the_whole():
    whole = knowing_nothing(planted.echo(100, 5), 20)
    first, second = whole.halves()
    for lag in (1, 3, 20, 21):
        both = torch.cat([first.lagged(lag), second.lagged(lag)])
        assert torch.equal(both, whole.lagged(lag))
    assert torch.equal(torch.cat([first.wanted, second.wanted]), whole.wanted)


def test_predictions_are_those_of_the_layer():
    layer = language_model("gru", vocabulary=SYMBOLS, hidden=4, dtype=torch.float64)
    sample = Sample.of(Documents(ids(planted.markov(900))))
    found = Predicted.of(layer, sample)
    assert found.longest == sample.warm_up + 1
    losses = -found.log_p.gather(-1, found.wanted[..., None])[..., 0]
    np.testing.assert_allclose(losses, sample.losses(layer), atol=1e-12)
    assert torch.equal(found.lagged(1)[1:], found.wanted[:-1])  # what came is read next
