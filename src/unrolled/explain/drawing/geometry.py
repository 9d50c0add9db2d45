"""From columns, rows, ports and tracks to pixels: node boxes and the points of every arrow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from unrolled.explain.drawing.board import Board, Item
from unrolled.explain.drawing.placing import Place, Spot
from unrolled.explain.drawing.routing import APART, Ports, Route
from unrolled.explain.drawing.scene import Box, Point
from unrolled.explain.drawing.tracks import Segment, tracks

MARGIN = 14.0  # around the picture
GUTTER, CHANNEL = 26.0, 24.0  # from a node to the nearest track
CUT = 15.0  # from a node to the bar where its gradient is cut


@dataclass
class Room:
    """What labels have asked for beyond the least: at each side of the tracks in gutters and channels, between tracks,
    around the lanes of single kinds of wire; and the widths that nodes need for their arrows."""

    gutters: float = 0.0
    tracks: float = 0.0
    channels: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    lanes: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    widths: dict[Place, float] = field(default_factory=lambda: defaultdict(float))


class Geometry:
    """Coordinates for a board whose ports are known."""

    def __init__(self, board: Board, found: list[Route], places: dict[Place, Spot], ports: Ports, room: Room) -> None:
        self.board, self.routes, self.places, self.ports, self.room = board, found, places, ports, room
        self.apart = APART + room.tracks
        self.gutter_tracks = self._gutter_tracks()
        self.columns = self._columns()
        self.channel_tracks = self._channel_tracks()
        self._rows()

    # across

    def spot(self, item: Item) -> Spot:
        return self.places[self.board.sections[item.column], item.kind]

    def _gutter_tracks(self) -> dict[str, int]:
        """Tracks of the upright pieces between columns, in rows: row r is 2r + 1, the channel below it 2r."""
        used: dict[str, Route] = {}
        for route in self.routes:
            if not route.within and not route.straight and not route.wire.cut:
                used.setdefault(route.wire.kind, route)
        segments = []
        for name, route in used.items():
            ends = []
            for end, side in (("exit", route.exit), ("entry", route.entry)):
                ends.append((self._level(route, end), -side if side else self._toward(route, end)))
            low, high = sorted(position for position, _ in ends)
            # an exit to the right comes from the left of the gutter: the lower numbers of the tracks
            segments.append(Segment(name, ((low, high),), tuple(ends)))
        return tracks(segments, 0.05)

    def _toward(self, route: Route, end: str) -> int:
        column = (route.source if end == "exit" else route.target).column
        return -1 if route.gutter == column else 1

    def _level(self, route: Route, end: str) -> float:
        side, item = (route.exit, route.source) if end == "exit" else (route.entry, route.target)
        if side:
            return 2 * item.row + 1 - self.ports.side[item.row, route.wire.kind, end] / 1000
        return 2.0 * item.row + (2 if end == "exit" else 0)

    def _columns(self) -> list[float]:
        """The x of each column's centre."""
        lanes: dict[str, list[float]] = defaultdict(list)
        for (section, _), x in self.ports.lanes.items():
            lanes[section] += [x - APART, x + APART]
        self.extent: dict[str, tuple[float, float]] = {}
        for section in self.board.sections:
            spots = [spot for (where, _), spot in self.places.items() if where == section]
            edges = [spot.x + half for spot in spots for half in (-spot.width / 2, spot.width / 2)] + lanes[section]
            self.extent[section] = min(edges, default=0.0), max(edges, default=0.0)
        wide = {gutter: self._gutter_width(gutter) for gutter in range(-1, len(self.board.sections))}
        centres, x = [], MARGIN + wide[-1]
        for number, section in enumerate(self.board.sections):
            left, right = self.extent[section]
            centres.append(x - left)
            x += right - left + wide[number]
        self.width = x + MARGIN
        return centres

    def _gutter_width(self, gutter: int) -> float:
        users = [route for route in self.routes if route.gutter == gutter]
        if gutter in (-1, len(self.board.sections) - 1):
            # an outer gutter holds loops, and is there for them alone; labels may stand in it
            return self._tracks_width(users) + GUTTER + self.room.gutters if users else self.room.gutters
        return 2 * (GUTTER + self.room.gutters) + self._tracks_width(users)

    def _tracks_width(self, users: Iterable[Route]) -> float:
        numbers = [self.gutter_tracks[r.wire.kind] for r in users if r.wire.kind in self.gutter_tracks]
        return max(numbers, default=0) * self.apart

    def gutter_x(self, route: Route) -> float:
        """The x of a route's track."""
        assert route.gutter is not None
        track = self.gutter_tracks[route.wire.kind]
        start = MARGIN + self.room.gutters
        if route.gutter >= 0:
            start = self.columns[route.gutter] + self.extent[self.board.sections[route.gutter]][1] + GUTTER
            start += self.room.gutters if route.gutter < len(self.columns) - 1 else 0.0
        return start + track * self.apart

    def port_x(self, route: Route, end: str) -> float:
        item, channel = (
            (route.source, route.source.row + 1) if end == "exit" else (route.target, route.target.row)
        )  # fmt: skip
        section = self.board.sections[item.column]
        return self.columns[item.column] + self.ports.across[section, route.wire.kind, channel, end]

    def lane_x(self, route: Route) -> float | None:
        lane = self.ports.lanes.get((self.board.sections[route.source.column], route.wire.kind))
        return None if lane is None or not route.within else self.columns[route.source.column] + lane

    def runs(self, route: Route) -> list[tuple[int, float, float]]:
        """The level pieces of a route: (channel, from x, to x), in its direction."""
        if route.within:
            stations = [self.port_x(route, "exit"), self.port_x(route, "entry")]
            channels = [route.target.row]
            lane = self.lane_x(route)
            if lane is not None:
                stations.insert(1, lane)
                channels = [route.source.row + 1, route.target.row]
            return [
                (channel, one, other)
                for channel, one, other in zip(channels, stations, stations[1:], strict=False)
                if abs(one - other) > 0.5
            ]
        found = []
        if not route.exit:
            found.append((route.source.row + 1, self.port_x(route, "exit"), self.gutter_x(route)))
        if not route.entry and not route.wire.cut:
            found.append((route.target.row, self.gutter_x(route), self.port_x(route, "entry")))
        return found

    # upwards

    def _channel_tracks(self) -> dict[tuple[int, str, int], int]:
        """The track, counted upwards, of each level piece: by channel, kind, and number in the route."""
        pieces: dict[int, dict[tuple[str, int], list[tuple[Route, float, float]]]] = defaultdict(dict)
        for route in self.routes:
            for number, (channel, one, other) in enumerate(self.runs(route)):
                pieces[channel].setdefault((route.wire.kind, number), []).append((route, one, other))
        found: dict[tuple[int, str, int], int] = {}
        self.track_count: dict[int, int] = defaultdict(int)
        for channel, kinds in pieces.items():
            segments = [
                Segment(key, tuple((min(a, b), max(a, b)) for _, a, b in runs), self._stubs(runs[0], channel))
                for key, runs in kinds.items()
            ]
            for key, track in tracks(segments, 9.0).items():
                found[channel, *key] = track
                self.track_count[channel] = max(self.track_count[channel], track + 1)
        return found

    def _stubs(self, run: tuple[Route, float, float], channel: int) -> tuple[tuple[float, int], ...]:
        route, one, other = run
        if route.within:
            return (one, -1), (other, 1)
        if route.source.row + 1 == channel and not route.exit:
            return (one, -1), (other, 1 if route.target.row > route.source.row else -1)
        return (one, 1 if route.source.row >= channel else -1), (other, 1)

    def _rows(self) -> None:
        """The y of every row and of the lowest track of every channel; y is downwards."""
        rows = sorted({item.row for item in self.board.items})
        top = rows[-1]
        tall: dict[int, float] = defaultdict(float)
        for spot in self.places.values():
            tall[spot.row] = max(tall[spot.row], spot.height)
        self.row_y: dict[int, float] = {}
        self.channel_y: dict[int, float] = {}
        y = MARGIN
        for row in range(top, -1, -1):
            outer = row == top
            y += self._channel_height(row + 1, outer)
            self.channel_y[row + 1] = y - (CHANNEL + self.room.channels[row + 1])
            self.row_y[row] = y + tall[row] / 2
            y += tall[row]
        y += self._channel_height(0, True)
        self.channel_y[0] = y - (CHANNEL if self.track_count[0] else 0.0)
        self.height = y + MARGIN - (CHANNEL - 4 if self.track_count[0] else 0.0)

    def _channel_height(self, channel: int, outer: bool) -> float:
        count = self.track_count[channel]
        if outer and not count:
            return self.room.channels[channel]
        return 2 * (CHANNEL + self.room.channels[channel]) + max(0, count - 1) * self.apart

    # the points

    def box(self, item: Item, size: tuple[float, float]) -> Box:
        spot = self.spot(item)
        x, y = self.columns[item.column] + spot.x, self.row_y[item.row]
        return x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2

    def path(self, route: Route) -> list[Point]:
        """The corners of a route, from the middle of its source's port to that of its target's."""
        if route.within:
            return self._path_within(route)
        kind = route.wire.kind
        points: list[Point] = []
        if route.straight:
            y = self.row_y[route.source.row] + self.ports.side[route.source.row, kind, "straight"]
            return [(self._middle(route.source), y), (self._middle(route.target), y)]
        level = {end: self._side_y(route, end) for end in ("exit", "entry")}
        x = self.gutter_x(route) if not route.wire.cut else 0.0
        points.append(
            (self._middle(route.source), level["exit"])
            if route.exit
            else (self.port_x(route, "exit"), self.row_y[route.source.row])
        )
        if not route.exit:
            points.append((points[0][0], level["exit"]))
        if route.wire.cut:
            return [points[0], (points[0][0] + route.exit * 1000.0, points[0][1])]
        points += [(x, level["exit"]), (x, level["entry"])]
        if route.entry:
            points.append((self._middle(route.target), level["entry"]))
        else:
            end = self.port_x(route, "entry")
            points += [(end, level["entry"]), (end, self.row_y[route.target.row])]
        return points

    def _side_y(self, route: Route, end: str) -> float:
        side, item = (route.exit, route.source) if end == "exit" else (route.entry, route.target)
        if side:
            if route.wire.cut and end == "entry":
                return 0.0
            return self.row_y[item.row] + self.ports.side[item.row, route.wire.kind, end]
        number = 0 if end == "exit" or route.exit else 1
        channel = item.row + 1 if end == "exit" else item.row
        return self._track_y(channel, route.wire.kind, number)

    def _track_y(self, channel: int, kind: str, number: int) -> float:
        return self.channel_y[channel] - self.channel_tracks[channel, kind, number] * self.apart

    def _path_within(self, route: Route) -> list[Point]:
        start, end = self.port_x(route, "exit"), self.port_x(route, "entry")
        points = [(start, self.row_y[route.source.row])]
        for number, (channel, one, other) in enumerate(self.runs(route)):
            y = self._track_y(channel, route.wire.kind, number)
            points += [(one, y), (other, y)]
        return [*points, (end, self.row_y[route.target.row])]

    def _middle(self, item: Item) -> float:
        return self.columns[item.column] + self.spot(item).x
