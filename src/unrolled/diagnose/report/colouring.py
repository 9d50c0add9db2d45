"""A text of a page, each symbol on a ground in the colour of its number: blue below zero, orange above.

The colours are classes of the style sheet, which lets the page's own paper shine through, so that they can be read on a
dark screen too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from unrolled.diagnose.report.elements import Html, element, joined
from unrolled.diagnose.shading import scaled, shown

LEVELS = 8  # strengths of each colour


def coloured(symbols: Sequence[str], values: Sequence[float], title: str) -> Html:
    """The text; the largest magnitude has the strongest colour. Symbols beside each other of one strength share an
    element, which says their numbers to who points at it."""
    numbers = np.array(values, dtype=np.float64)
    levels = np.rint(scaled(numbers) * LEVELS).astype(int).tolist()
    content = []
    for level, places in groupby(range(len(symbols)), key=lambda place: levels[place]):
        where = list(places)
        text = "".join(_seen(symbols[place]) for place in where)
        told = " ".join(dict.fromkeys(f"{numbers[place]:.2f}" for place in where))
        content.append(element("span", text, class_=level_class(level), title=told))
    return element("figure", element("figcaption", title), element("p", joined(*content), class_="coloured"))


def level_class(level: int) -> str | None:
    """The class of a strength from −8 to 8.

    >>> level_class(-3), level_class(8), level_class(0)
    ('n3', 'p8', None)
    """
    return f"{'n' if level < 0 else 'p'}{abs(level)}" if level else None


def _seen(symbol: str) -> str:
    """As one can see it; a line also ends where it did."""
    return shown(symbol) + "\n" * symbol.endswith("\n")
