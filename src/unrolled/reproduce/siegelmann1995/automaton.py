"""Finite automata, and the networks that simulate them: a unit for each state and symbol.

The unit (q, a) is 1 where the automaton was in q when it read a: σ(Σ u + x_a − 1), the sum over the units that lead to
q.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from unrolled.reproduce.siegelmann1995.network import Network


@dataclass(frozen=True)
class Automaton:
    """``next[q][a]`` is the state after the symbol a in state q; it starts in state 0 and accepts in ``accepting``."""

    next: Sequence[Sequence[int]]
    accepting: frozenset[int]

    @property
    def symbols(self) -> int:
        """How many there are."""
        return len(self.next[0])

    def run(self, word: Sequence[int]) -> list[int]:
        """The state after each symbol.

        >>> EVEN_AS.run([0, 1, 0])
        [1, 1, 0]
        """
        states, state = [], 0
        for symbol in word:
            state = self.next[state][symbol]
            states.append(state)
        return states

    def accepts(self, word: Sequence[int]) -> bool:
        """Whether the state after the last symbol is an accepting one."""
        return [0, *self.run(word)][-1] in self.accepting


EVEN_AS = Automaton([[1, 0], [0, 1]], frozenset({0}))  # an even number of the symbol 0
# binary numbers, their highest digit first, that 3 divides: the state is the remainder
THREES = Automaton([[0, 1], [2, 0], [1, 2]], frozenset({0}))
# the last symbol but one is 1: the state is what the last two symbols were
LAST_BUT_ONE = Automaton([[0, 1], [2, 3], [0, 1], [2, 3]], frozenset({2, 3}))


def random_automaton(states: int, symbols: int, seed: int) -> Automaton:
    """One whose every transition is drawn at random."""
    rng = np.random.Generator(np.random.PCG64(seed))
    accepting = frozenset(np.flatnonzero(rng.integers(2, size=states)).tolist())
    return Automaton(rng.integers(states, size=(states, symbols)).tolist(), accepting)


def network_of(automaton: Automaton) -> Network:
    """A network with a unit for each state and symbol, and one that says where to start."""
    pairs = [(q, a) for q in range(len(automaton.next)) for a in range(automaton.symbols)]
    names = ["start", *(f"{q} reads {a}" for q, a in pairs)]
    made = Network.empty(names, inputs=automaton.symbols)
    made.initial["start"] = Fraction(1)
    for q, a in pairs:
        unit = f"{q} reads {a}"
        for before, read in pairs:
            if automaton.next[before][read] == q:
                made.weigh(unit, f"{before} reads {read}", 1)
        if q == 0:
            made.weigh(unit, "start", 1)
        made.take(unit, a, 1)
        made.bias[unit] = Fraction(-1)
    return made


def states_of(automaton: Automaton, network: Network, h: np.ndarray) -> list[int | None]:
    """The state after each step, read from the units (T, H): None where not exactly one of them is 1."""
    found: list[int | None] = []
    pairs = [(q, a) for q in range(len(automaton.next)) for a in range(automaton.symbols)]
    for row in h:
        on = [pair for pair, value in zip(pairs, row[1:], strict=True) if value == 1]
        off = sum(1 for value in row[1:] if value == 0)
        clean = len(on) == 1 and off == len(pairs) - 1
        found.append(automaton.next[on[0][0]][on[0][1]] if clean else None)
    return found
