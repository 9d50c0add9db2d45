"""From a board to a scene: everything placed, and room made until no label touches anything."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from math import sqrt

from unrolled.explain.drawing.board import Board, Item
from unrolled.explain.drawing.geometry import CUT, Geometry, Room
from unrolled.explain.drawing.labelling import place_labels
from unrolled.explain.drawing.placing import Place, Spot, size_of, spots
from unrolled.explain.drawing.routing import APART, Ports, Route, TooNarrowError, ports_of, routes, side_ports
from unrolled.explain.drawing.scene import Arrow, Node, Point, Scene

_MOST_ROUNDS = 60
_PATIENCE = 8  # rounds in which every label must find a place right beside its arrow
_MOST_ADDED = 40.0  # to one side of a channel
_MOST_ASIDE = 24.0  # between arrows at the side of a node: with these a label of one line fits between them


def lay_out(board: Board) -> Scene:
    """The scene of ``board``."""
    found = routes(board)
    room = Room()
    for number in range(_MOST_ROUNDS):
        places, ports = _ported(board, found, room)
        geometry = Geometry(board, found, places, ports, room)
        nodes = [_node(item, geometry) for item in board.items]
        shown = {node.id: node for node in nodes}
        arrows = [_arrow(route, geometry, shown) for route in found]
        page = geometry.width, geometry.height
        labels, without = place_labels(nodes, arrows, [route.wire for route in found], page, number > _PATIENCE)
        if not without:
            break
        _make_room(room, [route for route in found if route.wire.kind in without], found, 1 + number / 6)
    return Scene(
        geometry.width, geometry.height, board.title, board.description, tuple(nodes), tuple(arrows), tuple(labels)
    )


def _ported(board: Board, found: list[Route], room: Room) -> tuple[dict[Place, Spot], Ports]:
    """Places wide and high enough for the arrows that meet there; ``room`` keeps the widths for the next round."""
    sides = side_ports(found, APART + min(room.tracks, _MOST_ASIDE))
    heights: dict[Place, float] = defaultdict(float)
    for route in found:
        for item, side, end in ((route.source, route.exit, "exit"), (route.target, route.entry, "entry")):
            y = sides.get((item.row, route.wire.kind, "straight" if route.straight else end))
            if side and y is not None:
                place = board.sections[item.column], item.kind
                heights[place] = max(heights[place], 2 * abs(y) + 22)
    while True:
        places = spots(board, {place: (room.widths[place], heights[place]) for place in {*room.widths, *heights}})
        try:
            return places, ports_of(board, found, places, sides, room.lanes)
        except TooNarrowError as error:
            room.widths[error.place] = places[error.place].width + APART


def _make_room(room: Room, failed: list[Route], found: list[Route], step: float) -> None:
    """Widen what lies along the arrows whose labels found no place.

    Channels grow up to a bound, which the other means pass: a label that stands between lanes needs width alone.
    """
    room.gutters += 3.0 * step
    room.tracks += 0.7 * step
    for route in failed:
        low, high = sorted((route.source.row, route.target.row))
        channels = set(route.channels) if route.within else set(range(low, high + 2))
        for channel in channels:
            room.channels[channel] = max(room.channels[channel], min(room.channels[channel] + 1.0 * step, _MOST_ADDED))
        for other in found if route.within else ():
            if other.within and other.target.row > other.source.row + 1 and channels & set(other.channels):
                room.lanes[other.wire.kind] = max(room.lanes[other.wire.kind], room.gutters)


def _node(item: Item, geometry: Geometry) -> Node:
    spot = geometry.spot(item)
    wide, tall = size_of(item)
    wide, tall = (wide if item.shape == "none" else spot.width), spot.height
    radius = min(wide, tall) / 2 if spot.round else min(10.0, tall / 2)
    return Node(item.id, item.key, item.role, geometry.box(item, (wide, tall)), radius, item.lines)


def _arrow(route: Route, geometry: Geometry, shown: dict[str, Node]) -> Arrow:
    wire = route.wire
    points = _simple(geometry.path(route))
    source, target = shown[wire.source], shown[wire.target]
    points[0] = _edge(points[1], points[0], source)
    if wire.cut:
        x, y = points[0]
        points[1] = (x + route.exit * CUT, y)
    else:
        points[-1] = _edge(points[-2], points[-1], target)
    delay = None
    if wire.loop:
        (x1, y1), (x2, y2) = max(pairwise(points), key=lambda p: abs(p[0][1] - p[1][1]))
        share = 0.5 if wire.source == wire.target else 0.7
        delay = (x1 + (x2 - x1) * share, y1 + (y2 - y1) * share)
    ends = (target.id, source.id) if wire.reverse else (source.id, target.id)
    path = tuple(reversed(points)) if wire.reverse else tuple(points)
    return Arrow(wire.id, wire.kind, *ends, path, wire.role, wire.colour, wire.cut, delay)


def _simple(points: list[Point]) -> list[Point]:
    """Without corners at which nothing turns."""
    kept: list[Point] = []
    for point in points:
        if kept and abs(kept[-1][0] - point[0]) < 0.5 and abs(kept[-1][1] - point[1]) < 0.5:
            continue
        if len(kept) > 1:
            (x1, y1), (x2, y2) = kept[-2:]
            level = abs(y1 - y2) < 0.5 and abs(y2 - point[1]) < 0.5
            upright = abs(x1 - x2) < 0.5 and abs(x2 - point[0]) < 0.5
            if level or upright:
                kept.pop()
        kept.append(point)
    return kept


def _edge(towards: Point, inside: Point, node: Node) -> Point:
    """Where the line from ``towards`` to a point on the axis of ``node`` meets its outline."""
    left, top, right, bottom = node.box
    x, y = inside
    if abs(towards[1] - y) < 0.5:  # from the side
        deep = _inset(y, top, bottom, node.radius)
        return (left + deep if towards[0] < x else right - deep), y
    deep = _inset(x, left, right, node.radius)
    return x, (top + deep if towards[1] < y else bottom - deep)


def _inset(position: float, low: float, high: float, radius: float) -> float:
    """How far a rounded outline lies inside its box at ``position`` along one side."""
    away = max(low + radius - position, position - (high - radius), 0.0)
    return radius - sqrt(max(radius**2 - min(away, radius) ** 2, 0.0))
