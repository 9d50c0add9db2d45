"""Texts that are fetched once into the user's cache and known by their hash."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from unrolled.errors import DataError

SHAKESPEARE_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
SECONDS_OF_SILENCE = 30.0


def shakespeare(url: str = SHAKESPEARE_URL, cache: Path | None = None, sha256: str = SHAKESPEARE_SHA256) -> Path:
    """The path of tinyshakespeare (1,115,394 bytes) in the cache, fetched from ``url`` if it is not there yet."""
    return fetch(url, (cache or _user_cache()) / "tinyshakespeare.txt", sha256)


def fetch(url: str, target: Path, sha256: str) -> Path:
    """``target``, fetched from ``url`` unless it is there with the right hash.

    The file appears whole or not at all. Raises DataError when it cannot be fetched or has another hash.
    """
    if target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == sha256:
        return target
    data = _download(url, target)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise DataError(
            f"{url} gave {len(data):,} bytes with the hash {found[:16]}…, but {sha256[:16]}… was expected: the file "
            "was changed or cut on its way; try again, or fetch it in another way and give it as TEXT"
        )
    try:
        _place(data, target)
    except OSError as error:
        raise DataError(
            f"{target} cannot be written: {error.strerror or error}; fetch {url} yourself and give it as TEXT"
        ) from error
    return target


def _download(url: str, target: Path) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS_OF_SILENCE) as answer:
            data: bytes = answer.read()
            return data
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"{url} cannot be fetched ({reason}); fetch it in another way and save it as {target}, or give it as TEXT"
        ) from error


def _place(data: bytes, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _user_cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("unrolled"))
