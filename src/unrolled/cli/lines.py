"""Texts on one line each, in files and flags: \\n stands for a line break, \\t for a tab, \\\\ for a backslash."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from unrolled.cli import from_user
from unrolled.errors import ConfigurationError

MEANINGS = {"n": "\n", "t": "\t", "\\": "\\"}


def read_lines(file: str, flag: str) -> list[str]:
    """The texts of a file, one a line; - is standard input.

    Raises:
        DataError: the file cannot be read; ConfigurationError: it has a backslash that means nothing.
    """
    from unrolled.data.corpora import read_file

    file = from_user(file)
    text = sys.stdin.read() if file == "-" else read_file(Path(file))
    lines = io.StringIO(text, newline=None)
    return [unescaped(line.rstrip("\n"), f"{flag} {file}, line {number}") for number, line in enumerate(lines, 1)]


def unescaped(line: str, where: str) -> str:
    r"""The text that a line stands for.

    >>> unescaped(r"end\n", "--until")
    'end\n'
    """

    def meaning(match: re.Match[str]) -> str:
        if match[1] not in MEANINGS:
            raise ConfigurationError(
                rf"{where}: {match[0]} means nothing; write \n for a line break, \t for a tab, \\ for a backslash"
            )
        return MEANINGS[match[1]]

    return re.sub(r"\\(.?)", meaning, line, flags=re.DOTALL)


def escaped(text: str) -> str:
    """A text on one line."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")
