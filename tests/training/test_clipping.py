"""Clipping: the formulas by hand, the state of the adaptive threshold, and the cliff of a network with one unit."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils import clip_grad_norm_

from by_hand import cliff
from training.breaks import broken_off, gone_on, losses, weights
from unrolled.checkpoint import RunDirectory
from unrolled.data.corpora import split
from unrolled.training import Step, TrainConfig, train
from unrolled.training.clipping import NORMS, PAST, Clipping, gradient_norm, shorten

CORPUS = split("pangrams", "the quick brown fox jumps over the lazy dog; pack my box.\n" * 30)


@pytest.fixture
def config(tmp_path):
    return TrainConfig(
        recurrence="gru", layers=1, hidden=8, batch=4, sequence_length=9, learning_rate=0.01, steps=20,
        evaluate_every=10, sample_length=0, run=str(tmp_path / "run"),
    )  # fmt: skip


def parameters(*gradients):
    """Parameters with these gradients, and one without."""
    found = [torch.zeros(np.shape(each), dtype=torch.float64, requires_grad=True) for each in (*gradients, [0.0])]
    for each, gradient in zip(found, gradients, strict=False):
        each.grad = torch.tensor(gradient, dtype=torch.float64)
    return found


def clipped(kind, threshold, *gradients):
    found = parameters(*gradients)
    shorten(found, kind, threshold, gradient_norm(found))
    assert found[-1].grad is None
    return [each.grad.tolist() for each in found[:-1]]


def test_the_norm_is_that_of_all_parameters_together():
    assert gradient_norm(parameters([[3.0, 0.0]], [4.0])).item() == 5


def test_norm_shortens_all_by_one_factor():
    (first,), second = clipped("norm", 1.0, [[3.0, 0.0]], [4.0])
    assert [*first, *second] == pytest.approx([0.6, 0.0, 0.8], rel=1e-6)
    assert clipped("norm", 6.0, [[3.0, 0.0]], [4.0]) == [[[3.0, 0.0]], [4.0]]


def test_value_cuts_each_entry():
    assert clipped("value", 2.0, [[3.0, -1.0]], [-4.0]) == [[[2.0, -1.0]], [-2.0]]


def test_parameter_shortens_each_by_its_own_norm():
    first, second = clipped("parameter", 1.0, [3.0, 4.0], [0.5])
    assert first == pytest.approx([0.6, 0.8], rel=1e-6)
    assert second == [0.5]


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=5), st.sampled_from([0.0, 1e-3, 5.0]))
def test_the_default_is_torchs_to_the_bit(values, clip):
    ours, theirs = (torch.zeros(len(values), requires_grad=True) for _ in range(2))
    ours.grad, theirs.grad = (torch.tensor(values, dtype=torch.float32) for _ in range(2))
    norm = gradient_norm([ours])
    shorten([ours], "norm", Clipping("norm", clip, 0.1).threshold(norm.item()), norm)
    expected = clip_grad_norm_([theirs], clip or float("inf"))
    assert norm.numpy().tobytes() == expected.numpy().tobytes()
    assert ours.grad.numpy().tobytes() == theirs.grad.numpy().tobytes()


def quantile(values, q):
    """By definition: linear between the two order statistics around place q (n − 1)."""
    ordered, place = sorted(values), q * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def test_adaptive_is_a_quantile_of_the_last_thousand_norms():
    norms = np.random.default_rng(0).lognormal(size=PAST + 50).tolist()
    clipping = Clipping("adaptive", 0.0, 0.1)
    found = [clipping.threshold(norm) for norm in norms]
    for number in (0, 1, 5, 998, 999, 1000, 1049):
        assert found[number] == pytest.approx(quantile(norms[max(0, number - 999) : number + 1], 0.1), rel=1e-12)


def test_clip_is_a_cap_on_the_adaptive_threshold():
    clipping = Clipping("adaptive", 2.0, 1.0)
    assert [clipping.threshold(norm) for norm in (1.0, 3.0, 0.5)] == [1.0, 2.0, 2.0]


def test_the_adaptive_threshold_goes_on_where_it_was():
    norms = np.random.default_rng(1).lognormal(size=1100).tolist()
    whole, first, second = (Clipping("adaptive", 0.0, 0.3) for _ in range(3))
    expected = [whole.threshold(norm) for norm in norms]
    begun = [first.threshold(norm) for norm in norms[:1050]]
    second.restore(first.carried())
    assert begun + [second.threshold(norm) for norm in norms[1050:]] == expected
    assert Clipping("norm", 5.0, 0.1).carried() == {}


def cosine(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def test_on_the_cliff_the_norm_keeps_the_direction_and_the_value_does_not():
    """Pascanu et al. 2013, figure 6: at the wall the gradient is large, and two updates beside each other differ."""
    wall = 6.0, -3.0 + 1e-10
    _, gradient = cliff(*wall)
    assert np.linalg.norm(gradient) > 1e6
    w, b = (torch.tensor(each, dtype=torch.float64, requires_grad=True) for each in wall)
    h = torch.tensor(0.5, dtype=torch.float64)
    for _ in range(50):
        h = torch.sigmoid(w * h + b)
    ((h - 0.7) ** 2).backward()
    found = np.array([w.grad.item(), b.grad.item()])
    assert found == pytest.approx(gradient, rel=1e-6)
    for kind, keeps in (("norm", True), ("value", False)):
        w.grad, b.grad = torch.tensor(found[0]), torch.tensor(found[1])
        shorten([w, b], kind, 0.2, gradient_norm([w, b]))
        after = np.array([w.grad.item(), b.grad.item()])
        if keeps:
            assert cosine(after, gradient) == pytest.approx(1, abs=1e-12)
            assert np.linalg.norm(after) == pytest.approx(0.2)
        else:
            # ∂h/∂b is twice ∂h/∂w on the wall, where h stays at 0.5, and both become the threshold: 18.4° apart
            assert gradient[1] / gradient[0] == pytest.approx(2, rel=1e-6)
            assert np.abs(after).tolist() == [0.2, 0.2]
            assert cosine(after, gradient) == pytest.approx(3 / np.sqrt(10))


def norms(events):
    return [event.gradient_norm for event in events if isinstance(event, Step)]


def test_what_is_reported_is_the_norm_before_clipping(config, tmp_path):
    firsts = []
    for kind in ("norm", "value", "parameter", "adaptive"):
        run = dataclasses.replace(config, clipping=kind, clip=1e-3, steps=1, run=str(tmp_path / kind))
        firsts += norms(train(run, corpus=CORPUS))
    assert len(set(firsts)) == 1
    assert firsts[0] > 1e-2


@pytest.mark.parametrize("stop_at", [7, 13])
def test_a_run_with_an_adaptive_threshold_goes_on_as_if_there_were_no_break(config, tmp_path, stop_at):
    config = dataclasses.replace(config, clipping="adaptive", clip=0.0, clip_quantile=0.3)
    events = list(train(config, corpus=CORPUS))
    other = tmp_path / "other"
    seen, _ = broken_off(config, CORPUS, other, stop_at)
    saved = RunDirectory.open(other).latest().trainer[NORMS]
    assert saved.tolist() == norms(events)[:stop_at]
    assert seen + gone_on(other, CORPUS) == losses(events)
    assert weights(other) == weights(config.run)


def test_the_adaptive_threshold_moves_the_weights(config, tmp_path):
    other = dataclasses.replace(config, clipping="adaptive", clip_quantile=0.01, run=str(tmp_path / "other"))
    for run in (config, other):
        list(train(run, corpus=CORPUS))
    first, second = (RunDirectory.open(run.run).latest().model for run in (config, other))
    assert any(first[name].tobytes() != second[name].tobytes() for name in first)
