"""Truncated backpropagation through time: how often the parameters move, and how far back the gradient flows."""

from __future__ import annotations

from dataclasses import dataclass

from unrolled.errors import ConfigurationError


@dataclass(frozen=True)
class Window:
    """The steps ``begin`` to ``end`` are read, and those from ``losses`` on have losses; the window after this one
    begins at ``following``."""

    begin: int
    losses: int
    end: int
    following: int


@dataclass(frozen=True)
class Truncation:
    """BPTT(k1, k2) (Williams & Peng 1990): ``every`` k1 steps the gradient of the losses at the last k1 flows ``back``
    through k2 steps. With k2 = k1 these are the usual windows, one after the other; with k2 larger each loss has at
    least k2 − k1 steps behind it, and a step is read k2/k1 times.

    Raises:
        ConfigurationError: not 1 ≤ k1 ≤ k2.

    >>> Truncation(every=2, back=5).window(3)
    Window(begin=3, losses=6, end=8, following=5)
    >>> [Truncation(2, 5).window(index).begin for index in range(4)]
    [0, 0, 1, 3]
    """

    every: int
    back: int

    def __post_init__(self) -> None:
        if not 1 <= self.every <= self.back:
            raise ConfigurationError(
                f"truncation ({self.every}, {self.back}): the gradient of the losses at k1 steps flows back through k2 "
                "steps, so that 1 ≤ k1 ≤ k2"
            )

    def window(self, index: int) -> Window:
        """The window of one update, from 0."""
        end = (index + 1) * self.every
        return Window(max(0, end - self.back), end - self.every, end, max(0, end + self.every - self.back))
