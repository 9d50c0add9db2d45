"""Going through a chain backwards with few saved states: the optimal binomial schedule.

A chain has n segments; state i is the one before segment i, and a segment can be gone through backwards from the state
before it. Griewank & Walther 2000 ("Algorithm 799: revolve"), as Gruslys et al. 2016 ("Memory-efficient
backpropagation through time") use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from typing import Literal

from unrolled.errors import ConfigurationError


@dataclass(frozen=True)
class Action:
    """One of: "advance" from the present state to the state ``to``; "save" the present state ``to``; "restore" the
    saved state ``to``; "free" it; "reverse" segment ``to``, of which the present state is the one before."""

    kind: Literal["advance", "save", "restore", "free", "reverse"]
    to: int


def schedule(segments: int, slots: int) -> Iterator[Action]:
    """The actions that reverse all segments, the last one first, with at most ``slots`` states saved at a time.

    State 0 is present at first, and its saving counts. The number of segments advanced is the least possible.

    Raises:
        ConfigurationError: no slot, or fewer than 0 segments.

    >>> [f"{action.kind} {action.to}" for action in schedule(2, 1)]
    ['save 0', 'advance 1', 'reverse 1', 'restore 0', 'reverse 0', 'free 0']
    """
    if slots < 1 or segments < 0:
        raise ConfigurationError(f"{segments} segments with {slots} saved states: at least 1 state must be saved")
    if segments:
        yield Action("save", 0)
        yield from _reversed(0, segments, slots - 1)
        yield Action("free", 0)


def _reversed(begin: int, end: int, free: int) -> Iterator[Action]:
    """Reverse the segments from ``begin`` to ``end``; state ``begin`` is saved and present, ``free`` slots are left.

    Iterative, as a chain may be deep: with one slot it is as deep as long.
    """
    stack: list[tuple[int, int, int, bool]] = [(begin, end, free, False)]  # … and: must the state be restored first?
    while stack:
        begin, end, free, restore = stack.pop()
        if begin < 0:  # a mark: what was saved at -begin is no longer needed
            yield Action("free", -begin)
            continue
        if restore:
            yield Action("restore", begin)
        if end - begin == 1:
            yield Action("reverse", begin)
            continue
        if not free:
            yield Action("advance", end - 1)
            yield Action("reverse", end - 1)
            stack.append((begin, end - 1, 0, True))
            continue
        middle = begin + _advance(end - begin, free + 1)
        yield Action("advance", middle)
        yield Action("save", middle)
        stack += [(begin, middle, free, True), (-middle, 0, 0, False), (middle, end, free - 1, False)]


def repetitions(segments: int, slots: int) -> int:
    """The smallest r with C(slots + r, slots) ≥ segments: how often, at most, a segment is advanced."""
    r = 0
    while comb(slots + r, slots) < segments:
        r += 1
    return r


def advances(segments: int, slots: int) -> int:
    """How many segments the schedule advances in all: r n − C(s + r, s + 1) (Griewank & Walther, proposition 1).

    >>> advances(10, 10), advances(10, 3), advances(10, 1)
    (9, 15, 45)
    """
    r = repetitions(segments, slots)
    return r * segments - comb(slots + r, slots + 1)


def _advance(segments: int, slots: int) -> int:
    """How many segments to go before the next state is saved, so that the fewest are advanced in all; ``slots`` counts
    the state that is there."""
    r = repetitions(segments, slots)
    # what lies before the new state is then advanced r - 1 times at most, what lies behind it r times
    before = comb(slots + r - 2, slots) if r > 1 else 1
    return max(before, segments - comb(slots - 1 + r, slots - 1))
