"""What is made once: whole or not at all, whatever happens while it is made."""

import errno
import os
import subprocess
import sys
import time

import pytest

from unrolled.data import cache
from unrolled.data.cache import Cache
from unrolled.errors import DataError


@pytest.fixture
def made(tmp_path):
    return Cache(tmp_path / "cache")


def write(folder):
    (folder / "a").write_text("whole")


def test_it_is_made_once_for_each_key(made):
    calls = []

    def make(folder):
        calls.append(folder)
        write(folder)

    first = made.folder("thing", [1, "x"], make)
    assert made.folder("thing", [1, "x"], make) == first
    assert made.folder("thing", [2, "x"], make) != first
    assert made.folder("other", [1, "x"], make) != first
    assert len(calls) == 3
    assert (first / "a").read_text() == "whole"
    assert made.document("said", [], lambda: {"é": [1]}) == {"é": [1]}
    assert made.document("said", [], pytest.fail) == {"é": [1]}


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), DataError("x")]
)
def test_nothing_is_left_of_what_failed(made, error):
    def make(folder):
        write(folder)
        raise error

    said = r"cannot be written: No space left.* make room .*XDG_CACHE_HOME.* --limit"
    expected, message = (DataError, said) if isinstance(error, OSError) else (type(error), None)
    with pytest.raises(expected, match=message):
        made.folder("thing", [], make)
    assert list(made.path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written: (Not a directory|File exists)"):
        Cache(tmp_path / "file" / "cache").folder("thing", [], write)
    with pytest.raises(DataError, match=r"cannot be written: (Not a directory|File exists)"):
        Cache(tmp_path / "file").folder("thing", [], write)


@pytest.mark.parametrize("early", [True, False])
def test_another_process_was_faster(made, monkeypatch, early):
    """It published while this one wrote, or between this one's last look and its renaming."""
    rename = os.rename

    def other():
        monkeypatch.setattr(cache.os, "rename", rename)
        Cache(made.path).folder("thing", [], lambda folder: (folder / "a").write_text("theirs"))

    def make(folder):
        write(folder)
        if early:
            other()

    if not early:
        monkeypatch.setattr(cache.os, "rename", lambda *paths: (other(), rename(*paths)))
    assert (made.folder("thing", [], make) / "a").read_text() == "theirs"
    assert len(list(made.path.iterdir())) == 1


ENDLESS = """
import sys, time
from pathlib import Path
from unrolled.data.cache import Cache

def make(folder):
    (folder / "a").write_text("half")
    print("begun", flush=True)
    time.sleep(60)

Cache(Path(sys.argv[1])).folder(sys.argv[2], [], make)
"""


def making(made, what):
    """A process that has begun to make something and does not end."""
    command = [sys.executable, "-c", ENDLESS, str(made.path), what]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    return process


def kill(process):
    with process:
        process.kill()


@pytest.mark.skipif(cache.fcntl is None, reason="there are no locks here")
def test_what_a_killed_process_left_is_deleted_at_once(made):
    first, second = making(made, "first"), making(made, "second")
    try:
        kill(first)
        made.folder("third", [], write)
        assert len(list(made.path.glob(".*"))) == 2  # the second may live for all that one can see of the first
    finally:
        kill(second)
    made.folder("fourth", [], write)
    assert sorted(path.name.partition("-")[0] for path in made.path.iterdir()) == ["fourth", "third"]


def test_without_locks_it_is_deleted_after_a_day(made, monkeypatch):
    monkeypatch.setattr(cache, "fcntl", None)
    old, young = made.path / ".thing-1.abc", made.path / ".thing-2.def"
    for folder in (old, young):
        folder.mkdir(parents=True)
        write(folder)
    (made.path / ".no-folder").write_text("")
    before = time.time() - 2 * 86400
    for path in (old / "a", old, young):  # the young one's file was written just now
        os.utime(path, (before, before))
    made.folder("thing", [], write)
    assert not old.exists()
    assert young.exists()


@pytest.mark.parametrize("change", [b"", b"whole!", b"Whole", None])
def test_what_was_changed_is_refused(made, change):
    path = made.folder("thing", [], write) / "a"
    path.unlink() if change is None else path.write_bytes(change)
    with pytest.raises(DataError, match=r"/a is damaged \(it is not as it was written\); delete its folder"):
        made.folder("thing", [], pytest.fail)


@pytest.mark.parametrize("change", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_a_seal_that_was_changed_is_refused(made, change):
    folder = made.folder("thing", [], write)
    (folder / cache.SEAL).write_bytes(change)
    with pytest.raises(DataError, match=r"is damaged .*; delete its folder"):
        made.folder("thing", [], pytest.fail)


def test_a_damaged_document_is_named(made):
    made.document("said", [], lambda: [1])
    path = next(made.path.glob("*/said.json"))
    path.write_text("[1")
    with pytest.raises(DataError, match=r"said\.json is damaged .* delete its folder"):
        made.document("said", [], lambda: [1])
