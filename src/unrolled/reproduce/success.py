"""How many of some networks succeeded: the rate, how sure it is, and whether two rates differ.

All probabilities are exact sums of binomial coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt
from statistics import NormalDist
from typing import Any

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Rate:
    """``successes`` of ``tries`` networks, of which there is at least one.

    >>> str(Rate(7, 10))
    '7 of 10 (0.40 to 0.89)'
    """

    successes: int
    tries: int

    @classmethod
    def of(cls, each: Sequence[bool]) -> Rate:
        """Of networks that succeeded, or did not."""
        return cls(sum(each), len(each))

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.successes / self.tries

    @property
    def interval(self) -> tuple[float, float]:
        """In which the probability of success lies with 95 % confidence: all p from which the share is less than z
        standard errors √(p (1 − p)/n) away (Wilson 1927, "Probable inference, the law of succession, and statistical
        inference")."""
        z, n = NormalDist().inv_cdf((1 + CONFIDENCE) / 2), self.tries
        middle = (self.share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * sqrt(self.share * (1 - self.share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        lowest, highest = self.interval
        return f"{self.successes} of {self.tries} ({lowest:.2f} to {highest:.2f})"


def sign_test(won: int, lost: int) -> float:
    """The probability of winning ``won`` or more of so many decided pairs by tossing a coin; 1 where none is decided.

    >>> sign_test(5, 0)
    0.03125
    """
    pairs = won + lost
    return sum(comb(pairs, wins) for wins in range(won, pairs + 1)) / 2**pairs


def fewer_by_chance(few: Rate, many: Rate) -> float:
    """Fisher's exact test, one-sided: the probability of so few successes on the side of ``few``, or fewer, were all
    successes of both sides dealt out at random.

    >>> fewer_by_chance(Rate(0, 2), Rate(2, 2)) == 1 / 6
    True
    """
    successes, tries = few.successes + many.successes, few.tries + many.tries
    lowest = max(0, successes - many.tries)
    ways = sum(comb(few.tries, k) * comb(many.tries, successes - k) for k in range(lowest, few.successes + 1))
    return ways / comb(tries, successes)


def draw_rates(axes: Any, lengths: Sequence[int], rates: Sequence[Rate], label: str, color: str) -> None:
    """Rates against the lengths, a bar for each interval, into the axes of a picture."""
    shares = [rate.share for rate in rates]
    below = [max(0.0, rate.share - rate.interval[0]) for rate in rates]
    above = [max(0.0, rate.interval[1] - rate.share) for rate in rates]
    axes.errorbar(lengths, shares, [below, above], fmt="o-", color=color, label=label, markersize=4, capsize=3)
    axes.set(ylim=(-0.04, 1.04), xlabel="length of the sequences, T", ylabel="success rate")
