"""Writing with a decoder that knows when to stop: many texts side by side, or the best ones about one input.

Shapes: outcomes (B, V + 1), log-probabilities of the symbols and, last, of the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.generation.allowed import Allowed
from unrolled.generation.beam import Hypothesis, beam_search, penalty
from unrolled.generation.draw import draw
from unrolled.generation.sampler import Sampler

Array = NDArray[Any]


@dataclass(frozen=True)
class Composed:
    """Symbols, their log-probability under the model (at temperature 1), and whether the end was chosen."""

    symbols: tuple[int, ...]
    log_probability: float
    ended: bool


@dataclass(frozen=True)
class Choice:
    """How the symbols of each stream are chosen: stream i with the numbers that belong to (seed, i)."""

    sampler: Sampler
    seed: int = 0
    allowed: Allowed | None = None

    def length(self, outcomes: Array, stream: int) -> int:
        """A length, of which ``outcomes`` are the log-probabilities: the first draw of a stream."""
        mask = None
        if self.allowed is not None:
            mask = np.isin(np.arange(len(outcomes)), self.allowed.lengths())
        return self.sampler.choose(outcomes, draw(self.seed, stream, 0), mask)[0]

    def symbol(self, outcomes: Array, stream: int, before: Sequence[int], remaining: int | None) -> int:
        """The next symbol of a stream, or the end."""
        mask = None if self.allowed is None else self.allowed.mask(before, len(outcomes) - 1, remaining)
        return self.sampler.choose(outcomes, draw(self.seed, stream, 1 + len(before)), mask)[0]


def write(
    layer: Any, given: tuple[Any, ...], streams: Sequence[int], end: int, most: int, choice: Choice
) -> list[Composed]:  # fmt: skip
    """A text about each of the inputs ``given`` to the layer; what has ended leaves the batch.

    ``end`` is the number of symbols V, and of the outcome after them; after ``most`` symbols a text is cut off.
    """
    texts = _Texts(streams, end, most)
    with torch.no_grad():
        lengths = layer.length_log_probabilities(*given)
        if lengths is not None:
            lengths = texts.lengths(lengths, choice)
        state, outcomes = layer.begin(*given, lengths)
        while len(texts.live):
            goes_on, after = texts.choose(outcomes.double().cpu().numpy(), state.remaining, choice)
            if len(after):
                state = layer.select(state, torch.from_numpy(goes_on).to(outcomes.device))
                state, outcomes = layer.step(state, torch.from_numpy(after).to(outcomes.device))
    return texts.composed()


class _Texts:
    """What was written so far, in each of some streams; ``live`` are those that go on."""

    def __init__(self, streams: Sequence[int], end: int, most: int) -> None:
        self.streams, self.end, self.most = streams, end, most
        self.symbols: list[list[int]] = [[] for _ in streams]
        self.chances, self.ended = np.zeros(len(streams)), np.zeros(len(streams), bool)
        self.live = np.arange(len(streams))

    def lengths(self, outcomes: torch.Tensor, choice: Choice) -> torch.Tensor:
        """Draw a length for each stream."""
        rows = outcomes.double().cpu().numpy()
        drawn = [choice.length(row, stream) for row, stream in zip(rows, self.streams, strict=True)]
        self.chances += rows[self.live, drawn]
        return torch.tensor(drawn, dtype=torch.int64, device=outcomes.device)

    def choose(self, rows: Array, remaining: torch.Tensor | None, choice: Choice) -> tuple[Array, Array]:
        """One symbol more: which of the live streams go on, and the symbols that these have written."""
        left = [None] * len(self.live) if remaining is None else remaining.tolist()
        chosen = np.array([
            choice.symbol(row, self.streams[i], self.symbols[i], n)
            for row, i, n in zip(rows, self.live.tolist(), left, strict=True)
        ])  # fmt: skip
        ends = chosen == self.end
        full = np.array([len(self.symbols[i]) >= self.most for i in self.live])
        taken = ends | ~full
        self.chances[self.live[taken]] += rows[taken, chosen[taken]]
        self.ended[self.live] = ends
        goes_on = np.flatnonzero(taken & ~ends)
        self.live = self.live[goes_on]
        for i, symbol in zip(self.live, chosen[goes_on], strict=True):
            self.symbols[i].append(int(symbol))
        return goes_on, chosen[goes_on]

    def composed(self) -> list[Composed]:
        """All of it."""
        rows = zip(self.symbols, self.chances, self.ended, strict=True)
        return [Composed(tuple(symbols), float(chance), bool(ended)) for symbols, chance, ended in rows]


def search(
    layer: Any, given: tuple[Any, ...], most: int, beams: int, length_penalty: float, allowed: Allowed | None
) -> list[Composed]:  # fmt: skip
    """The best texts about one input that a beam search finds; where the length is drawn first, those of its most
    probable lengths."""
    with torch.no_grad():
        lengths = layer.length_log_probabilities(*given)
        if lengths is None:
            found = beam_search(_Branches(layer, given, None), beams, most, length_penalty, allowed)
        else:
            found = _of_lengths(layer, given, lengths, beams, length_penalty, allowed)
    return [Composed(each.symbols, each.log_probability, each.ended) for each in found]


def _of_lengths(
    layer: Any, given: tuple[Any, ...], lengths: torch.Tensor, beams: int, length_penalty: float,
    allowed: Allowed | None,
) -> list[Hypothesis]:  # fmt: skip
    found = []
    row = lengths[0].double().cpu().numpy()
    possible = range(len(row)) if allowed is None else [n for n in allowed.lengths() if n < len(row)]
    for n in sorted(possible, key=lambda n: -row[n])[:beams]:
        strings = None if allowed is None else Allowed([each for each in allowed.strings if len(each) == n])
        branches = _Branches(layer, given, torch.tensor([n], device=lengths.device))
        for each in beam_search(branches, beams, n + 1, 0.0, strings):
            total = each.log_probability + float(row[n])
            found.append(replace(each, log_probability=total, score=total / penalty(n + 1, length_penalty)))
    return sorted(found, key=lambda each: (-each.score, each.symbols))[:beams]


class _Branches:
    """A decoder as a beam search sees it."""

    def __init__(self, layer: Any, given: tuple[Any, ...], length: torch.Tensor | None) -> None:
        self.layer, self.given, self.length = layer, given, length

    def begin(self) -> tuple[Any, Array]:
        """See ``Branches``."""
        state, outcomes = self.layer.begin(*self.given, self.length)
        return (state, 0), outcomes[0].double().cpu().numpy()

    def step(self, states: Sequence[Any], symbols: Sequence[int]) -> list[tuple[Any, Array]]:
        """See ``Branches``; a state is a batch of streams, and the number of the own one in it."""
        whole = states[0][0]  # all come from the same step
        device = whole.context.device
        chosen = self.layer.select(whole, torch.tensor([own for _, own in states], device=device))
        state, outcomes = self.layer.step(chosen, torch.tensor(symbols, device=device))
        return [((state, i), row) for i, row in enumerate(outcomes.double().cpu().numpy())]
