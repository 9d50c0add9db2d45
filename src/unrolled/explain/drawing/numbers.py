"""Numbers in the nodes of a board: the value on the way forward, the adjoint on the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from unrolled.errors import TargetError
from unrolled.explain.drawing.board import Board, Item
from unrolled.explain.drawing.text import words


def with_values(board: Board, values: Mapping[str, str], adjoints: Mapping[str, str]) -> Board:
    """``board`` with a line for each number, by the key of its item.

    Raises:
        TargetError: a number for something that the picture does not show.
    """
    if not values and not adjoints:
        return board
    shown = {item.key for item in board.items if item.key}
    unknown = [key for key in (*values, *adjoints) if key not in shown]
    if unknown:
        raise TargetError(f"The picture does not show {', '.join(unknown)}; it shows {', '.join(sorted(shown))}.")
    return replace(board, items=tuple(_with(item, values, adjoints) for item in board.items))


def _with(item: Item, values: Mapping[str, str], adjoints: Mapping[str, str]) -> Item:
    lines = item.lines
    if item.key in values:
        lines += (words(values[item.key], "value"),)
    if item.key in adjoints:
        lines += (words(adjoints[item.key], "adjoint"),)
    return item if lines is item.lines else replace(item, lines=lines, shape="pill")
