"""Which symbols may come next, where only certain strings may be written.

Shapes: a mask (V + 1,) over V symbols and, last, the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigurationError

String = tuple[int, ...]


@dataclass(frozen=True)
class Allowed:
    """The strings of ids that may be written; what stands twice counts once.

    >>> Allowed([[0, 1], [0, 2, 2]]).mask([0], symbols=3).tolist()  # after 0 come 1 or 2, and it is not complete
    [False, True, True, False]

    Raises:
        ConfigurationError: there is none, or an id is below 0.
    """

    strings: Sequence[Sequence[int]] = field(repr=False)

    def __post_init__(self) -> None:
        strings = tuple(dict.fromkeys(tuple(map(int, string)) for string in self.strings))
        if not strings:
            raise ConfigurationError("no string is allowed, so that nothing can be written; give at least one")
        if any(min(string, default=0) < 0 for string in strings):
            raise ConfigurationError("an id of an allowed string is below 0; ids count from 0")
        object.__setattr__(self, "strings", strings)

    def mask(self, prefix: Sequence[int], symbols: int, remaining: int | None = None) -> NDArray[np.bool_]:
        """Which of so many symbols may come after ``prefix`` (V,), so that a string can still be completed; the last
        entry says whether it may end here. With ``remaining`` only strings count that have exactly so many symbols
        after the prefix. After what begins no string nothing may come.

        Raises:
            ConfigurationError: a string has an id that is none of the symbols.
        """
        if symbols <= self._largest:
            raise ConfigurationError(
                f"an allowed string holds the id {self._largest}, and there are {symbols} symbols, 0 to {symbols - 1}"
            )
        found = np.zeros(symbols + 1, dtype=bool)
        node = self._tree.find(prefix)
        if node is None:
            return found
        following = self._tree.following[node]
        if remaining is None:
            found[list(following)] = True
            found[-1] = node in self._tree.ends
        else:
            length = len(prefix) + remaining
            found[[symbol for symbol, child in following.items() if length in self._tree.lengths[child]]] = True
            found[-1] = remaining == 0 and node in self._tree.ends
        return found

    def lengths(self) -> tuple[int, ...]:
        """How many symbols strings have, from the shortest."""
        return tuple(sorted({len(string) for string in self.strings}))

    def nested(self) -> tuple[String, String] | None:
        """A string and a longer one that begins with it; None where there is no such pair."""
        ordered = sorted(map(tuple, self.strings))  # what begins with a string follows it
        return next(((a, b) for a, b in pairwise(ordered) if b[: len(a)] == a), None)

    @cached_property
    def _largest(self) -> int:
        return max(max(string, default=-1) for string in self.strings)

    @cached_property
    def _tree(self) -> _Tree:
        return _Tree(self.strings)


class _Tree:
    """The beginnings of all strings. Of each: the symbols that follow, and how long the strings are that begin so."""

    def __init__(self, strings: Sequence[Sequence[int]]) -> None:
        self.following: list[dict[int, int]] = [{}]
        self.ends: dict[int, int] = {}  # where a string ends, and its length
        for string in strings:
            node = 0
            for symbol in string:
                node = self.following[node].setdefault(symbol, len(self.following))
                if node == len(self.following):
                    self.following.append({})
            self.ends[node] = len(string)
        self.lengths = self._lengths()

    def _lengths(self) -> list[frozenset[int]]:
        """A node stands before those that follow it; equal sets are one, as there are few."""
        found: list[frozenset[int]] = [frozenset()] * len(self.following)
        known: dict[frozenset[int], frozenset[int]] = {}
        for node in reversed(range(len(found))):
            own = {self.ends[node]} if node in self.ends else set()
            lengths = frozenset(own.union(*(found[child] for child in self.following[node].values())))
            found[node] = known.setdefault(lengths, lengths)
        return found

    def find(self, prefix: Sequence[int]) -> int | None:
        """The node of a beginning, None if no string begins so."""
        node = 0
        for symbol in prefix:
            if symbol not in self.following[node]:
                return None
            node = self.following[node][symbol]
        return node
