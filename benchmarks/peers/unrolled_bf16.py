"""Unrolled with weights in bf16."""

from __future__ import annotations

from collections.abc import Callable

import unrolled
from benchmarks.peers.unrolled import write
from benchmarks.works import Work


def prepare(work: Work, threads: int) -> tuple[Callable[[], None], str]:
    """Writing only."""
    return write(work, threads, "bf16"), f"Unrolled {unrolled.__version__}"
