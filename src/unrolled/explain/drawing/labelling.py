"""Where the label of each arrow stands: beside it, at the same place in every step, clear of everything."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise, product

from unrolled.explain.drawing.board import Wire
from unrolled.explain.drawing.scene import Arrow, Box, Label, Node, overlap
from unrolled.explain.drawing.text import LABEL_SIZE, block

CLEAR = 3.0  # between a label and anything else
BESIDE = (5.0, 9.0)  # between a label and its own arrow
FARTHER = (20.0, 34.0, 50.0, 70.0, 95.0)  # where nothing is free beside it: the colour still tells whose it is
_FRACTIONS = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8)
Candidate = tuple[int, float, int, float]  # piece of the arrow, the longest first; where on it; which side; how far


def place_labels(
    nodes: Sequence[Node], arrows: Sequence[Arrow], wires: Sequence[Wire], page: tuple[float, float], far: bool
) -> tuple[list[Label], set[str]]:
    """The labels, and the kinds of wire for which no place was found; ``far`` allows places beyond other arrows."""
    obstacles = _Obstacles([node.box for node in nodes], [box for arrow in arrows for box in arrow.boxes()])
    kinds: dict[str, list[tuple[Arrow, Wire]]] = defaultdict(list)
    for arrow, wire in zip(arrows, wires, strict=True):
        if wire.label:
            kinds[wire.kind].append((arrow, wire))
    labels, without = [], set()
    for kind, found in sorted(kinds.items(), key=lambda entry: _freedom(entry[1])):
        boxes = _boxes(found, obstacles, page, BESIDE + FARTHER if far else BESIDE)
        if boxes is None:
            without.add(kind)
            continue
        for (arrow, wire), box in zip(found, boxes, strict=True):
            obstacles.add(box)
            labels.append(Label(arrow.id, box, wire.label, wire.role, wire.colour))
    return labels, without


def _freedom(found: list[tuple[Arrow, Wire]]) -> float:
    """The shortest arrows choose first: the long ones have more places."""
    points = found[0][0].points
    return sum(abs(x2 - x1) + abs(y2 - y1) for (x1, y1), (x2, y2) in pairwise(points))


def _boxes(
    found: list[tuple[Arrow, Wire]], obstacles: _Obstacles, page: tuple[float, float], beside: tuple[float, ...]
) -> list[Box] | None:  # fmt: skip
    size = block(found[0][1].label, LABEL_SIZE)
    for candidate in _candidates(max(len(arrow.points) for arrow, _ in found) - 1, beside):
        boxes = []
        for arrow, _ in found:
            box = _box(arrow, candidate, size)
            inside = box is not None and box[0] >= 4 and box[1] >= 4 and box[2] <= page[0] - 4 and box[3] <= page[1] - 4
            if box is None or not inside or obstacles.hit(box):
                break
            boxes.append(box)
        if len(boxes) == len(found):
            return boxes
    return None


def _candidates(pieces: int, beside: tuple[float, ...]) -> Iterator[Candidate]:
    for group in (beside[: len(BESIDE)], beside[len(BESIDE) :]):
        yield from product(range(pieces), _FRACTIONS, (1, -1), group)


def _box(arrow: Arrow, candidate: Candidate, size: tuple[float, float]) -> Box | None:
    """Right (1) or left (-1) of an upright piece, above (1) or below (-1) a level one."""
    number, fraction, side, beside = candidate
    pieces = sorted(pairwise(arrow.points), key=_length, reverse=True)
    if number >= len(pieces):
        number = len(pieces) - 1
    (x1, y1), (x2, y2) = pieces[number]
    x, y = x1 + (x2 - x1) * fraction, y1 + (y2 - y1) * fraction
    wide, tall = size
    if abs(x1 - x2) < 0.5:
        left = x + beside if side > 0 else x - beside - wide
        return left, y - tall / 2, left + wide, y + tall / 2
    above = y - beside - tall if side > 0 else y + beside
    return x - wide / 2, above, x + wide / 2, above + tall


def _length(piece: tuple[tuple[float, float], tuple[float, float]]) -> float:
    (x1, y1), (x2, y2) = piece
    return round(abs(x2 - x1) + abs(y2 - y1), 1)


class _Obstacles:
    """Boxes in strips of the picture, so that only near ones are compared."""

    STRIP = 64.0

    def __init__(self, *groups: Iterable[Box]) -> None:
        self._strips: dict[int, list[Box]] = defaultdict(list)
        for group in groups:
            for box in group:
                self.add(box)

    def add(self, box: Box) -> None:
        for strip in self._over(box, 0.0):
            self._strips[strip].append(box)

    def hit(self, box: Box) -> bool:
        return any(overlap(box, other, CLEAR) for strip in self._over(box, CLEAR) for other in self._strips[strip])

    def _over(self, box: Box, gap: float) -> range:
        return range(int((box[0] - gap) // self.STRIP), int((box[2] + gap) // self.STRIP) + 1)
