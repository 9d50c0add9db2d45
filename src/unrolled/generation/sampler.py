"""Which symbol comes next, given logits and one random number: the inverse of the cumulative distribution, in float64.

Shapes: logits (V,), probabilities (V,), a mask (V,).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigurationError, UnrolledError

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Sampler:
    """How to choose: ``temperature`` divides the logits (0: always the most probable symbol); ``top_k`` keeps the k
    most probable symbols; ``top_p`` keeps the fewest whose probabilities sum to at least p.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not (self.temperature >= 0 and math.isfinite(self.temperature)):
            raise ConfigurationError(
                f"the temperature is {self.temperature}; it must be 0 (greedy) or a positive number"
            )
        if self.top_k is not None and self.top_k < 1:
            raise ConfigurationError(f"top-k is {self.top_k}; it must be at least 1")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigurationError(f"top-p is {self.top_p}; it must lie above 0 and at most at 1")

    def probabilities(self, logits: NDArray[Any], allowed: Mask | None = None) -> NDArray[np.float64]:
        """The distribution (V,) that is drawn from; ties at the edge of top-k or top-p go to the smaller id.

        A symbol that is not ``allowed``, or has the logit −∞, has probability zero; temperature, top-k and top-p choose
        among the others.

        Raises:
            ConfigurationError: no symbol is left, or the mask is of another size.
            UnrolledError: a logit is NaN or +∞.
        """
        logits = _possible(np.asarray(logits, dtype=np.float64), allowed)
        if self.temperature == 0:
            return np.asarray(np.arange(len(logits)) == np.argmax(logits), dtype=np.float64)
        with np.errstate(over="ignore"):  # at a temperature next to 0 the differences become infinite, as they should
            p = np.exp((logits - logits.max()) / self.temperature)
        p = np.asarray(p / p.sum(), dtype=np.float64)
        if self.top_k is not None or self.top_p is not None:
            p[~self._kept(p)] = 0.0
            p = p / p.sum()
        return p

    def choose(self, logits: NDArray[Any], u: float, allowed: Mask | None = None) -> tuple[int, float]:
        """The id at ``u`` in [0, 1) of the cumulative distribution, and its probability."""
        p = self.probabilities(logits, allowed)
        cumulative = np.cumsum(p)
        # "right" passes over symbols of probability zero; rounding may carry u·total up to the total itself
        index = min(int(np.searchsorted(cumulative, u * cumulative[-1], side="right")), int(np.flatnonzero(p)[-1]))
        return index, float(p[index])

    def _kept(self, p: NDArray[np.float64]) -> NDArray[np.bool_]:
        order = np.argsort(-p, kind="stable")
        count = len(p) if self.top_k is None else min(self.top_k, len(p))
        if self.top_p is not None:
            count = min(count, int(np.searchsorted(np.cumsum(p[order]), self.top_p)) + 1)
        kept = np.zeros(len(p), dtype=bool)
        kept[order[:count]] = True
        return kept


def _possible(logits: NDArray[np.float64], allowed: Mask | None) -> NDArray[np.float64]:
    """The logits, with −∞ for what is not allowed."""
    if not (logits < np.inf).all():
        raise UnrolledError("a logit is NaN or infinite, so that nothing can be drawn from it; the model has diverged")
    if allowed is not None:
        if allowed.shape != logits.shape:
            raise ConfigurationError(f"the mask has the shape {allowed.shape}, and the logits {logits.shape}")
        logits = np.where(allowed, logits, -np.inf)
    if not (logits > -np.inf).any():
        raise ConfigurationError("no symbol may come next: each is forbidden, or has the logit -inf")
    return logits
