"""What a picture shows before anything has a place: items in columns and rows, and wires between them.

Items and wires of one ``kind`` stand at the same place in each column, so that a step looks like the step before.
"""

from __future__ import annotations

from dataclasses import dataclass

from unrolled.explain.drawing.text import Line


@dataclass(frozen=True)
class Item:
    """A node to be placed.

    ``kind`` is its place within a column; rows count upwards from the inputs, 0. ``key`` names the quantity (``h_0``),
    by which values are found. ``shape``: "circle", "box", "pill", "dot" (a small circle for an operation) or "none".
    """

    id: str
    kind: str
    key: str
    column: int
    row: int
    role: str
    lines: tuple[Line, ...]
    shape: str = "box"


@dataclass(frozen=True)
class Wire:
    """An arrow to be routed: upwards within a column, sideways to a neighbouring one, or back into its own (``loop``).

    ``cut``: the arrow ends in a bar before it reaches its target. ``loop`` is the side, 1 right or -1 left, on which an
    arrow returns to its own column. ``reverse``: drawn against the direction in which the layers are built, downwards.
    """

    id: str
    kind: str
    source: str
    target: str
    role: str = "plain"
    label: tuple[Line, ...] = ()
    colour: int | None = None
    cut: bool = False
    loop: int = 0
    reverse: bool = False


@dataclass(frozen=True)
class Board:
    """``sections`` gives for each column, from left to right, the name of the columns that it is aligned with."""

    items: tuple[Item, ...]
    wires: tuple[Wire, ...]
    sections: tuple[str, ...]
    title: str
    description: str
