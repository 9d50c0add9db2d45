"""Accidents: whatever is not finite reaches neither weights nor moments, and each policy goes on as it says."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from unrolled.checkpoint import RunDirectory
from unrolled.checkpoint.format import read_document, read_tensors
from unrolled.checkpoint.tensors import module_arrays, optimiser_arrays
from unrolled.cli import main
from unrolled.data.corpora import split
from unrolled.data.lanes import Position
from unrolled.errors import CheckpointError, UnrolledError
from unrolled.training import Accident, Evaluated, Finished, Started, Step, TrainConfig, loop, resume, train
from unrolled.training.config import resolve
from unrolled.training.evaluation import Evaluation
from unrolled.training.record import Record
from unrolled.training.snapshots import PREFIX

CORPUS = split("pangrams", "the quick brown fox jumps over the lazy dog; pack my box.\n" * 30)
RNG = np.random.default_rng(0)
SEQUENCES = [RNG.normal(0, 1, (n, 2)) for n in RNG.integers(2, 7, 70)]
GOING_ON = ("skip", "rollback", "random-step")


@pytest.fixture
def config(tmp_path):
    return TrainConfig(
        recurrence="gru", layers=1, hidden=8, dropout=0.2, batch=4, sequence_length=9, learning_rate=0.01, steps=60,
        evaluate_every=30, sample_length=0, run=str(tmp_path / "run"),
    )  # fmt: skip


@pytest.fixture
def frames(tmp_path):
    """A run on numbers in time: 56 sequences, 7 batches an epoch."""
    rows = [{"frames": each.tolist(), "answer": float(each.sum())} for each in SEQUENCES]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return resolve({
        "task": "regress", "data": str(tmp_path / "data.jsonl"), "input": "frames", "target": "answer",
        "recurrence": "gru", "layers": 1, "hidden": 4, "dropout": 0.2, "batch": 8, "learning_rate": 0.01,
        "steps": 60, "evaluate_every": 30, "bidirectional": False, "run": str(tmp_path / "run"),
    })  # fmt: skip


def break_batch(job, value=1e300):
    """One example has a number that float32 does not hold: one batch of each epoch."""
    job.task.training.inputs[3][1, 0] = value


def broken(job, position):
    return 3 in job.task.batches(position.epoch, position.window)


def present(job):
    return {**module_arrays(job.task.layer), **optimiser_arrays(job.optimiser)}


def same(one, other):
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


def is_finite(arrays):
    return all(np.isfinite(array).all() for array in arrays.values())


def steps_of(events):
    return [event for event in events if isinstance(event, Step | Accident)]


def without_clock(run):
    timed = ("seconds", "symbols_per_second", "run", "path", "record")
    return [{k: v for k, v in line.items() if k not in timed} for line in RunDirectory.open(run).history()]


def names(run):
    return [Path(line["record"]).name for line in RunDirectory.open(run).history() if line.get("record")]


@pytest.mark.parametrize("policy", GOING_ON)
def test_a_corrupt_batch_does_not_end_a_run(frames, job, policy):
    events, seen = [], []
    for event in train(dataclasses.replace(frames, on_accident=policy)):
        events.append(event)
        if isinstance(event, Started):
            break_batch(job)
        elif isinstance(event, Step | Accident):
            seen.append((event, present(job)))
    assert [each.step for each in steps_of(events)] == list(range(1, 61))
    expected, position = [], Position()
    for step in range(1, 61):
        expected += [step] if broken(job, position) else []
        position = position.after(job.task.steps_per_epoch)
    accidents = [event for event in events if isinstance(event, Accident)]
    assert [each.step for each in accidents] == expected
    assert len(expected) in (8, 9)
    assert {each.policy for each in accidents} == {policy}
    assert all(is_finite(arrays) for _, arrays in seen)
    assert isinstance(events[-1], Finished)
    lines = RunDirectory.open(frames.run).history()
    assert [line["step"] for line in lines if line["event"] == "accident"] == expected
    assert [line["event"] for line in lines if line["event"] != "finished"] == [
        event.kind for event in events if isinstance(event, Step | Accident | Evaluated)
    ]


def test_skip_changes_neither_weights_nor_moments(frames, job):
    before = None
    for event in train(dataclasses.replace(frames, on_accident="skip", steps=20)):
        if isinstance(event, Started):
            break_batch(job)
        if isinstance(event, Accident):
            assert before is not None
            assert same(present(job), before)
            assert event.message.endswith(f" is nan at step {event.step}: the batch is skipped")
        if isinstance(event, Step | Accident):
            before = present(job)


def test_skip_is_training_without_the_batch(frames, job):
    """Leaving the batch out by hand, at the same positions, gives the same weights to the bit."""
    frames = dataclasses.replace(frames, on_accident="skip", steps=20, dropout=0.0)
    for event in train(frames):
        if isinstance(event, Started):
            break_batch(job)
    found = present(job)
    other = loop.begin(dataclasses.replace(frames, run=frames.run + "-by-hand"))
    other.run.unlock()
    layer, position = other.task.layer, Position()
    for _ in range(20):
        if not broken(other, position):
            other.optimiser.zero_grad()
            other.task.loss(position)[0].backward()
            torch.nn.utils.clip_grad_norm_(layer.parameters(), frames.clip)
            share = (position.epoch * 7 + position.window) / 20
            for group in other.optimiser.param_groups:
                group["lr"] = frames.learning_rate * (0.5 * (1 + math.cos(math.pi * share)))
            other.optimiser.step()
        position = position.after(7)
    assert other.task.steps_per_epoch == 7
    assert same(found, present(other))


def poisoned(job, at, run, corpus=CORPUS, **options):
    """Train; before the update after each of some steps some weights become NaN. Yields the events."""
    done, waiting = 0, set(at)

    def stop():
        if done in waiting:
            waiting.remove(done)
            with torch.no_grad():
                next(job.task.layer.parameters())[0] = float("nan")
        return False

    for event in train(run, corpus=corpus, stop=stop, **options):
        done = event.step if isinstance(event, Step | Accident) else done
        yield event


@pytest.mark.parametrize("policy", GOING_ON)
def test_weights_that_are_not_finite_give_way_to_the_last_finite_ones(config, job, policy):
    at = {}
    for event in poisoned(job, [33], dataclasses.replace(config, on_accident=policy)):
        if isinstance(event, Step | Accident):
            at[event.step] = present(job)
        if isinstance(event, Accident):
            assert event.step == 34
            assert "back to the weights of step 20" in event.message
    assert all(is_finite(arrays) for step, arrays in at.items())
    assert isinstance(event, Finished)
    moments = [name for name in at[20] if name.startswith("optimiser/")]
    assert all(at[34][name].tobytes() == at[20][name].tobytes() for name in moments)
    assert same(at[34], at[20]) == (policy != "random-step")


def test_rollback_goes_to_the_older_snapshot_before_twenty_good_updates(config, job):
    """Snapshots after steps 20 and 40; accidents at 48 and 50, then after 20 more good updates another at 75."""
    at = {}
    poison = [47, 49, 74]
    events = []
    for event in poisoned(job, poison, dataclasses.replace(config, on_accident="rollback", steps=80)):
        if isinstance(event, Step | Accident):
            at[event.step] = present(job)
        events.append(event)
    accidents = [event.step for event in events if isinstance(event, Accident)]
    assert accidents == [48, 50, 75]
    assert same(at[48], at[40])
    assert same(at[50], at[20])
    assert same(at[75], at[70])  # good updates 51 to 70
    assert not same(at[70], at[20])


def test_a_random_step_has_the_length_of_the_threshold_and_the_runs_own_direction(frames, job):
    frames = dataclasses.replace(frames, on_accident="random-step", clip=0.5, steps=20)
    before = None
    for event in train(frames):
        if isinstance(event, Started):
            break_batch(job)
        if isinstance(event, Accident):
            layer = job.task.layer
            start = {name: torch.from_numpy(before[name]) for name, _ in layer.named_parameters()}
            difference = [each.detach() - start[name] for name, each in layer.named_parameters()]
            whole = torch.cat([each.flatten() for each in difference])
            assert whole.norm().item() == pytest.approx(0.5, rel=1e-4)
            with torch.random.fork_rng():
                torch.set_rng_state(random_after_loss(job, event))
                drawn = torch.cat([torch.randn_like(each).flatten() for each in layer.parameters()])
            torch.testing.assert_close(whole, 0.5 * drawn / drawn.norm(), rtol=1e-3, atol=1e-5)
            assert all(present(job)[n].tobytes() == before[n].tobytes() for n in before if n.startswith("optimiser/"))
        if isinstance(event, Step | Accident):
            before = present(job)


def random_after_loss(job, event):
    """Torch's generator behind the dropout of the batch, from where the step is drawn."""
    record = Record.read(Path(event.record))
    position = Position(record.about["epoch"], record.about["window"])
    with torch.random.fork_rng():
        torch.set_rng_state(record.random["cpu"])
        job.task.loss(position)
        return torch.get_rng_state()


@pytest.mark.parametrize("policy", ["skip", "random-step"])
def test_ten_accidents_without_a_good_update_end_the_run(config, policy):
    config = dataclasses.replace(config, recurrence="irnn", learning_rate=1e4, on_accident=policy)
    events = []
    with pytest.raises(UnrolledError, match=r"10th accident without a good update .* --on-accident rollback"):
        events += train(config, corpus=CORPUS)
    lines = [line for line in RunDirectory.open(config.run).history() if line["event"] == "accident"]
    assert [line["policy"] for line in lines] == [policy] * 9 + ["stop"]
    assert [line["step"] for line in lines] == list(range(lines[0]["step"], lines[0]["step"] + 10))


def test_a_rollback_that_explodes_again_and_again_ends_too(config):
    """Each good update is undone by the accident after it, so that it does not count."""
    config = dataclasses.replace(config, recurrence="irnn", learning_rate=1e4, on_accident="rollback")
    with pytest.raises(UnrolledError, match=r"10th accident without 20 good updates .* smaller --learning-rate"):
        list(train(config, corpus=CORPUS))


def test_an_explosion_that_is_over_does_not_end_a_run(config, job):
    """A learning rate a million times too large for one update: back to the snapshot, and on."""
    config = dataclasses.replace(config, recurrence="irnn", on_accident="rollback", dropout=0.0)
    events = []
    for event in train(config, corpus=CORPUS):
        events.append(event)
        if isinstance(event, Step):
            job.config = dataclasses.replace(config, learning_rate=1e4 if event.step == 44 else 1e-2)
    accidents = [event for event in events if isinstance(event, Accident)]
    assert 45 < accidents[0].step < 60
    assert accidents[0].message.endswith("back to the weights of step 40")
    assert is_finite(present(job))
    assert isinstance(events[-1], Finished)
    losses = {event.step: event.loss for event in events if isinstance(event, Step)}
    assert losses[60] < losses[1]


@pytest.mark.parametrize(("dtype", "rate"), [("float32", 1e39), ("float64", 1e308)])
def test_an_update_that_overflows_the_weights_is_undone(config, job, dtype, rate):
    config = dataclasses.replace(config, dtype=dtype, learning_rate=rate)
    events = train(config, corpus=CORPUS)
    assert isinstance(next(events), Started)
    begun, event = present(job), next(events)
    with pytest.raises(UnrolledError, match=r"learning rate 1e\+\d+ makes weights or moments .* at step 1, so"):
        next(events)
    assert isinstance(event, Accident)
    assert np.isfinite(event.loss)
    assert np.isfinite(event.gradient_norm)
    assert same(present(job), begun)


def test_a_gradient_whose_square_overflows_the_moments_is_undone(frames, job):
    """Without clipping, 1e21 is a finite gradient, but Adam's second moment takes its square."""
    frames = dataclasses.replace(frames, on_accident="skip", clip=0.0, steps=3, recurrence="h_t = U x_t + W h_{t-1}")
    kinds = []
    for event in train(frames):
        if isinstance(event, Started):
            for each in job.task.training.inputs:
                each *= 1e21
        if isinstance(event, Step | Accident):
            kinds.append(event.kind)
            assert is_finite(present(job))
    assert kinds == ["accident"] * 3


@pytest.mark.parametrize("rate", [1e300, 1e6])
def test_huge_learning_rates_never_reach_the_weights(config, job, rate):
    config = dataclasses.replace(config, dtype="float64", learning_rate=rate, on_accident="skip", steps=8)
    for event in train(config, corpus=CORPUS):
        if isinstance(event, Step | Accident):
            assert is_finite(present(job))


@pytest.mark.parametrize("stop_at", [5, 33, 45])
@pytest.mark.parametrize("policy", GOING_ON)
def test_a_run_with_accidents_goes_on_as_if_there_were_no_break(frames, job, tmp_path, policy, stop_at):
    frames = dataclasses.replace(frames, on_accident=policy, clipping="adaptive", clip_quantile=0.5)
    other, done = dataclasses.replace(frames, run=str(tmp_path / "other")), 0

    def stop():
        return done >= stop_at

    for event in train(frames):
        if isinstance(event, Started):
            break_batch(job)
    whole = present(job)
    for event in train(other, stop=stop):
        if isinstance(event, Started):
            break_batch(job)
        done = event.step if isinstance(event, Step | Accident) else done
    for event in resume(other.run):
        if isinstance(event, Started):
            break_batch(job)
    assert same(present(job), whole)
    assert without_clock(other.run) == without_clock(frames.run)
    assert names(other.run) == names(frames.run)


def test_a_run_killed_after_an_accident_makes_the_same_record_again(frames, job):
    frames = dataclasses.replace(frames, on_accident="skip")
    for event in train(frames):
        if isinstance(event, Started):
            break_batch(job)
        if isinstance(event, Accident) and event.step > 30:
            break
    folder = Path(event.record)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    for event in resume(frames.run):
        if isinstance(event, Started):
            break_batch(job)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert isinstance(event, Finished)


def test_a_resumed_run_knows_its_snapshots(config, job, tmp_path):
    """Interrupted at 45, poisoned at 47: back to step 40, of which no checkpoint is left."""
    config, done = dataclasses.replace(config, on_accident="rollback"), 0

    def stop():
        return done >= 45

    at = {}
    for event in train(config, corpus=CORPUS, stop=stop):
        done = event.step
        at[event.step] = present(job)
    assert any(name.startswith(PREFIX) for name in RunDirectory.open(config.run).latest().trainer)
    for event in resume(config.run, corpus=CORPUS):
        if isinstance(event, Step) and event.step == 47:
            with torch.no_grad():
                next(job.task.layer.parameters()).fill_(float("inf"))
        if isinstance(event, Accident):
            assert same(present(job), at[40])
            assert event.step == 48


def test_no_snapshots_where_nobody_goes_back(config):
    list(train(dataclasses.replace(config, steps=30), corpus=CORPUS))
    assert not any(name.startswith(PREFIX) for name in RunDirectory.open(config.run).latest().trainer)


def test_weights_that_were_never_finite_end_the_run(config):
    list(train(dataclasses.replace(config, steps=30), corpus=CORPUS))
    run = RunDirectory.open(config.run)
    saved = run.latest()
    model = {name: np.full_like(array, np.nan) for name, array in saved.model.items()}
    run.save(dataclasses.replace(saved, model=model))
    with pytest.raises(UnrolledError, match="the weights are not finite, and no finite ones are in memory"):
        list(resume(config.run, {"on_accident": "skip", "steps": 40}, corpus=CORPUS))


def test_a_state_that_is_not_finite_is_not_carried_on(config, job):
    events = train(dataclasses.replace(config, steps=3), corpus=CORPUS)
    assert isinstance(next(events), Started)
    task = job.task
    good, bad = {"h": torch.ones(4, 8)}, {"h": torch.full((4, 8), float("inf"))}
    for before, after, anew, expected in (
        (good, {"h": torch.zeros(4, 8)}, False, 0.0),
        (good, bad, False, 1.0),
        (bad, bad, False, None),
        (None, bad, False, None),
        (good, good, True, None),
    ):
        task.state, task._next = before, after
        task.reject(Position(0, 1), anew)
        found = task.state
        assert (found is None) if expected is None else bool((found["h"] == expected).all())
    task.state, task._next = good, good
    task.reject(Position(1, 0), False)  # an epoch begins with the first state
    assert task.state is None
    events.close()


def test_the_record_holds_what_was_there(config, job):
    before, batch, random = None, None, None
    for event in poisoned(job, [5], dataclasses.replace(config, on_accident="skip", steps=8)):
        if isinstance(event, Step) and event.step == 5:
            before, batch = module_arrays(job.task.layer), job.task.batch(job.position)
            random, position = job.random["cpu"].clone(), job.position
        if isinstance(event, Accident):
            break
    folder = RunDirectory.open(config.run).path / "accidents" / "6"
    assert event.record == str(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["batch.safetensors", "record.json", "weights.safetensors"]
    about = read_document(folder / "record.json")
    json.loads((folder / "record.json").read_text(), parse_constant=pytest.fail)
    weights, _ = read_tensors(folder / "weights.safetensors")
    name = next(iter(before))
    assert np.isnan(weights[name][0]).all()
    weights[name][0] = before[name][0]
    assert same(weights, before)
    found, _ = read_tensors(folder / "batch.safetensors")
    assert found.pop("random/cpu").tobytes() == random.numpy().tobytes()
    assert same(found, batch)
    window = job.task.lanes.stretch(position.window * 9, position.window * 9 + 9)
    assert np.array_equal(found["inputs"], window.inputs)
    assert np.array_equal(found["targets"], window.targets)
    assert (about["loss"], about["kind"], about["step"]) == ("nan", "loss", 6)
    assert (about["epoch"], about["window"], about["policy"], about["seed"]) == (0, 5, "skip", 1)
    assert about["not_finite"]["parameters"] == [name]
    assert about["not_finite"]["gradients"]
    assert len(about["trace"]["steps"]) == 9
    assert about["trace"]["first"]["kind"] == "weight"


def test_ten_records_are_kept_and_the_others_said_not_to_be(config):
    config = dataclasses.replace(config, recurrence="irnn", learning_rate=1e4, on_accident="rollback")
    with pytest.raises(UnrolledError, match="10th accident without 20 good updates"):
        list(train(config, corpus=CORPUS))
    folder = RunDirectory.open(config.run).path / "accidents"
    kept = sorted(int(path.name) for path in folder.iterdir())
    assert len(kept) == 10
    (folder / ".12.1.tmp").mkdir()  # what a kill leaves
    with pytest.raises(UnrolledError, match="not recorded: 10 are"):
        list(resume(config.run, {"on_accident": "stop", "learning_rate": 1e39}, corpus=CORPUS))
    assert sorted(int(path.name) for path in folder.iterdir()) == kept


def test_a_record_that_cannot_be_written_does_not_hide_the_accident(frames, job, monkeypatch):
    def fail(self, run):
        raise CheckpointError("no room")

    monkeypatch.setattr(Record, "write", fail)
    accidents = []
    for event in train(dataclasses.replace(frames, on_accident="skip", steps=10)):
        if isinstance(event, Started):
            break_batch(job)
        accidents += [event] if isinstance(event, Accident) else []
    assert accidents
    assert all(each.record is None for each in accidents)
    assert all("skipped (it could not be recorded: no room)" in each.message for each in accidents)


def test_an_accident_is_json_and_shown(config, capsys):
    accident = Accident(7, float("nan"), float("inf"), "the loss is nan", "skip", "run/accidents/7")
    expected = {
        "event": "accident", "step": 7, "loss": None, "gradient_norm": None, "message": "the loss is nan",
        "policy": "skip", "record": "run/accidents/7",
    }  # fmt: skip
    assert json.loads(json.dumps(accident.to_dict())) == expected
    source = Path(config.run).parent / "text.txt"
    source.write_text(CORPUS.training + CORPUS.validation)
    options = ["--recurrence", "irnn", "--hidden", "8", "--layers", "1", "--batch", "4", "--learning-rate", "1e4"]
    arguments = ["train", str(source), *options, "--on-accident", "skip", "--run", config.run, "--device", "cpu"]
    assert main(arguments) == 1
    shown = capsys.readouterr().err
    assert "the batch is skipped" in shown
    assert f"unrolled replay {config.run}/accidents/" in shown.replace("\n", "")
    assert shown.count("10th accident") == 1


def test_an_evaluation_that_is_not_finite_is_not_the_best(config, monkeypatch):
    """NaN, than which nothing is smaller, came first."""
    nats = iter([float("nan"), 2.0, 3.0, 2.0])

    def evaluated(*args, **options):
        yield 1.0
        return Evaluation(next(nats), 10, 10, 1)

    monkeypatch.setattr("unrolled.training.language.evaluate_stepwise", evaluated)
    events = list(train(dataclasses.replace(config, evaluate_every=20), corpus=CORPUS))
    assert [event.best for event in events if isinstance(event, Evaluated)] == [False, True, False]
    assert events[-1].best_step == 40
