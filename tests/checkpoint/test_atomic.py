"""The old or the new and never a part of it, also where a kill or an error comes between two renamings."""

import errno
import os

import pytest

from unrolled.checkpoint import atomic
from unrolled.errors import CheckpointError

OLD, NEW = {"a": b"old", "b": b"old"}, {"a": b"new"}


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    """A published folder, alone in the one above."""
    atomic.publish(tmp_path / "above" / "5", OLD)
    return tmp_path / "above" / "5"


def test_a_folder_is_replaced_whole_and_nothing_stays_beside_it(folder):
    assert content(folder) == OLD
    atomic.publish(folder, NEW)
    assert content(folder) == NEW
    assert names(folder.parent) == ["5"]


def test_what_a_killed_publication_left_does_not_get_into_the_next(folder):
    rest = folder.with_name(f".5.{os.getpid()}.tmp")
    rest.mkdir()
    (rest / "rest").write_bytes(b"?")
    aside = folder.with_name(".5.old")
    aside.mkdir()
    (aside / "rest").write_bytes(b"?")
    atomic.publish(folder, NEW)
    assert content(folder) == NEW
    assert names(folder.parent) == ["5"]


@pytest.mark.parametrize("number", [1, 2])
def test_an_error_at_a_renaming_leaves_the_old_one(folder, monkeypatch, number):
    rename, calls = os.rename, []

    def fails(source, target):
        calls.append(target)
        if len(calls) == number:
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fails)
    with pytest.raises(CheckpointError, match=r"5 cannot be written: No space left on device; make room for it"):
        atomic.publish(folder, NEW)
    assert content(folder) == OLD
    assert names(folder.parent) == ["5"]


def test_a_kill_between_the_two_renamings_is_undone(folder):
    os.rename(folder, folder.with_name(".5.old"))
    atomic.sweep(folder.parent)
    assert content(folder) == OLD
    assert names(folder.parent) == ["5"]


def test_a_kill_after_them_leaves_the_new_one(folder):
    os.rename(folder, folder.with_name(".5.old"))
    folder.mkdir()
    (folder / "a").write_bytes(b"new")
    atomic.sweep(folder.parent)
    assert content(folder) == NEW
    assert names(folder.parent) == ["5"]


def test_a_deletion_leaves_nothing(folder):
    rest = folder.with_name(".5.gone")  # of a deletion that was killed
    rest.mkdir()
    (rest / "rest").write_bytes(b"?")
    atomic.remove(folder)
    assert names(folder.parent) == []
    with pytest.raises(CheckpointError, match="5 cannot be deleted: No such file"):
        atomic.remove(folder)


def test_a_file_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    path = tmp_path / "file"
    atomic.write(path, b"old")

    def fails(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(CheckpointError, match="Read-only file system; make the folder writable"):
        atomic.write(path, b"new")
    assert content(tmp_path) == {"file": b"old"}
