"""The shapes that every writer draws: arrows with rounded corners, heads, and the bar of a cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from unrolled.explain.drawing.scene import CORNER, HEAD_LENGTH, HEAD_WIDTH, Arrow, Point


@dataclass(frozen=True)
class Curve:
    """A piece of a path: "move" and "line" to a point, "turn" a quadratic curve (control point, end)."""

    kind: str
    points: tuple[Point, ...]


def rounded(arrow: Arrow) -> Iterator[Curve]:
    """The line of an arrow, ending inside its head, with its corners rounded."""
    points = list(arrow.points)
    if not arrow.cut:
        points[-1] = _towards(points[-1], points[-2], HEAD_LENGTH - 1)
    yield Curve("move", (points[0],))
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(CORNER, _distance(before, corner) / 2, _distance(corner, after) / 2)
        yield Curve("line", (_towards(corner, before, radius),))
        yield Curve("turn", (corner, _towards(corner, after, radius)))
    yield Curve("line", (points[-1],))


def head(arrow: Arrow) -> tuple[Point, ...]:
    """The three corners of the head, or the two ends of the bar where the gradient is cut."""
    (x, y), (dx, dy) = arrow.points[-1], arrow.direction()
    if arrow.cut:
        return (x - dy * 5, y - dx * 5), (x + dy * 5, y + dx * 5)
    back, half = (x - dx * HEAD_LENGTH, y - dy * HEAD_LENGTH), HEAD_WIDTH / 2
    return (x, y), (back[0] - dy * half, back[1] + dx * half), (back[0] + dy * half, back[1] - dx * half)


def _distance(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(start: Point, end: Point, length: float) -> Point:
    total = _distance(start, end) or 1.0
    share = min(1.0, length / total)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
