"""Training a tagger: what it learns, from which files, what it refuses."""

import json
import random
from pathlib import Path

import pytest

from unrolled.answering import load_answerer
from unrolled.checkpoint import load
from unrolled.errors import CheckpointError, DataError
from unrolled.training import Finished, train
from unrolled.training.answers import evaluate_answers
from unrolled.training.config import resolve
from unrolled.training.evaluation import result_of
from unrolled.training.examples import AnswersMaterial, encoded
from unrolled.training.kinds import examples_of


def sentences(count, seed):
    """A word is a name after "the" and an act elsewhere, so that its neighbour on the left tells; endings tell too."""
    chosen = random.Random(seed)
    for _ in range(count):
        words, tags = [], []
        for _ in range(chosen.randrange(1, 6)):
            stem = "".join(chosen.choice("bdgmn") for _ in range(2))
            if chosen.random() < 0.5:
                words += ["the", stem]
                tags += ["D", "N"]
            else:
                words.append(stem + chosen.choice(["", "ing"]))
                tags.append("V")
        yield words, tags


def write(path, count, seed):
    lines = [json.dumps({"words": words, "tags": tags}) for words, tags in sentences(count, seed)]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def options(tmp_path):
    (tmp_path / "data").mkdir()
    for part, count in (("train", 150), ("dev", 30), ("test", 40)):
        write(tmp_path / "data" / f"{part}.jsonl", count, seed=count)
    return {
        "task": "tag", "data": str(tmp_path / "data"), "input": "words", "target": "tags", "hidden": 12,
        "embedding": 8, "dropout": 0.1, "learning_rate": 0.01, "steps": 90, "evaluate_every": 30,
        "run": str(tmp_path / "run"),
    }  # fmt: skip


def test_it_learns_what_neighbours_and_endings_tell(options):
    events = list(train(resolve(options)))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.evaluation.accuracy > 0.95
    assert finished.evaluation.unit == "word"
    assert finished.evaluation.examples == sum(len(words) for words, _ in sentences(40, 40))
    tagger = load_answerer(options["run"])
    assert (
        result_of(evaluate_answers(tagger, encoded(tagger, examples_of(options["run"], None)))) == finished.evaluation
    )
    (found,) = tagger.answers([("the", "gonk", "xying")])  # words that it never saw
    assert found.tags == ["D", "N", "V"]
    with pytest.raises(CheckpointError, match="tags; use unrolled predict"):
        load(options["run"])


def test_a_folder_that_was_split_already(options):
    material = AnswersMaterial(resolve(options))
    assert [len(part) for part in material.parts] == [150, 30, 40]
    assert list(material.test.column("input")[0]) == next(sentences(40, 40))[0]
    (Path(options["data"]) / "dev.jsonl").unlink()
    training, validation, test = AnswersMaterial(resolve(options)).parts
    sides = [set(part.column("input")) for part in (training, validation)]
    assert len(test) == 40
    assert not sides[0] & sides[1]
    different = {(tuple(words), tuple(tags)) for words, tags in sentences(150, 150)}
    assert len(training) + len(validation) == len(different)


@pytest.mark.parametrize(
    ("name", "words"), [("valid", "is a second dev"), ("more", "is neither train, dev nor test"), ("x.csv", "neither")]
)
def test_a_file_that_nobody_would_read(options, name, words):
    path = Path(options["data"]) / (name if "." in name else f"{name}.jsonl")
    write(path, 3, seed=3)
    with pytest.raises(DataError, match=words):
        AnswersMaterial(resolve(options))


def test_validation_files_have_other_names_too(options):
    folder = Path(options["data"])
    (folder / "dev.jsonl").rename(folder / "valid.jsonl")
    assert [len(part) for part in AnswersMaterial(resolve(options)).parts] == [150, 30, 40]


def test_a_batch_of_empty_sentences_is_learnt_from(options, tmp_path):
    rows = [{"words": words, "tags": tags} for words, tags in [([], []), *sentences(12, 1)]]
    (tmp_path / "some.jsonl").write_text("\n".join(map(json.dumps, rows)))
    changes = {"data": str(tmp_path / "some.jsonl"), "batch": 1, "steps": 30}
    assert isinstance(list(train(resolve({**options, **changes})))[-1], Finished)


def test_a_part_without_a_word(options):
    (Path(options["data"]) / "test.jsonl").write_text('{"words": [], "tags": []}\n')
    with pytest.raises(DataError, match="1 examples without any word"):
        list(train(resolve(options)))
    assert not Path(options["run"]).exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"words": ["a", "b"], "tags": ["X"]}', "line 1: words has the length 2, and tags the length 1"),
        ('{"words": 3, "tags": ["X"]}', "lists of words"),
    ],
)
def test_sentences_that_do_not_fit_their_tags(options, tmp_path, line, words):
    (tmp_path / "bad.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match=words):
        list(train(resolve({**options, "data": str(tmp_path / "bad.jsonl")})))
    assert not (tmp_path / "run").exists()


def test_a_tag_that_training_never_saw(options, tmp_path):
    list(train(resolve({**options, "steps": 1})))
    (tmp_path / "new.jsonl").write_text('{"words": ["the"], "tags": ["Z"]}\n')
    tagger = load_answerer(options["run"])
    with pytest.raises(DataError, match=r"line 1: 'Z' is no class of the model, which knows D, N, V"):
        encoded(tagger, examples_of(options["run"], str(tmp_path / "new.jsonl")))
