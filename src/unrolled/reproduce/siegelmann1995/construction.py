"""From a machine with two stacks to the weights of a network that simulates it, three steps for each of the machine.

1. read:   top = σ(4 q − 2) and filled = σ(4 q) of each stack q, which is handed on, and so is the state.
2. decide: a unit for each state and pair of readings, 1 where all of them are so; σ of a sum of conditions less their
           number, less one.
3. act:    for each stack and action, σ(what the action makes of q + (is it done?) − 1), which is 0 for all but one:
           nothing q, push d (q + 2 d + 1) / 4, pop 4 q − 2 top − 1. The stack is their sum.

Units of a step that is not on its turn read zeros and stay 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from unrolled.reproduce.siegelmann1995.machine import (
    ACTIONS,
    EMPTY,
    NOTHING,
    POP,
    PUSH0,
    PUSH1,
    Machine,
    Stack,
    number_of,
    stack_of,
)
from unrolled.reproduce.siegelmann1995.network import Exact, Network

STEPS = 3  # of the network for each of the machine
STACKS = ("first", "second")
CLOCK = [[0]]  # there is no input


def network_of(machine: Machine) -> Network:
    """The network of a machine."""
    made = Network.empty(_names(machine), inputs=1)
    made.initial[f"after {machine.start}"] = Fraction(1)
    _read(made, machine)
    _decide(made, machine)
    _act(made, machine)
    return made


def first_state(network: Network, first: Stack, second: Stack = ()) -> Exact:
    """The state before the first step, with these stacks."""
    stacks = dict(zip(STACKS, (first, second), strict=True))
    return network.first(**{f"{stack} {NOTHING}": number_of(each) for stack, each in stacks.items()})


def configuration(network: Network, h: Sequence[Fraction]) -> tuple[str, Stack, Stack] | None:
    """The state and the stacks of the machine, after the third step; None where the units say nothing clear."""
    on = [name for name, i in network.units.items() if name.startswith("after ") and h[i] == 1]
    some = [name for name, i in network.units.items() if name.startswith("after ") and h[i] != 0]
    stacks = [stack_of(sum((h[network.units[f"{s} {a}"]] for a in ACTIONS), Fraction(0))) for s in STACKS]
    if len(on) != 1 or len(some) != 1 or stacks[0] is None or stacks[1] is None:
        return None
    return on[0].removeprefix("after "), stacks[0], stacks[1]


def _names(machine: Machine) -> list[str]:
    read = [f"{stack} {what}" for stack in STACKS for what in ("top", "filled", "value")]
    decided = [f"{stack} {what}, kept" for stack in STACKS for what in ("top", "value")]
    acted = [f"{stack} {action}" for stack in STACKS for action in ACTIONS]
    states = [f"{when} {state}" for when in ("in", "after") for state in machine.states]
    return [*read, *decided, *acted, *states, *map(_rule, machine.rules())]


def _rule(key: tuple[str, str, str]) -> str:
    return "rule " + " ".join(key)


def _read(made: Network, machine: Machine) -> None:
    for stack in STACKS:
        for action in ACTIONS:
            made.weigh(f"{stack} top", f"{stack} {action}", 4)
            made.weigh(f"{stack} filled", f"{stack} {action}", 4)
            made.weigh(f"{stack} value", f"{stack} {action}", 1)
        made.bias[f"{stack} top"] = Fraction(-2)
    for state in machine.states:
        made.weigh(f"in {state}", f"after {state}", 1)


def _decide(made: Network, machine: Machine) -> None:
    for state, one, two in machine.rules():
        unit = _rule((state, one, two))
        made.weigh(unit, f"in {state}", 1)
        made.bias[unit] = Fraction(-2)
        for stack, reading in zip(STACKS, (one, two), strict=True):
            if reading == EMPTY:  # 1 − filled
                made.weigh(unit, f"{stack} filled", -1)
                made.bias[unit] += 1
            elif reading == "0":  # filled − top
                made.weigh(unit, f"{stack} filled", 1)
                made.weigh(unit, f"{stack} top", -1)
            else:
                made.weigh(unit, f"{stack} top", 1)
    for stack in STACKS:
        for what in ("top", "value"):
            made.weigh(f"{stack} {what}, kept", f"{stack} {what}", 1)


def _act(made: Network, machine: Machine) -> None:
    quarter = Fraction(1, 4)
    effects = {NOTHING: (Fraction(1), 0, Fraction(0)), POP: (Fraction(4), -2, Fraction(-1)),
               PUSH0: (quarter, 0, quarter), PUSH1: (quarter, 0, 3 * quarter)}  # fmt: skip
    for number, stack in enumerate(STACKS):
        for action, (factor, top, constant) in effects.items():
            unit = f"{stack} {action}"
            made.weigh(unit, f"{stack} value, kept", factor)
            if top:
                made.weigh(unit, f"{stack} top, kept", top)
            made.bias[unit] = constant - 1
            for key, step in machine.rules().items():
                if (step.first, step.second)[number] == action:
                    made.weigh(unit, _rule(key), 1)
    for key, step in machine.rules().items():
        made.weigh(f"after {step.state}", _rule(key), 1)
