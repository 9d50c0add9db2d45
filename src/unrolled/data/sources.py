"""Files that are read as one text, in pieces, so that a text of any length takes little memory."""

from __future__ import annotations

import codecs
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from unrolled.data.cache import unwritable
from unrolled.errors import DataError

PIECE = 1 << 20  # bytes

Pieces = Callable[[], Iterator[str]]  # a text from its beginning, as often as it is called


@dataclass(frozen=True)
class Source:
    """Some files one after the other; none stands for standard input.

    Where there are ``several`` each ends its last line, so that none runs into the next.
    """

    files: tuple[Path, ...] = ()
    several: bool = False

    @property
    def once(self) -> bool:
        """Whether the text is gone when it was read: standard input and pipes."""
        return not (self.files and all(path.is_file() for path in self.files))

    def pieces(self, raw: bool = False, limit: int = 0) -> Iterator[str]:
        """The text, line ends untouched; with ``limit`` > 0 only so many characters.

        ``raw`` lets bytes through that are no UTF-8, as lone surrogates. Raises DataError, with the file and the line,
        for what cannot be read.
        """
        text: Iterator[str] = chain.from_iterable(self._file(path, raw) for path in self.files)
        if not self.files:
            text = _read(nullcontext(sys.stdin.buffer), "standard input", raw)
        return _limited(text, limit) if limit else text

    def _file(self, path: Path, raw: bool) -> Iterator[str]:
        last = ""
        for piece in _read(_opened(path), str(path), raw):
            yield piece
            last = piece[-1:] or last
        if self.several and last not in ("", "\n"):
            yield "\n"


class Spool:
    """Pieces of a text that came but once, to be read again: in a file without a name, which is gone with the object.

    Raises:
        DataError: the folder for it cannot be written.
    """

    def __init__(self, pieces: Iterable[str], folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # read later, closed by the finalizer
            weakref.finalize(self, self._file.close)
            for piece in pieces:
                self._file.write(piece.encode("utf-8", "surrogateescape"))
            self._file.flush()
        except OSError as error:
            raise unwritable(folder, error) from error

    def pieces(self) -> Iterator[str]:
        """The text from its beginning."""
        self._file.seek(0)
        return _read(nullcontext(self._file), "standard input", raw=True)


def between(pieces: Iterable[str], begin: int, end: int) -> Iterator[str]:
    """The characters from ``begin`` to ``end``; what comes after them is read too."""
    place = 0
    for piece in pieces:
        part = piece[max(0, begin - place) : max(0, end - place)]
        if part:
            yield part
        place += len(piece)


def _opened(path: Path) -> AbstractContextManager[BinaryIO]:
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(str(path), error) from error


def _read(opened: AbstractContextManager[BinaryIO], name: str, raw: bool) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8" if raw else "utf-8-sig")("surrogateescape" if raw else "strict")
    lines, data = 0, b"\n"
    with opened as file:
        while data:
            try:
                data = file.read(PIECE)
                piece = decoder.decode(data, final=not data)
            except OSError as error:
                raise _unreadable(name, error) from error
            except UnicodeDecodeError as error:
                raise _no_text(name, error, lines) from None
            lines += piece.count("\n")
            yield piece


def _unreadable(name: str, error: OSError) -> DataError:
    return DataError(f"{name} cannot be read: {error.strerror or error}")


def _no_text(name: str, error: UnicodeDecodeError, lines: int) -> DataError:
    """``lines`` end before the bytes that could not be decoded."""
    line = lines + error.object.count(b"\n", 0, error.start) + 1
    return DataError(
        f"{name} is not UTF-8: byte 0x{error.object[error.start]:02X} in line {line} is no character; convert it "
        f"(iconv -f latin1 -t utf8 {name}), or train on its bytes with --bytes"
    )


def _limited(pieces: Iterable[str], limit: int) -> Iterator[str]:
    for piece in pieces:
        yield piece[:limit]
        limit -= len(piece)
        if limit <= 0:
            return
