"""Where text comes from: a file, a folder, a glob, standard input, or the sources of Python's standard library.

The last 5 % of the characters are for validation; in the standard library whole files are held out.
"""

from __future__ import annotations

import glob
import hashlib
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from unrolled.errors import ConfigurationError, DataError

VALIDATION_SHARE = 0.05

# Tests hold deliberately broken files, pydoc_data is one generated table of documentation, the rest was installed.
NOT_THE_LIBRARY = {"test", "tests", "idle_test", "pydoc_data", "site-packages", "dist-packages", "__pycache__"}


@dataclass(frozen=True)
class Corpus:
    """A text in two parts: ``training`` and, after it, ``validation``."""

    name: str
    training: str
    validation: str

    @property
    def text(self) -> str:
        """Both parts."""
        return self.training + self.validation

    @property
    def sha256(self) -> str:
        """The fingerprint of both parts and of the border between them."""
        parts = (self.training.encode("utf-8", "surrogateescape"), self.validation.encode("utf-8", "surrogateescape"))
        return hashlib.sha256(b"%d:" % len(parts[0]) + parts[0] + parts[1]).hexdigest()


def split(name: str, text: str, share: float = VALIDATION_SHARE) -> Corpus:
    """The corpus whose last ``share`` of the characters (rounded down, at least two) is for validation."""
    held_out = max(2, int(len(text) * share))
    if len(text) < 2 * held_out:
        raise DataError(f"{name} has {len(text)} characters, which is too short to train on; give a longer text")
    return Corpus(name, text[:-held_out], text[-held_out:])


def read_corpus(text: str | None = None, data: str | None = None, *, raw: bool = False, limit: int = 0) -> Corpus:
    """The corpus that a user names.

    ``text`` is a file, a folder (all its files, by name), a glob, "-" (standard input) or None (the standard library
    of the running Python); ``data`` is the name of a corpus to download ("shakespeare"). ``raw`` lets bytes through
    that are no UTF-8, for vocabularies of bytes. ``limit`` > 0 reads only so many characters. Raises DataError, with
    the file and the line, for what cannot be read.
    """
    if data is not None and text is not None:
        raise ConfigurationError(f"both a text ({text}) and --data {data} are given; give one of them")
    if data is not None:
        if data != "shakespeare":
            raise ConfigurationError(f"--data {data} does not exist; the only corpus to download is shakespeare")
        from unrolled.data.download import shakespeare  # and with it all of HTTP, which few need

        return split(data, _cut(read_file(shakespeare(), raw), limit))
    if text is None:
        return standard_library(limit)
    return split(_name(text), _cut(read_text(text, raw=raw), limit))


def read_text(text: str, *, raw: bool = False) -> str:
    """The text of a file, a folder, a glob or "-"; the files of a folder in the order of their names."""
    if text == "-":
        return _decode(sys.stdin.buffer.read(), "standard input", raw)
    path = Path(text)
    if path.is_dir():
        files = [p for p in sorted(path.rglob("*")) if p.is_file() and not _hidden(p.relative_to(path))]
        if not files:
            raise DataError(f"the folder {text} holds no file to train on")
        return _join(files, raw)
    if path.exists():
        return read_file(path, raw)
    files = [Path(name) for name in sorted(glob.glob(text, recursive=True)) if Path(name).is_file()]
    if not files:
        kind = "no file matches the pattern" if glob.has_magic(text) else "there is no file or folder"
        raise DataError(f"{kind} {text}; TEXT is a file, a folder, a glob in quotes, or - for standard input")
    return _join(files, raw)


def read_file(path: Path, raw: bool = False) -> str:
    """The text of one UTF-8 file, line ends untouched."""
    try:
        return _decode(path.read_bytes(), str(path), raw)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def standard_library(limit: int = 0) -> Corpus:
    """The source files of the running Python's standard library, of which at most 5 % are held out, by file."""
    root = Path(sysconfig.get_paths()["stdlib"])
    texts: list[str] = []
    for path in _library_files(root):
        texts.append(read_file(path))
        if limit and sum(map(len, texts)) >= limit:
            break
    room = int(VALIDATION_SHARE * sum(map(len, texts)))
    training: list[str] = []
    validation: list[str] = []
    for text in reversed(texts):
        held_out = len(text) <= room
        room -= len(text) if held_out else 0
        (validation if held_out else training).append(text)
    if not any(training) or not any(validation):
        raise DataError(f"{root} holds too few source files of the standard library to train on; give a TEXT")
    return Corpus("python", "".join(reversed(training)), "".join(reversed(validation)))


def _library_files(root: Path) -> list[Path]:
    """In an order that is fixed but unrelated to what the files hold: the first of them are a fair sample of all."""
    found = (path.relative_to(root) for path in root.rglob("*.py"))
    names = (path.as_posix() for path in found if not NOT_THE_LIBRARY.intersection(path.parts))
    return [root / name for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())]


def _join(files: Iterable[Path], raw: bool) -> str:
    """The files one after the other, each ending its last line so that none runs into the next."""
    texts = (read_file(path, raw) for path in files)
    return "".join(text if text.endswith("\n") or not text else text + "\n" for text in texts)


def _decode(data: bytes, name: str, raw: bool) -> str:
    if raw:
        return data.decode("utf-8", "surrogateescape")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} is not UTF-8: byte 0x{data[error.start]:02X} in line {line} is no character; convert it "
            f"(iconv -f latin1 -t utf8 {name}), or train on its bytes with --bytes"
        ) from None


def _cut(text: str, limit: int) -> str:
    return text[:limit] if limit else text


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _name(text: str) -> str:
    """A short name for a corpus, good for a folder."""
    stem = "stdin" if text == "-" else Path(text).absolute().stem
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in stem).strip("-.") or "text"
