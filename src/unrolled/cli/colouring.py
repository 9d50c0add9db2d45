"""A text coloured by numbers on a terminal: blue below zero, orange above; without colours, a row of blocks below it.

Shapes: numbers (T,), one for each symbol.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from unrolled.cli.output import encodable
from unrolled.diagnose.shading import Array, colors, scaled, shown, text_lines

BLOCKS, DIGITS = "▁▂▃▄▅▆▇█", "01234567"  # digits where stdout's encoding has no blocks
WIDTH = 80  # cells of a line where there is no terminal


def print_coloured(symbols: Sequence[str], values: Sequence[float]) -> None:
    """Print a text on stdout, each symbol in the colour of its number; the largest magnitude has the strongest one.

    Where there are no colours (NO_COLOR, a file, a pipe) each line is followed by blocks: the lowest for −1, or for 0
    where no number is negative, the highest for 1.
    """
    console = Console(highlight=False, soft_wrap=True)
    width = console.width if console.is_terminal else WIDTH
    numbers = scaled(np.array(values, dtype=np.float64))
    least = -1.0 if (numbers < 0).any() else 0.0
    for line in text_lines(symbols, width):
        seen, own = [shown(symbols[place]) for place in line], numbers[line.start : line.stop]
        if console.color_system is None or console.no_color:
            print(encodable("".join(seen)))
            print(_blocks(seen, (own - least) / (1 - least)))
        else:
            console.print(_painted(seen, own))


def _blocks(seen: Sequence[str], shares: Array) -> str:
    """A block for each cell, for shares from 0 to 1."""
    signs = BLOCKS if encodable(BLOCKS) == BLOCKS else DIGITS
    places = np.minimum((shares * len(signs)).astype(int), len(signs) - 1)
    return "".join(signs[place] * cell_len(each) for place, each in zip(places, seen, strict=True))


def _painted(seen: Sequence[str], numbers: Array) -> Text:
    text = Text(no_wrap=True)
    for each, color in zip(seen, (colors(numbers) * 255).round().astype(int).tolist(), strict=True):
        text.append(each, style=f"rgb(0,0,0) on rgb({color[0]},{color[1]},{color[2]})")
    return text
