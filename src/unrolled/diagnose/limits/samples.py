"""Losses at fixed places of a text, and how sure the difference between two of them is.

Shapes: a text (N,) of any type of integer; ids (T, B); losses (S, B) at the last S of T steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unrolled.data.documents import Documents, begins_at
from unrolled.data.lanes import Begins
from unrolled.data.vocabulary import Ids
from unrolled.nn import Recurrent
from unrolled.training.reading import read

Losses = NDArray[np.float64]

SYMBOLS = 20_000  # whose losses are measured, where the text has so many
LANES = 32
WARM_UP = 200  # symbols that a lane reads before, so that it does not start from zero; as far back is looked for lags
ENOUGH_LANES = 8
COUNTABLE = 256  # symbols of a vocabulary whose pairs can be counted
LARGEST_LOGITS = 4_000_000  # entries that are there at a time
ERRORS = 3.0  # standard errors from which on a difference is believed
BLOCKS = 8  # parts of the losses whose means say how sure a mean is, where there are few lanes


@dataclass(frozen=True)
class Mean:
    """A mean in nats a symbol, and its standard error."""

    nats: float
    error: float

    def __str__(self) -> str:
        return f"{self.nats:.3f} ± {self.error:.3f}".replace("-", "−")

    def __add__(self, other: Mean) -> Mean:
        """Of two that know nothing of each other."""
        return Mean(self.nats + other.nats, math.hypot(self.error, other.error))

    def __neg__(self) -> Mean:
        return Mean(-self.nats, self.error)

    def surely(self, more: float) -> bool:
        """Is it more than that, and by so many standard errors more than nothing?"""
        return self.nats > more and self.nats > ERRORS * self.error


def mean_of(losses: Losses) -> Mean:
    """Of losses (S, B): the lanes say how sure it is, or stretches of them where there are few; ∞ where none can."""
    parts = losses.mean(0)
    if losses.shape[1] < ENOUGH_LANES:
        blocks = np.array_split(losses, min(BLOCKS, len(losses)))
        parts = np.concatenate([block.mean(0) for block in blocks])
    if len(parts) < 2:
        return Mean(float(losses.mean()), math.inf)
    return Mean(float(losses.mean()), float(parts.std(ddof=1) / math.sqrt(len(parts))))


@dataclass(frozen=True, eq=False)
class Sample:
    """Stretches of a text side by side, and where a document begins in them; the losses of the first ``warm_up`` steps
    do not count."""

    inputs: Ids
    targets: Ids
    begins: Begins | None
    warm_up: int

    @classmethod
    def of(cls, documents: Documents, symbols: int = SYMBOLS) -> Sample:
        """Spread evenly over a text of at least two symbols; all of it where it is short."""
        predicted = len(documents) - 1
        lanes = min(LANES, max(1, predicted // (4 * WARM_UP)))
        warm_up = min(WARM_UP, predicted // 4)
        steps = min(predicted // lanes, warm_up + math.ceil(symbols / lanes))
        places = np.arange(lanes) * (predicted // lanes) + np.arange(steps)[:, None]
        inputs, targets = (documents.ids[at].astype(np.int64) for at in (places, places + 1))
        begins = None if documents.starts is None else begins_at(documents.starts, places)
        return cls(inputs, targets, begins, warm_up)

    @property
    def count(self) -> int:
        """How many losses there are."""
        return (len(self.inputs) - self.warm_up) * self.inputs.shape[1]

    @property
    def wanted(self) -> Ids:
        """The symbols that are predicted (S, B)."""
        return self.targets[self.warm_up :]

    @property
    def read(self) -> Ids:
        """The symbols (S, B) after which they come."""
        return self.inputs[self.warm_up :]

    def windows(self, layer: Recurrent) -> Iterator[tuple[Tensor, Tensor]]:
        """Logits (K, B, V) of some of the steps that count, and the symbols (K, B) that are predicted, window after
        window; dropout is off."""
        device, state = next(layer.parameters()).device, None
        widest, steps, lanes = int(max(layer.sizes.values())), *self.inputs.shape
        length = max(1, min(steps, LARGEST_LOGITS // (lanes * widest)))
        training = layer.training
        layer.eval()
        try:
            for begin in range(0, steps, length):
                part = slice(begin, begin + length)
                begins = None if self.begins is None else self.begins[part]
                with torch.no_grad():
                    logits, state = read(layer, torch.from_numpy(self.inputs[part]).to(device), state, begins)
                counted = slice(max(0, self.warm_up - begin), None)
                yield logits[counted], torch.from_numpy(self.targets[part][counted]).to(device)
        finally:
            layer.train(training)

    def losses(self, layer: Recurrent) -> Losses:
        """In nats (S, B); the layer's mode is left as it was."""
        found = []
        for logits, wanted in self.windows(layer):
            losses = functional.cross_entropy(logits.double().flatten(0, 1), wanted.flatten(), reduction="none")
            found.append(losses.view(wanted.shape).cpu().numpy())
        return np.concatenate(found)
