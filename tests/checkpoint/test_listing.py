"""What is said of runs at a glance."""

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from unrolled.checkpoint import Checkpoint, RunDirectory
from unrolled.checkpoint.listing import summaries, summary
from unrolled.errors import CheckpointError

TRAIN = {"task": "language", "recurrence": "gru", "layers": 2, "hidden": 16}


def made(path, **events):
    """A run with a checkpoint at step 8, of which the best is step 4."""
    run = RunDirectory.create(path, config={"train": TRAIN}, vocabulary={"kind": "bytes"})
    best = {"step": 4, "figure": "2.000 bits/char"}
    run.save(Checkpoint(8, {"W": np.zeros(3)}, {}, {"step": 8}, best))
    run.write_best({"W": np.zeros(3)}, best)
    run.record({"event": "step", "step": 9, **events})
    return run


def test_a_run_that_goes_on_and_one_that_does_not(tmp_path):
    run = made(tmp_path / "a")
    found = summary(run.path)
    assert (found.state, found.pid, found.reason) == ("running", os.getpid(), "")
    run.unlock()
    os.utime(run.metrics, (1_700_000_000.9, 1_700_000_000.9))
    found = summary(run.path)
    assert (found.state, found.pid, found.name, found.step) == ("stopped", None, "a", 9)
    assert (found.task, found.recurrence, found.layers, found.hidden) == ("language", "gru", 2, 16)
    assert (found.best, found.best_step) == ("2.000 bits/char", 4)
    assert datetime.fromisoformat(found.changed).astimezone(UTC).isoformat() == "2023-11-14T22:13:20+00:00"
    run.record({"event": "finished", "step": 9})
    assert summary(run.path).state == "finished"
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()


def test_a_run_that_has_only_begun(tmp_path):
    run = RunDirectory.create(tmp_path / "a", config={"train": TRAIN})
    run.unlock()
    found = summary(run.path)
    assert (found.state, found.step, found.best, found.best_step) == ("stopped", None, "", None)


@pytest.mark.parametrize(("policy", "reason"), [("stop", "the loss is nan"), ("skip", "")])
def test_an_accident_is_the_reason_only_where_it_ended_the_training(tmp_path, policy, reason):
    run = made(tmp_path / "a")
    run.record({"event": "accident", "step": 10, "policy": policy, "message": "the loss is nan"})
    run.unlock()
    found = summary(run.path)
    assert (found.state, found.step, found.reason) == ("stopped", 10, reason)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "checkpoints/8/manifest.json"])
@pytest.mark.parametrize("change", ["cut", "header", "gone"])
def test_what_is_damaged_is_said(tmp_path, name, change):
    run = made(tmp_path / "a")
    run.unlock()
    path = run.path / name
    if change == "gone":
        path.unlink()
    else:
        data = path.read_bytes()
        path.write_bytes(
            data[:-9] if change == "cut" else data.replace(b"[0,24]", b"[0]").replace(b'"format', b'"form')
        )
    found = summary(run.path)
    if (name, change) == ("model.safetensors", "gone"):  # it is made again with --resume
        assert found.state == "stopped"
    else:
        assert found.state == "damaged"
        assert path.name in found.reason
        assert found.step == 9
        assert name != "model.safetensors" or found.best == "2.000 bits/char"


def test_what_a_running_one_replaces_between_two_looks_is_not_damaged(tmp_path, monkeypatch):
    run = made(tmp_path / "a")
    manifest, looks = RunDirectory.manifest, []

    def pruned_once(directory, step):
        looks.append(step)
        if len(looks) == 1:
            raise CheckpointError("it is missing")
        return manifest(directory, step)

    monkeypatch.setattr(RunDirectory, "manifest", pruned_once)
    found = summary(run.path)
    assert (found.state, found.reason, found.best) == ("running", "", "2.000 bits/char")
    run.unlock()


def test_the_runs_of_a_folder_in_the_order_in_which_people_count(tmp_path):
    for name in ("gru-10", "gru-2", "lstm", "gru-02", "a"):
        made(tmp_path / name).unlock()
    (tmp_path / "notes").mkdir()
    (tmp_path / "text.txt").write_text("")
    shutil.rmtree(tmp_path / "a" / "checkpoints")
    (tmp_path / "a" / "config.json").unlink()
    assert [each.name for each in summaries(tmp_path)] == ["a", "gru-02", "gru-2", "gru-10", "lstm"]
    assert [each.name for each in summaries(tmp_path / "gru-2")] == ["gru-2"]
    assert summaries(tmp_path / "notes") == []


def test_a_folder_is_named_however_it_is_written(tmp_path, monkeypatch):
    made(tmp_path / "run").unlock()
    monkeypatch.chdir(tmp_path / "run" / "checkpoints")
    assert summaries(Path(".."))[0].name == "run"


@pytest.mark.parametrize(
    ("name", "said"),
    [("gone", "gone does not exist; name a folder"), ("file", "file is no folder; name"), ("a" * 300, "too long")],
)
def test_what_is_no_folder(tmp_path, name, said):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=said):
        summaries(tmp_path / name)
