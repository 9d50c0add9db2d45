"""What the symbol k steps back tells of the next one that a model does not know.

For each k a table b[x, y] is added to the logits, x the symbol k steps before the symbol y that is predicted:
p'(y) ∝ p(y) e^{b[x, y]}, where b[x, y] = ln (n + a) / (m + a), n how often y follows x at that distance and m how often
the model expects it to: one step of iterative proportional fitting (Deming & Stephan 1940), drawn towards 0 by a. If
p' predicts *other* text better than p, then the symbol k steps back tells something that the model does not use.
Before that a table b[y] of the same kind corrects how often the model expects each symbol at all, which no lag shall
get credit for. Only what single symbols at fixed distances tell is found so: no sign of it is no proof that there is
nothing.

Shapes: log-probabilities (S, B, V); symbols (T, B), T = warm-up + S; gains (S, B).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unrolled.diagnose.limits.samples import Losses, Mean, Sample, mean_of
from unrolled.nn import Recurrent

PRIOR = 5.0  # a, in counts


@dataclass(frozen=True)
class LagGain:
    """The symbol ``lag`` steps back (1: the last that was read) tells so much, measured on text that was held out."""

    lag: int
    gain: Mean


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a model says of a sample: log-probabilities (S, B, V), the symbols (S, B) that came, and what was read
    (T, B), with the number of its document at each place; the last of what was read stands before the last that
    came."""

    log_p: Tensor
    wanted: Tensor
    read: Tensor
    documents: Tensor

    @classmethod
    def of(cls, layer: Recurrent, sample: Sample) -> Predicted:
        """By one pass over the sample."""
        found = [functional.log_softmax(logits.double(), -1).cpu() for logits, _ in sample.windows(layer)]
        begins = np.zeros(sample.inputs.shape, bool) if sample.begins is None else sample.begins
        wanted, read, documents = map(torch.from_numpy, (sample.wanted, sample.inputs, begins.cumsum(0)))
        return cls(torch.cat(found), wanted, read, documents)

    def halves(self) -> tuple[Predicted, Predicted]:
        """The first half of the steps, and the second."""
        half, before = len(self.log_p) // 2, len(self.read) - len(self.log_p)
        first = Predicted(
            self.log_p[:half], self.wanted[:half], self.read[: before + half], self.documents[: before + half]
        )
        second = Predicted(self.log_p[half:], self.wanted[half:], self.read[half:], self.documents[half:])
        return first, second

    def balanced(self, known: Predicted) -> Predicted:
        """Each symbol as often expected, by and large, as it comes in what is ``known``."""
        observed = torch.bincount(known.wanted.flatten(), minlength=known.log_p.shape[-1])
        expected = known.log_p.exp().sum((0, 1))
        added = ((observed + PRIOR) / (expected + PRIOR)).log()
        return replace(self, log_p=functional.log_softmax(self.log_p + added, -1))

    @property
    def longest(self) -> int:
        """The largest lag that each of the symbols has."""
        return len(self.read) - len(self.log_p) + 1

    def lagged(self, lag: int) -> Tensor:
        """The symbol (S, B) so many steps before the one that is predicted; V where it stands in another document."""
        end = len(self.read) - lag + 1
        begin = end - len(self.log_p)
        now = self.documents[len(self.read) - len(self.log_p) :]
        same = self.documents[begin:end] == now
        return torch.where(same, self.read[begin:end], self.log_p.shape[-1])


def table(known: Predicted, lag: int) -> Tensor:
    """b (V + 1, V), of which the last row is for what stands in another document."""
    symbols = known.log_p.shape[-1]
    at = known.lagged(lag).flatten()
    observed = torch.bincount(at * symbols + known.wanted.flatten(), minlength=(symbols + 1) * symbols)
    expected = torch.zeros(symbols + 1, symbols, dtype=torch.float64).index_add_(0, at, known.log_p.flatten(0, 1).exp())
    return ((observed.view(-1, symbols) + PRIOR) / (expected + PRIOR)).log()


def gains(known: Predicted, other: Predicted, lag: int) -> Losses:
    """By how many nats each symbol of ``other`` is better predicted with the table that is made of ``known``."""
    added = table(known, lag)[other.lagged(lag)]
    better = added.gather(-1, other.wanted[..., None])[..., 0] - torch.logsumexp(other.log_p + added, -1)
    found: Losses = better.numpy()
    return found


def best_lag(training: Predicted, held_out: Predicted, lags: Sequence[int]) -> Generator[float, None, LagGain | None]:
    """The most telling of some lags, chosen within the training text and measured on the text that was held out; None
    where there is none to choose from."""
    lags = [lag for lag in lags if lag <= min(training.longest, held_out.longest)]
    if not lags:
        return None
    training, held_out = training.balanced(training), held_out.balanced(training)
    first, second = training.halves()
    found = []
    for number, lag in enumerate(lags):
        found.append(gains(first, second, lag).mean())
        yield (number + 1) / (len(lags) + 1)
    lag = lags[int(np.argmax(found))]
    return LagGain(lag, mean_of(gains(training, held_out, lag)))
