"""The text of nodes and arrows, and which weights share a colour."""

from __future__ import annotations

from collections.abc import Iterable

from unrolled.explain.drawing.parts import Part, Weight
from unrolled.explain.drawing.text import Line, Run, joined, symbol

_MOST_WEIGHTS = 6


def name_of(part: Part, index: str) -> Line:
    """The name of a part at a step."""
    return Line(joined(symbol(name, index, part.mark) for name in part.names))


def key_of(name: str, index: str) -> str:
    """How a quantity is called in text, and by which its value is found: ``h_0``, ``h_{-1}``, ``h_{f,0}``."""
    letter, _, subscript = name.partition("_")
    below = ",".join(part for part in (subscript, index) if part)
    return f"{letter}_{below}" if len(below) == 1 else f"{letter}_{{{below}}}" if below else letter


def weights_label(ways: Iterable[tuple[Weight, ...]]) -> tuple[Line, ...]:
    """The weights on an arrow, two a line."""
    shown = [_way(way) for way in ways]
    if len(shown) > _MOST_WEIGHTS:
        shown = [*shown[: _MOST_WEIGHTS - 1], (Run("…"),)]
    pairs = [shown[first : first + 2] for first in range(0, len(shown), 2)]
    return tuple(
        Line((*joined(pair), Run(",")) if number < len(pairs) - 1 else joined(pair))
        for number, pair in enumerate(pairs)
    )


def _way(way: tuple[Weight, ...]) -> tuple[Run, ...]:
    """A product of weights, the last applied first; the transposed ones raised."""
    factors = (
        symbol(weight.name, "", " ".join(part for part in (weight.mark, "T" if weight.transposed else "") if part))
        for weight in way
    )
    return joined(factors, "∘")


class Colours:
    """A number for each set of weights, in the order in which they are met."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}

    def __call__(self, ways: tuple[object, ...]) -> int | None:
        return self._numbers.setdefault(frozenset(ways), len(self._numbers)) if ways else None
