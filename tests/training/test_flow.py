"""Training by RTRL and SnAp: windows against one unrolling without a cut, runs that go on, what is refused."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from training.breaks import broken_off, gone_on, losses, weights
from unrolled.checkpoint import RunDirectory
from unrolled.checkpoint.model import TrainedModel
from unrolled.data.corpora import split
from unrolled.data.lanes import Position
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import ConfigurationError, UnrolledError
from unrolled.nn import language_model
from unrolled.training import Accident, Saved, Step, TrainConfig, resume, train
from unrolled.training.config import resolve
from unrolled.training.finding import Finding
from unrolled.training.flow import INFLUENCE, flow_of
from unrolled.training.language import LanguageTask
from unrolled.training.ranks import ALONE, Ranks
from unrolled.training.record import Record
from unrolled.training.replay import replay

TEXT = "the quick brown fox. jumps over. the lazy dog; pack my box. with five dozen liquor jugs.\n" * 12
CORPUS = split("pangrams", TEXT)
VOCABULARY = Vocabulary.of(TEXT)


def task(
    length: int, gradient: str, cell: str = "gru", layers: int = 1, documents: str = "", ranks: Ranks = ALONE, **options
):
    torch.manual_seed(0)
    layer = language_model(cell, len(VOCABULARY), hidden=4, num_layers=layers, dtype=torch.float64, **options)
    config = TrainConfig(sequence_length=length, gradient=gradient, batch=2, documents=documents)
    return LanguageTask(config, TrainedModel(layer, VOCABULARY), CORPUS, torch.device("cpu"), ranks)


def gradient_of(run: LanguageTask, updates: int, lanes: int = 2):
    """Σ over windows of the gradients of their mean losses, and these; the parameters stay where they are."""
    position, losses = Position(), []
    for _ in range(updates):
        loss, symbols = run.loss(position)
        assert symbols == lanes * run.config.sequence_length
        (loss * run.config.sequence_length).backward()  # mean over lanes, sum over steps
        losses.append(loss.item())
        position = position.after(run.steps_per_epoch)
        run.accept(position)
    return {name: each.grad for name, each in run.layer.named_parameters()}, losses


def uncut(run: LanguageTask, steps: int):
    """One loss over all these steps of all lanes, each document alone, and one backward pass."""
    stretch = run.lanes.stretch(0, steps)
    total = 0.0
    for lane in range(run.lanes.batch):
        begins = [0] if stretch.begins is None else [0, *(int(t) for t in np.flatnonzero(stretch.begins[:, lane]) if t)]
        for begin, end in zip(begins, [*begins[1:], steps], strict=True):
            ids, wanted = (torch.from_numpy(each[begin:end, lane]) for each in (stretch.inputs, stretch.targets))
            total = total + functional.cross_entropy(run.layer.logits(ids)[0], wanted, reduction="sum")
    names, parameters = zip(*run.layer.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(total / run.lanes.batch, parameters), strict=True))


def assert_equal(found, wanted):
    for name, each in wanted.items():
        torch.testing.assert_close(found[name], each, rtol=1e-9, atol=1e-11, msg=name)


@pytest.mark.parametrize("length", [1, 2, 3, 6, 12])
@pytest.mark.parametrize("documents", ["", ". "])
def test_windows_of_any_length_have_the_gradient_without_a_cut(length, documents):
    run = task(length, "rtrl", documents=documents)
    found, _ = gradient_of(run, 36 // length)
    assert_equal(found, uncut(run, 36))


@pytest.mark.parametrize(
    ("cell", "options"),
    [
        ("elman", {}), ("lstm", {"layers": 2}), ("jordan", {}), ("vanilla", {"layers": 2, "embedding": 3}),
        ("h_t = tanh(U x_t + a ⊙ h_{t-1}); h_{-1} = k", {}),
    ],
)  # fmt: skip
def test_of_any_recurrence(cell, options):
    run = task(4, "rtrl", cell, **options)
    assert_equal(gradient_of(run, 5)[0], uncut(run, 20))


def test_backpropagation_cut_at_windows_is_another_gradient():
    """The losses are the same to the last digits; SnAp-1 lies in between."""
    exact = torch.cat([each.flatten() for each in uncut(task(2, "bptt"), 20).values()])
    found = {gradient: gradient_of(task(2, gradient), 10) for gradient in ("bptt", "rtrl", "snap-1", "snap-2")}
    losses = [each for _, each in found.values()]
    for each in losses:
        assert each == pytest.approx(losses[0], rel=1e-12)
    flat = {name: torch.cat([each.flatten() for each in those.values()]) for name, (those, _) in found.items()}
    errors = {name: ((each - exact).norm() / exact.norm()).item() for name, each in flat.items()}
    assert errors["rtrl"] < 1e-12
    assert errors["snap-2"] < 1e-12  # every unit sees all others
    assert 1e-3 < errors["snap-1"] < errors["bptt"]


def test_processes_that_share_the_lanes():
    class One(Ranks):
        count = 2

        def __init__(self, rank):
            self.rank = rank

    whole, _ = gradient_of(task(3, "rtrl"), 4)
    halves = [task(3, "rtrl", ranks=One(rank)) for rank in (0, 1)]
    parts = [gradient_of(run, 4, lanes=1)[0] for run in halves]
    assert_equal({name: each + parts[1][name] for name, each in parts[0].items()}, whole)


@pytest.mark.parametrize(
    "options",
    [
        {"gradient": "rtrl", "recurrence": "lstm", "layers": 2},
        {"gradient": "rtrl", "documents": ". "},
        {"gradient": "snap-1", "recurrence": "lstm", "embedding": 3},
        {"gradient": "snap-2", "recurrence": "h_t = tanh(U x_t + a ⊙ h_{t-1}); h_{-1} = k"},
    ],
)
def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path, options):
    config = TrainConfig(
        **{"recurrence": "gru", "layers": 1} | options, hidden=5, batch=3, sequence_length=6, steps=20,
        evaluate_every=8, sample_length=5, run=str(tmp_path / "whole"),
    )  # fmt: skip
    whole, other = losses(train(config, corpus=CORPUS)), tmp_path / "other"
    seen, event = broken_off(config, CORPUS, other, 11)
    assert isinstance(event, Saved)
    assert RunDirectory.open(other).latest().trainer[f"state/{INFLUENCE}"].any()
    assert seen + gone_on(other, CORPUS) == whole
    assert weights(other) == weights(config.run)


def test_an_epoch_begins_without_influence(tmp_path):
    config = TrainConfig(
        recurrence="gru", layers=1, hidden=4, batch=3, sequence_length=40, gradient="rtrl", epochs=2,
        learning_rate=1e-30, sample_length=0, dtype="float64", run=str(tmp_path / "run"),
    )  # fmt: skip
    norms = [event.gradient_norm for event in train(config, corpus=CORPUS) if isinstance(event, Step)]
    half = len(norms) // 2
    assert half > 1
    assert norms[:half] == pytest.approx(norms[half:], rel=1e-9)
    with pytest.raises(ConfigurationError, match="--gradient cannot change in a run that goes on"):
        list(resume(config.run, {"gradient": "snap-1"}, corpus=CORPUS))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"bptt_memory": "5MB"},
            "--bptt-memory bounds the memory that the way back through a window takes",
        ),
        ({"update_every": 10}, "--update-every lets the gradient reach back further"),
        ({"update_every": 50}, "--update-every lets the gradient reach back further"),
        ({"dropout": 0.1}, "--dropout draws units at random"),
        ({"precision": "bf16"}, "--precision rounds the products"),
    ],
)
def test_what_goes_only_backwards(options, message):
    TrainConfig(**options)
    with pytest.raises(ConfigurationError, match=message):
        TrainConfig(gradient="snap-3", **options)


def test_it_belongs_to_the_language_task():
    with pytest.raises(ConfigurationError, match="--gradient is an option of --task language"):
        resolve({"task": "classify", "data": "x.csv", "gradient": "rtrl"})


def test_what_is_too_large():
    """1,000 units N of a dense network with 65 symbols V: N (V + N + 1) parameters, each with influence on N states."""
    layer = language_model("vanilla", 65, hidden=1000)
    with pytest.raises(ConfigurationError) as caught:
        flow_of(layer, TrainConfig(gradient="rtrl"), 50)
    assert "1,066,000,000 numbers in each of 50 lanes, 213,200 MB" in str(caught.value)
    assert "--gradient snap-1, which keeps 213 MB" in str(caught.value)
    flow_of(layer, TrainConfig(gradient="snap-1"), 50)


def test_an_influence_that_is_not_finite_is_recorded_and_seen_again(tmp_path):
    """States stay in ±1, and what they owe to the parameters grows without a bound where W is large."""
    config = TrainConfig(
        recurrence="h_t = sin(U x_t + W h_{t-1})", layers=1, hidden=6, batch=2, sequence_length=8, gradient="rtrl",
        learning_rate=2.0, clip=0, steps=60, sample_length=0, run=str(tmp_path / "run"),
    )  # fmt: skip
    events = train(config, corpus=CORPUS)
    accident = next(event for event in events if isinstance(event, Accident))
    with pytest.raises(UnrolledError, match="gradient"):
        next(events)
    record = Record.read(tmp_path / "run" / "accidents" / str(accident.step))
    assert f"state/{INFLUENCE}" in record.batch
    again = replay(accident.record)
    assert again.reproduced
    assert repr((again.loss, again.gradient_norm)) == repr((accident.loss, accident.gradient_norm))
    assert again.first is not None
    print(again.first)
    carried = {**record.batch, f"state/{INFLUENCE}": np.full_like(record.batch[f"state/{INFLUENCE}"], np.inf)}
    dataclasses.replace(record, batch=carried).write(tmp_path / "run")
    assert replay(accident.record).first == Finding("influence")
