"""Writing so that a reader, or a machine that loses power, finds the old or the new and never a part of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from unrolled.errors import CheckpointError


def write(path: Path, data: bytes) -> None:
    """Put ``data`` in place of the file ``path``: a temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write_through(temporary, data)
        os.replace(temporary, path)
        flush(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _refusal(path, error) from error


def publish(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder with these files appear under its name, whole, in place of what stood there."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for name, data in files.items():
            _write_through(temporary / name, data)
        flush(temporary)
        if folder.exists():
            remove(folder)
        os.rename(temporary, folder)
        flush(folder.parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise _refusal(folder, error) from error


def remove(folder: Path) -> None:
    """Delete a folder; it loses its name first, so that no half of it is ever found."""
    rubbish = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    shutil.rmtree(rubbish, ignore_errors=True)
    os.rename(folder, rubbish)
    shutil.rmtree(rubbish, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Delete what an interrupted ``write``, ``publish`` or ``remove`` left in a folder."""
    for path in [*folder.glob(".*.tmp"), *folder.glob(".*.old")]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Wait until a file's data, or a folder's list of names, is on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handle on a folder that could be flushed
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _refusal(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be written: {error.strerror or error}; what was saved before is whole, make room or choose "
        "another folder and go on with --resume"
    )
