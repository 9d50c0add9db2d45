"""``unrolled runs``: a table for people, a line of JSON for each run for programs."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from unrolled.checkpoint import Checkpoint, RunDirectory
from unrolled.cli import main


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def made(name, recurrence="gru", **event):
    train = {"task": "language", "recurrence": recurrence, "layers": 2, "hidden": 16}
    run = RunDirectory.create(f"runs/{name}", config={"train": train}, vocabulary={"kind": "bytes"})
    best = {"step": 1000, "figure": "2.000 bits/char"}
    run.save(Checkpoint(2000, {"W": np.zeros(3)}, {}, {"step": 2000}, best))
    run.record({"event": "step", "step": 2345, **event})
    return run


def test_where_there_are_none(capsys, tmp_path):
    assert main(["runs"]) == 0
    assert capsys.readouterr() == ("", "there are no runs here yet; unrolled train makes one, in runs/\n")
    (tmp_path / "empty").mkdir()
    assert main(["runs", "empty"]) == 0
    found = capsys.readouterr()
    assert found == ("", "there are no runs in empty; name the folder with them: unrolled runs FOLDER\n")
    assert main(["runs", "empty", "--json"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["runs", "gone"]) == 1
    assert (
        capsys.readouterr().err
        == "unrolled: gone does not exist; name a folder with runs in it, such as runs, or one run\n"
    )


def test_a_table(capsys):
    made("short").unlock()
    made("equations", "h_t = tanh(U x_t + W h_{t-1} + b)\ny_t = softmax(V h_t)").unlock()
    running = made("running")
    made("damaged").unlock()
    Path("runs/damaged/checkpoints/2000/manifest.json").write_text("")
    assert main(["runs"]) == 0
    running.unlock()
    header, *lines, empty, reason = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "task", "recurrence", "size", "step", "best", "when", "state"]
    assert [line.split()[0] for line in lines] == ["damaged", "equations", "running", "short"]
    assert all("2 × 16  2,345" in line for line in lines)
    assert [line.index("2 × 16") for line in lines] == [lines[0].index("2 × 16")] * 4
    assert "h_t = tanh(U x_t + W h_{t-1} + …" in lines[1]
    assert "2.000 bits/char at 1,000" in lines[3]
    assert [line.split()[-1] for line in lines] == ["damaged", "stopped", f"({os.getpid()})", "stopped"]
    assert not empty
    assert reason.startswith("damaged: runs/damaged/checkpoints/2000/manifest.json is damaged: it is no JSON")


def test_json(capsys):
    made("a").unlock()
    made("b").unlock()
    assert main(["runs", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["name"], each["path"], each["step"]) for each in found] == [
        ("a", "runs/a", 2345),
        ("b", "runs/b", 2345),
    ]
    assert main(["runs", "runs/b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found[1]


def test_why_a_run_stopped_by_itself(capsys):
    made("a", event="accident", policy="stop", message="the loss is nan at step 2345").unlock()
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.endswith("stopped\n\na: the loss is nan at step 2345\n")


def test_a_name_that_would_command_the_terminal(capsys):
    made("a\x1b[31m\nb").unlock()
    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("a\ufffd[31m b  ")
