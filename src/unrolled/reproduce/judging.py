"""Rows that judge: what the trained networks measure beside what the same networks measured before training.

What a network does before training is not learnt, and nothing that holds then is a result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from unrolled.reproduce.claims import Criterion
from unrolled.reproduce.report import Row


def judged(criterion: Criterion, trained: float, untrained: float, more: str = "") -> Row:
    """One number of all networks together; it holds where it meets the criterion and did not before training.

    ``more`` is said behind the number. What is no number before training, such as a ratio of updates to a success where
    there was none, meets nothing.
    """
    holds = criterion.met(trained) and not criterion.met(untrained)
    said = f"{_number(trained)}{more}; untrained {_number(untrained)}"
    return Row(criterion.what, said, criterion.wanted, holds, criterion.published)


def judged_each(criterion: Criterion, trained: Sequence[float], untrained: Sequence[float]) -> Row:
    """A number of each network; it holds where ``most_meet`` it."""
    said = f"{summary(criterion, trained)}; untrained {summary(criterion, untrained)}"
    holds = most_meet(criterion, trained, untrained)
    return Row(criterion.what, said, criterion.wanted, holds, criterion.published)


def most_meet(criterion: Criterion, trained: Sequence[float], untrained: Sequence[float]) -> bool:
    """More than half of the trained networks meet it, and none of the untrained does."""
    return 2 * sum(map(criterion.met, trained)) > len(trained) and not any(map(criterion.met, untrained))


def summary(criterion: Criterion, measured: Sequence[float]) -> str:
    """The median, the range, and how many meet the criterion."""
    least, median, most = (f"{value:.3g}" for value in (min(measured), float(np.median(measured)), max(measured)))
    span = f" ({least} to {most})" if least != most else ""
    return f"{median}{span}, met by {sum(map(criterion.met, measured))} of {len(measured)}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "none"
    return f"{value:.3g}" if math.isfinite(value) else "infinite"
