"""What is made once: whole or not at all, whatever happens while it is made."""

import errno
import os
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

    def other():
        target = next(made.path.glob(".thing*"))
        target = made.path / target.name.removeprefix(".").rpartition(".")[0]
        target.mkdir()
        (target / "a").write_text("theirs")

    def make(folder):
        write(folder)
        if early:
            other()

    rename = os.rename
    if not early:
        monkeypatch.setattr(cache.os, "rename", lambda *paths: (other(), rename(*paths)))
    assert (made.folder("thing", [], make) / "a").read_text() == "theirs"
    assert len(list(made.path.iterdir())) == 1


def test_what_a_killed_process_left_is_deleted_after_a_day(made):
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


def test_a_damaged_document_is_named(made):
    made.document("said", [], lambda: [1])
    path = next(made.path.glob("*/said.json"))
    path.write_text("[1")
    with pytest.raises(DataError, match=r"said\.json is damaged .* delete its folder"):
        made.document("said", [], lambda: [1])
