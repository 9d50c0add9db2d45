"""Learning rates by hand."""

import math

import pytest

from unrolled.training.config import TrainConfig
from unrolled.training.schedule import learning_rate, progress


def test_the_exponential_schedule_is_char_rnns():
    config = TrainConfig(learning_rate=2e-3, schedule="exponential", decay=0.97, decay_after=10)
    # train.lua: at the end of epoch e (counted from 1), if e >= learning_rate_decay_after, multiply
    rate, rates = 2e-3, []
    for epoch in range(1, 16):
        rates.append(rate)
        if epoch >= 10:
            rate *= 0.97
    for epoch, expected in enumerate(rates):
        assert math.isclose(learning_rate(config, step=7, epoch=epoch, share=0), expected)


def test_without_waiting_the_decay_begins_after_the_first_epoch():
    config = TrainConfig(learning_rate=1, decay=0.5, decay_after=0)
    assert [learning_rate(config, step=9, epoch=e, share=0) for e in range(4)] == [1, 0.5, 0.25, 0.125]


@pytest.mark.parametrize(("share", "factor"), [(0, 1), (0.5, 0.5), (1, 0), (1 / 3, 0.75)])
def test_cosine(share, factor):
    config = TrainConfig(learning_rate=0.1, schedule="cosine")
    assert math.isclose(learning_rate(config, step=5, epoch=3, share=share), 0.1 * factor, abs_tol=1e-12)


def test_the_warm_up_is_a_straight_line():
    config = TrainConfig(learning_rate=1, schedule="constant", warm_up=4)
    assert [learning_rate(config, step=s, epoch=0, share=0) for s in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]


def test_the_limit_that_ends_first_counts():
    config = TrainConfig(steps=100, minutes=2)
    assert progress(config, step=10, epochs=40, seconds=60) == 0.5
    assert progress(config, step=80, epochs=0, seconds=60) == 0.8
    assert progress(config, step=80, epochs=0, seconds=300) == 1
    assert progress(TrainConfig(epochs=4), step=10**9, epochs=1.5, seconds=0) == 0.375
