"""Machines with two stacks of the digits 0 and 1, and the numbers that stand for their stacks.

A stack d_1 d_2 …, its top first, is the number Σ (2 d_i + 1) / 4^i: 0 where it is empty, else in [1/4, 1), and its top
can be read from whether it is at least 3/4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

Stack = tuple[int, ...]  # its top first
EMPTY, ANY = "E", "*"
READINGS = (EMPTY, "0", "1")
NOTHING, POP, PUSH0, PUSH1 = "nothing", "pop", "push 0", "push 1"
ACTIONS = (NOTHING, POP, PUSH0, PUSH1)


@dataclass(frozen=True)
class Step:
    """What a machine does: the next state, and what happens to each stack."""

    state: str
    first: str = NOTHING
    second: str = NOTHING


@dataclass(frozen=True)
class Machine:
    """``table`` says what is done in a state, for what can be read on top of both stacks (E: empty, *: anything)."""

    table: Mapping[tuple[str, str, str], Step]
    start: str
    halting: str

    def rules(self) -> dict[tuple[str, str, str], Step]:
        """The table, with every * written out; the halting state stays as it is."""
        found = {(self.halting, *each): Step(self.halting) for each in product(READINGS, READINGS)}
        for (state, one, two), step in self.table.items():
            for each in product(READINGS if one == ANY else one, READINGS if two == ANY else two):
                found[(state, *each)] = step
        return found

    @property
    def states(self) -> tuple[str, ...]:
        """All of them."""
        named = [name for (state, _, _), step in self.table.items() for name in (state, step.state)]
        return tuple(dict.fromkeys([self.start, *named, self.halting]))

    def run(self, first: Stack, second: Stack = (), most: int = 1_000_000) -> Iterator[tuple[str, Stack, Stack]]:
        """The state and the stacks after each step, until it halts."""
        rules, state = self.rules(), self.start
        for _ in range(most):
            if state == self.halting:
                return
            step = rules[state, _top(first), _top(second)]
            state, first, second = step.state, _changed(first, step.first), _changed(second, step.second)
            yield state, first, second


def number_of(stack: Stack) -> Fraction:
    """The number that stands for a stack.

    >>> number_of((1, 0))
    Fraction(13, 16)
    """
    value = Fraction(0)
    for digit in reversed(stack):
        value = (value + 2 * digit + 1) / 4
    return value


def stack_of(number: Fraction) -> Stack | None:
    """The stack that a number stands for; None where it stands for none.

    >>> stack_of(Fraction(13, 16)), stack_of(Fraction(1, 2))
    ((1, 0), None)
    """
    found = []
    while number:
        digit = int(number * 4 >= 3)
        number = number * 4 - 2 * digit - 1
        if not 0 <= number < 1:
            return None
        found.append(digit)
    return tuple(found)


def _top(stack: Stack) -> str:
    return str(stack[0]) if stack else EMPTY


def _changed(stack: Stack, action: str) -> Stack:
    match action:
        case "pop":
            return stack[1:]
        case "push 0":
            return (0, *stack)
        case "push 1":
            return (1, *stack)
    return stack


def _moving(state: str, after: str, from_first: bool) -> dict[tuple[str, str, str], Step]:
    """Move a whole stack onto the other one."""
    found = {}
    for digit, push in (("0", PUSH0), ("1", PUSH1)):
        found[(state, digit, ANY) if from_first else (state, ANY, digit)] = (
            Step(state, POP, push) if from_first else Step(state, push, POP)
        )
    found[(state, EMPTY, ANY) if from_first else (state, ANY, EMPTY)] = Step(after)
    return found


REVERSAL = Machine(_moving("move", "halt", from_first=True), "move", "halt")


def _tripling() -> dict[tuple[str, str, str], Step]:
    """3 n + 1, digit by digit from the lowest, the carry in the state; the result is on the other stack, reversed."""
    found = {}
    for carry, digit in product(range(3), range(2)):
        value = 3 * digit + carry
        found[f"carry {carry}", str(digit), ANY] = Step(f"carry {value // 2}", POP, PUSH1 if value % 2 else PUSH0)
    found["carry 2", EMPTY, ANY] = Step("carry 1", NOTHING, PUSH0)
    found["carry 1", EMPTY, ANY] = Step("carry 0", NOTHING, PUSH1)
    found["carry 0", EMPTY, ANY] = Step("back")
    return found


# Collatz's sequence, from a number in binary on the first stack (its lowest digit on top) down to 1
COLLATZ = Machine(
    {
        ("look", "0", ANY): Step("look", POP),  # even: half of it
        ("look", "1", ANY): Step("odd", POP),
        ("odd", EMPTY, ANY): Step("halt", PUSH1),  # it was 1
        **{("odd", digit, ANY): Step("carry 2", NOTHING, PUSH0) for digit in "01"},  # 3 · 1 + 1 is 0, carry 2
        **_tripling(),
        **_moving("back", "look", from_first=False),
    },
    "look",
    "halt",
)


def binary(number: int) -> Stack:
    """A number above 0 as a stack, its lowest digit on top.

    >>> binary(6)
    (0, 1, 1)
    """
    return tuple(int(digit) for digit in reversed(f"{number:b}"))


def value_of(stack: Sequence[int]) -> int:
    """The number that ``binary`` wrote."""
    return sum(digit << place for place, digit in enumerate(stack))
