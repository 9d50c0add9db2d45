"""Who holds the lock of a run, whatever stands in its file."""

import errno
import json
import os
import socket
import subprocess
import sys

import pytest

from unrolled.checkpoint import lock
from unrolled.checkpoint.lock import Lock, Owner, owner
from unrolled.errors import CheckpointError

HERE = socket.gethostname()
RUBBISH = [
    b"", b"{}", b"[]", b"null", b"\xff", b'{"pid": "x", "host": ""}', b'{"pid": 1e999, "host": ""}', b"[" * 1000,
    b'{"pid": -1, "host": "%s"}' % HERE.encode(), b'{"pid": 1' + b"0" * 30 + b', "host": "%s"}' % HERE.encode(),
]  # fmt: skip


@pytest.fixture(params=["locks", "no locks"])
def path(request, tmp_path, monkeypatch):
    """The file, on a system that has locks and on one that has none."""
    if request.param == "no locks":
        monkeypatch.setattr(lock, "fcntl", None)
    elif lock.fcntl is None:
        pytest.skip("there are no locks here")
    return tmp_path / "run" / "lock"


@pytest.fixture(autouse=True)
def folder(tmp_path):
    (tmp_path / "run").mkdir()


def test_one_at_a_time(path, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.0)
    assert owner(path) is None
    held = Lock(path)
    assert owner(path) == Owner(os.getpid(), HERE)
    with pytest.raises(CheckpointError, match=rf"run is in use by this very process \({os.getpid()}\)"):
        Lock(path)
    assert owner(path) == Owner(os.getpid(), HERE)  # who was refused takes nothing away
    held.release()
    held.release()
    assert owner(path) is None
    Lock(path).release()


def test_it_ends_with_the_object(path):
    held = Lock(path)
    del held
    # without locks what the file says counts for as long as the process lives
    assert owner(path) == (Owner(os.getpid(), HERE) if lock.fcntl is None else None)


@pytest.mark.parametrize("said", RUBBISH)
def test_rubbish_in_the_file_hinders_nobody(path, said):
    path.write_bytes(said)
    assert owner(path) is None
    held = Lock(path)
    assert owner(path) == Owner(os.getpid(), HERE)
    held.release()


def test_a_dead_process_hinders_nobody(path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    path.write_text(json.dumps({"pid": process.pid, "host": HERE}))
    assert owner(path) is None
    Lock(path).release()


def test_without_locks_one_that_may_live_is_believed(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "fcntl", None)
    path = tmp_path / "run" / "lock"
    for pid, host, words in ((os.getppid(), HERE, ""), (7, "elsewhere", " on elsewhere")):
        path.write_text(json.dumps({"pid": pid, "host": host}))
        assert owner(path) == Owner(pid, host)
        with pytest.raises(CheckpointError, match=rf"in use by process {pid}{words};.* delete .*lock"):
            Lock(path)


@pytest.mark.skipif(lock.fcntl is None, reason="there are no locks here")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EIO])
def test_a_disk_that_refuses_locks(tmp_path, monkeypatch, number):
    """Where it has none the file alone must do; whatever else fails is an error."""
    path = tmp_path / "run" / "lock"

    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    if number == errno.EIO:
        with pytest.raises(CheckpointError, match="lock cannot be written: Input/output error"):
            Lock(path)
        return
    held = Lock(path)
    assert owner(path) == Owner(os.getpid(), HERE)
    with pytest.raises(CheckpointError, match="in use by this very process"):
        Lock(path)
    held.release()
    assert owner(path) is None


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(CheckpointError, match="lock cannot be written: No such file"):
        Lock(tmp_path / "gone" / "lock")
