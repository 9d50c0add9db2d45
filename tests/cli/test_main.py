"""The command as a whole: what it loads, how it ends, where it writes."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from unrolled.cli import main
from unrolled.cli.train import interruption


def python(code, *arguments, **options):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, **options)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["sample", "--help"], ["eval", "--help"], ["--version"]]
)
def test_help_loads_no_torch(arguments):
    code = "import sys; from unrolled.cli import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    done = python(code, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_what_needs_no_torch_loads_none():
    modules = (
        "unrolled.data, unrolled.checkpoint.format, unrolled.checkpoint.run, unrolled.generation, unrolled.training"
    )
    done = python(f"import sys, {modules}; sys.exit('torch' in sys.modules)")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"]])
def test_no_color_is_respected(arguments, monkeypatch):
    code = "import sys; from unrolled.cli import main; main(sys.argv[1:])"
    done = python(code, *arguments, env={**os.environ, "NO_COLOR": "1", "FORCE_COLOR": ""})
    assert "\x1b[3" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "--layer", "2"], 2, "Did you mean --layers?"),
        (["train", "--layers", "two"], 2, "--layers"),
        (["train", "--layers", "0"], 2, "--layers is 0"),
        (["train", "a.txt", "--data", "shakespeare"], 2, "give one of them"),
        (["train", "--bytes", "--words"], 2, "contradict each other"),
        (["train", "--preset", "tny"], 2, "the presets are"),
        (["train", "--resume", "runs/x", "--preset", "tiny"], 2, "starts a new run"),
        (["train", "--config", "absent.toml"], 2, "cannot be read"),
        (["train", "--recurrence", "h_t = tahn(x_t)"], 2, "tanh"),
        (["train", "--resume", "absent"], 1, "does not exist"),
        (["train", "absent.txt"], 1, "there is no file or folder absent.txt"),
        (["sample", "absent", "--seed", "1"], 1, "does not exist"),
        (["eval", "absent"], 1, "does not exist"),
        (["eval", __file__], 1, "is a file; a run is a folder"),
        (["eval", "absent", "--share", "2"], 2, "--share is 2"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_mistakes_are_told_on_stderr_without_a_traceback(arguments, code, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        found = main(arguments)
    except SystemExit as end:  # cyclopts ends the process itself when it cannot read the arguments
        found = end.code
    captured = capsys.readouterr()
    assert found == code
    assert message in captured.err.replace("\n", " ")
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert not (tmp_path / "runs").exists()


def test_debug_shows_the_traceback(tmp_path):
    done = python(
        "from unrolled.cli import main; import sys; sys.exit(main(sys.argv[1:]))", "eval", "absent", "--debug"
    )
    assert "Traceback" in done.stderr
    assert "CheckpointError" in done.stderr


def test_the_first_ctrl_c_asks_and_the_second_stops(capsys):
    stop = threading.Event()
    with interruption(stop):
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert "saving" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    (tmp_path / "text.txt").write_text("so it goes, and on it goes.\n" * 100)
    options = {"recurrence": "elman", "layers": 1, "hidden": 4, "batch": 2, "epochs": 10**6, "run": "run"}
    flags = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "unrolled", "train", "text.txt", *flags, "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if '"event": "step"' in line:
                break
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert '"interrupted": true' in rest.splitlines()[-1]
    assert list((tmp_path / "run" / "checkpoints").iterdir())
    resumed = [*command[:3], "train", "--resume", "run", "--steps", "1", "--quiet"]
    done = subprocess.run(resumed, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nats per character" in done.stdout
