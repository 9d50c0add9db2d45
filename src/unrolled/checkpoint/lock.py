"""The right to write in a run directory: one process at a time has it, and a dead one does not.

The system holds the lock (flock) and lets go of it however the process ends; what the file says is for the message
only. Where the system has no such locks (Windows, some network disks) the file alone must do: it counts for as long as
the process that it names is alive, or may be because that cannot be seen from here.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
import weakref
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from unrolled.checkpoint import atomic
from unrolled.errors import CheckpointError

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LARGEST = 2**31 - 1  # of process ids
PATIENCE = 1.0  # seconds: one who asks for the owner holds the lock for a moment, and a killed process dies slowly


@dataclass(frozen=True)
class Owner:
    """A process on a machine; 0 and "" where that is not known."""

    pid: int = 0
    host: str = ""

    @classmethod
    def here(cls) -> Owner:
        """This process."""
        return cls(os.getpid(), socket.gethostname())

    def __str__(self) -> str:
        if not self.pid:
            return "another process"
        return f"process {self.pid}" + ("" if self.host == socket.gethostname() else f" on {self.host}")

    @property
    def may_live(self) -> bool:
        """Whether it runs, or at least nothing here says that it does not."""
        if not self.pid or self.host != socket.gethostname() or os.name == "nt":  # where os.kill would end it
            return bool(self.pid)
        try:
            os.kill(self.pid, 0)
        except OSError as error:
            return error.errno != errno.ESRCH
        return True


class Lock:
    """The lock of a run, held from its making until ``release``, or until nobody holds the object any more.

    Raises:
        CheckpointError: another process holds it, which the message names, or the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        with contextlib.ExitStack() as undo:
            try:
                self._file = _open(path, "a+b")
                undo.callback(self._file.close)
                if not _take(self._file):
                    raise CheckpointError(_in_use(path, self._file))
                _write(self._file, asdict(Owner.here()))
            except OSError as error:
                raise atomic.refusal(path, error) from error
            undo.pop_all()
        self._close = weakref.finalize(self, self._file.close)

    def release(self) -> None:
        """Let others write; a second time does nothing."""
        if self._close.alive:
            with contextlib.suppress(OSError):  # the system lets go whatever the file says
                _write(self._file, {})
            with contextlib.suppress(OSError):
                self._close()


def owner(path: Path) -> Owner | None:
    """Who holds a lock; None where nobody does."""
    try:
        with _open(path, "rb") as file:
            # shared, so that two who ask do not hinder each other
            free = _flock(file, exclusive=False)
            found = _read(file)
    except OSError:
        return None
    return None if free or (free is None and not found.may_live) else found


def _take(file: FileIO) -> bool:
    """Try for a while to get the lock."""
    until = time.monotonic() + PATIENCE
    while not (taken := _flock(file, exclusive=True)):
        if taken is None:
            return not _read(file).may_live
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def _flock(file: FileIO, exclusive: bool) -> bool | None:
    """Whether the system gave the lock; None where it has none to give."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            return None
        raise
    return True


def _open(path: Path, mode: str) -> FileIO:
    return path.open(mode, buffering=0)  # type: ignore[return-value]  # mypy knows no mode that is no literal


def _read(file: FileIO) -> Owner:
    file.seek(0)
    try:
        said = json.loads(file.read(1000))
        pid, host = int(said["pid"]), str(said["host"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Owner()
    return Owner(pid, host) if 0 < pid <= LARGEST else Owner()


def _write(file: FileIO, said: dict[str, Any]) -> None:
    file.truncate(0)
    file.write(json.dumps(said).encode())


def _in_use(path: Path, file: FileIO) -> str:
    found, run = _read(file), path.parent
    if found == Owner.here():
        return f"{run} is in use by this very process ({found.pid}): end the training that holds it, or close() it"
    remedy = "wait until it has ended, stop it with Ctrl-C, or choose another --run"
    if _flock(file, exclusive=True) is None:  # it may have died without emptying the file
        remedy += f"; if it does not run any more, delete {path}"
    return f"{run} is in use by {found}; {remedy}"
