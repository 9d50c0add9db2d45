"""``unrolled diagnose``: every measurement of a run, as text, as JSON, as a picture."""

import json

import pytest
import torch

from unrolled.cli import main
from unrolled.data.corpora import split
from unrolled.diagnose import gradient_flow, influence_horizon, jacobian_report, lyapunov_spectrum
from unrolled.diagnose.stretches import stretches
from unrolled.generation import load
from unrolled.training import TrainConfig, train
from unrolled.training.evaluation import result_of

TEXT = "the quick brown fox jumps over the lazy dog. " * 200
ALL = ("flow", "jacobians", "lyapunov", "horizon")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A text, and two runs on it."""
    place = tmp_path_factory.mktemp("diagnose")
    (place / "text.txt").write_text(TEXT)
    for name, cell, layers in (("gru", "gru", 2), ("elman", "elman", 1)):
        config = TrainConfig(
            text=str(place / "text.txt"), recurrence=cell, layers=layers, hidden=5, batch=4, sequence_length=9, steps=3,
            run=str(place / name),
        )  # fmt: skip
        list(train(config, corpus=split(str(place / "text.txt"), TEXT)))
    return place


def called(folder, *arguments):
    return main(["diagnose", str(folder / "gru"), str(folder / "text.txt"), *arguments])


def test_all_at_once_as_json(folder, capsys):
    assert called(folder, *(f"--{name}" for name in ALL), "--json", "--lanes", "2", "--steps", "12") == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["run", *ALL]
    model = load(folder / "gru")
    ids = model.vocabulary.encode(TEXT)
    layer = model.layer
    expected = {
        "flow": gradient_flow(layer, stretches(ids, 2, 13)),
        "jacobians": jacobian_report(layer, stretches(ids, 2, 112), steps=12),
        "lyapunov": lyapunov_spectrum(layer, stretches(ids, 2, 112)),
        "horizon": influence_horizon(layer, stretches(ids, 2, 74), back=12),
    }
    for name, measuring in expected.items():
        report = result_of(measuring).to_dict()
        report = {str(folder / "gru"): report} if name == "horizon" else report
        assert found[name] == json.loads(json.dumps(report))


def test_in_words(folder, capsys):
    assert called(folder, *(f"--{name}" for name in ALL), "--lanes", "2", "--steps", "12") == 0
    shown = capsys.readouterr().out
    for words in ("h, layer 2, many-to-one", "λ_1", "W_hn_l1", "convolutions, 2 of width 3: see 5 steps"):
        assert words in shown


@pytest.mark.parametrize("name", ALL)
def test_a_picture_of_each(folder, tmp_path, name):
    for ending, begins in (("svg", b"<?xml"), ("png", b"\x89PNG\r")):
        path = tmp_path / f"{name}.{ending}"
        assert called(folder, f"--{name}", "--lanes", "2", "--steps", "12", "-o", str(path)) == 0
        assert path.read_bytes()[:5] == begins


def test_several_runs_in_one(folder, tmp_path, capsys):
    path = tmp_path / "horizons.svg"
    other = str(folder / "elman")
    options = ["--horizon", "--against", other, "--lanes", "2", "--steps", "12"]
    assert called(folder, *options, "-o", str(path)) == 0
    assert path.exists()
    assert other in capsys.readouterr().out
    assert called(folder, *options, "--json") == 0
    assert list(json.loads(capsys.readouterr().out)["horizon"]) == [str(folder / "gru"), other]


@pytest.mark.parametrize(("name", "message"), [
    ("nowhere/a.svg", "there is no folder nowhere; make it first"),
    ("a.xyz", ".xyz is no format of a picture; end its name in .svg, .png or .pdf"),
    ("a", "its name has no ending; end its name in .svg"),
])  # fmt: skip
@pytest.mark.parametrize("measured", ["--flow", "--cliff"])
def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_measured(
    folder, tmp_path, monkeypatch, capsys, name, message, measured
):
    monkeypatch.chdir(tmp_path)
    given = [measured, "-o", name]
    assert (main(["diagnose", *given]) if measured == "--cliff" else called(folder, *given)) == 1
    found = capsys.readouterr()
    assert found.out == ""
    assert f"{name} cannot be written: {message}" in found.err
    assert list(tmp_path.iterdir()) == []


def test_what_the_run_held_out(folder, capsys):
    assert main(["diagnose", str(folder / "gru"), "--flow", "--lanes", "2", "--steps", "5"]) == 0
    assert "2 lanes of 5 steps" in capsys.readouterr().out


def test_the_cliff_needs_no_run(tmp_path):
    path = tmp_path / "cliff.png"
    assert main(["diagnose", "--cliff", "-o", str(path)]) == 0
    assert path.exists()


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "say which run"),
    (["RUN", "TEXT"], "on the run's own text, and takes no other"),
    (["RUN", "--updates", "0"], "--updates is 0; it must be at least 1"),
    (["--flow"], "say which run"),
    (["RUN", "--flow", "--lyapunov", "-o", "x.svg"], "-o is one picture, and 2 measurements are asked for: --flow, -"),
    (["RUN", "--flow", "--cliff"], "--cliff is a picture of its own"),
    (["--cliff"], "say where to, as in -o cliff.svg"),
    (["RUN", "--flow", "--against", "RUN"], "--against is for --horizon"),
    (["RUN", "-", "--horizon", "--against", "RUN"], "standard input can be read once only"),
    (["RUN", "TEXT", "--flow", "--lanes", "0"], "--lanes is 0; it must be at least 1"),
    (["RUN", "TEXT", "--truncation", "--back", "1,x"], "--back is '1,x'"),
    (["RUN", "TEXT", "--flow", "--back", "1,2"], "--back is for --truncation, which is not asked for"),
    (["RUN", "TEXT", "--tokens", "--lanes", "3"], "--lanes is for --truncation, --flow, --jacobians, "),
    (["RUN", "TEXT", "--units", "--steps", "5"], "--steps is for --flow, --jacobians, --lyapunov"),
    (["--cliff", "-o", "x.svg", "--steps", "5"], "--what-if, none of which is asked for; leave it out"),
])  # fmt: skip
def test_flags_that_do_not_fit(folder, capsys, arguments, message):
    places = {"RUN": str(folder / "gru"), "TEXT": str(folder / "text.txt")}
    assert main(["diagnose", *(places.get(each, each) for each in arguments)]) == 2
    assert message in capsys.readouterr().err


def test_a_text_that_is_too_short(folder, tmp_path, capsys):
    (tmp_path / "short.txt").write_text("the quick brown fox")
    assert main(["diagnose", str(folder / "gru"), str(tmp_path / "short.txt"), "--lyapunov"]) == 1
    assert "the text has 19 symbols, and 4 lanes of 600 steps take 2,400" in capsys.readouterr().err


def test_a_model_that_answers(tmp_path, capsys):
    (tmp_path / "examples.csv").write_text("text,label\n" + "".join(f"ab{n},{n % 2}\n" for n in range(40)))
    run = str(tmp_path / "run")
    flags = ["--task", "classify", "--hidden", "4", "--epochs", "1", "--bidirectional", "--run", run, "--quiet"]
    assert main(["train", "--data", str(tmp_path / "examples.csv"), *flags]) == 0
    capsys.readouterr()
    assert main(["diagnose", run, "--lyapunov"]) == 2
    assert "trained for the task classify" in capsys.readouterr().err
    from unrolled.answering import load_answerer

    flow = result_of(gradient_flow(load_answerer(run).layer, torch.tensor([0, 1, 2]), torch.tensor(0)))
    assert list(flow.losses) == ["many-to-one"]
