"""The mark that an answer gets."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from unrolled.errors import caret
from unrolled.explain.result import Result

LONGEST = 400  # characters of a counterexample that are still looked at
Kind = Literal["right", "right up to scalar reading", "right up to transposition", "wrong", "unreadable"]


@dataclass(frozen=True)
class Counterexample:
    """Numbers for which a wrong claim gives something else: ``claimed`` rather than ``right``."""

    values: Mapping[str, Any]
    claimed: Any
    right: Any

    def __str__(self) -> str:
        given = ", ".join(f"{name} = {_number(value)}" for name, value in self.values.items())
        claimed, right = _number(self.claimed), _number(self.right)
        if len(given) + len(claimed) + len(right) > LONGEST:
            given = "numbers drawn at random (see .counterexample)"
        if len(claimed) + len(right) > LONGEST:
            return f"For {given} the claim gives other numbers."
        return f"For {given} the claim gives {claimed}; right is {right}."

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"values": dict(self.values), "claimed": self.claimed, "right": self.right}


@dataclass(frozen=True, repr=False)
class Verdict(Result):
    """What is to be said about a claim.

    ``kind`` is "right", "right up to scalar reading", "right up to transposition", "wrong" or "unreadable";
    ``position`` (start, end) the place in ``claim`` where it goes wrong or cannot be read; ``expected`` what would be
    right there; ``solution`` the whole equation as it should be.
    """

    claim: str
    kind: Kind
    message: str
    position: tuple[int, int] | None = None
    expected: str | None = None
    solution: str | None = None
    solution_latex: str | None = None
    counterexample: Counterexample | None = None

    @property
    def correct(self) -> bool:
        """Is the claim right, if only up to a reading?"""
        return self.kind.startswith("right")

    def __str__(self) -> str:
        lines = [f"{self.kind}: {self.message}" if self.message else self.kind]
        if self.position is not None:
            lines.append(caret(self.claim, *self.position))
        if self.solution:
            lines.append(f"Expected: {self.solution}")
        if self.counterexample is not None:
            lines.append(str(self.counterexample))
        return "\n".join(lines)

    def latex(self) -> str:
        """The verdict in words, and the equation as it should be, for mathematics mode with amsmath."""
        words = rf"\text{{{self.kind}}}"
        return words if not self.solution_latex else rf"{words}: \quad {self.solution_latex}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "claim": self.claim,
            "correct": self.correct,
            "kind": self.kind,
            "message": self.message,
            "position": None if self.position is None else list(self.position),
            "expected": self.expected,
            "solution": self.solution,
            "counterexample": None if self.counterexample is None else self.counterexample.to_dict(),
        }

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _number(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_number, value))}]"
    return f"{value:.6g}"
