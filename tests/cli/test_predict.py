"""``unrolled train --task classify``, ``predict`` and ``eval`` of a classifier."""

import io
import json
import re

import pytest

from unrolled.cli import main

ROWS = [("good film", "pos"), ("bad film", "neg"), ("a good one", "pos"), ("a bad one", "neg")] * 15


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classify")
    lines = [{"sentence": f"{text} {n}", "verdict": label} for n, (text, label) in enumerate(ROWS)]
    (folder / "films.jsonl").write_text("\n".join(map(json.dumps, lines)))
    arguments = ["--task", "classify", "--data", str(folder / "films.jsonl"), "--input", "sentence"]
    arguments += ["--target", "verdict", "--words", "--steps", "25", "--hidden", "8", "--run", str(folder / "run")]
    assert main(["train", *arguments, "--learning-rate", "0.05", "--quiet", "--threads", "1"]) == 0
    return folder / "run"


def given(monkeypatch, text):
    """What stands on standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text if isinstance(text, bytes) else text.encode())))


def predictions(capsys, *arguments):
    assert main(["predict", *map(str, arguments)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.split("\n") if line]


def test_json_lines_come_back_with_answers(run, tmp_path, capsys):
    file = tmp_path / "new.jsonl"
    file.write_text('{"sentence": "a good film", "id": 7}\n{"sentence": "a bad film", "id": 8}\n')
    found = predictions(capsys, run, file)
    assert [(row["id"], row["label"]) for row in found] == [(7, "pos"), (8, "neg")]
    assert all(abs(sum(row["probabilities"].values()) - 1) < 1e-9 for row in found)


def test_standard_input_and_plain_lines(run, tmp_path, capsys, monkeypatch):
    given(monkeypatch, '{"sentence": "a good film"}\n\n{"sentence": ""}\n')
    assert [row["sentence"] for row in predictions(capsys, run)] == ["a good film", ""]
    (tmp_path / "new.txt").write_text("good\nbad\n")
    found = predictions(capsys, run, tmp_path / "new.txt", "--lines")
    assert [(row["sentence"], row["label"]) for row in found] == [("good", "pos"), ("bad", "neg")]


def test_what_came_along_stays(run, tmp_path, capsys):
    (tmp_path / "new.jsonl").write_text('{"sentence": "a good film", "label": "mine", "id": 7, "seen": null}\n')
    (row,) = predictions(capsys, run, tmp_path / "new.jsonl")
    assert (row["label"], row["predicted_label"], row["id"], row["seen"]) == ("mine", "pos", 7, None)
    assert isinstance(row["id"], int)


def test_lines_are_those_of_the_file(run, capsys, monkeypatch):
    given(monkeypatch, "good\n\nbad\u2028film\n")
    assert [row["sentence"] for row in predictions(capsys, run, "-", "--lines")] == ["good", "", "bad\u2028film"]
    given(monkeypatch, '{"sentence": "a\u2028b"}\n\n\n{"sentence": 3}\n')
    assert main(["predict", str(run)]) == 1
    assert "standard input, line 4 is no object with a text" in capsys.readouterr().err


def test_a_text_that_stdout_cannot_take(run, capsys, monkeypatch):
    given(monkeypatch, '{"sentence": "\\ud800 → good"}\n')
    (row,) = predictions(capsys, run)
    assert row["sentence"] == "\ud800 → good"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a good film\n", "line 1 is no JSON.*--lines"),
        ('{"sentence": "a"}\n{"text": "b"}\n', 'line 2 is no object with a text under "sentence"'),
        ('{"sentence": 3}\n', "line 1 is no object"),
        (b"\xff good\n", "standard input.*UTF-8"),
        ("[" * 100_000, "line 1 is no JSON"),
    ],
)
def test_what_cannot_be_read(run, capsys, monkeypatch, text, words):
    given(monkeypatch, text)
    assert main(["predict", str(run)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(words, captured.err)


def test_the_evaluation_of_a_classifier(run, capsys):
    assert main(["eval", str(run), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["examples"] == 6
    assert 0 <= figures["accuracy"] <= 1
    assert main(["eval", str(run)]) == 0
    assert "balanced accuracy" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--seed", "--beams", "--length-penalty", "--temperature"])
def test_a_classifier_writes_no_text(run, capsys, flag):
    assert main(["predict", str(run), "-", flag, "0"]) == 2
    assert f"{flag} says how a text is written" in capsys.readouterr().err


def test_a_writer_cannot_predict_nor_a_classifier_write(run, capsys):
    assert main(["sample", str(run), "--length", "3", "--seed", "1"]) == 1
    assert "use unrolled predict" in capsys.readouterr().err
