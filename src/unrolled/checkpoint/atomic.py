"""Writing so that a reader, or a machine that loses power, finds the old or the new and never a part of it.

Beside a file or folder NAME there may stand, for a moment or after a kill: ``.NAME.PID.tmp``, which is being written;
``.NAME.old``, which is whole and is being replaced; ``.NAME.gone``, which is being deleted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from unrolled.errors import CheckpointError

REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room for it"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "make the folder writable, or copy it to one that is"),
}


def write(path: Path, data: bytes) -> None:
    """Put ``data`` in place of the file ``path``: a temporary file, fsync, rename, fsync of the folder."""
    temporary = _temporary(path)
    try:
        _write_through(temporary, data)
        os.replace(temporary, path)
        flush(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):  # on a read-only disk even the deletion of nothing fails
            temporary.unlink()
        raise refusal(path, error) from error


def publish(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder with these files appear under its name, whole, in place of what stood there."""
    temporary, aside = _temporary(folder), _beside(folder, "old")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        make(folder.parent)
        temporary.mkdir()
        for name, data in files.items():
            _write_through(temporary / name, data)
        flush(temporary)
        # no system call replaces a folder that is not empty: two renamings, and ``sweep`` if killed between them
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)
            os.rename(folder, aside)
        os.rename(temporary, folder)
        flush(folder.parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        with contextlib.suppress(OSError):
            _put_back(aside)
        raise refusal(folder, error) from error
    shutil.rmtree(aside, ignore_errors=True)


def make(folder: Path) -> None:
    """Make a folder, and those above it, unless they are there; their names are on the disk then."""
    if not folder.is_dir():
        make(folder.absolute().parent)
        folder.mkdir(exist_ok=True)
        flush(folder.absolute().parent)


def remove(folder: Path) -> None:
    """Delete a folder; it loses its name first, so that no half of it is ever found."""
    rubbish = _beside(folder, "gone")
    try:
        shutil.rmtree(rubbish, ignore_errors=True)
        os.rename(folder, rubbish)
        flush(folder.parent)
    except OSError as error:
        raise refusal(folder, error, "deleted") from error
    shutil.rmtree(rubbish, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Put back or delete what an interrupted ``write``, ``publish`` or ``remove`` left in a folder."""
    try:
        for aside in folder.glob(".*.old"):
            _put_back(aside)
        for path in (path for ending in ("tmp", "old", "gone") for path in folder.glob(f".*.{ending}")):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
    except OSError as error:
        raise refusal(folder, error, "tidied") from error


def flush(path: Path) -> None:
    """Wait until a file's data, or a folder's list of names, is on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle on a folder that could be flushed
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refusal(path: Path, error: OSError, done: str = "written") -> CheckpointError:
    """The error of a write that failed: what the system says, and what helps."""
    remedy = REMEDIES.get(error.errno or 0, "mend that, or copy the run to another disk")
    return CheckpointError(
        f"{path} cannot be {done}: {error.strerror or error}; {remedy}. What was saved before is whole: go on from it "
        "with --resume"
    )


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _put_back(aside: Path) -> None:
    """Give a folder that was being replaced its name again, unless the new one has it."""
    folder = aside.with_name(aside.name.removeprefix(".").removesuffix(".old"))
    if aside.exists() and not folder.exists():
        os.rename(aside, folder)


def _temporary(path: Path) -> Path:
    return _beside(path, f"{os.getpid()}.tmp")  # two processes may write the same file, such as a saved state


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}.{ending}")
