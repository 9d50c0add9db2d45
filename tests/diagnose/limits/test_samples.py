"""Losses at fixed places of a text, and how sure a mean is."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from unrolled.data.documents import Documents
from unrolled.diagnose.limits import samples
from unrolled.diagnose.limits.samples import Mean, Sample, mean_of
from unrolled.nn import language_model


@pytest.fixture
def layer():
    return language_model("lstm", vocabulary=5, hidden=3, dtype=torch.float64)


def text(length):
    return np.random.default_rng(3).integers(0, 5, length)


def log_p(layer, read):
    """After each symbol of one lane, from the first state."""
    with torch.no_grad():
        return torch.log_softmax(layer.logits(torch.from_numpy(read)[:, None])[0], -1)[:, 0]


@pytest.mark.parametrize("length", [2, 5, 799, 801, 2_000, 40_000])
def test_losses_are_those_of_each_lane_read_from_the_first_state(layer, length):
    ids = text(length)
    sample = Sample.of(Documents(ids))
    found = sample.losses(layer)
    assert found.shape == (len(sample.inputs) - sample.warm_up, sample.inputs.shape[1])
    assert found.size == sample.count >= min(samples.SYMBOLS, (length - 1) // 2)
    for lane in {0, found.shape[1] - 1}:
        scores = log_p(layer, sample.inputs[:, lane])
        wanted = sample.targets[:, lane]
        np.testing.assert_allclose(
            found[:, lane], -scores[np.arange(len(wanted)), wanted][sample.warm_up :], atol=1e-12
        )


def test_lanes_are_stretches_of_the_text_that_do_not_touch():
    ids = np.arange(10_000)
    sample = Sample.of(Documents(ids), symbols=1_000)
    assert (np.diff(sample.inputs, axis=0) == 1).all()
    assert (sample.targets == sample.inputs + 1).all()
    assert len(np.unique(sample.inputs)) == sample.inputs.size


def test_a_document_begins_from_the_first_state(layer):
    ids, starts = text(700), np.array([0, 400])
    found = Sample.of(Documents(ids, starts)).losses(layer)[:, 0]
    sample = Sample.of(Documents(ids, starts))
    scores = torch.cat([log_p(layer, ids[:400]), log_p(layer, ids[400:-1])])
    expected = -scores[np.arange(699), ids[1:]].numpy()
    np.testing.assert_allclose(found, expected[sample.warm_up :], atol=1e-12)


def test_a_mean_is_as_sure_as_its_lanes_agree():
    losses = np.random.default_rng(0).normal(size=(50, 9)) + np.arange(9)
    found = mean_of(losses)
    assert found.nats == pytest.approx(losses.mean())
    assert found.error == pytest.approx(stats.sem(losses.mean(0)))
    few = mean_of(losses[:, :2])
    parts = np.concatenate([block.mean(0) for block in np.array_split(losses[:, :2], samples.BLOCKS)])
    assert few.error == pytest.approx(stats.sem(parts))
    assert math.isinf(mean_of(np.ones((1, 1))).error)


def test_what_is_sure():
    assert Mean(0.4, 0.1).surely(0.3)
    assert not Mean(0.4, 0.1).surely(0.5)  # less than was asked
    assert not Mean(0.4, 0.2).surely(0.1)  # two standard errors
    assert not Mean(0.4, math.inf).surely(0.0)
    assert (Mean(0.4, 0.3) + -Mean(0.1, 0.4)).nats == pytest.approx(0.3)
    assert (Mean(0.4, 0.3) + -Mean(0.1, 0.4)).error == pytest.approx(0.5)
