"""A run directory: published whole, kept and pruned, and refused where it is damaged."""

import dataclasses
import json

import numpy as np
import pytest

from unrolled.checkpoint import Checkpoint, RunDirectory, atomic
from unrolled.errors import CheckpointError


def checkpoint(step):
    return Checkpoint(
        step, {"W": np.full(3, step, np.float32)}, {"state/h": np.full(2, -step)}, {"step": step, "epoch": 1}
    )


@pytest.fixture
def run(tmp_path):
    return RunDirectory.create(tmp_path / "run", config={"a": 1}, vocabulary={"kind": "bytes"})


def test_a_checkpoint_comes_back(run):
    run.save(checkpoint(5))
    run.save(checkpoint(10))
    found = RunDirectory.open(run.path).latest()
    assert (found.step, found.progress) == (10, {"step": 10, "epoch": 1})
    assert found.model["W"].tolist() == [10, 10, 10]
    assert found.trainer["state/h"].tolist() == [-10, -10]
    assert run.read("config") == {"a": 1}
    names = sorted(p.name for p in (run.checkpoints / "10").iterdir())
    assert names == ["manifest.json", "model.safetensors", "trainer.safetensors"]


def test_an_existing_run_is_refused_naming_resume(run):
    run.unlock()
    with pytest.raises(CheckpointError, match="--resume"):
        RunDirectory.create(run.path)


@pytest.mark.parametrize("name", [".", "absent"])
def test_what_is_no_run_is_refused(tmp_path, name):
    with pytest.raises(CheckpointError, match="a run is a folder that"):
        RunDirectory.open(tmp_path / name)


def test_the_last_and_the_best_are_kept(run):
    for step in (1, 2, 3, 4, 11):
        run.save(checkpoint(step))
    run.prune(keep=2, best=2)
    assert run.steps() == [2, 4, 11]
    run.prune(keep=1, best=None)
    assert run.steps() == [11]


@pytest.mark.parametrize("name", ["model.safetensors", "trainer.safetensors", "manifest.json"])
def test_a_flipped_bit_is_refused_and_the_way_out_named(run, name):
    run.save(checkpoint(1))
    run.save(checkpoint(2))
    path = run.checkpoints / "2" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"to go on from step 1 instead, delete .*2"):
        run.latest()
    path.unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        run.latest()


def test_a_manifest_of_another_step_is_refused(run):
    run.save(checkpoint(1))
    (run.checkpoints / "1").rename(run.checkpoints / "3")
    with pytest.raises(CheckpointError, match="belongs to another checkpoint"):
        run.latest()


def test_files_of_two_checkpoints_do_not_mix(run):
    run.save(checkpoint(1))
    run.save(checkpoint(2))
    (run.checkpoints / "1" / "model.safetensors").replace(run.checkpoints / "2" / "model.safetensors")
    with pytest.raises(CheckpointError, match="does not match the manifest"):
        run.latest()


def test_the_best_model_is_replaced_and_checked(run):
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        run.read_best()
    run.save(checkpoint(4))
    assert run.read_best()[1] == {"step": 4}
    run.write_best({"W": np.ones(2)}, {"step": 1})
    run.write_best({"W": np.zeros(2)}, {"step": 2})
    arrays, about = run.read_best()
    assert (arrays["W"].tolist(), about) == ([0, 0], {"step": 2})
    run.best_model.write_bytes(run.best_model.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"damaged.*; delete it, and what its checkpoint holds is read"):
        run.read_best()
    run.best_model.unlink()
    run.save(dataclasses.replace(checkpoint(8), best={"step": 4, "figure": "good"}))
    arrays, about = run.read_best()
    assert (arrays["W"].tolist(), about) == ([4, 4, 4], {"step": 4, "figure": "good"})


def test_metrics_are_cut_to_the_checkpoint(run):
    for step in (1, 2, 3):
        run.record({"event": "step", "step": step})
    run.record({"event": "finished", "step": 2})
    with run.metrics.open("a") as file:
        file.write('{"event": "step", "st')  # killed in the middle of a line
    run.cut_metrics(2, 2)
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    assert lines == [{"event": "step", "step": 1}, {"event": "step", "step": 2}]


@pytest.mark.parametrize("call", ["rename", "fsync"])
def test_a_save_that_fails_leaves_the_one_before(run, monkeypatch, call):
    run.save(checkpoint(1))

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(atomic.os, call, fail)
    with pytest.raises(CheckpointError, match="Input/output error"):
        run.save(checkpoint(2))
    monkeypatch.undo()
    assert run.latest().step == 1
    assert [p.name for p in run.checkpoints.iterdir()] == ["1"]


def test_the_remains_of_a_kill_are_swept(run):
    run.save(checkpoint(1))
    (run.checkpoints / ".2.99.tmp").mkdir()
    (run.checkpoints / ".2.99.tmp" / "model.safetensors").write_bytes(b"half")
    (run.path / ".config.json.99.tmp").write_bytes(b"half")
    assert run.steps() == [1]
    run.sweep()
    assert [p.name for p in run.checkpoints.iterdir()] == ["1"]
    assert not list(run.path.glob(".*"))


def test_saving_the_same_step_again_replaces_it(run):
    run.save(checkpoint(1))
    run.save(Checkpoint(1, {"W": np.zeros(1)}, {}, {"step": 1}))
    assert run.latest().model["W"].tolist() == [0]


def test_what_was_the_best_is_kept_for_each_of_the_last(run):
    """With the newest gone the run goes on from the one before it, whose best model must still be there."""
    for step, best in ((1, 1), (2, 1), (3, 3), (4, 3), (5, 5)):
        run.save(dataclasses.replace(checkpoint(step), best={"step": best}))
        run.prune(keep=2, best=best)
    assert run.steps() == [3, 4, 5]
    run.save(dataclasses.replace(checkpoint(6), best={"step": 5}))
    (run.checkpoints / "5" / "manifest.json").write_bytes(b"damaged")
    run.prune(keep=2, best=5)
    assert run.steps() == [5, 6]


def test_the_only_checkpoint_is_damaged(run):
    run.save(checkpoint(1))
    (run.checkpoints / "1" / "trainer.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"damaged.*; there is no other checkpoint: start a new run"):
        run.latest()


def test_a_folder_that_is_no_run_is_not_overwritten(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "x").write_text("")
    (tmp_path / "file").write_text("")
    for name in ("notes", "file"):
        with pytest.raises(CheckpointError, match=f"{name} exists already and is no run; choose another --run"):
            RunDirectory.create(tmp_path / name)


def test_a_name_that_no_folder_can_have(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot be read: File name too long"):
        RunDirectory.open(tmp_path / ("a" * 300))
    with pytest.raises(CheckpointError, match=r"cannot be made: File name too long; mend that"):
        RunDirectory.create(tmp_path / ("a" * 300))


def test_checkpoints_that_cannot_be_listed_are_not_taken_for_none(run, monkeypatch):
    run.save(checkpoint(1))
    run.checkpoints.rename(run.path / "hidden")
    run.checkpoints.write_text("")
    with pytest.raises(CheckpointError, match="checkpoints cannot be read: Not a directory"):
        run.steps()


def test_the_folders_above_a_run_are_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flushed, flush = [], atomic.flush
    monkeypatch.setattr(atomic, "flush", lambda path: (flushed.append(path.absolute()), flush(path)))
    RunDirectory.create("a/b/run", config={})
    for above in (tmp_path, tmp_path / "a", tmp_path / "a" / "b"):
        assert above in flushed


def test_runs_that_are_begun_alike_are_equal_files(tmp_path):
    files = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        train = {"seed": seed, "run": name, "text": f"/{name}", "data": None}
        run = RunDirectory.create(tmp_path / name, config={"train": train}, vocabulary={"kind": "bytes"})
        run.write_best({"W": np.zeros(2)}, {"step": 1})
        files.append(run.best_model.read_bytes())
    assert files[0] == files[1] != files[2]


def test_a_file_of_another_run_is_refused(tmp_path):
    one, other = (
        RunDirectory.create(tmp_path / name, config={"a": name}, vocabulary={"kind": name}) for name in ("one", "other")
    )
    for run in (one, other):
        run.save(checkpoint(1))
        run.write_best({"W": np.zeros(2)}, {"step": 1})
    one.write("config", {"a": "changed"})  # as on going on: it stays the same run
    assert (one.read("vocabulary"), one.latest().step, one.read_best()[1]) == ({"kind": "one"}, 1, {"step": 1})
    for name in ("vocabulary.json", "model.safetensors", "checkpoints/1/manifest.json"):
        (one.path / name).write_bytes((other.path / name).read_bytes())
    for read in (lambda: one.read("vocabulary"), one.read_best, lambda: one.manifest(1)):
        with pytest.raises(CheckpointError, match="is not the one that was written here, but that of another run"):
            read()
    with pytest.raises(CheckpointError, match="of another run"):
        one.write("config", {"a": "one"})  # does not make the other's vocabulary its own
