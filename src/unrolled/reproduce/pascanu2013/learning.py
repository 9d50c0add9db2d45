"""Learning the temporal order: gradient descent with and without clipping, until it succeeds.

Shapes: ids (T, B), classes (B,), logits (B, 4).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional

from unrolled.nn import ManyToOne
from unrolled.reproduce.pascanu2013.criteria import BATCH, SEQUENCES, THRESHOLD, UPDATES, WRONG
from unrolled.reproduce.pascanu2013.networks import new_network
from unrolled.reproduce.pascanu2013.temporal import batch
from unrolled.training.clipping import gradient_norm, shorten

LOOKED_AT = 1_000  # sequences of a check; what seems a success on them is checked on all SEQUENCES
AT_ONCE = 500  # sequences that a test reads side by side


@dataclass(frozen=True)
class Setting:
    """How a network starts, the rate of gradient descent, and whether the gradient is clipped."""

    start: str
    rate: float
    clipped: bool = True

    def __str__(self) -> str:
        return f"{self.start}, rate {self.rate:g}"


@dataclass(frozen=True)
class Budget:
    """At most so many updates, a check after every so many, and the new sequences on which a success is judged."""

    updates: int = UPDATES
    every: int = 200
    sequences: int = SEQUENCES


@dataclass(frozen=True)
class Outcome:
    """The share of new sequences that a network misclassifies before training and at its last check, and the update
    after which it succeeded (None: it did not)."""

    untrained: float
    wrong: float
    solved: int | None

    @property
    def succeeded(self) -> bool:
        """Was there a check at which it misclassified under 1 %?"""
        return self.solved is not None


def learn(length: int, setting: Setting, seed: int, budget: Budget) -> Outcome:
    """Train a network on sequences that are new each time, until it succeeds, its loss is no number any more, or the
    updates are spent. With one seed first weights and sequences are the same, clipped or not."""
    layer = new_network(setting.start, seed)
    random, tests = (torch.Generator().manual_seed(number) for number in (seed, 1_000_000 + seed))
    optimiser = torch.optim.SGD(layer.parameters(), setting.rate)
    untrained = wrong = misclassified(layer, length, budget, tests)
    for update in range(1, budget.updates + 1):
        ids, classes = batch(length, BATCH, random)
        logits, _ = layer.logits(ids)
        loss = functional.cross_entropy(logits, classes)
        if not math.isfinite(loss.item()):
            return Outcome(untrained, 1.0, None)
        optimiser.zero_grad()
        loss.backward()
        if setting.clipped:
            shorten(layer.parameters(), "norm", THRESHOLD, gradient_norm(layer.parameters()))
        optimiser.step()
        if update % budget.every == 0 or update == budget.updates:
            wrong = misclassified(layer, length, budget, tests)
            if wrong < WRONG:
                return Outcome(untrained, wrong, update)
    return Outcome(untrained, wrong, None)


def misclassified(layer: ManyToOne, length: int, budget: Budget, random: torch.Generator) -> float:
    """The share of new sequences whose class is not the answer; where few are enough to see that it is above 1 %, few
    are read."""
    wrong = share_wrong(layer, length, min(LOOKED_AT, budget.sequences), random)
    return share_wrong(layer, length, budget.sequences, random) if wrong < WRONG else wrong


@torch.no_grad()
def share_wrong(layer: ManyToOne, length: int, sequences: int, random: torch.Generator) -> float:
    """Of so many new sequences, those whose class is not the answer."""
    return sum(_wrong(layer, length, sequences, random)) / sequences


def _wrong(layer: ManyToOne, length: int, sequences: int, random: torch.Generator) -> Iterator[int]:
    for begin in range(0, sequences, AT_ONCE):
        ids, classes = batch(length, min(AT_ONCE, sequences - begin), random)
        logits, _ = layer.logits(ids)
        yield int((logits.argmax(-1) != classes).sum())
