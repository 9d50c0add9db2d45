"""Training a model that writes about what it reads: what it learns, how it is tested, what it refuses."""

import json
import random

import numpy as np
import pytest
import torch

from unrolled.answering import load_answerer, load_translator
from unrolled.checkpoint import RunDirectory
from unrolled.cli import main
from unrolled.data.lanes import Position
from unrolled.errors import CheckpointError, DataError
from unrolled.generation.sampler import Sampler
from unrolled.training import Started, Step, resume, train
from unrolled.training.config import resolve
from unrolled.training.evaluation import result_of
from unrolled.training.kinds import examples_of
from unrolled.training.pairs import PairsMaterial, paired
from unrolled.training.setup import begin
from unrolled.training.translation import DRAWS, evaluate_pairs

WORDS = ("zero", "one", "two", "three")


def write(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def numbers(count=300):
    """Digits, and their names one after the other."""
    chosen = random.Random(0)
    texts = {tuple(chosen.randrange(4) for _ in range(chosen.randrange(0, 5))) for _ in range(10 * count)}
    return [
        {"text": "".join(map(str, t)), "said": "".join(["ab", "c", "de", "f"][d] for d in t)}
        for t in sorted(texts)[:count]
    ]


def pictures(count=200):
    """Four numbers with noise, and the word for where the largest stands, which is spelled out."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        place = int(rng.integers(4))
        yield {"pixels": (rng.normal(5, 1, 4) + 8 * np.eye(4)[place]).tolist(), "said": WORDS[place]}


OPTIONS = {
    "target": "said",
    "recurrence": "gru",
    "layers": 1,
    "hidden": 24,
    "embedding": 8,
    "dropout": 0.0,
    "batch": 16,
}
OPTIONS |= {"learning_rate": 0.02, "evaluate_every": 60}


@pytest.fixture
def translate(tmp_path):
    data = write(tmp_path / "numbers.jsonl", numbers())
    return {**OPTIONS, "task": "translate", "data": data, "steps": 400, "run": str(tmp_path / "run")}


@pytest.fixture
def caption(tmp_path):
    data = write(tmp_path / "pictures.jsonl", pictures())
    return {**OPTIONS, "task": "caption", "data": data, "input": "pixels", "steps": 90, "run": str(tmp_path / "run")}


def test_it_learns_to_translate(translate, capsys):
    started, *_, finished = train(resolve(translate))
    assert isinstance(started, Started)
    assert (started.task, started.unit) == ("translate", "character")
    assert finished.evaluation.exact > 0.9
    model = load_translator(translate["run"])
    assert result_of(evaluate_pairs(model, paired(model, examples_of(translate["run"], None)))) == finished.evaluation
    assert main(["eval", translate["run"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exact"] == finished.evaluation.exact
    with pytest.raises(CheckpointError, match="translates; use unrolled predict"):
        load_answerer(translate["run"])


@pytest.mark.parametrize("stop", ["end", "probability", "length"])
def test_it_learns_to_describe(caption, stop):
    *_, finished = train(resolve({**caption, "stop": stop}))
    assert finished.evaluation.exact > 0.9
    assert abs(finished.evaluation.length_error) < 0.5


def test_texts_of_a_class_are_on_one_side(tmp_path):
    rows = [{"label": label, "text": f"{label}{n % 30}"} for label in "ab" for n in range(40)]
    data = write(tmp_path / "names.jsonl", rows)
    material = PairsMaterial(resolve({"task": "caption", "data": data}))
    sides = [set(part.column("target")) for part in material.parts]
    assert [len(side) for side in sides] == [48, 6, 6]  # without duplicates
    assert len(set.union(*sides)) == 60
    assert material.reading(resolve({"task": "caption", "data": data})).source.names == ("a", "b")


def test_all_texts_count_alike(translate):
    """The losses of all batches, each as often as it has texts, are −log p of all texts over their mean outcomes."""
    job = begin(resolve({**translate, "dtype": "float64"}))
    task, total, count = job.task, 0.0, len(job.task.training.texts)
    with torch.no_grad():
        for window in range(task.steps_per_epoch):
            loss, _ = task.loss(Position(0, window))
            total += loss.item() * len(task.batches(0, window))
        nats, outcomes = task.model.nats(task.training.inputs, task.training.targets)
    assert total / count == pytest.approx(nats.sum().item() / outcomes.sum().item(), rel=1e-12)


def test_a_run_goes_on_as_if_it_had_not_stopped(caption, tmp_path):
    whole = [e.loss for e in train(resolve(caption)) if isinstance(e, Step)]
    other, seen = str(tmp_path / "other"), []
    for event in train(resolve({**caption, "run": other}), stop=lambda: len(seen) >= 40):
        if isinstance(event, Step):
            seen.append(event.loss)
    seen += [e.loss for e in resume(other) if isinstance(e, Step)]
    assert seen == whole
    weights = [RunDirectory.open(run).latest().model for run in (caption["run"], other)]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_texts_on_the_command_line(caption, tmp_path, capsys):
    list(train(resolve(caption)))
    (tmp_path / "new.jsonl").write_text('{"pixels": [5, 5, 5, 14], "id": 1}\n{"pixels": [13, 5, 5, 5], "id": 2}\n')
    (tmp_path / "allowed.txt").write_text("one\ntwo\n")

    def said(*flags):
        assert main(["predict", caption["run"], str(tmp_path / "new.jsonl"), *flags]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    rows = said()
    assert [(row["id"], row["written"], row["ended"]) for row in rows] == [(1, "three", True), (2, "zero", True)]
    assert [row["written"] for row in said("--beams", "3")] == ["three", "zero"]
    assert {row["written"] for row in said("--allowed", str(tmp_path / "allowed.txt"))} <= {"one", "two"}
    assert said("--temperature", "2", "--seed", "4") == said("--temperature", "2", "--seed", "4")
    for flags, words in [
        (["--beams", "2", "--temperature", "1"], "draws nothing; leave out --temperature"),
        (["--seed", "2"], "give a --temperature above 0"),
        (["--length-penalty", "1"], "give --beams, such as"),
    ]:
        assert main(["predict", caption["run"], str(tmp_path / "new.jsonl"), *flags]) == 2
        assert words in capsys.readouterr().err
    (tmp_path / "new.jsonl").write_text('{"pixels": [5, 5, 5]}\n')
    assert main(["predict", caption["run"], str(tmp_path / "new.jsonl")]) == 1
    assert 'no object with a list of 4 numbers in all under "pixels"' in capsys.readouterr().err


def test_words_that_are_written(tmp_path):
    """The words of one text do not grow together with those of the next."""
    said = ("foo", "bar baz", "qux", "baz foo")
    rows = [{"label": label, "text": f"{text} {n}"} for label in "ab" for n, text in enumerate(said * 3)]
    options = {"task": "caption", "data": write(tmp_path / "said.jsonl", rows), "symbols": "words"}
    symbols = PairsMaterial(resolve(options)).reading(resolve(options)).target.symbols
    assert {"foo", "bar", " baz", "qux", "baz", " foo"} <= set(symbols)
    assert not any("foobar" in symbol or "quxbaz" in symbol for symbol in symbols)


def test_lengths_are_counted_in_symbols_as_they_were_drawn(tmp_path):
    """Bytes that are no text become U+FFFD, of three bytes; they count as they were drawn."""
    rows = [{"label": label, "text": f"é{label}{n}"} for label in "ab" for n in range(20)]
    options = {**OPTIONS, "task": "caption", "data": write(tmp_path / "names.jsonl", rows), "symbols": "bytes"}
    options |= {"input": "label", "target": "text", "steps": 2, "run": str(tmp_path / "run")}
    *_, finished = train(resolve(options))
    model, table = load_translator(tmp_path / "run"), examples_of(tmp_path / "run", None)
    drawn = [len(each.symbols) for each in model.answers(table.column("input"), Sampler(), DRAWS)]
    wanted = [len(text.encode()) for text in table.column("target")]
    assert finished.evaluation.length_error == pytest.approx(np.mean(drawn) - np.mean(wanted))


@pytest.mark.parametrize("stop", ["end", "length"])
def test_allowed_texts_that_cannot_be_written(caption, tmp_path, capsys, stop):
    list(train(resolve({**caption, "stop": stop, "steps": 1})))
    (tmp_path / "new.jsonl").write_text('{"pixels": [5, 5, 5, 14]}\n')
    (tmp_path / "allowed.txt").write_text("one\n\n" + "zerotwo" * 20 + "\n")
    for flags in ([], ["--beams", "2"]):
        arguments = ["predict", caption["run"], str(tmp_path / "new.jsonl"), "--allowed", str(tmp_path / "allowed.txt")]
        assert main([*arguments, *flags]) == 2
        assert "has 140 symbols, and this model writes at most" in capsys.readouterr().err


def test_a_vocabulary_of_another_run(caption, translate, tmp_path):
    list(train(resolve({**caption, "steps": 1})))
    list(train(resolve({**translate, "steps": 1, "run": str(tmp_path / "other")})))
    (tmp_path / "run" / "vocabulary.json").write_bytes((tmp_path / "other" / "vocabulary.json").read_bytes())
    with pytest.raises(
        CheckpointError, match=r"vocabulary\.json is not the one that was written here, but that of another run"
    ):
        load_translator(caption["run"])


@pytest.mark.parametrize(
    ("task", "rows", "words"),
    [
        ("translate", [{"text": 3, "said": "a"}], "line 1: the column text holds a number; --input is one of text"),
        ("caption", [{"pixels": [1, 2], "said": "a"}, {"pixels": [1], "said": "b"}], "1 numbers here and 2 in"),
        ("caption", [{"pixels": "a", "said": ["b"]}, {"pixels": "a", "said": ["c"]}], "2 different targets"),
    ],
)
def test_what_does_not_fit(caption, tmp_path, task, rows, words):
    options = {**caption, "task": task, "data": write(tmp_path / "bad.jsonl", rows)}
    if task == "translate":
        options["input"] = "text"
    with pytest.raises(DataError, match=words):
        list(train(resolve(options)))
    assert not (tmp_path / "run").exists()


def test_a_class_that_training_never_saw(tmp_path):
    rows = [{"label": label, "text": f"{label}{n}"} for label in "ab" for n in range(10)]
    options = {"task": "caption", "data": write(tmp_path / "names.jsonl", rows), "hidden": 8, "steps": 1}
    list(train(resolve({**options, "run": str(tmp_path / "run")})))
    model = load_translator(tmp_path / "run")
    table = examples_of(tmp_path / "run", write(tmp_path / "new.jsonl", [{"label": "c", "text": "c1"}]))
    with pytest.raises(DataError, match=r"line 1: this is no class \(one of a, b\), which is what the model reads"):
        paired(model, table)
