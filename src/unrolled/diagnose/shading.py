"""A text shaded by numbers: its lines, what stands for each symbol, and the colour of a number.

Shapes: numbers (T,), one for each symbol; a colour (…, 3), 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from unrolled.diagnose.plots import BLUE, ORANGE

Array = NDArray[np.float64]

SHOWN = {"\n": "↵", "\r": "←", "\t": "→", "": "·"}
STRONGEST = 0.7  # of a colour, so that what is written in black on it can still be read


def shown(symbol: str) -> str:
    r"""A symbol as one can see it: a line break is an arrow, what a terminal would obey becomes U+FFFD.

    >>> shown("\n"), shown("a"), shown("\x1b"), shown("")
    ('↵', 'a', '�', '·')
    """
    seen = "".join(SHOWN.get(each, each if each.isprintable() or each == "\u00a0" else "\ufffd") for each in symbol)
    return seen or SHOWN[""]


def text_lines(symbols: Sequence[str], width: int) -> list[range]:
    r"""The symbols of each line: a line ends after a line break, or where it would be wider than ``width`` cells.

    >>> text_lines("ab\ncdefg", 3)
    [range(0, 3), range(3, 6), range(6, 8)]
    """
    lines, begin, cells = [], 0, 0
    for place, symbol in enumerate(symbols):
        size = cell_len(shown(symbol))
        if place > begin and cells + size > width:
            lines.append(range(begin, place))
            begin, cells = place, 0
        cells += size
        if symbol.endswith("\n"):
            lines.append(range(begin, place + 1))
            begin, cells = place + 1, 0
    return [*lines, range(begin, len(symbols))] if begin < len(symbols) else lines


def scaled(values: Array) -> Array:
    """Numbers over the largest of their magnitudes, −1 to 1; zeros stay, and what is not finite becomes 0."""
    finite = np.where(np.isfinite(values), values, 0.0)
    most = np.abs(finite).max(initial=0.0)
    return finite / most if most else finite


def colors(values: Array) -> Array:
    """Of numbers from −1 to 1: blue below zero, orange above, white at it."""
    strength = STRONGEST * np.abs(values)[..., None]
    full = np.where((values < 0)[..., None], _rgb(BLUE), _rgb(ORANGE))
    found: Array = 1 - strength + strength * full
    return found


def _rgb(color: str) -> Array:
    return np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
