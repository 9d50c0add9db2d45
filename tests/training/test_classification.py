"""Training a classifier: what it learns, what it is tested on, how it goes on, what it refuses."""

import csv
import dataclasses
import json
import random

import numpy as np
import pytest
import torch

from unrolled.answering import load_answerer
from unrolled.checkpoint import RunDirectory, load
from unrolled.data.corpora import split
from unrolled.errors import CheckpointError, ConfigurationError, DataError
from unrolled.training import Evaluated, Finished, Started, Step, TrainConfig, resume, train
from unrolled.training.answers import Examples, evaluate_answers
from unrolled.training.config import resolve
from unrolled.training.evaluation import result_of
from unrolled.training.examples import AnswersMaterial, encoded
from unrolled.training.kinds import examples_of


def examples(count=300):
    """Words of a and b with one x and one y: which of the two comes first? Their letters alone do not tell."""
    chosen = random.Random(0)
    rows = set()
    while len(rows) < count:
        letters = [chosen.choice("ab") for _ in range(chosen.randrange(2, 9))]
        first, second = sorted(chosen.sample(range(len(letters)), 2))
        order = chosen.choice(["xy", "yx"])
        letters[first], letters[second] = order
        rows.add(("".join(letters), "x" if order == "xy" else "y"))
    return sorted(rows)


def write(path, rows, header=("text", "label")):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def options(tmp_path):
    return {
        "task": "classify", "data": str(write(tmp_path / "order.csv", examples())), "hidden": 16, "embedding": 6,
        "learning_rate": 0.01, "batch": 16, "steps": 80, "evaluate_every": 20, "dropout": 0.1, "pooling": "last",
        "bidirectional": False, "run": str(tmp_path / "run"),
    }  # fmt: skip


@pytest.fixture
def config(options):
    return resolve(options)


def test_it_learns_what_only_the_order_tells(config):
    events = list(train(config))
    assert isinstance(events[0], Started)
    assert (events[0].task, events[0].unit) == ("classify", "example")
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.evaluation.examples == 30
    assert finished.evaluation.accuracy > 0.9
    assert finished.evaluation.balanced_accuracy > 0.9
    assert all(json.loads(json.dumps(event.to_dict()))["event"] == event.kind for event in events)


def test_no_text_is_on_two_sides(config):
    material = AnswersMaterial(config)
    sides = [set(part.column("input")) for part in (material.training, material.validation, material.test)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 300
    assert [len(side) for side in sides] == [240, 30, 30]
    other = AnswersMaterial(dataclasses.replace(config, seed=77))
    assert other.test.column("input") == material.test.column("input")  # another seed is tested on the same


def test_an_untrained_network_is_undecided(config):
    config = dataclasses.replace(config, steps=1, dropout=0.0, dtype="float64")
    events = list(train(config))
    loss = next(event.loss for event in events if isinstance(event, Step))
    assert abs(loss - np.log(2)) < 0.2


def test_a_run_goes_on_as_if_it_had_not_stopped(config, tmp_path):
    whole = list(train(config))
    other = dataclasses.replace(config, run=str(tmp_path / "other"))
    seen = []
    for event in train(other, stop=lambda: sum(isinstance(e, Step) for e in seen) >= 33):
        seen.append(event)
    assert seen[-1].interrupted
    seen = [e for e in seen if isinstance(e, Step)] + [e for e in resume(other.run) if isinstance(e, Step)]
    assert [e.loss for e in seen] == [e.loss for e in whole if isinstance(e, Step)]
    weights = [RunDirectory.open(run).latest().model for run in (config.run, other.run)]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_best_on_validation_is_kept(config):
    events = list(train(config))
    best = max((e for e in events if isinstance(e, Evaluated)), key=lambda e: e.evaluation.accuracy)
    assert events[-1].best_step <= best.step
    _, about = RunDirectory.open(config.run).read_best()
    assert about["accuracy"] == best.evaluation.accuracy


def test_figures_by_hand(config):
    list(train(dataclasses.replace(config, steps=1)))
    model = load_answerer(config.run)
    ids = [np.array([1, 2]), np.array([3]), np.array([], np.int64), np.array([1])]
    with torch.no_grad():
        logits = model.scores(ids).double()
    found = logits.argmax(-1).numpy()
    targets = np.array([found[0], 1 - found[1], found[2], found[3]])
    figures = result_of(evaluate_answers(model, Examples(ids, list(targets[:, None]))))
    assert figures.accuracy == 0.75
    shares = [np.mean(found[targets == k] == k) for k in np.unique(targets)]
    assert figures.balanced_accuracy == pytest.approx(np.mean(shares))
    chosen = torch.log_softmax(logits, -1)[torch.arange(4), torch.from_numpy(targets)]
    assert figures.nats == pytest.approx(-chosen.mean().item())


def test_the_held_out_part_is_found_again(config):
    events = list(train(config))
    model = load_answerer(config.run)
    figures = result_of(evaluate_answers(model, encoded(model, examples_of(config.run, None))))
    assert figures == events[-1].evaluation


def test_examples_of_another_file(config, tmp_path):
    list(train(dataclasses.replace(config, steps=1)))
    model = load_answerer(config.run)
    read = encoded(model, examples_of(config.run, str(write(tmp_path / "a.csv", [("axby", "x"), ("", "y")]))))
    assert [each.tolist() for each in read.targets] == [[0], [1]]
    with pytest.raises(DataError, match=r"a.csv, line 3: 'z' is no class of the model, which knows x, y"):
        encoded(model, examples_of(config.run, str(write(tmp_path / "a.csv", [("axby", "x"), ("ab", "z")]))))
    with pytest.raises(DataError, match="no column"):
        examples_of(config.run, str(write(tmp_path / "a.csv", [("axby", "x")], header=("words", "label"))))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": None}, "name their file or folder with --data"),
        ({"pooling": "first"}, "--pooling is 'first'"),
        ({"held_out": 1.0}, "--held-out is 1"),
    ],
)
def test_bad_options(options, changes, words):
    with pytest.raises(ConfigurationError, match=words):
        resolve({**options, **changes})


def test_a_writer_does_not_read_backwards():
    with pytest.raises(ConfigurationError, match="cannot read in both directions"):
        resolve({"bidirectional": True})


@pytest.mark.parametrize(
    ("rows", "options_", "words"),
    [
        ([("a", "x"), ("b", "x"), ("c", "x")], {}, "at least two answers"),
        ([("a", "x"), ("b", "y")], {}, "order.csv has 2 different inputs"),
        (examples(), {"target": "class"}, "no column.*label; name the right one with --target"),
    ],
)
def test_bad_data_make_no_run(options, rows, options_, words, tmp_path):
    write(tmp_path / "order.csv", rows)
    with pytest.raises(DataError, match=words):
        list(train(resolve({**options, **options_})))
    assert not (tmp_path / "run").exists()


def test_a_changed_file_is_noticed(config, tmp_path):
    list(train(config))
    write(tmp_path / "order.csv", examples(301))
    with pytest.raises(DataError, match="not the ones"):
        list(resume(config.run))
    with pytest.raises(CheckpointError, match="have changed since"):
        examples_of(config.run, None)


def test_one_kind_of_model_is_not_the_other(config, tmp_path):
    list(train(dataclasses.replace(config, steps=1)))
    with pytest.raises(CheckpointError, match="classifies; use unrolled predict"):
        load(config.run)
    writer = TrainConfig(
        recurrence="gru", layers=1, hidden=8, batch=2, sequence_length=5, steps=1, run=str(tmp_path / "w")
    )
    list(train(writer, corpus=split("pangram", "the quick brown fox jumps over the lazy dog " * 9)))
    with pytest.raises(CheckpointError, match="writes; use unrolled sample"):
        load_answerer(writer.run)
