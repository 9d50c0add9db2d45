"""train, sample and eval as a user runs them, one after the other."""

import io
import json
import subprocess
import sys

import pytest

from unrolled.checkpoint import RunDirectory
from unrolled.cli import main
from unrolled.cli.display import Display, clock
from unrolled.cli.output import printable

TEXT = "FIRST: the quick brown fox jumps over the lazy dog.\nSECOND: and why?\n" * 60
SIZES = {"recurrence": "gru", "layers": 1, "hidden": 16, "batch": 4, "sequence-length": 20, "learning-rate": 0.01}
SMALL = [f"--{name}={value}" for name, value in {**SIZES, "steps": 20}.items()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("user")
    (folder / "text.txt").write_text(TEXT)
    return folder


@pytest.fixture(scope="module")
def run(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", "text.txt", *SMALL, "--evaluate-every", "10", "--run", "runs/small", "--quiet"]) == 0
    return str(folder / "runs" / "small")


def said(capsys, *arguments):
    capsys.readouterr()
    assert main(arguments) == 0
    return capsys.readouterr()


def test_training_prints_results_on_stdout_and_progress_on_stderr(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    captured = said(capsys, "train", "text.txt", *SMALL, "--evaluate-every", "10", "--sample-length", "30")
    assert captured.out.splitlines()[0].split() == ["run", "runs/text-gru-1"]
    assert [line.split()[0] for line in captured.out.splitlines()] == ["run", "loss", "bits", "perplexity"]
    assert "gru" in captured.err
    assert "step 10  " in captured.err
    assert "bits/char" in captured.err
    assert "unrolled sample runs/text-gru-1" in captured.err
    assert "\x1b" not in captured.err
    captured = said(capsys, "train", "text.txt", *SMALL, "--quiet")
    assert captured.err == ""
    assert captured.out.splitlines()[0].endswith("runs/text-gru-2")


def test_json_lines_are_the_metrics(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    captured = said(capsys, "train", "text.txt", *SMALL, "--run", "runs/json", "--json")
    events = [json.loads(line) for line in captured.out.splitlines()]
    assert [e for e in events if e["event"] not in ("started", "saved")] == RunDirectory.open("runs/json").history()
    assert captured.err == ""


def test_the_options_of_a_file_and_the_flags_over_it(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "options.toml").write_text('recurrence = "elman"\nhidden = 6\nlayers = 1\nbatch = 2\nsteps = 1\n')
    said(capsys, "train", "text.txt", "--config", "options.toml", "--hidden", "5", "--run", "runs/file", "--quiet")
    saved = RunDirectory.open("runs/file").read("config")["train"]
    assert (saved["recurrence"], saved["hidden"], saved["batch"]) == ("elman", 5, 2)
    assert saved["text"] == str(folder / "text.txt")


def test_a_text_from_standard_input(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    said(capsys, "train", "-", *SMALL, "--run", "runs/stdin", "--quiet")


def test_equations_typed_on_the_command_line_train_and_write(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    equations = "z_t = σ(U x_t + b); h_t = z_t ⊙ h_{t-1} + (1 - z_t) ⊙ tanh(W x_t)"
    flags = [flag for flag in SMALL if "recurrence" not in flag]
    said(capsys, "train", "text.txt", *flags, "--recurrence", equations, "--quiet")
    assert len(said(capsys, "sample", "runs/text-equations-1", "--length", "9", "--seed", "1").out) == 10


def test_sampling_streams_the_prompt_and_the_text(run, capsys):
    captured = said(capsys, "sample", run, "--prime", "FIRST:", "--length", "40", "--seed", "3", "--temperature", "0.8")
    assert captured.out.startswith("FIRST:")
    assert len(captured.out) == 6 + 40 + 1
    assert captured.err == ""
    again = said(capsys, "sample", run, "--prime", "FIRST:", "--length", "40", "--seed", "3", "--temperature", "0.8")
    assert again.out == captured.out
    other = said(capsys, "sample", run, "--prime", "FIRST:", "--length", "40", "--seed", "3", "--stream", "1")
    assert other.out != captured.out


def test_without_a_seed_one_is_drawn_and_named(run, capsys):
    captured = said(capsys, "sample", run, "--length", "10")
    seed = captured.err.split()[1]
    assert said(capsys, "sample", run, "--length", "10", "--seed", seed).out == captured.out


def test_a_sample_as_json(run, capsys):
    plain = said(capsys, "sample", run, "--prime", "SECOND", "--length", "10", "--seed", "1").out
    data = json.loads(said(capsys, "sample", run, "--prime", "SECOND", "--length", "10", "--seed", "1", "--json").out)
    assert data["prime"] + data["text"] + "\n" == plain
    assert data["seed"] == 1


def test_a_reader_that_leaves_early_is_no_error(run):
    command = [sys.executable, "-m", "unrolled", "sample", run, "--length", "3000", "--seed", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert len(process.stdout.read(10)) == 10
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_prompt_that_the_model_cannot_read(run, capsys):
    assert main(["sample", run, "--prime", "FIRST€", "--seed", "1"]) == 1
    assert "'€' (EURO SIGN, U+20AC) at line 1, column 6" in capsys.readouterr().err
    assert said(capsys, "sample", run, "--prime", "FI€RST", "--length", "0", "--unknown", "skip").out == "FI€RST\n"


def test_evaluating_the_held_out_text_and_others(run, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    own = json.loads(said(capsys, "eval", run, "--json").out)
    same = json.loads(said(capsys, "eval", run, "text.txt", "--json").out)
    assert own["nats"] == same["nats"]
    assert own["symbols"] == len(TEXT) // 20 - 1
    assert own["nats"] == RunDirectory.open(run).history()[-1]["nats"]
    whole = json.loads(said(capsys, "eval", run, "text.txt", "--share", "1", "--json").out)
    assert whole["symbols"] == len(TEXT) - 1
    assert f"{own['nats']:.4f} nats per character" in said(capsys, "eval", run).out


def test_a_text_that_changed_is_not_the_held_out_one(run, folder, capsys):
    (folder / "text.txt").write_text(TEXT + "!")
    assert main(["eval", run]) == 1
    assert "has changed since" in capsys.readouterr().err
    (folder / "text.txt").write_text(TEXT)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (65.4, "1:05"), (3599.6, "1:00:00"), (7205, "2:00:05")])
def test_the_clock(seconds, text):
    assert clock(seconds) == text


def test_a_sample_cannot_command_the_terminal():
    assert printable("a\x1b[2Jb\r\n\tü🙂\x07") == "a\ufffd[2Jb\ufffd\n\tü🙂\ufffd"


def test_the_live_line_has_the_figures_one_looks_for():
    from rich.console import Console
    from rich.live import Live

    from unrolled.training.events import Step

    console = Console(file=io.StringIO(), force_terminal=True, width=200, color_system=None)
    with Live(console=console, auto_refresh=False) as live:
        display = Display(console, live)
        display.shown = -1e9
        display.validation = "2.345 bits/char"
        display.show(Step(1200, 2.5, 1.234, 0.5, 1e-3, 45000.0, 60.0, 0.25))
        text = console.file.getvalue()
    for part in (
        "step 1,200",
        "epoch 2.50",
        "loss 1.234",
        "validation 2.345",
        "45,000 char/s",
        "|g| 0.50",
        "3:00 left",
    ):
        assert part in text


def test_a_run_is_drawn_with_its_read_out_and_its_layers(run, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    # the gru has no output of its own: training gave it o = V h + c
    assert said(capsys, "expand", run, "--of", "o_0", "--initial", "h=0").out.startswith("V (")
    two = [flag for flag in SMALL if not flag.startswith("--layers")] + ["--layers=2"]
    assert main(["train", "text.txt", *two, "--run", "runs/two", "--quiet"]) == 0
    by_hand = said(capsys, "draw", "gru", "o_t = V h_t + c", "--layers", "2", "--json").out
    assert said(capsys, "draw", "runs/two", "--json").out == by_hand
