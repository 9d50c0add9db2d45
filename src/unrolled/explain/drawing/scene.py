"""A scene: what a picture shows and where, as data. Every writer draws the same scene.

Coordinates are pixels of 1/96 inch from the top left corner, x to the right and y downwards. A box is (left, top,
right, bottom).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from unrolled.explain.drawing.text import Line

Box = tuple[float, float, float, float]
Point = tuple[float, float]

STROKE = 1.6
HEAD_LENGTH, HEAD_WIDTH = 9.0, 8.0
MARK = 4.0  # half the side of the square that marks a delay
CORNER = 7.0  # radius where an arrow turns


@dataclass(frozen=True)
class Node:
    """A rounded box with text; ``role`` gives its colour, ``key`` names the quantity that it shows.

    ``radius`` is that of the corners: half the width for a circle. A node without outline (``role`` "dots", "note")
    is text alone.
    """

    id: str
    key: str
    role: str
    box: Box
    radius: float
    lines: tuple[Line, ...]

    @property
    def centre(self) -> Point:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True)
class Arrow:
    """A path of horizontal and vertical pieces from ``source`` to ``target``.

    ``role``: "weight" (``colour`` counts the weights of the picture), "plain", or "gradient", which is drawn
    dashed. Where ``cut`` is set the gradient stops: the path ends in a bar, and ``target`` is the node that it would
    have reached. ``delay`` is where the mark of one step's delay sits (the loop of a folded graph).
    """

    id: str
    kind: str
    source: str
    target: str
    points: tuple[Point, ...]
    role: str = "plain"
    colour: int | None = None
    cut: bool = False
    delay: Point | None = None

    def boxes(self) -> Iterator[Box]:
        """The box of each piece, the head, and the marks."""
        half = STROKE / 2
        for (x1, y1), (x2, y2) in pairwise(self.points):
            yield min(x1, x2) - half, min(y1, y2) - half, max(x1, x2) + half, max(y1, y2) + half
        yield self.end_box()
        if self.delay is not None:
            x, y = self.delay
            yield x - MARK, y - MARK, x + MARK, y + MARK

    def end_box(self) -> Box:
        """The head, or the bar where the gradient is cut."""
        (x, y), (dx, dy) = self.points[-1], self.direction()
        length, half = (HEAD_LENGTH, HEAD_WIDTH / 2) if not self.cut else (4.0, 5.0)
        back = x - dx * length, y - dy * length
        across = (abs(dy) * half, abs(dx) * half)
        return (
            min(x, back[0]) - across[0], min(y, back[1]) - across[1],
            max(x, back[0]) + across[0], max(y, back[1]) + across[1],
        )  # fmt: skip

    def direction(self) -> Point:
        """Where the arrow points at its end, as a unit vector."""
        (x1, y1), (x2, y2) = self.points[-2:]
        length = abs(x2 - x1) + abs(y2 - y1) or 1.0
        return (x2 - x1) / length, (y2 - y1) / length


@dataclass(frozen=True)
class Label:
    """The text beside an arrow, in the arrow's colour."""

    arrow: str
    box: Box
    lines: tuple[Line, ...]
    role: str
    colour: int | None


@dataclass(frozen=True)
class Scene:
    """Everything in a picture of ``width`` × ``height`` pixels."""

    width: float
    height: float
    title: str
    description: str
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]
    labels: tuple[Label, ...]

    def to_dict(self) -> dict[str, Any]:
        """The scene as plain data that JSON can hold."""
        return asdict(self)


def overlap(a: Box, b: Box, gap: float = 0.0) -> bool:
    """Whether two boxes come closer than ``gap``."""
    return a[0] < b[2] + gap and b[0] < a[2] + gap and a[1] < b[3] + gap and b[1] < a[3] + gap
