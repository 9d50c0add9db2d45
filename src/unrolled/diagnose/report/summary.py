"""What the report asks of a summary: a sentence, and for each thing that may limit a model whether it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Finding(Protocol):
    """One thing that may limit a model, such as its memory: whether it does, the numbers that say so, what to try."""

    @property
    def limit(self) -> str:
        """What may limit it."""

    @property
    def verdict(self) -> str:
        """Whether it does."""

    @property
    def evidence(self) -> Sequence[str]:
        """Sentences with numbers."""

    @property
    def advice(self) -> str:
        """What to try next; empty where there is nothing."""


class Summary(Protocol):
    """All of them, under one sentence."""

    @property
    def headline(self) -> str:
        """What limits the model, in one sentence."""

    @property
    def findings(self) -> Sequence[Finding]:
        """Each thing that may limit it."""
