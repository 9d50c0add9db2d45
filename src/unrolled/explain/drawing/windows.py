"""Truncated backpropagation through time: where the gradient flows back, and where it is cut.

Every k1 steps the loss is differentiated through the last k2 steps (Williams & Peng 1990; Sutskever 2013, §2.8.6).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from unrolled.errors import ConfigurationError
from unrolled.explain.drawing.board import Wire
from unrolled.explain.drawing.parts import Step


class _Column(Protocol):
    @property
    def what(self) -> str: ...
    @property
    def index(self) -> str: ...


@dataclass(frozen=True)
class Windows:
    """Updates every ``k1`` steps, each through ``k2``, of ``steps`` in all."""

    k1: int
    k2: int
    steps: int

    def __post_init__(self) -> None:
        if self.k1 < 1 or self.k2 < 1:
            raise ConfigurationError(f"The truncation {self.k1},{self.k2} must be two whole numbers of at least 1.")
        if self.k1 > self.steps:
            raise ConfigurationError(
                f"With k1 = {self.k1} the first update comes after {self.k1} steps, but {self.steps} are drawn. "
                "Draw more steps or give a smaller k1."
            )

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The last and the first step of each window.

        >>> Windows(2, 3, 6).spans
        [(1, 0), (3, 1), (5, 3)]
        """
        return [(last, max(0, last - self.k2 + 1)) for last in range(self.k1 - 1, self.steps, self.k1)]

    def lane(self, number: int) -> int:
        """Windows that overlap run in different lanes."""
        return number % -(-self.k2 // self.k1)

    def wires(self, columns: Sequence[_Column], step: Step, known: set[str]) -> Iterator[Wire]:
        """The gradient's arrows."""
        place = {int(c.index): n for n, c in enumerate(columns) if c.what == "step" and c.index.isdigit()}
        for number, (last, first) in enumerate(self.spans):
            lane = self.lane(number)
            if last in place:
                yield from self._down(step, place[last])
            for time in range(last, first - 1, -1):
                cut = time == first
                if time in place and time > 0 and (time - 1) in place:
                    yield from self._back(step, place[time], lane, cut)

    def _down(self, step: Step, column: int) -> Iterator[Wire]:
        """From the loss of the step at which the update happens."""
        inputs = {part.kind for part in step.parts if part.role == "input"}
        for join in step.joins:
            if not join.lag and join.source not in inputs:
                source, target = f"{join.source}@{column}", f"{join.target}@{column}"
                kind = f"gradient {join.source}>{join.target}"
                yield Wire(f"{target} ⇠ {source}", kind, source, target, "gradient", reverse=True)

    def _back(self, step: Step, column: int, lane: int, cut: bool) -> Iterator[Wire]:
        for join in step.joins:
            if join.lag:
                source, target = f"{join.target}@{column}", f"{join.source}@{column - 1}"
                kind = f"gradient {lane} {join.source}>{join.target}"
                yield Wire(f"{source} ⇠ {target} ({lane})", kind, source, target, "gradient", cut=cut)
