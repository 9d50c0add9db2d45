"""Where items stand within a column: their sizes, their order in a row, and x measured from the column's centre."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unrolled.explain.drawing.board import Board, Item
from unrolled.explain.drawing.text import height, text_size

Place = tuple[str, str]  # (section, kind)
BETWEEN = 26.0  # nodes of one row
ASIDE = 46.0  # a parameter and the middle of what reads it
_SWEEPS = 8


@dataclass
class Spot:
    """One place of a section: the largest size that its items need, and where it is."""

    row: int
    width: float
    height: float
    round: bool
    leaf: bool = False  # a parameter: it stands beside the way to what reads it
    x: float = 0.0


def size_of(item: Item) -> tuple[float, float]:
    """Width and height that the text of an item needs, with the space around it."""
    wide = max((line.width(text_size(line)) for line in item.lines), default=0.0)
    tall = sum(height(text_size(line)) for line in item.lines)
    if item.shape == "none":
        return wide + 6, tall
    if item.shape == "small":
        return max(32.0, wide + 12), max(32.0, tall + 6)
    if item.shape == "dot":
        return max(30.0, wide + 14), max(30.0, tall + 6)
    width, tall = max(44.0, wide + 18), max(44.0, tall + 14)
    if item.shape == "circle" and wide <= 34:
        width = tall = max(width, tall)
    return width, tall


def spots(board: Board, least: Mapping[Place, tuple[float, float]]) -> dict[Place, Spot]:
    """The place of every kind; ``least`` are widths and heights that arrows ask for."""
    found: dict[Place, Spot] = {}
    for item in board.items:
        place = (board.sections[item.column], item.kind)
        wide, tall = size_of(item)
        more = least.get(place, (0.0, 0.0))
        wide, tall = max(wide, more[0]), max(tall, more[1])
        old = found.get(place)
        if old is not None:
            wide, tall = max(wide, old.width), max(tall, old.height)
        found[place] = Spot(item.row, wide, tall, item.shape in ("circle", "pill", "dot"), item.shape == "small")
    for section in dict.fromkeys(board.sections):
        _arrange(section, found, _neighbours(board, section))
    return found


def _neighbours(board: Board, section: str) -> dict[Place, set[Place]]:
    """Which places of a section the arrows within a column join."""
    items = {item.id: item for item in board.items}
    joined: dict[Place, set[Place]] = defaultdict(set)
    for wire in board.wires:
        source, target = items[wire.source], items[wire.target]
        if source.column == target.column and board.sections[source.column] == section and not wire.loop:
            one, other = (section, source.kind), (section, target.kind)
            joined[one].add(other)
            joined[other].add(one)
    return joined


def _arrange(section: str, found: dict[Place, Spot], joined: Mapping[Place, set[Place]]) -> None:
    """Order the rows so that arrows cross little, then move each place towards what it is joined to."""
    rows: dict[int, list[Place]] = defaultdict(list)
    for place, spot in found.items():
        if place[0] == section:
            rows[spot.row].append(place)
    for row in rows.values():
        _settle(row, found, [found[place].x for place in row])
    order = sorted(rows)
    for sweep in range(_SWEEPS):
        for number in order if sweep % 2 else reversed(order):
            row = rows[number]
            aims = {place: _aim(place, found, joined) for place in row}
            row.sort(key=lambda place: aims[place])
            _settle(row, found, [aims[place] for place in row])


def _aim(place: Place, found: Mapping[Place, Spot], joined: Mapping[Place, set[Place]]) -> float:
    near = [found[other].x for other in joined.get(place, ())]
    return sum(near) / len(near) + ASIDE * found[place].leaf if near else found[place].x


def _settle(row: Sequence[Place], found: dict[Place, Spot], aims: Sequence[float]) -> None:
    """Put a row as near to its aims (least squares) as the order and the widths allow."""
    offsets, right = [], 0.0
    for number, place in enumerate(row):
        half = found[place].width / 2
        right += half + BETWEEN + found[row[number - 1]].width / 2 if number else 0.0
        offsets.append(right)
    for place, offset, free in zip(
        row, offsets, _rising([a - o for a, o in zip(aims, offsets, strict=True)]), strict=True
    ):
        found[place].x = offset + free


def _rising(values: Sequence[float]) -> list[float]:
    """The non-decreasing sequence nearest to ``values``: neighbours that would fall are pooled to their mean."""
    pools: list[tuple[float, int]] = []
    for value in values:
        total, count = value, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before = pools.pop()
            total, count = total + before[0], count + before[1]
        pools.append((total, count))
    return [total / count for total, count in pools for _ in range(count)]
