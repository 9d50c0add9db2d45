"""Stretches of a text side by side, for measurements that need only some of it.

Shapes: a text (N,) of any type of integer, stretches (T, B) int64.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unrolled.data.documents import Symbols
from unrolled.errors import DataError


def stretches(ids: Symbols, lanes: int, steps: int) -> Tensor:
    """``lanes`` stretches of so many steps, spread evenly over the text, none touching another.

    Raises:
        DataError: the text is too short for them.

    >>> stretches(np.arange(10), lanes=2, steps=3).T.tolist()
    [[0, 1, 2], [5, 6, 7]]
    """
    if lanes < 1 or steps < 1 or len(ids) < lanes * steps:
        raise DataError(
            f"the text has {len(ids):,} symbols, and {lanes} lanes of {steps} steps take {lanes * steps:,}; give more "
            "text, or fewer lanes or steps (at least one)"
        )
    begins = np.arange(lanes) * (len(ids) // lanes)
    return torch.from_numpy(ids[begins + np.arange(steps)[:, None]].astype(np.int64))
