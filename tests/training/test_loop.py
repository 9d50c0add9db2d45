"""The loop: what it yields, that it goes on exactly where it stopped, and what it does when numbers explode."""

import dataclasses
import itertools
import json
import shutil

import numpy as np
import pytest
import torch
from torch.nn import functional

from unrolled.checkpoint import RunDirectory, load
from unrolled.data.corpora import Corpus, split
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import CheckpointError, ConfigurationError, DataError, EquationError, UnrolledError
from unrolled.training import (
    Accident,
    Evaluated,
    Finished,
    Sample,
    Saved,
    Started,
    Step,
    TrainConfig,
    evaluate,
    resume,
    train,
)
from unrolled.training.setup import reopen

TEXT = "the quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs.\n" * 20
CORPUS = split("pangrams", TEXT)


@pytest.fixture
def config(tmp_path):
    return TrainConfig(
        recurrence="gru",
        layers=2,
        hidden=8,
        dropout=0.2,
        batch=4,
        sequence_length=9,
        learning_rate=0.01,
        steps=30,
        evaluate_every=10,
        sample_length=5,
        run=str(tmp_path / "run"),
    )


def without_clock(run):
    """The metrics of a run but for what a clock says."""
    timed = ("seconds", "symbols_per_second", "run", "path")
    return [{k: v for k, v in line.items() if k not in timed} for line in RunDirectory.open(run).history()]


def weights(run):
    return {name: array.tobytes() for name, array in RunDirectory.open(run).latest().model.items()}


def test_the_order_of_events(config):
    events = list(train(config, corpus=CORPUS))
    kinds = [type(event) for event in events if event.kind != "evaluating"]
    assert kinds == [Started, *([Step] * 10 + [Evaluated, Sample, Saved]) * 3, Finished]
    assert [e.step for e in events if isinstance(e, Step)] == list(range(1, 31))
    assert all(json.loads(json.dumps(event.to_dict()))["event"] == event.kind for event in events)
    losses = [e.loss for e in events if isinstance(e, Step)]
    assert losses[-1] < losses[0]
    assert events[-1].evaluation.lanes == 1


def test_the_first_update_is_adams_by_hand(config):
    config = dataclasses.replace(config, steps=1, dropout=0.0, clip=0.01, dtype="float64")
    step = next(e for e in list(train(config, corpus=CORPUS)) if isinstance(e, Step))
    trained = load(config.run).layer
    start = dict(trained.named_parameters())

    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        from unrolled.nn import language_model

        vocabulary = Vocabulary.of(TEXT)
        layer = language_model("gru", vocabulary=len(vocabulary), hidden=8, num_layers=2, dtype=torch.float64)
    ids = vocabulary.encode(CORPUS.training)
    lane = (len(ids) - 1) // 4
    x = torch.from_numpy(np.stack([ids[b * lane : b * lane + 9] for b in range(4)], 1))
    y = torch.from_numpy(np.stack([ids[b * lane + 1 : b * lane + 10] for b in range(4)], 1))
    loss = functional.cross_entropy(layer.logits(x)[0].flatten(0, 1), y.flatten())
    loss.backward()
    assert step.loss == pytest.approx(loss.item(), rel=1e-12)
    norm = sum(float(p.grad.square().sum()) for p in layer.parameters()) ** 0.5
    assert step.gradient_norm == pytest.approx(norm, rel=1e-9)
    for name, parameter in layer.named_parameters():
        g = parameter.grad * config.clip / (norm + 1e-6)
        # Adam's first step: both moments are bias-corrected to g and g²
        expected = parameter - config.learning_rate * g / (g.square().sqrt() + 1e-8)
        torch.testing.assert_close(start[name], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("stop_at", [7, 10, 23])
def test_a_resumed_run_is_the_run_without_a_break(config, tmp_path, stop_at):
    list(train(config, corpus=CORPUS))
    other, done = dataclasses.replace(config, run=str(tmp_path / "other")), 0

    def stop():
        return done >= stop_at

    for event in train(other, corpus=CORPUS, stop=stop):
        done += isinstance(event, Step)
        torch.rand(1)  # the caller's random numbers are the caller's
    assert event == Saved(stop_at, str(tmp_path / "other" / "checkpoints" / str(stop_at)), interrupted=True)
    list(resume(other.run, corpus=CORPUS))
    assert without_clock(other.run) == without_clock(config.run)
    assert weights(other.run) == weights(config.run)
    assert load(other.run).layer.state_dict().keys() == load(config.run).layer.state_dict().keys()


def test_what_was_recorded_after_the_checkpoint_is_forgotten(config, tmp_path):
    list(train(config, corpus=CORPUS))
    expected = without_clock(config.run)
    other = dataclasses.replace(config, run=str(tmp_path / "other"))
    for event in train(other, corpus=CORPUS):
        if event.step == 17:
            break  # as if killed: the last checkpoint is that of step 10
    list(resume(other.run, corpus=CORPUS))
    assert without_clock(other.run) == expected
    assert weights(other.run) == weights(config.run)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(config, tmp_path):
    list(train(config, corpus=CORPUS))
    expected = without_clock(config.run)
    other = dataclasses.replace(config, run=str(tmp_path / "other"))
    for event in train(other, corpus=CORPUS):
        if event.step == 4:
            break
    list(resume(other.run, corpus=CORPUS))
    assert without_clock(other.run) == expected


def test_training_leaves_the_callers_random_numbers_alone(config):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    list(train(dataclasses.replace(config, steps=3), corpus=CORPUS))
    assert torch.equal(torch.rand(3), expected)


def test_the_best_model_is_the_one_that_is_kept(config):
    # a learning rate that rises for ever makes the later models worse
    config = dataclasses.replace(config, learning_rate=0.5, schedule="constant", warm_up=60, steps=60, keep=1)
    events = list(train(config, corpus=CORPUS))
    evaluated = {e.step: e.evaluation.nats for e in events if isinstance(e, Evaluated)}
    best = min(evaluated, key=lambda step: evaluated[step])
    assert best < 60
    assert events[-1].best_step == best
    assert RunDirectory.open(config.run).steps() == [best, 60]
    model = load(config.run)
    assert evaluate(model.layer, model.vocabulary.encode(CORPUS.validation)).nats == events[-1].evaluation.nats


def test_a_run_goes_on_with_a_new_limit(config):
    list(train(dataclasses.replace(config, steps=10), corpus=CORPUS))
    assert isinstance(list(resume(config.run, corpus=CORPUS))[-1], Finished)  # nothing is left to do
    events = list(resume(config.run, {"epochs": 1, "learning_rate": 0.002}, corpus=CORPUS))
    per_epoch = events[0].steps_per_epoch
    steps = [e for e in events if isinstance(e, Step)]
    assert [e.step for e in steps] == list(range(11, per_epoch + 1))
    assert {e.learning_rate for e in steps} == {0.002}
    assert RunDirectory.open(config.run).read("config")["train"]["steps"] is None


def test_the_model_and_the_text_cannot_change(config):
    list(train(dataclasses.replace(config, steps=1), corpus=CORPUS))
    with pytest.raises(ConfigurationError, match=r"--hidden cannot change .* \(it is 8"):
        resume(config.run, {"hidden": 9}, corpus=CORPUS)
    with pytest.raises(DataError, match="not the one"):
        resume(config.run, corpus=Corpus("pangrams", CORPUS.training, CORPUS.validation + "!"))
    with pytest.raises(CheckpointError, match="--resume"):
        train(config, corpus=CORPUS)


def test_numbers_that_explode_stop_the_run_before_the_weights(config):
    def poison():
        document = RunDirectory.open(config.run)
        checkpoint = document.latest()
        name = next(iter(checkpoint.model))
        model = {**checkpoint.model, name: np.full_like(checkpoint.model[name], np.nan)}
        document.save(dataclasses.replace(checkpoint, model=model))

    list(train(dataclasses.replace(config, steps=10), corpus=CORPUS))
    poison()
    events = resume(config.run, {"steps": 20}, corpus=CORPUS)
    with pytest.raises(UnrolledError, match=r"the loss is nan at step 11, .*--resume .* smaller --learning-rate"):
        list(events)
    lines = RunDirectory.open(config.run).history()
    assert (lines[-1]["event"], lines[-1]["loss"]) == (Accident.kind, None)  # strict JSON has no NaN
    assert RunDirectory.open(config.run).steps() == [10]


def test_equations_of_ones_own_train(config):
    config = dataclasses.replace(config, recurrence="h_t = tanh(U x_t + p ⊙ h_{t-1})", layers=1, steps=4)
    assert isinstance(list(train(config, corpus=CORPUS))[-1], Finished)
    assert load(config.run).layer.system.parameters


@pytest.mark.parametrize("symbols", ["bytes", "words"])
def test_bytes_and_words_with_an_embedding_train(config, symbols):
    config = dataclasses.replace(config, symbols=symbols, embedding=3, steps=4)
    finished = list(train(config, corpus=CORPUS))[-1]
    assert finished.evaluation.unit == symbols.removesuffix("s")
    assert load(config.run).vocabulary.kind == symbols


def test_wrong_equations_and_devices_leave_no_directory(config, tmp_path):
    with pytest.raises(EquationError):
        train(dataclasses.replace(config, recurrence="h_t = tahn(x_t)"), corpus=CORPUS)
    with pytest.raises(ConfigurationError, match="--device cpux cannot be used"):
        train(dataclasses.replace(config, device="cpux"), corpus=CORPUS)
    with pytest.raises(DataError, match="--batch"):
        train(dataclasses.replace(config, batch=1000), corpus=CORPUS)
    assert not (tmp_path / "run").exists()


def test_a_minute_limit_anneals_over_the_minutes(config):
    config = dataclasses.replace(config, steps=None, minutes=1 / 60, schedule="cosine", evaluate_every=10**6)
    events = list(train(config, corpus=CORPUS))
    steps = [e for e in events if isinstance(e, Step)]
    rates = [e.learning_rate for e in steps]
    assert all(a >= b for a, b in itertools.pairwise(rates))
    assert steps[-1].share == 1
    assert isinstance(events[-1], Finished)


def test_a_run_that_lost_its_checkpoints_is_not_begun_again_over_its_model(config):
    list(train(config, corpus=CORPUS))
    best = (RunDirectory.open(config.run).path / "model.safetensors").read_bytes()
    shutil.rmtree(RunDirectory.open(config.run).checkpoints)
    with pytest.raises(CheckpointError, match="no checkpoint to go on from"):
        list(resume(config.run, corpus=CORPUS))
    assert (RunDirectory.open(config.run).path / "model.safetensors").read_bytes() == best


def test_a_checkpoint_from_before_there_were_tasks(config):
    """It calls the smallest loss best_nats."""
    list(train(config, corpus=CORPUS))
    job = reopen(config.run, corpus=CORPUS)
    saved = job.run.latest()
    progress = {name: value for name, value in saved.progress.items() if name != "best"}
    job.best = None
    job.restore(dataclasses.replace(saved, progress={**progress, "best_nats": saved.progress["best"]}))
    assert job.best == saved.progress["best"] > 0


def test_a_run_starts_from_the_values_that_are_asked_for(config):
    config = dataclasses.replace(config, initialisation="orthogonal", forget_bias=2.0, spectral_radius=0.5, steps=1)
    events = train(config, corpus=CORPUS)
    assert isinstance(next(events), Started)
    layer = reopen_before_the_first_step(events, config)
    for suffix in ("_l0", "_l1"):
        matrix = getattr(layer, f"W_hr{suffix}").double().detach()
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(8, dtype=torch.float64) / 4, rtol=0, atol=1e-6)
        assert (getattr(layer, f"b_iz{suffix}") == 2).all()
        assert (getattr(layer, f"b_hz{suffix}") == 0).all()
    with pytest.raises(ConfigurationError, match="--initialisation cannot change"):
        next(resume(config.run, changes={"initialisation": "identity"}, corpus=CORPUS))


def reopen_before_the_first_step(events, config):
    events.close()
    return reopen(config.run, corpus=CORPUS).task.layer
