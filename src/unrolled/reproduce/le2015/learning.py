"""Learning the adding problem: updates by Adam on sequences that are new each time, until it is solved.

Shapes: x (T, B, 2), d (B,), an answer (B, 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional

from unrolled.nn import ManyToOne
from unrolled.reproduce.le2015.adding import batch
from unrolled.reproduce.le2015.criteria import BATCH, EVERY, SEQUENCES, SOLVED, THRESHOLD, UPDATES
from unrolled.training.clipping import gradient_norm, shorten

LOOKED_AT = 1_000  # sequences of a check on the way; what seems solved on them is checked on all SEQUENCES
AT_ONCE = 250  # sequences that a test reads side by side


@dataclass(frozen=True)
class Budget:
    """At most so many updates, a check after every so many, and the new sequences that a last error is measured on."""

    updates: int = UPDATES
    every: int = EVERY
    sequences: int = SEQUENCES


@dataclass(frozen=True)
class Check:
    """The mean squared error after so many updates, and whether that is the end with the problem solved."""

    update: int
    error: float
    solved: bool


def learn(layer: ManyToOne, length: int, rate: float, seed: int, budget: Budget) -> Iterator[Check]:
    """Train ``layer`` on sequences of ``length`` steps; a check before the first update, and after every few.

    The last check is of ``budget.sequences`` sequences, the others are of ``LOOKED_AT`` at most. A network whose error
    is no number any more makes an infinite one, and learns no further.
    """
    random, tests = (torch.Generator().manual_seed(number) for number in (seed, 1_000_000 + seed))
    optimiser = torch.optim.Adam(layer.parameters(), rate)
    for update in range(budget.updates + 1):
        if update % budget.every == 0 or update == budget.updates:
            check = _check(layer, length, update, tests, budget)
            yield check
            if check.solved or math.isinf(check.error) or update == budget.updates:
                return
        x, d = batch(length, BATCH, random)
        answers, _ = layer(x)
        loss = functional.mse_loss(answers[:, 0], d)
        optimiser.zero_grad()
        loss.backward()
        shorten(layer.parameters(), "norm", THRESHOLD, gradient_norm(layer.parameters()))
        optimiser.step()


def mean_squared_error(layer: ManyToOne, length: int, sequences: int, random: torch.Generator) -> float:
    """Of new sequences; infinite where it is no number."""
    total = 0.0
    with torch.no_grad():
        for begin in range(0, sequences, AT_ONCE):
            x, d = batch(length, min(AT_ONCE, sequences - begin), random)
            answers, _ = layer(x)
            total += functional.mse_loss(answers[:, 0].double(), d.double(), reduction="sum").item()
    return total / sequences if math.isfinite(total) else math.inf


def _check(layer: ManyToOne, length: int, update: int, tests: torch.Generator, budget: Budget) -> Check:
    error = mean_squared_error(layer, length, min(LOOKED_AT, budget.sequences), tests)
    if error <= SOLVED or update in (0, budget.updates):
        error = mean_squared_error(layer, length, budget.sequences, tests)
    return Check(update, error, error <= SOLVED)
