"""What the metrics of a run say of its training."""

import math

import pytest

from unrolled.diagnose.limits.past import Past, Turn


def step(number, loss, norm=1.0):
    return {"event": "step", "step": number, "loss": loss, "gradient_norm": norm}


def evaluation(number, nats):
    return {"event": "evaluation", "step": number, "nats": nats}


def test_a_run_that_turned():
    events = [step(n, 3.0 - 0.02 * n, norm=n) for n in range(1, 101)]
    events += [evaluation(20, 2.9), evaluation(60, 2.5), evaluation(100, 2.75)]
    past = Past.of(events, clip=90.0)
    # the training loss about a step is the mean over 5 updates: 3 − 0.02 · 58 and 3 − 0.02 · 98
    assert past.turn == Turn(60, pytest.approx(0.25), pytest.approx(0.8))
    assert past.updates == 100
    assert past.clipped == pytest.approx(0.1)


def test_without_clipping_or_by_another_rule():
    events = [step(1, 2.0, norm=9.0), {"event": "accident", "step": 2}]
    assert Past.of(events, clip=0).clipped == 0
    assert Past.of(events, clip=None).clipped is None
    assert Past.of(events, clip=5.0).accidents == 1


def test_nothing_happened():
    assert Past.of([], clip=5.0) == Past(0, None, 0, None)
    assert Past.of([evaluation(0, 3.0)], clip=5.0).turn is None


def test_an_evaluation_that_was_not_finite_is_none():
    events = [step(n, 3.0) for n in range(1, 11)]
    events += [evaluation(2, math.nan), evaluation(5, 2.5), evaluation(8, 2.75), evaluation(10, None)]
    assert Past.of(events, clip=5.0).turn == Turn(5, 0.25, 0.0)
