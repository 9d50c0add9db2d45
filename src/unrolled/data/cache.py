"""What is made once and kept in the user's cache: folders that appear whole or not at all, and can be deleted any time.

Beside a folder NAME there may stand ``.NAME.*``, which is being made, or was when its process was killed. Who makes
something holds a shared lock on the folder of all these, so that who can have it alone knows that the makers are dead.
In each folder ``sha256.json`` names the files by their hashes, which are looked at whenever it is asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unrolled.errors import DataError

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

A_DAY = 86400.0  # seconds; where there are no locks: who still writes has written within it
SEAL = "sha256.json"


class Cache:
    """A folder of folders."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def folder(self, what: str, key: Any, make: Callable[[Path], None]) -> Path:
        """The folder of ``what``, made by ``make`` unless it is there; ``key`` is all, as plain data, that decides what
        it holds.

        Raises:
            DataError: it cannot be written, or it was changed since it was made.
        """
        target = self.path / f"{what}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}"
        try:
            if not target.is_dir():
                self.path.mkdir(parents=True, exist_ok=True)
                with self._making():
                    self._make(target, make)
        except OSError as error:
            raise unwritable(target, error) from error
        _check(target)
        return target

    def document(self, what: str, key: Any, make: Callable[[], Any]) -> Any:
        """Plain data of a JSON file that is kept like a folder."""

        def write(folder: Path) -> None:
            _write(folder / f"{what}.json", make())

        path = self.folder(what, key, write) / f"{what}.json"
        try:
            return json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise damaged(path, error) from error

    def _make(self, target: Path, make: Callable[[Path], None]) -> None:
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=self.path))
        try:
            make(temporary)
            _write(temporary / SEAL, _hashes(temporary))
            _flush_folder(temporary)
            if not target.is_dir():
                self._publish(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _publish(self, temporary: Path, target: Path) -> None:
        try:
            os.rename(temporary, target)
            _flush_folder(self.path)
        except OSError:
            if not target.is_dir():  # else another process was faster, with the same
                raise

    @contextmanager
    def _making(self) -> Iterator[None]:
        """In the block others do not take for dead what this process makes; what the dead have left is deleted."""
        with contextlib.ExitStack() as undo:
            alone = None
            if fcntl is not None:
                folder = os.open(self.path, os.O_RDONLY)
                undo.callback(os.close, folder)
                alone = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if alone is not False:
                self._sweep(math.inf if alone else time.time() - A_DAY)
            if alone is not None:
                _lock(folder, fcntl.LOCK_SH)
            yield

    def _sweep(self, before: float) -> None:
        for left in self.path.glob(".*"):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # just deleted; not of this making
                written = max(path.stat().st_mtime for path in (left, *left.iterdir()))
                if written < before:
                    shutil.rmtree(left, ignore_errors=True)


def user_cache() -> Path:
    """The folder of token files; XDG_CACHE_HOME moves it."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("unrolled")) / "tokens"


def _lock(folder: int, how: int) -> bool | None:
    """Whether the system gave the lock; None where it has none on folders, as on some network disks."""
    try:
        fcntl.flock(folder, how)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _check(folder: Path) -> None:
    """Refuse what is not as it was made."""
    try:
        expected, found = json.loads((folder / SEAL).read_text("utf-8")), _hashes(folder)
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(folder / SEAL, error) from error
    if found != expected:
        named = expected if isinstance(expected, dict) else {}
        changed = sorted(name for name in found.keys() | named.keys() if found.get(name) != named.get(name))
        raise damaged(folder / (changed or [SEAL])[0], "it is not as it was written")


def _hashes(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name != SEAL:
            with path.open("rb") as file:
                found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _write(path: Path, content: Any) -> None:
    data = json.dumps(content)
    with path.open("w", encoding="utf-8") as file:
        file.write(data)
        flush(file)


def _flush_folder(path: Path) -> None:
    if os.name != "nt":  # Windows has no handle on a folder that could be flushed
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def flush(file: Any) -> None:
    """Wait until what was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def unwritable(path: Path, error: OSError) -> DataError:
    """The error of a write that failed."""
    return DataError(
        f"{path} cannot be written: {error.strerror or error}. So long a text is not held in memory but in that cache: "
        "make it writable and make room for it, name the folder of another one in XDG_CACHE_HOME, or read less of the "
        "text with --limit"
    )


def damaged(path: Path, error: Exception | str) -> DataError:
    """The error of what was in the cache and cannot be read."""
    return DataError(f"{path} is damaged ({error}); delete its folder, and it is made anew")
