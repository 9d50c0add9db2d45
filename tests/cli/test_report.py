"""``unrolled report``: a page in a file, or a reason why there is none."""

import sys

import pytest

import planted
from unrolled.cli import main
from unrolled.data.corpora import split
from unrolled.diagnose.limits import summarise
from unrolled.diagnose.report import report
from unrolled.generation import load
from unrolled.training import TrainConfig, train
from unrolled.training.evaluation import result_of

TEXT = "the quick brown fox jumps over the lazy dog.\n" * 80


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("report")
    (place / "text.txt").write_text(TEXT)
    (place / "short.txt").write_text(TEXT[:200])
    config = TrainConfig(
        text=str(place / "text.txt"), recurrence="elman", layers=1, hidden=4, batch=4, sequence_length=9, steps=3,
        run=str(place / "run"),
    )  # fmt: skip
    list(train(config, corpus=split(config.text, TEXT)))
    return place


def test_the_page_of_what_the_run_held_out(folder, tmp_path, capsys):
    path = tmp_path / "report.html"
    path.write_text("an older page")
    assert main(["report", str(folder / "run"), "-o", str(path), "--no-limits"]) == 0
    model = load(folder / "run")
    ids = model.vocabulary.encode(split("text", TEXT).validation)
    assert path.read_text("utf-8") == result_of(report(model, ids))
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    assert capsys.readouterr() == ("", "")


def test_it_begins_with_what_limits_the_model(tmp_path):
    run = planted.trained(tmp_path, planted.markov(12_000), hidden=4, steps=20, epochs=None)
    assert main(["report", str(run), "-o", str(tmp_path / "report.html"), "--updates", "2"]) == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert result_of(summarise(run, updates=2)).headline in page
    assert page.index("What limits this model") < page.index("The equations")


def test_a_text_of_ones_own_and_stdout(folder, capsys):
    text = str(folder / "short.txt")
    assert main(["report", str(folder / "run"), text, "-o", "-"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("<!DOCTYPE html>")
    assert page.endswith("</html>\n")
    assert f"<dt>measured on</dt><dd>{text}</dd>" in page
    assert "This cannot be told: only 180 symbols were held out" in page  # of the run's own text


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (["RUN"], 2, "say which file to write: unrolled report RUN -o report.html"),
    (["RUN", "-o", "HERE/none/report.html"], 2, "report.html has no folder to stand in"),
    (["RUN", "-o", "HERE/report.html", "--updates", "0"], 2, "--updates is 0; it must be at least 1"),
    (["RUN", "-o", "HERE"], 2, "is a folder; name a file"),
    (["HERE/nothing", "-o", "HERE/report.html"], 1, "nothing does not exist; a run is a folder that"),
    (["RUN", "HERE/none.txt", "-o", "HERE/report.html"], 1, "none.txt"),
])  # fmt: skip
def test_nothing_is_written_on_an_error(folder, tmp_path, capsys, arguments, code, message):
    places = [each.replace("RUN", str(folder / "run")).replace("HERE", str(tmp_path)) for each in arguments]
    assert main(["report", *places]) == code
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_damaged(folder, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("config.json", "vocabulary.json", "program.json"):
        (run / name).write_bytes((folder / "run" / name).read_bytes())
    (run / "model.safetensors").write_bytes((folder / "run" / "model.safetensors").read_bytes()[:-1])
    assert main(["report", str(run), "-o", str(tmp_path / "report.html")]) == 1
    assert "model.safetensors is damaged" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_a_model_that_answers(tmp_path, capsys):
    (tmp_path / "examples.csv").write_text("text,label\n" + "".join(f"ab{n},{n % 2}\n" for n in range(40)))
    run = str(tmp_path / "run")
    flags = ["--hidden", "4", "--layers", "1", "--steps", "2", "--run", run, "--quiet"]
    assert main(["train", "--task", "classify", "--data", str(tmp_path / "examples.csv"), *flags]) == 0
    capsys.readouterr()
    assert main(["report", run, "-o", str(tmp_path / "report.html")]) == 2
    assert "was trained for the task classify, and these measurements follow a running text" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_without_matplotlib(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr("unrolled.diagnose.limits.summarise", None)  # which takes long, and is not begun
    assert main(["report", str(folder / "run"), "-o", str(tmp_path / "report.html")]) == 1
    assert "matplotlib, which is not installed: pip install 'unrolled[plot]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(folder, tmp_path, capsys, monkeypatch):
    def refuse(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    assert main(["report", str(folder / "run"), str(folder / "short.txt"), "-o", str(tmp_path / "report.html")]) == 1
    shown = capsys.readouterr().err
    assert "report.html cannot be written: No space left on device" in shown
    assert "--resume" not in shown
    assert list(tmp_path.iterdir()) == []
