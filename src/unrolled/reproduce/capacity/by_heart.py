"""By heart: sequences whose classes are drawn at random, beside sequences whose class follows a rule.

The rule is which of four pairs of symbols a sequence has most often, the first of them where several are.

Shapes: ids (T, B), classes (B,), logits (B, 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unrolled.nn import ManyToOne
from unrolled.reproduce.capacity.criteria import SYMBOLS
from unrolled.reproduce.capacity.recall import CELL, step

CLASSES, LENGTH, SET, NEW = 4, 12, 512, 2000
RATE = 1e-2
UPDATES = 400  # with all sequences of the set at once


@dataclass(frozen=True)
class Learnt:
    """The share of right classes: of the set that was learnt, and of new sequences; before and after."""

    hidden: int
    untrained: float
    known: float
    new: float


def learn(hidden: int, seed: int, rule: bool, updates: int = UPDATES) -> Learnt:
    """Train a network of ``hidden`` units on a set of sequences."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    layer = ManyToOne(CELL, x=SYMBOLS, h=hidden, o=CLASSES)
    ids, classes = examples(SET, rule, random)
    others = examples(NEW, rule, random)
    untrained = share(layer, ids, classes)
    optimiser = torch.optim.Adam(layer.parameters(), lr=RATE)
    for _ in range(updates):
        logits, _ = layer.logits(ids)
        step(optimiser, list(layer.parameters()), functional.cross_entropy(logits, classes))
    return Learnt(hidden, untrained, share(layer, ids, classes), share(layer, *others))


def examples(count: int, rule: bool, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sequences and their classes."""
    ids = torch.randint(SYMBOLS, (LENGTH, count), generator=random)
    drawn = torch.randint(CLASSES, (count,), generator=random)
    return ids, most_frequent(ids) if rule else drawn


def most_frequent(ids: Tensor) -> Tensor:
    """The pair of symbols (0 and 1, 2 and 3, …) that stands most often in each sequence.

    >>> most_frequent(torch.tensor([[0, 7], [3, 6], [2, 1]]))
    tensor([1, 3])
    """
    counts: Tensor = functional.one_hot(ids // (SYMBOLS // CLASSES), CLASSES).sum(0)
    return counts.argmax(-1)


def share(layer: ManyToOne, ids: Tensor, classes: Tensor) -> float:
    """Of the classes that are answered right."""
    with torch.no_grad():
        logits, _ = layer.logits(ids)
    return (logits.argmax(-1) == classes).double().mean().item()
