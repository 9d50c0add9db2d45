"""CoNLL-U: a sentence is a block of lines, a word is a line of ten columns between tabs.

The format is that of Universal Dependencies, https://universaldependencies.org/format.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from unrolled.errors import DataError

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")

NUMBER = "[1-9][0-9]{0,8}"
WORD = re.compile(NUMBER)
RANGE = re.compile(f"({NUMBER})-({NUMBER})")
EMPTY_NODE = re.compile(rf"(?:0|{NUMBER})\.{NUMBER}")
TEXT = re.compile(r"#\s*text\s*=(.*)")


@dataclass
class Sentence:
    """The words of a sentence as rows of ten cells, the line of the first one, and what ``# text =`` says."""

    line: int = 0
    rows: list[list[str]] = field(default_factory=list)
    text: str | None = None


def read(text: str, name: str) -> tuple[dict[str, tuple[Any, ...]], list[int]]:
    """The columns of a CoNLL-U text, one value for each sentence, and the lines on which the sentences begin.

    A value is a tuple with the cells of the words; ``text`` (str) is a column where every sentence has its comment.
    Multiword ranges (3-4) and empty nodes (5.1) are skipped. Raises DataError, with the ``name`` of the file and the
    line, for what is not CoNLL-U.
    """
    found = list(_sentences(text, name))
    if not found:
        raise DataError(f"{name} holds no sentence; a sentence is a block of lines with ten columns between tabs")
    cells = (zip(*sentence.rows, strict=True) for sentence in found)
    columns: dict[str, tuple[Any, ...]] = dict(zip(COLUMNS, zip(*cells, strict=True), strict=True))
    if all(sentence.text is not None for sentence in found):
        columns["text"] = tuple(sentence.text for sentence in found)
    return columns, [sentence.line for sentence in found]


def _sentences(text: str, name: str) -> Iterator[Sentence]:
    sentence = Sentence()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            if sentence.rows:
                yield sentence
            sentence = Sentence()
        elif line.startswith("#"):
            if match := TEXT.match(line):
                sentence.text = match[1].strip()
        else:
            cells = _cells(line.removesuffix("\r"), f"{name}, line {number}")
            if _is_word(cells[0], len(sentence.rows) + 1, f"{name}, line {number}"):
                sentence.line = sentence.line or number
                sentence.rows.append(cells)
    if sentence.rows:
        yield sentence


def _cells(line: str, place: str) -> list[str]:
    cells = line.split("\t")
    if len(cells) != len(COLUMNS):
        raise DataError(
            f"{place} has {len(cells)} of the columns of CoNLL-U, which has ten ({', '.join(COLUMNS)}); separate "
            "them by one tab each, and write _ for what is not known"
        )
    if "" in cells:
        raise DataError(f"{place}: the column {COLUMNS[cells.index('')]} is empty; write _ for what is not known")
    return cells


def _is_word(label: str, expected: int, place: str) -> bool:
    """Whether a line with this id is a word of its own; it must then be number ``expected``."""
    if EMPTY_NODE.fullmatch(label):
        return False
    if match := RANGE.fullmatch(label):
        if int(match[1]) < int(match[2]):
            return False
        raise DataError(f"{place}: the range {label} does not go up; write the first word and the last, such as 3-4")
    if not WORD.fullmatch(label):
        raise DataError(
            f"{place}: the id {label[:20]!r} is none; an id is a number (7), a range (3-4) or an empty node (5.1)"
        )
    if int(label) != expected:
        raise DataError(
            f"{place} has the id {label} where {expected} comes next; number the words of a sentence 1, 2, 3, … and "
            "leave a blank line between sentences"
        )
    return True
