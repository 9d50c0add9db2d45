"""The most probable strings that a model can write: beam search, with scores in which longer ones may compete.

Shapes: log-probabilities (V + 1,) of V symbols and, last, the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigurationError, UnrolledError
from unrolled.generation.allowed import Allowed

State = TypeVar("State")
Numbers = NDArray[np.float64]


class Branches(Protocol[State]):
    """What a model says comes next, for several hypotheses at once; states are its own."""

    def begin(self) -> tuple[State, Numbers]:
        """The state of the one hypothesis at the beginning, and the log-probabilities (V + 1,) of what comes first."""

    def step(self, states: Sequence[State], symbols: Sequence[int]) -> list[tuple[State, Numbers]]:
        """Each hypothesis goes on by its symbol: its new state, and the log-probabilities (V + 1,) of what follows."""


@dataclass(frozen=True)
class Hypothesis:
    """A string with the logarithm of its probability and its score; ``ended``: the model ended it, not a limit."""

    symbols: tuple[int, ...]
    log_probability: float
    score: float
    ended: bool


@dataclass(frozen=True, eq=False)
class _Open(Generic[State]):
    """A string that goes on."""

    symbols: tuple[int, ...]
    log_probability: float
    state: State
    following: Numbers


@dataclass(frozen=True, eq=False)
class _Branch(Generic[State]):
    """A string and one of the symbols after it, or the end."""

    of: _Open[State]
    symbol: int
    log_probability: float

    @property
    def symbols(self) -> tuple[int, ...]:
        return (*self.of.symbols, self.symbol)

    def hypothesis(self, end: int, penalty: float) -> Hypothesis:
        """It goes no further."""
        ended = self.symbol == end
        symbols = self.of.symbols if ended else self.symbols
        return Hypothesis(symbols, self.log_probability, self.log_probability / penalty, ended)


def beam_search(
    branches: Branches[State],
    width: int = 4,
    most: int = 100,
    length_penalty: float = 0.0,
    allowed: Allowed | None = None,
) -> list[Hypothesis]:
    """The best hypotheses that a beam finds, at most ``width``, the best first; of equals the one whose first
    different symbol is smaller.

    At each step every hypothesis branches, and the ``width`` most probable branches stay; a beam of width 1 is greedy.
    What has ended leaves the beam. The search is over when nothing in the beam can still be among the best ``width``
    that have ended. A hypothesis of ``most`` symbols, the end included, is cut and counts with those that have ended.

    The score is log p / ((5 + n) / 6)^``length_penalty`` with n symbols, the end included (Wu et al. 2016, "Google's
    neural machine translation system", eq. 14, without coverage): at 0 the probability alone counts, and the larger it
    is, the better for long strings. With ``allowed`` only these strings are searched, by the probabilities that the
    model gives them among all.

    Raises:
        ConfigurationError: an option is out of range, or an allowed string and its end are longer than ``most``.
        UnrolledError: a log-probability is not a number.
    """
    _check(width, most, length_penalty, allowed)
    state, following = branches.begin()
    end = len(following) - 1
    beam = [_Open((), 0.0, state, _masked((), following, allowed))]
    done: list[Hypothesis] = []
    for n in range(1, most + 1):
        stay = _most_probable(beam, width)
        going = [each for each in stay if each.symbol != end and n < most]
        done += [each.hypothesis(end, penalty(n, length_penalty)) for each in stay if each not in going]
        done = sorted(done, key=lambda each: (-each.score, each.symbols))[:width]
        # log p only falls, and is divided by no more than what belongs to the greatest length
        reach = max((each.log_probability for each in going), default=-math.inf) / penalty(most, length_penalty)
        if not going or (len(done) == width and reach < done[-1].score):
            break
        stepped = branches.step([each.of.state for each in going], [each.symbol for each in going])
        beam = [
            _Open(each.symbols, each.log_probability, state, _masked(each.symbols, following, allowed))
            for each, (state, following) in zip(going, stepped, strict=True)
        ]
    return done


def _most_probable(beam: Sequence[_Open[State]], width: int) -> list[_Branch[State]]:
    """The most probable branches, in the order of the beam and the symbols: so it stays in the order of its strings."""
    totals = np.concatenate([one.log_probability + one.following for one in beam])
    best = np.argsort(-totals, kind="stable")[:width]
    places = np.sort(best[totals[best] > -np.inf])
    outcomes = len(beam[0].following)
    return [_Branch(beam[i // outcomes], i % outcomes, float(totals[i])) for i in places.tolist()]


def _masked(symbols: tuple[int, ...], following: Numbers, allowed: Allowed | None) -> Numbers:
    if np.isnan(following).any():
        raise UnrolledError(f"after {len(symbols)} symbols a log-probability is not a number: the model has diverged")
    return following if allowed is None else np.where(allowed.mask(symbols, len(following) - 1), following, -np.inf)


def penalty(n: int, length_penalty: float) -> float:
    """What log p of n outcomes is divided by."""
    return ((5 + n) / 6) ** length_penalty


def _check(width: int, most: int, length_penalty: float, allowed: Allowed | None) -> None:
    for name, value in (("width of the beam", width), ("most symbols of a hypothesis", most)):
        if value < 1:
            raise ConfigurationError(f"the {name} is {value}; it must be at least 1")
    if not (length_penalty >= 0 and math.isfinite(length_penalty)):
        raise ConfigurationError(f"the length penalty is {length_penalty}; it must be 0 (none) or a positive number")
    if allowed is not None and allowed.lengths()[-1] >= most:
        raise ConfigurationError(
            f"an allowed string has {allowed.lengths()[-1]} symbols, and with its end a hypothesis has at most {most}; "
            f"give at least {allowed.lengths()[-1] + 1}"
        )
