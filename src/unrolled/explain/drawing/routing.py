"""The way of each arrow: at which side of a node it leaves and arrives, and through which channels and gutters it goes.

Between two rows lies a channel, between two columns a gutter; arrows run along these, on tracks of their own, and cross
each other only at right angles. An arrow within a column that passes rows keeps to one lane, an x free of nodes. No two
arrows ever share a place at the side of a node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from unrolled.explain.drawing.board import Board, Item, Wire
from unrolled.explain.drawing.placing import Place, Spot

APART = 12.0  # arrows side by side
LOOP = 22.0  # the two ends of a loop
LANE = 13.0  # a lane and a node
_STEP = 6.0


class TooNarrowError(Exception):
    """A node has too little room at one side for its arrows."""

    def __init__(self, place: Place) -> None:
        self.place = place


@dataclass
class Route:
    """How one wire goes. ``exit`` and ``entry`` are -1 left, 1 right, or 0 for top and bottom."""

    wire: Wire
    source: Item
    target: Item
    exit: int = 0
    entry: int = 0
    gutter: int | None = None  # the number of the column left of it

    @property
    def within(self) -> bool:
        return self.gutter is None

    @property
    def straight(self) -> bool:
        """From side to side along one row."""
        return bool(self.exit and self.entry and not self.wire.loop and self.source.row == self.target.row)

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels that it runs along or passes through; channel k lies below row k."""
        if self.within:
            return tuple(range(self.source.row + 1, self.target.row + 1))
        return (*((self.source.row + 1,) if not self.exit else ()), *((self.target.row,) if not self.entry else ()))


@dataclass
class Ports:
    """Where arrows meet nodes: ``side``, y by (row, kind, end); ``across``, x by (section, kind, channel, end)."""

    side: dict[tuple[int, str, str], float] = field(default_factory=dict)
    across: dict[tuple[str, str, int, str], float] = field(default_factory=dict)
    lanes: dict[tuple[str, str], float] = field(default_factory=dict)


def routes(board: Board) -> list[Route]:
    """Each wire with the sides that it takes."""
    items = {item.id: item for item in board.items}
    rows: dict[tuple[str, int], set[str]] = defaultdict(set)
    for item in board.items:
        rows[board.sections[item.column], item.row].add(item.kind)

    def blocked(item: Item) -> bool:
        """Whether others share its row, one of which may stand in the way."""
        return len(rows[board.sections[item.column], item.row]) > 1

    found = []
    for wire in board.wires:
        source, target = items[wire.source], items[wire.target]
        route = Route(wire, source, target)
        way = wire.loop or target.column - source.column
        if way:
            way = 1 if way > 0 else -1
            route.exit = 0 if blocked(source) else way
            entry = way if wire.loop else -way
            route.entry = 0 if blocked(target) else entry
            route.gutter = source.column if way > 0 else source.column - 1
        found.append(route)
    return found


def side_ports(found: Sequence[Route], apart: float) -> dict[tuple[int, str, str], float]:
    """The y offset, downwards from the middle of its row, at which each kind of wire leaves or enters sideways.

    Kinds that are never in the same gutter may have the same offset.
    """
    wanted: dict[int, dict[tuple[str, str], tuple[int, bool]]] = defaultdict(dict)
    gutters: dict[tuple[int, str, str], set[int | None]] = defaultdict(set)
    for route in found:
        for row, end, slope in _side_ends(route):
            wanted[row][route.wire.kind, end] = (slope, route.wire.role == "gradient")
            gutters[row, route.wire.kind, end].add(route.gutter)
    looped = {route.wire.kind for route in found if route.wire.loop}
    ports = {}
    for row, keys in wanted.items():
        own = apart if looped.isdisjoint(kind for kind, _ in keys) else max(apart, LOOP)
        for group in _meeting(sorted(keys, key=lambda key: keys[key]), {key: gutters[row, *key] for key in keys}):
            for number, (kind, end) in enumerate(group):
                ports[row, kind, end] = (number - (len(group) - 1) / 2) * own
    return ports


def _side_ends(route: Route) -> Iterable[tuple[int, str, int]]:
    """Each place where a route is at the side of a node: row, end, and whether it is above (-1) or below (1) there."""
    rise = route.target.row - route.source.row
    if route.straight:
        yield route.source.row, "straight", 0
        return
    if route.exit:
        yield route.source.row, "exit", _sign(-rise) or -1
    if route.entry and not route.wire.cut:
        yield route.target.row, "entry", _sign(rise) or 1


def _meeting(
    keys: list[tuple[str, str]], places: Mapping[tuple[str, str], set[int | None]]
) -> list[list[tuple[str, str]]]:  # fmt: skip
    """The keys in groups, each with those that share a place with it, directly or through others."""
    groups: list[tuple[set[int | None], list[tuple[str, str]]]] = []
    for key in keys:
        where, members = set(places[key]), [key]
        for group in [group for group in groups if group[0] & where]:
            groups.remove(group)
            where |= group[0]
            members = group[1] + members
        groups.append((where, members))
    return [sorted(members, key=keys.index) for _, members in groups]


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def ports_of(
    board: Board, found: list[Route], places: dict[Place, Spot], sides: dict[tuple[int, str, str], float],
    clear: Mapping[str, float],
) -> Ports:  # fmt: skip
    """Every place where an arrow meets a node, and every lane.

    ``sides`` are those at the sides, ``clear`` is the room beside the lanes of some kinds.

    Raises:
        TooNarrowError: a node must be wider.
    """
    ports = Ports(sides)
    for section in dict.fromkeys(board.sections):
        here = {p[1]: spot for p, spot in places.items() if p[0] == section}
        own = [r for r in found if r.within and board.sections[r.source.column] == section]
        kinds = {route.wire.kind: route for route in own}
        for route in sorted(kinds.values(), key=lambda r: (r.target.row - r.source.row, r.wire.role == "gradient")):
            if route.target.row - route.source.row > 1:
                ports.lanes[section, route.wire.kind] = _lane(section, route, here, kinds, ports, clear)
        _Across(board, section, here, list(kinds.values()), found, ports).assign()
    return ports


def _lane(
    section: str, route: Route, here: dict[str, Spot], kinds: dict[str, Route], ports: Ports, room: Mapping[str, float]
) -> float:  # fmt: skip
    """The best x at which no node and no other lane is met: near the straight way, and crossing little."""
    low, high = route.source.row, route.target.row
    between = [spot for spot in here.values() if low < spot.row < high]
    others = [
        (x, kinds[kind]) for (where, kind), x in ports.lanes.items()
        if where == section and kinds[kind].source.row < high and low < kinds[kind].target.row
    ]  # fmt: skip
    aim = (here[route.source.kind].x + here[route.target.kind].x) / 2
    own = room.get(route.wire.kind, 0.0)
    taken = [(spot.x, spot.width / 2 + LANE + own) for spot in between]
    taken += [(x, APART + max(own, room.get(other.wire.kind, 0.0))) for x, other in others]
    # the best place is in the middle or at the edge of something taken
    places = [aim, *(x + side * half for x, half in taken for side in (1, -1))]
    free = [x for x in places if all(abs(x - other) > half - 0.01 for other, half in taken)]
    beside = [(x - aim, lane) for x, lane in others]
    return min(free, key=lambda x: (abs(x - aim) + _crossed(x - aim, route, beside, ports), -x))


def _crossed(x: float, route: Route, others: list[tuple[float, Route]], ports: Ports) -> float:
    """The price of a lane at ``x`` from the middle: arrows that enter from that side, lanes that it would cross."""
    low, high = route.source.row, route.target.row
    ends = {"entry": -1, "exit": 1}
    price = 15.0 * sum(low < row < high and ends.get(end, 0) * x > 0 for row, _, end in ports.side)
    for other, lane in others:
        nested = (lane.source.row <= low and high <= lane.target.row) or (
            low <= lane.source.row and lane.target.row <= high
        )
        price += 40.0 * (other * x > 0 and not nested)
    return price


@dataclass
class _Across:
    """The places at tops and bottoms of the nodes of one section, channel by channel."""

    board: Board
    section: str
    here: dict[str, Spot]
    own: list[Route]
    every: list[Route]
    ports: Ports

    def assign(self) -> None:
        sideways: dict[str, tuple[Route, str]] = {}
        for route in self.every:
            if not route.within and not route.exit and self._is_here(route.source):
                sideways[f"{route.wire.kind} exit"] = route, "exit"
            if not route.within and not route.entry and not route.wire.cut and self._is_here(route.target):
                sideways[f"{route.wire.kind} entry"] = route, "entry"
        for channel in range(max((spot.row for spot in self.here.values()), default=0) + 2):
            taken: list[float] = []
            pieces = [route for route in self.own if channel in route.channels]
            for route in pieces:
                lane = self._lane(route)
                if lane is not None:
                    taken += [lane]
            loose: list[tuple[Route, str, float]] = []
            for route in sorted(pieces, key=lambda r: (self._slant(r), r.wire.role == "gradient")):
                loose += self._piece(route, channel, taken)
            for route, end in sideways.values():
                if channel == (route.source.row + 1 if end == "exit" else route.target.row):
                    loose.append((route, end, self._aside(route, end)))
            self._loose(channel, loose, taken)

    def _is_here(self, item: Item) -> bool:
        return self.board.sections[item.column] == self.section

    def _lane(self, route: Route) -> float | None:
        return self.ports.lanes.get((self.section, route.wire.kind))

    def _slant(self, route: Route) -> float:
        return abs(self.here[route.source.kind].x - self.here[route.target.kind].x)

    def _aside(self, route: Route, end: str) -> float:
        side = route.gutter == route.source.column if end == "exit" else route.gutter == route.target.column
        return 1e6 if side else -1e6

    def _piece(self, route: Route, channel: int, taken: list[float]) -> list[tuple[Route, str, float]]:
        """Settle what can run straight through the channel; return the ends that cannot."""
        ends = [("exit", self.here[route.source.kind])] if channel == route.source.row + 1 else []
        ends += [("entry", self.here[route.target.kind])] if channel == route.target.row else []
        lane = self._lane(route)
        if not ends:
            return []
        low = max(spot.x - usable(spot) for _, spot in ends)
        high = min(spot.x + usable(spot) for _, spot in ends)
        if lane is not None:
            ((end, _),) = ends
            if low <= lane <= high:
                self.ports.across[self.section, route.wire.kind, channel, end] = lane
                return []
            return [(route, end, lane)]
        middle = min(max((ends[0][1].x + ends[1][1].x) / 2, low), high)
        for x in _near(middle, low, high):
            if _free(x, taken):
                for end, _ in ends:
                    self.ports.across[self.section, route.wire.kind, channel, end] = x
                taken.append(x)
                return []
        return [(route, "exit", ends[1][1].x), (route, "entry", ends[0][1].x)]

    def _loose(self, channel: int, loose: list[tuple[Route, str, float]], taken: list[float]) -> None:
        """Ends that turn: as near to the middle as is free, in the order of where they go."""
        by_node: dict[tuple[str, str], list[tuple[Route, str, float]]] = defaultdict(list)
        for route, end, aim in loose:
            by_node[(route.source if end == "exit" else route.target).kind, end].append((route, end, aim))
        for (kind, _), ends in by_node.items():
            spot = self.here[kind]
            for number, (route, end, aim) in enumerate(sorted(ends, key=lambda entry: entry[2])):
                wish = spot.x + (number - (len(ends) - 1) / 2) * APART
                low, high = spot.x - usable(spot), spot.x + usable(spot)
                side = 1 if aim >= spot.x else -1
                x = next((x for x in _near(wish, low, high, side) if _free(x, taken)), None)
                if x is None:
                    raise TooNarrowError((self.section, kind))
                taken.append(x)
                self.ports.across[self.section, route.wire.kind, channel, end] = x


def usable(spot: Spot) -> float:
    """How far from the middle of its top an arrow may meet a node."""
    return spot.width / 2 - (8.0 if not spot.round else 9.5)


def _near(aim: float, low: float, high: float, side: int = 1) -> Iterable[float]:
    """Places between two bounds, the nearest to ``aim`` first, and of two equally near the one on ``side``."""
    if low > high:
        return
    aim = min(max(aim, low), high)
    yield aim
    number = 1
    while aim + number * _STEP <= high or aim - number * _STEP >= low:
        for x in (aim + side * number * _STEP, aim - side * number * _STEP):
            if low <= x <= high:
                yield x
        number += 1


def _free(x: float, taken: list[float]) -> bool:
    return all(abs(x - other) >= APART - 1 for other in taken)
