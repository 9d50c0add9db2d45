"""What can be said of a place in a text that a unit may keep track of: simple functions from a text to an array.

A predicate is true or false at each character, or a number; it says what holds once this character has been read.

Shapes: a text of N characters; a predicate (N,), bool or float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

VOWELS = frozenset("aeiouäöüAEIOUÄÖÜ")
SENTENCE_ENDS = frozenset(".!?")
OPENING, CLOSING = "([{", ")]}"

Found = NDArray[Any]


@dataclass(frozen=True)
class Predicate:
    """A name for people, and the function; ``number`` where it gives numbers, to which a unit may be proportional."""

    name: str
    of: Callable[[str], Found]
    number: bool = False


def inside_quotes(text: str) -> Found:
    """Between double quotation marks, the opening one included; straight ones open and close in turn, others are read
    as in English and French.

    >>> inside_quotes('a "b" c').astype(int).tolist()
    [0, 0, 1, 1, 0, 0, 0]
    """
    found, straight, curved = [], False, 0
    for character in text:
        straight ^= character == '"'
        curved = max(0, curved + (character in "“«") - (character in "”»"))
        found.append(straight or curved > 0)
    return np.array(found, dtype=bool)


def inside_brackets(text: str) -> Found:
    """After an opening bracket of any kind, and before as many closing ones."""
    found, depth = [], 0
    for character in text:
        depth = max(0, depth + (character in OPENING) - (character in CLOSING))
        found.append(depth > 0)
    return np.array(found, dtype=bool)


def after_a_colon(text: str) -> Found:
    """A colon, or after one in the same line."""
    found, after = [], False
    for character in text:
        after = character != "\n" and (after or character == ":")
        found.append(after)
    return np.array(found, dtype=bool)


def line_position(text: str) -> Found:
    """Characters since the last line break; 0 at it."""
    return _since(character == "\n" for character in text)


def lines_of_paragraph(text: str) -> Found:
    """Line breaks since the last empty line, or since the text began."""
    found, lines, length = [], 0, 0
    for character in text:
        if character == "\n":
            lines, length = (lines + 1 if length else 0), 0
        else:
            length += 1
        found.append(lines)
    return np.array(found, dtype=np.float64)


def after_an_empty_line(text: str) -> Found:
    """In the first line of the text, or in one after an empty one."""
    return lines_of_paragraph(text) == 0


def word_position(text: str) -> Found:
    """Letters and digits of this word so far; 0 outside words."""
    return _since(not character.isalnum() for character in text)


def word_begins(text: str) -> Found:
    """The first letter or digit of a word."""
    return word_position(text) == 1


def word_ends(text: str) -> Found:
    """The last letter or digit of a word, which only the next character will show."""
    inside = word_position(text) > 0
    return inside & ~np.append(inside[1:], [False])[: len(inside)]


def in_capitals(text: str) -> Found:
    """A capital letter after another one."""
    capital = capital_letter(text)
    return capital & np.append([False], capital[:-1])[: len(capital)]


def sentence_position(text: str) -> Found:
    """Characters since the last sign that ends a sentence; 0 at it."""
    return _since(character in SENTENCE_ENDS for character in text)


def capital_letter(text: str) -> Found:
    """A capital letter."""
    return _each(text, str.isupper)


def vowel(text: str) -> Found:
    """A vowel."""
    return _each(text, VOWELS.__contains__)


def space(text: str) -> Found:
    """A space, line break or tab."""
    return _each(text, str.isspace)


def punctuation(text: str) -> Found:
    """Neither letter, digit nor space."""
    return _each(text, lambda character: not (character.isalnum() or character.isspace()))


def digit(text: str) -> Found:
    """A digit."""
    return _each(text, str.isdigit)


PREDICATES = (
    Predicate("inside quotes", inside_quotes),
    Predicate("inside brackets", inside_brackets),
    Predicate("after a colon in the line", after_a_colon),
    Predicate("position in the line", line_position, number=True),
    Predicate("in a line after an empty one", after_an_empty_line),
    Predicate("lines since an empty one", lines_of_paragraph, number=True),
    Predicate("position in the word", word_position, number=True),
    Predicate("first letter of a word", word_begins),
    Predicate("last letter of a word", word_ends),
    Predicate("position in the sentence", sentence_position, number=True),
    Predicate("within capitals", in_capitals),
    Predicate("capital letter", capital_letter),
    Predicate("vowel", vowel),
    Predicate("space", space),
    Predicate("punctuation", punctuation),
    Predicate("digit", digit),
)


def _each(text: str, true: Callable[[str], bool]) -> Found:
    return np.array([true(character) for character in text], dtype=bool)


def _since(marks: Iterable[bool]) -> Found:
    """How many characters there are since the last mark; 0 at a mark."""
    found, count = [], 0
    for mark in marks:
        count = 0 if mark else count + 1
        found.append(count)
    return np.array(found, dtype=np.float64)
