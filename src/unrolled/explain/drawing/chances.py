"""What a network expects at each step: above what it reads its state, above that a bar for each symbol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unrolled.explain.drawing.drawing import Drawing
from unrolled.explain.drawing.scene import Arrow, Node, Scene
from unrolled.explain.drawing.text import Line as Text
from unrolled.explain.drawing.text import Run, symbol, words

Column = tuple[str, Mapping[str, float], str]  # what is read, the probability of each symbol, which one was drawn

PITCH, ROW, LEFT, TOP = 118.0, 26.0, 78.0, 20.0
BAR = 62.0  # the width of a bar of probability 1
STATE = 23.0  # the radius of a state


def chances(columns: Sequence[Column], title: str) -> Drawing:
    """The picture of some steps, from left to right."""
    symbols = list(columns[0][1])
    bottom = TOP + ROW * len(symbols)
    middle, below = bottom + 62, bottom + 138
    nodes: list[Node] = []
    arrows: list[Arrow] = []
    for row, name in enumerate(symbols):
        nodes.append(_text(f"row{row}", name, LEFT - 40, TOP + ROW * (row + 0.5)))
    for t, (reads, probabilities, drawn) in enumerate(columns):
        x = LEFT + PITCH * (t + 0.5)
        nodes.append(_node(f"x{t}", "input", x, below, 26 if len(reads) < 3 else 38, 15, 6, words(reads, "name")))
        nodes.append(_node(f"h{t}", "state", x, middle, STATE, STATE, STATE, Text(symbol("h", str(t)))))
        arrows.append(_arrow(f"x{t}", f"h{t}", (x, below - 15), (x, middle + STATE)))
        arrows.append(_arrow(f"h{t}", f"y{t}", (x, middle - STATE), (x, bottom + 6)))
        if t:
            arrows.append(_arrow(f"h{t - 1}", f"h{t}", (x - PITCH + STATE, middle), (x - STATE, middle)))
        for row, name in enumerate(symbols):
            nodes += _bar(f"y{t},{row}", x - PITCH / 2 + 8, TOP + ROW * row, probabilities[name], name == drawn)
    told = "; ".join(f"after {reads} comes {drawn} ({p[drawn]:.0%})" for reads, p, drawn in columns)
    width = LEFT + PITCH * len(columns) + 12
    return Drawing(Scene(width, below + 30, title, told, tuple(nodes), tuple(arrows), ()))


def _bar(key: str, left: float, top: float, probability: float, drawn: bool) -> list[Node]:
    width = BAR * probability
    box = (left, top + 5, left + width, top + ROW - 5)
    number = "1" if probability >= 0.995 else "0" if probability < 0.005 else f"{probability:.2f}"
    text = words(number, "note")
    wide = text.width(13)
    place = left + width + 5 + wide / 2
    label = Node(f"{key}p", key, "note", (place - wide / 2, top, place + wide / 2, top + ROW), 0, (text,))
    if number == "0":
        return [label]
    return [Node(key, key, "output" if drawn else "operation", box, min(2.0, width / 2), ()), label]


def _node(key: str, role: str, x: float, y: float, half: float, tall: float, radius: float, line: Text) -> Node:
    return Node(key, key, role, (x - half, y - tall, x + half, y + tall), radius, (line,))


def _text(key: str, text: str, x: float, y: float) -> Node:
    return Node(key, key, "note", (x - 30, y - ROW / 2, x + 30, y + ROW / 2), 0, (Text((Run(text),), "name"),))


def _arrow(source: str, target: str, start: tuple[float, float], end: tuple[float, float]) -> Arrow:
    return Arrow(f"{source}-{target}", "step", source, target, (start, end))
