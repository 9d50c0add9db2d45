"""Siegelmann & Sontag 1995, "On the computational power of neural nets": a network that computes, with weights that
nobody learnt."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unrolled.reproduce.bench import Bench, written
from unrolled.reproduce.claims import Claim
from unrolled.reproduce.report import Report, Row, Section
from unrolled.reproduce.siegelmann1995 import automaton, construction, criteria
from unrolled.reproduce.siegelmann1995.construction import STEPS
from unrolled.reproduce.siegelmann1995.experiments import (
    NAMED,
    Simulated,
    is_result,
    longest_reversed,
    reversed_exactly,
    simulate_automaton,
    simulate_machine,
    strings,
)
from unrolled.reproduce.siegelmann1995.machine import COLLATZ, REVERSAL, binary
from unrolled.reproduce.siegelmann1995.network import EQUATION, Network

NAME = "siegelmann1995"
STATES, SYMBOLS, DRAWN, STRINGS = 8, 3, 10, 100  # of automata that are drawn at random, and strings for each
NUMBERS = 300  # whose Collatz sequences are run
WORDS, LONGEST, DEEP = 200, 40, 400  # words that are reversed in floating point, and a long one in fractions
PREDICTED = (26, 12)  # symbols that 53 and 24 bits hold, two each


def reproduce(bench: Bench) -> Report:
    """Automata, machines with two stacks, and the precision that they need."""
    about = (
        "Siegelmann & Sontag, “On the computational power of neural nets”, JCSS 50 (1995). The networks are "
        f"`{EQUATION}`; their weights are written down, not learnt. The criteria were written before any of them was "
        f"run. {written(NAME)}"
    )
    return Report(NAME, about, [_automata(bench), _machines(bench), _precision(bench)])


def _automata(bench: Bench) -> Section:
    drawn = {
        f"{STATES} states, {SYMBOLS} symbols, drawn at random, number {seed}": automaton.random_automaton(
            STATES, SYMBOLS, seed
        )
        for seed in range(2 if bench.quick else DRAWN)
    }
    found, shuffled, units = [], [], []
    for number, each in enumerate((*NAMED.values(), *drawn.values())):
        words = strings(20 if bench.quick else STRINGS, each.symbols, number)
        network = automaton.network_of(each)
        units.append(len(network.units))
        found.append(simulate_automaton(each, words, network))
        shuffled.append(simulate_automaton(each, words, network.shuffled(number)))
    right, runs, other = sum(one.right for one in found), sum(one.runs for one in found), sum(s.right for s in shuffled)
    rows = [
        _row(criteria.AUTOMATON, f"{right:,} of {runs:,}", right == runs),
        _row(criteria.RANDOM, f"{other:,} of {runs:,}", other == 0),
        Row("units; bits of a weight", f"{min(units)} to {max(units)}; 1"),
    ]
    text = (
        f"{len(NAMED)} automata ({', '.join(NAMED)}) and {len(drawn)} of {STATES} states and {SYMBOLS} symbols, drawn "
        "at random. A unit for each state and symbol, and one that says where to start; run as a layer in float32. "
        "The criterion on weights in other places did not foresee that a string of one or two symbols can be right by "
        "chance; the machine below runs longer."
    )
    return Section("A finite automaton", [], rows, text)


def _machines(bench: Bench) -> Section:
    network = construction.network_of(COLLATZ)
    numbers = range(1, (8 if bench.quick else NUMBERS) + 1)
    found = _collatz(network, numbers)
    others = _collatz(network.shuffled(0), numbers)
    rows = [
        _row(criteria.STACKS, f"{found.right} of {found.runs}", found.right == found.runs),
        _row(criteria.CONSTANT, f"{STEPS} in all of {found.steps:,} steps of the machine", STEPS <= 4),
        _row(criteria.HALTS, f"{found.results} of {found.runs}", found.results == found.runs),
        _row(criteria.RANDOM, f"{others.right} of {others.runs}", others.right == 0),
        Row(
            "units; weights that are not 0; bits of the longest",
            f"{len(network.units)}; {sum(map(len, network.weights.values())):,}; {network.bits}",
        ),
    ]
    text = (
        f"The machine has {len(COLLATZ.states)} states and two stacks of binary digits. It starts with a number, "
        "halves it where it is even, makes 3 n + 1 of it where it is odd, and halts at 1 (Collatz); the numbers 1 to "
        f"{numbers[-1]}. A stack is one unit's value, its digits d as 2 d + 1 in base 4. Everything that the machine "
        "can do is computed at each step; what is not done is pushed below 0, where a unit is 0. The network reads "
        "nothing: it runs on its own state alone."
    )
    return Section("A machine with two stacks", [], rows, text)


def _collatz(network: Network, numbers: Sequence[int]) -> Simulated:
    right = results = steps = 0
    for number in numbers:
        all_right, stack, taken = simulate_machine(COLLATZ, binary(number), network)
        right, results, steps = right + all_right, results + is_result(stack, number), steps + taken
    return Simulated(len(numbers), right, results, steps)


def _precision(bench: Bench) -> Section:
    words, longest, deep = (10, 14, 40) if bench.quick else (WORDS, LONGEST, DEEP)
    double, single = (longest_reversed(dtype, words, longest) for dtype in (torch.float64, torch.float32))
    exact = all(reversed_exactly(deep, seed) for seed in range(3))
    measured = f"{double} and {single}; in fractions {deep}" + ("" if exact else " fails")
    network = construction.network_of(REVERSAL)
    rows = [
        _row(criteria.PRECISION, measured, (double, single) == PREDICTED and exact and deep >= 200),
        Row("units of the network that reverses a word", f"{len(network.units)}"),
    ]
    text = (
        "A stack is a number below 1, so that what it holds is bounded by the bits of that number: what “a recurrent "
        "network can do what a Turing machine can” costs is precision without bound, in each of a few units. With the "
        "numbers of a processor the network is a machine whose stacks are full after some dozens of symbols, and which "
        "does not say so: the lowest digits are rounded away. More units of bounded precision are a finite automaton."
    )
    return Section("What it costs: precision", [], rows, text)


def _row(claim: Claim, measured: str, holds: bool) -> Row:
    return Row(claim.what, measured, claim.wanted, holds, claim.said)
