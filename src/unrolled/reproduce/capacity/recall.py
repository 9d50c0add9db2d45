"""Recall: n symbols are read, then said again in their order; how many a state of H units holds.

Shapes: ids (2 n, B), of which the last n are the blank; symbols to be said (n, B); logits (2 n, B, 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from unrolled.nn import Recurrent, language_model
from unrolled.reproduce.capacity.criteria import RIGHT, SYMBOLS
from unrolled.training.clipping import gradient_norm, shorten

BLANK = SYMBOLS
CELL, BATCH, RATE, CLIP = "gru", 64, 3e-3, 1.0
TESTED = 512  # new sequences
EVERY = 50  # updates between two tests
TRIES = 1000  # updates in which a length must be learnt, beginning from the network that has learnt the one before


@dataclass(frozen=True)
class Recalled:
    """How long a sequence a network of ``hidden`` units learnt to say again, in how many updates."""

    hidden: int
    untrained: int
    capacity: int
    updates: int


def recall(hidden: int, seed: int, tries: int = TRIES, longest: int = 64) -> Recalled:
    """Train on longer and longer sequences, until a length is not learnt."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    layer = language_model(CELL, SYMBOLS + 1, hidden)
    untrained = max((n for n in range(1, 4) if right(layer, n, random) >= RIGHT), default=0)
    optimiser = torch.optim.Adam(layer.parameters(), lr=RATE)
    capacity = updates = 0
    while capacity < longest:
        spent = _learnt(layer, optimiser, capacity + 1, tries, random)
        if spent is None:
            return Recalled(hidden, untrained, capacity, updates + tries)
        capacity, updates = capacity + 1, updates + spent
    return Recalled(hidden, untrained, capacity, updates)


def batch(n: int, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sequences (2 n, B) with their blanks, and the symbols that are to be said."""
    symbols = torch.randint(SYMBOLS, (n, count), generator=random)
    return torch.cat([symbols, torch.full_like(symbols, BLANK)]), symbols


def right(layer: Recurrent, n: int, random: torch.Generator) -> float:
    """The share of the symbols of new sequences that are said right."""
    ids, symbols = batch(n, TESTED, random)
    with torch.no_grad():
        logits, _ = layer.logits(ids)
    return (logits[n:].argmax(-1) == symbols).double().mean().item()


def _learnt(
    layer: Recurrent, optimiser: torch.optim.Optimizer, n: int, tries: int, random: torch.Generator
) -> int | None:
    """Train on sequences of n symbols until they are recalled; the updates that took, None if they are not."""
    for update in range(tries + 1):
        if update % EVERY == 0 and right(layer, n, random) >= RIGHT:
            return update
        ids, symbols = batch(n, BATCH, random)
        logits, _ = layer.logits(ids)
        step(optimiser, list(layer.parameters()), functional.cross_entropy(logits[n:].flatten(0, 1), symbols.flatten()))
    return None


def step(optimiser: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], loss: Tensor) -> None:
    """One update, with the gradient's norm clipped."""
    optimiser.zero_grad()
    loss.backward()
    shorten(parameters, "norm", CLIP, gradient_norm(parameters))
    optimiser.step()
