"""What is run: automata on random strings, machines on numbers and words, and the same networks in floating point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from unrolled.reproduce.siegelmann1995 import automaton as automata
from unrolled.reproduce.siegelmann1995 import construction
from unrolled.reproduce.siegelmann1995.automaton import Automaton, states_of
from unrolled.reproduce.siegelmann1995.construction import CLOCK, STEPS, configuration, first_state
from unrolled.reproduce.siegelmann1995.machine import REVERSAL, Machine, Stack, value_of
from unrolled.reproduce.siegelmann1995.network import Network, run_layer


@dataclass(frozen=True)
class Simulated:
    """Of so many ``runs`` those that were ``right`` all the time, and those whose result was; ``steps`` in all."""

    runs: int
    right: int
    results: int
    steps: int


def strings(count: int, symbols: int, seed: int, longest: int = 60) -> list[list[int]]:
    """Random strings of random lengths from 1."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return [rng.integers(symbols, size=rng.integers(1, longest + 1)).tolist() for _ in range(count)]


def simulate_automaton(automaton: Automaton, words: Sequence[Sequence[int]], network: Network) -> Simulated:
    """Run the network as a layer in float32, all strings side by side."""
    longest = max(map(len, words))
    x = np.zeros((longest, len(words), automaton.symbols))
    for lane, word in enumerate(words):
        x[np.arange(len(word)), lane, list(word)] = 1
    h = run_layer(network.layer(torch.float32), [network.first()] * len(words), x, torch.float32)
    right = 0
    for lane, word in enumerate(words):
        right += states_of(automaton, network, h[: len(word), lane]) == automaton.run(word)
    return Simulated(len(words), right, right, longest)


def simulate_machine(machine: Machine, stack: Stack, network: Network) -> tuple[bool, Stack | None, int]:
    """Run the network in fractions beside the machine: whether all was right after every step of the machine, what is
    on the first stack when the network says that it has halted (None: never in that time), and the machine's steps."""
    wanted = list(machine.run(stack))
    right, result = True, None
    states = network.exactly(first_state(network, stack), CLOCK * (STEPS * len(wanted)))
    for number, h in enumerate(states, 1):
        if number % STEPS == 0:
            found = configuration(network, h)
            right = right and found == wanted[number // STEPS - 1]
            if result is None and found is not None and found[0] == machine.halting:
                result = found[1]
    return right, result, len(wanted)


def longest_reversed(dtype: torch.dtype, words: int, most: int) -> int:
    """The longest words that are all reversed without an error, when the network is a layer of that type."""
    network = construction.network_of(REVERSAL)
    layer = network.layer(dtype)
    rng = np.random.Generator(np.random.PCG64(1))
    for length in range(1, most + 1):
        lanes = [tuple(rng.integers(2, size=length).tolist()) for _ in range(words)]
        first = [first_state(network, word) for word in lanes]
        x = np.zeros((STEPS * (length + 1), words, 1))
        last = run_layer(layer, first, x, dtype)[-1]
        for word, row in zip(lanes, last, strict=True):
            if configuration(network, [Fraction(float(value)) for value in row]) != (REVERSAL.halting, (), word[::-1]):
                return length - 1
    return most


def reversed_exactly(length: int, seed: int) -> bool:
    """Whether a random word of that length is reversed in fractions."""
    network = construction.network_of(REVERSAL)
    word = tuple(np.random.Generator(np.random.PCG64(seed)).integers(2, size=length).tolist())
    *_, last = network.exactly(first_state(network, word), CLOCK * (STEPS * (length + 1)))
    return configuration(network, last) == (REVERSAL.halting, (), word[::-1])


def collatz(number: int) -> int:
    """Where its sequence ends, by arithmetic."""
    while number > 1:
        number = number // 2 if number % 2 == 0 else 3 * number + 1
    return number


def is_result(stack: Stack | None, number: int) -> bool:
    """Whether what a network left on its stack is where the sequence of a number ends."""
    return stack is not None and value_of(stack) == collatz(number)


NAMED = {
    "an even number of the symbol 0": automata.EVEN_AS,
    "binary numbers that 3 divides": automata.THREES,
    "a 1 last but one": automata.LAST_BUT_ONE,
}
