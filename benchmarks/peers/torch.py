"""torch, eager."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.peers import layers
from benchmarks.works import Work


def prepare(work: Work, threads: int) -> tuple[Callable[[], None], str]:
    """torch.nn.RNN, GRU, LSTM."""
    torch.set_num_threads(threads)
    return layers.work_of(torch.nn, work), f"torch {torch.__version__}"
