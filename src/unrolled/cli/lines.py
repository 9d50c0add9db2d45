"""Texts on one line each, in files and flags: \\n stands for a line break, \\t for a tab, \\\\ for a backslash."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

from unrolled.cli import from_user
from unrolled.errors import ConfigurationError

MEANINGS = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


def read_lines(file: str, flag: str) -> list[str]:
    """The texts of a file, one a line; - is standard input.

    Raises:
        DataError: the file cannot be read; ConfigurationError: it has a backslash that means nothing.
    """
    return [unescaped(line, f"{flag} {where}") for where, line in numbered(from_user(file))]


def read_allowed(file: str) -> list[str]:
    """The texts of a file for --allowed, one a line, blank lines left out; raises as ``read_lines``."""
    return [line for line in read_lines(file, "--allowed") if line]


def numbered(file: str) -> Iterator[tuple[str, str]]:
    """The lines of a file, or for - of standard input, each with where it stands; raises DataError."""
    lines = io.StringIO(read_input(file), newline=None)
    name = "standard input" if file == "-" else file
    for number, line in enumerate(lines, 1):
        yield f"{name}, line {number}", line.removesuffix("\n")


def read_input(file: str) -> str:
    """The text of one file, or for - of standard input; raises DataError."""
    from unrolled.data.corpora import read_file, read_text

    return read_text("-") if file == "-" else read_file(Path(file))


def unescaped(line: str, where: str) -> str:
    r"""The text that a line stands for.

    >>> unescaped(r"end\n", "--until")
    'end\n'
    """

    def meaning(match: re.Match[str]) -> str:
        if match[1] not in MEANINGS:
            raise ConfigurationError(
                rf"{where}: {match[0]} means nothing; write \n or \r for a line break, \t for a tab, \\ for a backslash"
            )
        return MEANINGS[match[1]]

    return re.sub(r"\\(.?)", meaning, line, flags=re.DOTALL)


def escaped(text: str) -> str:
    """A text on one line."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
