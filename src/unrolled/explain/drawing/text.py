"""What stands in a node or beside an arrow: lines of runs, a run being raised, lowered or neither, italic or upright.

Sizes are in pixels of 1/96 inch. A formula such as h_{t-1} is three runs: h, lowered t, lowered −1.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unrolled.explain.drawing.glyphs import width as glyph_width

NODE_SIZE, LABEL_SIZE, NOTE_SIZE = 18.0, 15.0, 13.0
SCRIPT = 0.7  # the size of a raised or lowered run, as a share of the line's
ASCENT, DESCENT = 0.95, 0.42  # of a line with scripts, in ems
SPACING = 1.07  # what the setting of formulas adds between letters
RAISE, LOWER = 0.36, 0.2  # how far the baseline of a script is moved, in ems


@dataclass(frozen=True)
class Run:
    """A piece of text of one style; ``shift`` is 1 for a superscript, -1 for a subscript, 0 on the line."""

    text: str
    shift: int = 0
    italic: bool = False

    def width(self, size: float) -> float:
        return glyph_width(self.text) * size * (SCRIPT if self.shift else 1)


@dataclass(frozen=True)
class Line:
    """One line; ``style`` says what it is: name, note, value, adjoint."""

    runs: tuple[Run, ...]
    style: str = "name"

    def __str__(self) -> str:
        return "".join(run.text if not run.shift else f"{'^' if run.shift > 0 else '_'}{run.text}" for run in self.runs)

    @property
    def plain(self) -> str:
        return "".join(run.text for run in self.runs)

    def width(self, size: float) -> float:
        return SPACING * sum(run.width(size) for run in self.runs)


def height(size: float) -> float:
    """Of one line, scripts included."""
    return (ASCENT + DESCENT) * size


def text_size(line: Line) -> float:
    """The size of a line in a node."""
    return NODE_SIZE if line.style == "name" else NOTE_SIZE


def block(lines: Sequence[Line], size: float) -> tuple[float, float]:
    """Width and height of several lines below one another."""
    return max((line.width(size) for line in lines), default=0.0), height(size) * len(lines)


def symbol(name: str, index: str = "", superscript: str = "") -> tuple[Run, ...]:
    """The runs of a name at a step: ``symbol("W_ih")``, ``symbol("h", "t-1")``, ``symbol("h", "0", "(2)")``."""
    letter, _, subscript = name.partition("_")
    below = ",".join(part for part in (subscript, index) if part)
    base = re.fullmatch(r"(\w)(\d*)(['′]*)", letter)
    if base is None:  # a word
        runs = [Run(letter)]
    else:
        runs = [Run(base[1], italic=True)]
        runs += [Run(base[2])] if base[2] else []
        runs += [Run("′" * len(base[3]))] if base[3] else []
    return (*runs, *_script(below, -1), *_script(superscript, 1))


def _script(text: str, shift: int) -> Iterable[Run]:
    """Single letters are quantities and italic; words, digits and signs are upright."""
    for part in re.findall(r"[^\W\d_]+|(?:[^\w]|\d|_)+", text.replace("-", "−")):
        yield Run(part, shift, italic=len(part) == 1 and part.isalpha())


def words(text: str, style: str = "note") -> Line:
    """A line of upright text."""
    return Line((Run(unicodedata.normalize("NFC", text)),), style)


def joined(parts: Iterable[tuple[Run, ...]], separator: str = ", ") -> tuple[Run, ...]:
    """Several formulas on one line."""
    runs: list[Run] = []
    for part in parts:
        runs += [Run(separator)] if runs else []
        runs += part
    return tuple(runs)
