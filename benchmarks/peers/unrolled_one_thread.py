"""Unrolled on one thread."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.peers import unrolled
from benchmarks.works import Work


def prepare(work: Work, threads: int) -> tuple[Callable[[], None], str]:
    """The same work, whatever ``threads`` says."""
    return unrolled.prepare(work, 1)
