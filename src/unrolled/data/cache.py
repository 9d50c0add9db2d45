"""What is made once and kept in the user's cache: folders that appear whole or not at all, and can be deleted any time.

Beside a folder NAME there may stand ``.NAME.*``, which is being made, or was when its process was killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unrolled.errors import DataError

A_DAY = 86400.0  # seconds; who still writes has written within it


class Cache:
    """A folder of folders."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def folder(self, what: str, key: Any, make: Callable[[Path], None]) -> Path:
        """The folder of ``what``, made by ``make`` unless it is there; ``key`` is all, as plain data, that decides what
        it holds.

        Raises:
            DataError: it cannot be written.
        """
        target = self.path / f"{what}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}"
        try:
            if not target.is_dir():
                self._make(target, make)
        except OSError as error:
            raise unwritable(target, error) from error
        return target

    def document(self, what: str, key: Any, make: Callable[[], Any]) -> Any:
        """Plain data of a JSON file that is kept like a folder."""

        def write(folder: Path) -> None:
            data = json.dumps(make())
            with (folder / f"{what}.json").open("w", encoding="utf-8") as file:
                file.write(data)
                flush(file)

        path = self.folder(what, key, write) / f"{what}.json"
        try:
            return json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise damaged(path, error) from error

    def _make(self, target: Path, make: Callable[[Path], None]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self._sweep()
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=self.path))
        try:
            make(temporary)
            if not target.is_dir():
                self._publish(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @staticmethod
    def _publish(temporary: Path, target: Path) -> None:
        try:
            os.rename(temporary, target)
        except OSError:
            if not target.is_dir():  # else another process was faster, with the same
                raise

    def _sweep(self) -> None:
        for left in self.path.glob(".*"):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # just deleted; not of this making
                written = max(path.stat().st_mtime for path in (left, *left.iterdir()))
                if written < time.time() - A_DAY:
                    shutil.rmtree(left, ignore_errors=True)


def user_cache() -> Path:
    """The folder of token files; XDG_CACHE_HOME moves it."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("unrolled")) / "tokens"


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


def damaged(path: Path, error: Exception) -> DataError:
    """The error of what was in the cache and cannot be read."""
    return DataError(f"{path} is damaged ({error}); delete its folder, and it is made anew")
