"""Is the text that was held out of another kind? Asked of counts of pairs of symbols, which know no network.

Shapes: symbols (S, B), read and predicted; losses (S, B) in nats.
"""

from __future__ import annotations

import numpy as np

from unrolled.data.vocabulary import Ids
from unrolled.diagnose.limits.samples import COUNTABLE, Losses, Mean, Sample, mean_of

PRIOR = 0.1  # added to each count, times the share of the second symbol and the size of the vocabulary

Pairs = tuple[Ids, Ids]  # the symbols that were read, and those that came after


def pair_losses(known: Pairs, other: Pairs, symbols: int) -> Losses:
    """Of each symbol of ``other``, after the one before it, by what follows what in ``known``."""
    read, came = (each.flatten() for each in known)
    share = (np.bincount(came, minlength=symbols) + 1.0) / (len(came) + symbols)
    counts = np.bincount(read * symbols + came, minlength=symbols**2).reshape(symbols, symbols)
    prior = PRIOR * symbols
    p = (counts + prior * share) / (counts.sum(1, keepdims=True) + prior)
    found: Losses = -np.log(p[other])
    return found


def shift(training: Sample, held_out: Sample, symbols: int) -> Mean | None:
    """By how many nats held-out text is harder for pairs counted in one half of the training text than the other half
    is; None where a vocabulary is too large to count pairs."""
    if symbols > COUNTABLE:
        return None
    half = len(training.wanted) // 2
    first, second = ((training.read[part], training.wanted[part]) for part in (slice(half), slice(half, None)))
    held = held_out.read, held_out.wanted
    return mean_of(pair_losses(first, held, symbols)) + -mean_of(pair_losses(first, second, symbols))
