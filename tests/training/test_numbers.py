"""Numbers read and numbers answered: frames in, a class or a number out, once or at each step."""

import json

import numpy as np
import pytest

from unrolled.answering import Estimates, Frames, load_answerer
from unrolled.cli import main
from unrolled.data.scale import Scale
from unrolled.errors import DataError
from unrolled.training import train
from unrolled.training.answers import evaluate_answers
from unrolled.training.config import resolve
from unrolled.training.evaluation import result_of
from unrolled.training.examples import AnswersMaterial, encoded
from unrolled.training.kinds import examples_of

RNG = np.random.default_rng(0)
SEQUENCES = [RNG.normal(3, 2, (n, 2)) for n in RNG.integers(1, 9, 200)]


def write(path, target):
    """Frames beside what ``target`` makes of them."""
    rows = [{"frames": frames.tolist(), "answer": target(frames)} for frames in SEQUENCES]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


@pytest.fixture
def options(tmp_path):
    return {
        "input": "frames", "target": "answer", "recurrence": "gru", "layers": 1, "hidden": 16, "dropout": 0.0,
        "batch": 16, "learning_rate": 0.02, "steps": 120, "evaluate_every": 40, "run": str(tmp_path / "run"),
    }  # fmt: skip


def mean_of_differences(frames):
    return 100 + float((frames[:, 0] - frames[:, 1]).mean())


def sums_so_far(frames):
    return np.cumsum(frames[:, 0]).tolist()


def signs(frames):
    return ["above" if d > 0 else "below" for d in frames[:, 0] - frames[:, 1]]


def largest(frames):
    return "first" if frames[:, 0].max() > frames[:, 1].max() else "second"


def last_event(options, tmp_path, target, task):
    *_, finished = train(resolve({**options, "task": task, "data": write(tmp_path / "data.jsonl", target)}))
    return finished


def test_a_number_for_a_sequence(options, tmp_path):
    figures = last_event(options, tmp_path, mean_of_differences, "regress").evaluation
    assert figures.explained > 0.9
    assert figures.unit == "example"
    model = load_answerer(options["run"])
    table = examples_of(options["run"], None)
    assert result_of(evaluate_answers(model, encoded(model, table))) == figures
    found = np.array([each.estimate for each in model.answers(table.column("input"))])
    wanted = np.array(table.column("target"))
    assert figures.rmse == pytest.approx(np.sqrt(np.mean((found - wanted) ** 2)))
    assert figures.mae == pytest.approx(np.abs(found - wanted).mean())
    assert figures.explained == pytest.approx(1 - np.sum((found - wanted) ** 2) / (np.var(wanted) * len(wanted)))


def test_a_number_at_each_step(options, tmp_path):
    figures = last_event({**options, "bidirectional": False}, tmp_path, sums_so_far, "regress").evaluation
    assert figures.explained > 0.9
    assert figures.unit == "frame"
    (answer,) = load_answerer(options["run"]).answers([SEQUENCES[0]])
    assert len(answer.estimate) == len(SEQUENCES[0])


def test_a_class_at_each_frame(options, tmp_path):
    figures = last_event(options, tmp_path, signs, "tag").evaluation
    assert figures.accuracy > 0.9
    assert figures.unit == "frame"


def test_a_class_of_frames(options, tmp_path):
    assert last_event({**options, "pooling": "max"}, tmp_path, largest, "classify").evaluation.accuracy > 0.8


def test_an_answer_does_not_depend_on_its_neighbours(options, tmp_path):
    last_event({**options, "dtype": "float64", "steps": 2}, tmp_path, sums_so_far, "regress")
    model = load_answerer(options["run"])
    for alone, answer in zip(SEQUENCES[:20], model.answers(SEQUENCES[:20]), strict=True):
        (own,) = model.answers([alone])
        assert own.estimate == pytest.approx(answer.estimate, abs=1e-12)


def test_frames_on_the_command_line(options, tmp_path, capsys):
    last_event({**options, "steps": 2}, tmp_path, sums_so_far, "regress")
    (tmp_path / "new.jsonl").write_text('{"frames": [[1, 2], [3, 4]], "id": 5}\n{"frames": [], "id": 6}\n')
    lines = (tmp_path / "new.jsonl").read_text().splitlines()
    assert main(["predict", options["run"], str(tmp_path / "new.jsonl")]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(row["estimate"]) for row in rows] == [2, 0]
    assert rows[0]["frames"] == json.loads(lines[0])["frames"]
    (tmp_path / "new.jsonl").write_text('{"frames": [[1, 2, 3]]}\n')
    assert main(["predict", options["run"], str(tmp_path / "new.jsonl")]) == 1
    assert 'no object with a list of frames of 2 numbers under "frames"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "line", "words"),
    [
        ("regress", '{"frames": [[1, 2]], "answer": "much"}', "line 1: the column answer holds no number"),
        ("regress", '{"frames": [[1, 2]], "answer": [1, 2]}', "the length 1, and answer the length 2"),
        ("classify", '{"frames": [[1, 2]], "answer": 3}', "write it in quotes, or learn.*--task regress"),
        ("tag", '{"frames": 4, "answer": ["a"]}', "lists of words"),
    ],
)
def test_what_does_not_fit(options, tmp_path, task, line, words):
    (tmp_path / "data.jsonl").write_text(line)
    with pytest.raises(DataError, match=words):
        list(train(resolve({**options, "task": task, "data": str(tmp_path / "data.jsonl")})))
    assert not (tmp_path / "run").exists()


def test_numbers_in_a_table_of_text(options, tmp_path):
    rows = "\n".join(f"{'a' * n},{n / 2}" for n in range(1, 9))
    (tmp_path / "data.csv").write_text("text,value\n" + rows)
    config = resolve(
        {**options, "task": "regress", "data": str(tmp_path / "data.csv"), "input": "text", "target": "value"}
    )
    assert sorted(v for part in AnswersMaterial(config).parts for v in part.column("target")) == [
        n / 2 for n in range(1, 9)
    ]
    (tmp_path / "data.csv").write_text("text,value\na,1\nb,two\n")
    with pytest.raises(DataError, match=r"data.csv, line 3: the column value holds no number"):
        AnswersMaterial(config)


def test_what_never_varies():
    scale = Scale.of([np.full((3, 1), 0.1)])
    assert scale.deviation == (1.0,)
    same = np.full((7, 1), 3.3)
    assert Estimates.of(same, same).explained == 1
    assert Estimates.of(same + 0.01, same).explained == 0
    # each component counts alike, whatever its unit
    wanted = np.array([[1000.0, 1.0], [2000.0, 2.0], [3000.0, 3.0]])
    found = np.stack([wanted[:, 0], np.full(3, 2.0)], 1)
    assert Estimates.of(found, wanted).explained == pytest.approx(0.5)


@pytest.mark.parametrize("size", [1e300, 1e200])
def test_numbers_that_are_too_large(options, tmp_path, size):
    rows = [{"frames": [[size * (-1) ** n, float(n)]] * 2, "answer": 1.0 * n} for n in range(20)]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match="too large; give them in another unit"):
        list(train(resolve({**options, "task": "regress", "data": str(tmp_path / "data.jsonl")})))
    assert not (tmp_path / "run").exists()
    assert Frames(Scale((0.0,), (1.0,))).accept([[size]]) is None


def test_answers_of_another_form(options, tmp_path):
    """A model that gives one number is not measured by several, nor the other way round."""
    last_event({**options, "steps": 2}, tmp_path, mean_of_differences, "regress")
    (tmp_path / "other.jsonl").write_text('{"frames": [[1, 2], [3, 4]], "answer": [1, 2]}\n')
    model, table = load_answerer(options["run"]), examples_of(options["run"], str(tmp_path / "other.jsonl"))
    with pytest.raises(DataError, match=r"other.jsonl, line 1: there are 2 right answers, and the model gives one"):
        encoded(model, table)


def test_frames_of_more_dimensions(options, tmp_path, capsys):
    """What training reads, predict reads too."""
    rng = np.random.default_rng(0)
    video, value = rng.normal(size=(40, 5, 2, 2)), rng.normal(size=(40, 5, 2, 2))
    np.savez(tmp_path / "data.npz", frames=video, answer=value)
    *_, finished = train(resolve({**options, "task": "regress", "data": str(tmp_path / "data.npz"), "steps": 2}))
    assert finished.evaluation.examples == 20
    assert main(["predict", options["run"], str(tmp_path / "data.npz")]) == 0
    row = json.loads(capsys.readouterr().out.splitlines()[0])
    assert np.shape(row["estimate"]) == (5, 4)


def test_figures_of_numbers():
    wanted = np.array([[1.0], [2.0], [4.0]])
    assert Estimates.of(wanted, wanted) == Estimates(0.0, 0.0, 1.0, 3)
    assert Estimates.of(np.full((3, 1), wanted.mean()), wanted).explained == pytest.approx(0)
    assert Estimates.of(np.zeros((2, 1)), np.zeros((2, 1))).explained == 1


def test_what_frames_are():
    frames = Frames(Scale((0.0, 1.0), (1.0, 2.0)))
    assert frames.accept([[1, 2]]).tolist() == [[1, 2]]
    assert frames.accept([]).shape == (0, 2)
    for other in ([1, 2], [[1, 2, 3]], [[float("nan"), 1]], "12", None, [["a", "b"]], [[1], [2, 3]], {"a": 1}):
        assert frames.accept(other) is None
    assert frames.encode(frames.accept([[1, 2]])).tolist() == [[1, 0.5]]
