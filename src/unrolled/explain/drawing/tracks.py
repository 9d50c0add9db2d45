"""Parallel tracks in a channel: which segments may share one, and in which order they cross least."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
_MOST_ROUNDS = 20


@dataclass(frozen=True)
class Segment(Generic[Key]):
    """A piece that runs along a channel, from ``low`` to ``high``.

    ``stubs`` are where it is left across the channel: (position, side), side -1 towards the lower tracks.
    ``spans`` are the pieces at all columns; two segments conflict where any of them meet.
    """

    key: Key
    spans: tuple[tuple[float, float], ...]
    stubs: tuple[tuple[float, int], ...]

    @property
    def low(self) -> float:
        return self.spans[0][0]

    @property
    def high(self) -> float:
        return self.spans[0][1]


def tracks(segments: Sequence[Segment[Key]], gap: float) -> dict[Key, int]:
    """A track, counted from 0, for each segment: those that come closer than ``gap`` get different ones."""
    order = _ordered(list(segments))
    found: dict[Key, int] = {}
    for number, segment in enumerate(order):
        below = [found[other.key] for other in order[:number] if _meet(segment, other, gap)]
        found[segment.key] = max(below, default=-1) + 1
    return found


def _meet(one: Segment[Key], other: Segment[Key], gap: float) -> bool:
    return any(a < d + gap and c < b + gap for a, b in one.spans for c, d in other.spans)


def _ordered(order: list[Segment[Key]]) -> list[Segment[Key]]:
    """Neighbours are exchanged while that saves a crossing."""
    for _ in range(_MOST_ROUNDS):
        changed = False
        for i in range(len(order) - 1):
            if _crossings(order[i + 1], order[i]) < _crossings(order[i], order[i + 1]):
                order[i], order[i + 1] = order[i + 1], order[i]
                changed = True
        if not changed:
            break
    return order


def _crossings(lower: Segment[Key], upper: Segment[Key]) -> int:
    """How often two segments cross when ``lower`` has the lower track."""
    up = sum(upper.low < position < upper.high for position, side in lower.stubs if side > 0)
    return up + sum(lower.low < position < lower.high for position, side in upper.stubs if side < 0)
