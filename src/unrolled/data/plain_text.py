"""The text of a file in UTF-8, whole or line by line."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from unrolled.errors import DataError


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, line ends untouched, that holds more than blanks."""
    data = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        text, bad = data.decode(), data.find(b"\0")
    except UnicodeDecodeError as error:
        text, bad = "", error.start
    if bad >= 0:
        line = data.count(b"\n", 0, bad) + 1
        what = "is NUL, which no text has" if data[bad] == 0 else "is no UTF-8"
        how = f"iconv -f {'utf-16' if 0 in data else 'latin1'} -t utf8 {path}"
        raise DataError(
            f"{path}: byte 0x{data[bad]:02X} in line {line} {what}; if the file is a text, convert it ({how})"
        )
    if not text.strip():
        raise DataError(f"{path} is empty; give a file with examples in it, or delete it")
    return text


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Where a line is and what it says, for each that is not blank (str.splitlines would split at U+0085, too)."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", line.removesuffix("\r")
