"""Bounded memory: the schedule against the best possible, gradients against one plain graph."""

import subprocess
import sys
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from unrolled.data.corpora import split
from unrolled.errors import ConfigurationError
from unrolled.nn import language_model
from unrolled.training import Step, TrainConfig, train
from unrolled.training.bounded import bounded_loss
from unrolled.training.budget import Budget, Need
from unrolled.training.revolve import advances, repetitions, schedule

V = 7


@cache
def least(segments: int, slots: int) -> int:
    """Segments to advance, by trying every place for the next state."""
    if segments <= 1:
        return 0
    if slots == 1:
        return segments * (segments - 1) // 2
    return min(m + least(segments - m, slots - 1) + least(m, slots) for m in range(1, segments))


@given(segments=st.integers(0, 60), slots=st.integers(1, 9))
def test_the_schedule_is_the_best_possible(segments, slots):
    saved, at, advanced, reversed_ = set(), 0, 0, []
    times = dict.fromkeys(range(segments), 0)
    for action in schedule(segments, slots):
        if action.kind == "advance":
            assert at < action.to
            for segment in range(at, action.to):
                times[segment] += 1
            advanced, at = advanced + action.to - at, action.to
        elif action.kind == "save":
            assert action.to == at
            saved.add(at)
            assert len(saved) <= slots
        elif action.kind == "restore":
            assert action.to in saved
            at = action.to
        elif action.kind == "free":
            saved.remove(action.to)
        else:
            assert action.to == at
            reversed_.append(at)
    assert reversed_ == list(reversed(range(segments)))
    assert not saved
    assert advanced == least(segments, slots)
    if segments:
        assert advanced == advances(segments, slots)
        assert max(times.values()) <= repetitions(segments, slots)


def test_no_slot():
    with pytest.raises(ConfigurationError, match="at least 1 state"):
        list(schedule(3, 0))


def model(cell: str = "lstm", **options):
    torch.manual_seed(1)
    return language_model(cell, V, hidden=5, dtype=torch.float64, **options).train()


def segmented(layer, length: int, steps: int = 23, lanes: int = 3):
    """Segments of a text, the last one shorter: the function, their number, and the text."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, V, (steps + 1, lanes), generator=generator)

    def segment(number, state):
        part = slice(number * length, min((number + 1) * length, steps))
        logits, after = layer.logits(ids[:-1][part], state)
        return functional.cross_entropy(logits.flatten(0, 1), ids[1:][part].flatten(), reduction="sum"), after

    return segment, -(-steps // length), ids


def gradients(layer, loss):
    return [loss.detach(), *torch.autograd.grad(loss, list(layer.parameters()))]


@pytest.mark.parametrize("cell", ["vanilla", "gru", "lstm", "irnn"])
@pytest.mark.parametrize("length", [1, 4, 50])
def test_it_is_the_gradient(cell, length):
    layer = model(cell, num_layers=2)
    segment, count, ids = segmented(layer, length)
    logits, last = layer.logits(ids[:-1])
    plain = gradients(layer, functional.cross_entropy(logits.flatten(0, 1), ids[1:].flatten(), reduction="sum"))
    loss, after = bounded_loss(segment, count, None, list(layer.parameters()), slots=2)
    for one, other in zip(gradients(layer, loss), plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)
    for name, value in last.items():
        torch.testing.assert_close(after[name], value, rtol=1e-12, atol=1e-13)
        assert not after[name].requires_grad


@settings(max_examples=30, deadline=None)
@given(length=st.integers(1, 9), slots=st.integers(1, 24), dropout=st.sampled_from([0.0, 0.4]))
def test_to_the_bit_the_same_for_every_number_of_states(length, slots, dropout):
    layer = model("gru", num_layers=2, dropout=dropout)
    segment, count, _ = segmented(layer, length)
    found = []
    for own in (slots, count):
        torch.manual_seed(7)
        loss, after = bounded_loss(segment, count, None, list(layer.parameters()), own)
        found.append([*gradients(layer, loss), *after.values(), torch.rand(3)])  # and random numbers go on alike
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_dropout_is_drawn_again_as_it_was():
    """The loss of one plain pass with the same random numbers, segment by segment."""
    layer = model("gru", num_layers=2, dropout=0.5)
    segment, count, _ = segmented(layer, 5)
    torch.manual_seed(7)
    state, total = None, 0.0
    for number in range(count):
        loss, state = segment(number, state)
        total = total + loss
    plain = gradients(layer, total)
    torch.manual_seed(7)
    bounded = gradients(layer, bounded_loss(segment, count, None, list(layer.parameters()), 2)[0])
    for one, other in zip(bounded, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_the_gradient_of_the_state_before():
    layer = model("lstm")
    segment, count, _ = segmented(layer, 6)
    states = [torch.randn(3, 5, dtype=torch.float64, requires_grad=True) for _ in "hc"]
    given_state = dict(zip("hc", states, strict=True))
    loss, _ = bounded_loss(segment, count, given_state, list(layer.parameters()), 3)
    found = torch.autograd.grad(loss, states)
    state, total = given_state, 0.0
    for number in range(count):
        own, state = segment(number, state)
        total = total + own
    for one, other in zip(found, torch.autograd.grad(total, states), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_a_learned_first_state_has_its_gradient():
    cell = "h_t = tanh(U x_t + W h_{t-1}); y_t = softmax(V h_t); h_{-1} = k"
    layer = model(cell)
    segment, count, ids = segmented(layer, 5)
    logits, _ = layer.logits(ids[:-1])
    plain = gradients(layer, functional.cross_entropy(logits.flatten(0, 1), ids[1:].flatten(), reduction="sum"))
    bounded = gradients(layer, bounded_loss(segment, count, None, list(layer.parameters()), 2)[0])
    assert layer.k.shape == (5,)
    for one, other in zip(bounded, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("memory", ["3", "1", "100KB", "1MB"])
@pytest.mark.parametrize("documents", ["", ". "])
def test_a_run_in_bounded_memory_learns_the_same(tmp_path, memory, documents):
    def losses(name, **options):
        config = TrainConfig(
            recurrence="gru", layers=2, hidden=6, dtype="float64", batch=3, sequence_length=150, steps=6,
            documents=documents, run=str(tmp_path / name), **options,
        )  # fmt: skip
        text = split("pangrams", "the quick brown fox. jumps over the lazy dog. pack my box\n" * 30)
        return [event.loss for event in train(config, corpus=text) if isinstance(event, Step)]

    assert losses("bounded", bptt_memory=memory) == pytest.approx(losses("plain"), rel=1e-9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("512MB", Budget(bytes=512_000_000)), ("1.5 gb", Budget(bytes=1_500_000_000)), ("20", Budget(states=20))],
)
def test_a_budget(text, expected):
    assert Budget.parse(text) == expected


@pytest.mark.parametrize("text", ["much", "0", "-3", "1.5", "0MB", "3TB", "MB"])
def test_what_is_no_budget(text):
    with pytest.raises(ConfigurationError, match="a size such as 512MB"):
        Budget.parse(text)


@given(
    steps=st.integers(1, 10**6), state=st.integers(1, 10**5), step=st.integers(1, 10**6), size=st.integers(1, 10**10)
)
def test_a_plan_fits_its_budget(steps, state, step, size):
    need = Need(state, step)
    if step + state > size:
        with pytest.raises(ConfigurationError, match="do not hold one step and one state"):
            Budget(bytes=size).plan(steps, need)
        return
    plan = Budget(bytes=size).plan(steps, need)
    assert plan.length * step + plan.slots * state <= size
    assert 1 <= plan.slots <= -(-steps // plan.length)


MEASURED = """
import resource, sys
import torch
from unrolled.data.corpora import split
from unrolled.training import TrainConfig, train
text = split("noise", "".join(chr(97 + (i * i) % 23) for i in range(90_000)))
options = dict(recurrence="gru", layers=1, hidden=128, batch=4, steps=2, sample_length=0, evaluate_every=9, threads=1)
list(train(TrainConfig(**options, sequence_length=10, run=sys.argv[1] + "-warm"), corpus=text))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
list(train(TrainConfig(**options, sequence_length=20_000, bptt_memory=sys.argv[2], run=sys.argv[1]), corpus=text))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000)
"""


@pytest.mark.slow
def test_the_memory_stays_within_the_budget(tmp_path):
    """20,000 steps of 4 lanes through 128 units: the states alone, in one array, would take 41 MB."""
    arguments = [sys.executable, "-c", MEASURED, str(tmp_path / "run"), "12MB"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 35  # MB: the budget, the text, its evaluation, what the allocator keeps
