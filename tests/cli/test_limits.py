"""``unrolled diagnose --limits``, which is what it does without a flag."""

import io
import json

import pytest

import planted
from unrolled.cli import main
from unrolled.diagnose.limits import summarise
from unrolled.training.evaluation import result_of


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    text = planted.markov(12_000)
    return planted.trained(tmp_path_factory.mktemp("limits"), text, hidden=4, steps=20, epochs=None)


def test_in_words(run, capsys):
    assert main(["diagnose", str(run), "--updates", "2"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    found = result_of(summarise(run, updates=2))
    assert shown.startswith(found.headline)
    for each in found.findings:
        assert f"{each.limit}: {each.verdict} {' '.join(each.evidence)}" in shown
        assert not each.advice or f"try: {each.advice}" in shown
    assert shown.endswith("nats and three standard errors on.")


def test_as_json_and_as_a_picture(run, tmp_path, capsys):
    path = tmp_path / "limits.svg"
    assert main(["diagnose", str(run), "--limits", "--updates", "2", "--json", "-o", str(path)]) == 0
    found = json.loads(capsys.readouterr().out)["limits"]
    assert found == json.loads(json.dumps(result_of(summarise(run, updates=2)).to_dict()))
    assert path.read_text().lstrip().startswith("<?xml")


def test_too_little_was_held_out(tmp_path, capsys):
    run = planted.trained(tmp_path, planted.markov(9_000), hidden=4, steps=2, epochs=None)
    assert main(["diagnose", str(run)]) == 1
    assert "only 450 symbols were held out" in capsys.readouterr().err


def test_a_text_that_has_changed(run, tmp_path, capsys):
    changed = planted.trained(tmp_path, planted.markov(12_000), hidden=4, steps=2, epochs=None)
    (tmp_path / "text.txt").write_text("another text")
    assert main(["diagnose", str(changed), "--limits"]) == 1
    assert "has changed since" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["diagnose", "--updates", "2"], ["report", "--updates", "2", "-o", "-"]])
def test_a_run_on_standard_input_reads_it_once(tmp_path, monkeypatch, capsys, command):
    text = planted.markov(12_000)

    def called(*arguments):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))
        return main([*arguments])

    run = str(tmp_path / "run")
    flags = ["--recurrence", "gru", "--layers", "1", "--hidden", "4", "--steps", "3", "--batch", "8", "--quiet"]
    assert called("train", "-", *flags, "--run", run) == 0
    capsys.readouterr()
    assert called(command[0], run, *command[1:]) == 0
    assert "nats a symbol on a sample of held-out text" in capsys.readouterr().out
