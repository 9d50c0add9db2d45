"""What if another symbol stood at position k: how far the states and the predictions move, step by step.

Step 0 is the changed symbol itself; the symbols after it stay as they are. Beside the one change stand all others that
the vocabulary has for this place.

Shapes: curves (steps,), one lane for each symbol that could stand there (lanes, steps); predictions (lanes, V).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.checkpoint import TrainedModel
from unrolled.data.documents import Symbols
from unrolled.data.vocabulary import Ids, Vocabulary, describe
from unrolled.diagnose.opened import Opened, named
from unrolled.diagnose.plain import plain
from unrolled.diagnose.states import spelled, symbol_ids
from unrolled.errors import ConfigurationError, DataError, UnknownSymbolError

Array = NDArray[np.float64]

STEPS = 100
OTHERS = 256  # so many other symbols at most, drawn at random where there are more
LOW, HIGH = 10, 90  # percentiles of the band


@dataclass(frozen=True)
class Curve:
    """What a change does at each step, and over all changes possible at this place the median, and the 10th and the
    90th percentile (the change itself is one of them)."""

    values: tuple[float, ...]
    low: tuple[float, ...]
    median: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def rate(self) -> float:
        """The slope of ln(value) against the step, in nats, by least squares over the steps before the value first is
        zero: negative where the change is forgotten. NaN where there are fewer than two such steps."""
        values = np.array(self.values)
        end = int(np.argmax(values <= 0)) if (values <= 0).any() else len(values)
        return float(np.polyfit(np.arange(end), np.log(values[:end]), 1)[0]) if end > 1 else math.nan

    def forgotten(self, share: float = 0.1) -> int | None:
        """The first step from which on the value stays below this share of its largest; None where it never does."""
        most = max(self.values)
        last = max((step for step, value in enumerate(self.values) if value >= share * most), default=-1)
        return last + 1 if last + 1 < len(self.values) else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is not finite is None."""
        curves = {name: list(getattr(self, name)) for name in ("values", "low", "median", "high")}
        found: dict[str, Any] = plain(curves | {"rate": self.rate, "forgotten": self.forgotten()})
        return found


@dataclass(frozen=True)
class WhatIf:
    """``instead`` in place of ``was`` at ``position``, counted from 0; ``symbols`` are those from there on, as before.

    ``states``: ‖s' − s‖ / ‖s‖ of each state. ``divergence``: what the change makes of the next prediction p, as
    KL(p ‖ p') in bits. ``variation``: ½ Σ |p − p'|, the probability that has moved, 0 to 1. ``likeliest`` are the most
    likely next symbols without and with the change.
    """

    position: int
    was: str
    instead: str
    symbols: tuple[str, ...]
    states: Mapping[str, Curve]
    divergence: Curve
    variation: Curve
    likeliest: tuple[tuple[str, str], ...]
    others: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        names = ("position", "was", "instead", "symbols", "likeliest", "others")
        found = {name: getattr(self, name) for name in names} | {
            "states": {name: curve.to_dict() for name, curve in self.states.items()},
            "divergence": self.divergence.to_dict(),
            "variation": self.variation.to_dict(),
        }
        result: dict[str, Any] = plain(found)
        return result


def what_if(
    model: TrainedModel, text: str | Symbols, position: int, symbol: str, *, steps: int = STEPS, seed: int = 0
) -> Generator[float, None, WhatIf]:
    """Change one symbol of a text that a language model reads, in float64, yielding the share done.

    Args:
        position: of the changed symbol, from 0; a negative one counts from the end.
        symbol: what stands there instead.
        steps: how many steps are followed, the changed one included; fewer where the text ends.
        seed: which other symbols are drawn where there are more than 256.

    Raises:
        ConfigurationError: the model is no language model, or reads from both ends; DataError: the position is not in
            the text, or the symbol stands there already; UnknownSymbolError: the vocabulary does not know a symbol.
    """
    opened = _opened(model)
    ids = symbol_ids(model.vocabulary, text)
    position, new = _place(model.vocabulary, ids, position, symbol)
    if steps < 1:
        raise DataError(f"{steps} steps show nothing; give at least 1")
    lanes = _lanes(len(model.vocabulary), int(ids[position]), new, seed)
    after = ids[position : position + steps]
    state: Any = None
    if position:
        with torch.no_grad():
            _, state = opened.layer.logits(torch.from_numpy(ids[:position, None]))
        state = {name: value.expand(*value.shape[:-2], len(lanes), -1).contiguous() for name, value in state.items()}
    rows = []
    for step, old in enumerate(after.tolist()):
        reading = torch.from_numpy(lanes) if not step else torch.full((len(lanes),), old)
        with torch.no_grad():
            logits, state = opened.layer.logits(reading[None], state)
        rows.append(_moved(_labelled(opened, state), logits[0]))
        yield (step + 1) / len(after)
    return _report(model.vocabulary, ids, position, lanes, rows)


@dataclass(frozen=True, eq=False)
class _Row:
    """One step: what each lane does against the first, and the most likely symbol of the first two."""

    states: Mapping[str, Array]
    divergence: Array
    variation: Array
    likeliest: tuple[int, int]


def _opened(model: TrainedModel) -> Opened:
    if not isinstance(model, TrainedModel):
        raise ConfigurationError(
            f"A change is followed through the predictions of a language model, and this is a {type(model).__name__}. "
            "Give what unrolled.load returns."
        )
    if model.layer.network.directions > 1:
        raise ConfigurationError(
            "A bidirectional layer reads its sequence from both ends: a change moves what is before it as well. "
            "Measure a layer with bidirectional=False."
        )
    return Opened(model.layer)


def _place(vocabulary: Vocabulary, ids: Ids, position: int, symbol: str) -> tuple[int, int]:
    """The position from 0, and the id of the new symbol."""
    if not -len(ids) <= position < len(ids):
        raise DataError(
            f"There is no {vocabulary.unit} {position}: the text has {len(ids)}"
            + (f", which are 0 to {len(ids) - 1} (or −{len(ids)} to −1, from the end)." if len(ids) else ".")
        )
    position %= len(ids)
    new = vocabulary.encode(symbol, "replace")
    if len(new) != 1:
        raise DataError(
            f"{symbol!r} is {len(new)} {vocabulary.unit}s, and one takes the place of one: give a single "
            f"{vocabulary.unit}."
        )
    if not len(vocabulary.encode(symbol, "skip")):
        raise UnknownSymbolError(
            f"The model never saw {describe(symbol)} in training, and can read nothing else than what it saw; give one "
            f"of its {len(vocabulary)} {vocabulary.unit}s."
        )
    if new[0] == ids[position]:
        raise DataError(f"{symbol!r} stands at position {position} already; give another {vocabulary.unit}.")
    return position, int(new[0])


def _lanes(count: int, old: int, new: int, seed: int) -> Ids:
    """The symbols of the lanes: as it was, the change, and the other changes."""
    others = np.setdiff1d(np.arange(count), [old, new])
    if len(others) > OTHERS:
        others = np.sort(np.random.Generator(np.random.PCG64(seed)).choice(others, OTHERS, replace=False))
    return np.array([old, new, *others], dtype=np.int64)


def _labelled(opened: Opened, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The states (lanes, n), by their names in words."""
    seen = dict.fromkeys(state, 0)
    found = {}
    for piece in opened.pieces:
        for name in piece.system.states:
            value = state[name]
            found[named(name, piece)] = value if value.dim() == 2 else value[seen[name]]
            seen[name] += 1
    return found


def _moved(states: Mapping[str, Tensor], logits: Tensor) -> _Row:
    scores = logits.log_softmax(-1)
    p = scores.exp()
    terms = torch.where(p[:1] > 0, p[:1] * (scores[:1] - scores), 0.0)
    one, other = scores[:2].argmax(-1).tolist()
    return _Row(
        {name: _apart(value) for name, value in states.items()},
        (terms.sum(-1) / math.log(2)).clamp(min=0).numpy(),
        ((p - p[:1]).abs().sum(-1) / 2).numpy(),
        (one, other),
    )


def _apart(state: Tensor) -> Array:
    """Distances from the first lane over its length; 0 where nothing moved."""
    distance = (state - state[:1]).norm(dim=-1)
    return torch.where(distance > 0, distance / state[0].norm(), 0.0).numpy()


def _report(vocabulary: Vocabulary, ids: Ids, position: int, lanes: Ids, rows: list[_Row]) -> WhatIf:
    symbols = spelled(vocabulary, ids[position : position + len(rows)])
    names = vocabulary.symbols
    return WhatIf(
        position, names[lanes[0]], names[lanes[1]], symbols,
        {name: _curve([row.states[name] for row in rows]) for name in rows[0].states},
        _curve([row.divergence for row in rows]), _curve([row.variation for row in rows]),
        tuple((names[one], names[other]) for one, other in (row.likeliest for row in rows)), len(lanes) - 1,
    )  # fmt: skip


def _curve(steps: list[Array]) -> Curve:
    """The second lane, and percentiles over all lanes but the first."""
    values = np.stack(steps)[:, 1:]
    low, median, high = np.percentile(values, (LOW, 50, HIGH), axis=1).tolist()
    return Curve(tuple(values[:, 0].tolist()), tuple(low), tuple(median), tuple(high))
