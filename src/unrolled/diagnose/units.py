"""Units that keep track of something that has a name, found without being fooled by the best of many.

A unit is chosen on the first half of a text and scored on the second. Its score is put beside two rivals: the unit that
is chosen in the same way from untrained networks, and the symbol that was just read, without any network.

A score is a rank correlation, 0 for nothing and 1 for everything: for what is true or false 2 AUC − 1, that is the
chance that the unit is higher where it is true than where it is false, less the chance that it is lower; for numbers
Spearman's ρ.

Shapes: a text of T symbols, activations (T, n), ranks (T, n).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.documents import Symbols
from unrolled.diagnose.predicates import PREDICATES, Found, Predicate
from unrolled.diagnose.ranks import association, ranks
from unrolled.diagnose.states import HiddenStates, Model, hidden_states, stretch, unit_name, untrained
from unrolled.errors import DataError

Array = NDArray[np.float64]

CONTROLS = 10  # untrained networks, which differ much among themselves
ENOUGH = 20  # symbols of either kind in each half, without which a predicate is not scored
LEAD = 0.1  # by which a unit must be ahead of its rivals to be worth a name
ERRORS = 2.0  # standard errors by which it must be ahead, too
SHOWN = 300  # symbols over which the units are shown
BLOCKS = 10  # stretches of the second half that are left out in turn, to know how sure a score is


@dataclass(frozen=True)
class Tracker:
    """The unit that follows a predicate best: of the state ``state``, number ``unit``; ``sign`` is −1 where it falls
    when the predicate holds or rises.

    ``chosen`` is the score on the half on which it was chosen, ``score`` on the other one; ``control`` that of the best
    of the units so chosen from untrained networks, ``symbol`` that of the last symbol alone. ``lead`` is by how much it
    is ahead of the better of the two, and ``error`` the standard error of that.
    """

    predicate: str
    number: bool
    state: str
    unit: int
    sign: int
    chosen: float
    score: float
    control: float
    symbol: float
    lead: float
    error: float

    @property
    def clear(self) -> bool:
        """Is it worth the name: ahead of both by 0.1 and by two standard errors?"""
        return self.lead >= LEAD and self.lead >= ERRORS * self.error


@dataclass(frozen=True)
class Trackers:
    """Of each predicate the best unit, the clearest lead first; ``rare`` are those that the text shows too seldom.

    ``activations`` are those of the units that are worth a name, over the symbols of ``piece``, from the middle of
    the text on; their keys say which unit it is, what it follows and how well.
    """

    trackers: tuple[Tracker, ...]
    rare: tuple[str, ...]
    symbols: int
    units: int
    controls: int
    piece: tuple[str, ...]
    activations: Mapping[str, tuple[float, ...]]

    @property
    def found(self) -> tuple[Tracker, ...]:
        """Those that are worth a name; there may be none."""
        return tuple(each for each in self.trackers if each.clear)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"trackers": [asdict(each) | {"clear": each.clear} for each in self.trackers]}


def find_trackers(
    model: Model, text: str | Symbols, *, controls: int = CONTROLS, seed: int = 0,
    predicates: Sequence[Predicate] = PREDICATES, shown: int = SHOWN,
) -> Generator[float, None, Trackers]:  # fmt: skip
    """Look for units that follow a predicate, yielding the share done.

    ``controls`` are so many untrained networks, ``seed`` says which; ``shown`` is the length of the piece. Beside 10 of
    them, at most about one untrained network in 30 has itself a unit that is worth a name; beside 3 up to one in 8.

    Raises:
        ConfigurationError: the model reads no text, or has no state; DataError: there is no untrained network to
            compare with, the text is empty or has an unknown symbol, or a state is not finite.
    """
    if controls < 1:
        raise DataError(f"{controls} untrained networks are no control; give at least 1")
    states = hidden_states(model, text)
    units, half = states.units, len(states.symbols) // 2
    truth, rare = _told(states, predicates, half)
    yield 1 / (controls + 2)
    best = _best(_side_by_side(states), truth, half)
    yield 2 / (controls + 2)
    rivals: list[list[_Choice]] = []
    for number, other in enumerate(untrained(model, controls, seed)):
        rivals.append(_best(_side_by_side(hidden_states(other, text)), truth, half))
        yield (number + 3) / (controls + 2)
    symbols = np.unique(np.array(states.symbols), return_inverse=True)[1]
    found = [
        _tracker(predicate, units, choice, others, by_symbol(symbols, each, half), each[half:])
        for (predicate, each), choice, *others in zip(truth, best, *rivals, strict=True)
    ]
    found.sort(key=lambda each: -each.lead)
    piece = stretch(states.symbols, shown)
    activations = {
        title: tuple(states.unit(*unit)[piece].tolist())
        for unit, title in titles([each for each in found if each.clear]).items()
    }
    return Trackers(
        tuple(found), rare, len(states.symbols), len(units), controls, states.symbols[piece], activations
    )  # fmt: skip


def titles(trackers: Sequence[Tracker]) -> dict[tuple[str, int], str]:
    """For each unit among these, what it follows and how well, beside what untrained networks do."""
    found: dict[tuple[str, int], list[str]] = {}
    for each in trackers:
        said = f"{each.predicate} ({each.score:.2f}, untrained {each.control:.2f})"
        found.setdefault((each.state, each.unit), []).append(said)
    return {key: f"{unit_name(*key)}: {', '.join(said)}" for key, said in found.items()}


@dataclass(frozen=True, eq=False)
class _Choice:
    """A unit chosen on the first half: its number, its direction, its score there, its activation on the second."""

    unit: int
    sign: int
    chosen: float
    later: Array


def _side_by_side(states: HiddenStates) -> Array:
    found: Array = np.concatenate(list(states.states.values()), 1)
    if not np.isfinite(found).all():
        raise DataError("Some states are not finite: the network has left all bounds, and its units follow nothing.")
    return found


def _told(
    states: HiddenStates, predicates: Sequence[Predicate], half: int
) -> tuple[list[tuple[Predicate, Found]], tuple[str, ...]]:
    """The predicates at the symbols, and the names of those that the text shows too seldom in one of its halves."""
    places = symbol_places(states.symbols)
    kept, rare = [], []
    for predicate in predicates:
        values = predicate.of(states.text)[places] if states.text else np.zeros(len(places), dtype=bool)
        enough = all(_enough(part) for part in (values[:half], values[half:]))
        if enough:
            kept.append((predicate, values))
        else:
            rare.append(predicate.name)
    return kept, tuple(rare)


def _enough(values: Found) -> bool:
    """Are there cases to rank: of either kind, or numbers other than the most frequent one?"""
    _, counts = np.unique(values, return_counts=True)
    return len(counts) > 1 and len(values) - int(counts.max()) >= ENOUGH


def symbol_places(symbols: Sequence[str]) -> NDArray[np.int64]:
    """For each symbol, the character of the text at which it ends, or which it helps to spell.

    >>> symbol_places(("the", " cat", "", "é")).tolist()
    [2, 6, 7, 7]
    """
    lengths = np.array([len(symbol) for symbol in symbols], dtype=np.int64)
    places = lengths.cumsum() - (lengths > 0)
    return np.minimum(places, max(0, int(lengths.sum()) - 1))


def _best(activations: Array, truth: Sequence[tuple[Predicate, Found]], half: int) -> list[_Choice]:
    """For each predicate, the unit whose ranks go with it most on the first half."""
    ranked = ranks(activations[:half])
    found = []
    for _, values in truth:
        scores = association(ranked, values[:half])
        unit = int(np.abs(scores).argmax())
        sign = -1 if scores[unit] < 0 else 1
        found.append(_Choice(unit, sign, float(abs(scores[unit])), sign * activations[half:, unit]))
    return found


def by_symbol(symbols: NDArray[np.int64], values: Found, half: int) -> Array:
    """What the symbol alone says of the second half: the mean of the values at this symbol in the first half, or, where
    it did not come there, the mean of all."""
    count = int(symbols.max()) + 1
    times = np.bincount(symbols[:half], minlength=count)
    sums = np.bincount(symbols[:half], weights=values[:half].astype(np.float64), minlength=count)
    means = np.where(times > 0, sums / np.maximum(times, 1), values[:half].mean())
    found: Array = means[symbols[half:]]
    return found


def _tracker(
    predicate: Predicate, units: Sequence[tuple[str, int]], choice: _Choice, others: Sequence[_Choice], alone: Array,
    values: Found,
) -> Tracker:  # fmt: skip
    state, unit = units[choice.unit]
    columns = np.stack([choice.later, alone, *(other.later for other in others)], 1)
    score, symbol, *controls = association(ranks(columns), values).tolist()
    lead = score - max(symbol, *controls)
    return Tracker(
        predicate.name, predicate.number, state, unit, choice.sign, choice.chosen, score, max(controls), symbol, lead,
        _error_of_lead(columns, values),
    )  # fmt: skip


def _error_of_lead(columns: Array, values: Found) -> float:
    """The standard error of the lead of the first column, by leaving out one stretch of the text after the other:
    places that are near each other are no independent cases."""
    blocks = np.array_split(np.arange(len(values)), BLOCKS)
    leads = []
    for block in blocks:
        score, *rivals = association(ranks(np.delete(columns, block, 0)), np.delete(values, block))
        leads.append(score - max(rivals))
    return float(math.sqrt((BLOCKS - 1) * np.var(leads)))
