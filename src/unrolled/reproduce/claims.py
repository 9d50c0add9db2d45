"""What is said of networks, and what must be measured for it to hold.

A reproduction writes its claims down before it trains anything, in a module ``criteria``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """A sentence of lectures or of a paper, the number that is measured for it, what it must be, and ``where`` the
    paper says so."""

    said: str
    what: str
    wanted: str
    where: str = ""


@dataclass(frozen=True)
class Criterion:
    """A claim of the paper as a bound on what is measured: ``least`` or more, ``most`` or less, or more than ``above``.

    ``what`` says which number is measured, ``published`` what the paper says, ``where`` in which section or figure,
    ``why`` how the bound follows from it.
    """

    part: str
    what: str
    published: str
    where: str
    why: str
    least: float | None = None
    most: float | None = None
    above: float | None = None

    def met(self, measured: float) -> bool:
        """Does this number meet it? A number that is no number does not."""
        return (
            (self.least is None or measured >= self.least)
            and (self.most is None or measured <= self.most)
            and (self.above is None or measured > self.above)
            and math.isfinite(measured)
        )

    @property
    def wanted(self) -> str:
        """The bound, as a table has it."""
        bounds = (("≥", self.least), ("≤", self.most), (">", self.above))
        return ", ".join(f"{sign} {bound:.4g}" for sign, bound in bounds if bound is not None)
