"""Torch's random numbers of a run, apart from those of the caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

RANDOM = "random/"  # torch's generators in a file: random/NAME, of another process than the first random/RANK/NAME


def fresh_randomness(seed: int, device: torch.device) -> dict[str, Tensor]:
    """Generator states that follow from a seed."""
    random = {"cpu": torch.Generator().manual_seed(seed).get_state()}
    if device.type == "cuda":
        random["cuda"] = torch.Generator(device).manual_seed(seed).get_state()
    return random


def further_randomness(seed: int, rank: int, step: int, device: torch.device) -> dict[str, Tensor]:
    """Those of a process that joins a run at a step, where ``rank`` is not that of the first one."""
    (number,) = np.random.SeedSequence([seed, rank, step]).generate_state(1, np.uint64)
    return fresh_randomness(int(number), device)


@contextmanager
def own_randomness(random: dict[str, Tensor], device: torch.device) -> Iterator[None]:
    """Let torch draw from ``random`` inside the block, which is moved on; torch's own states are put back after it."""
    before = torch.get_rng_state()
    cuda_before = torch.cuda.get_rng_state(device) if "cuda" in random else None
    torch.set_rng_state(random["cpu"])
    if cuda_before is not None:
        torch.cuda.set_rng_state(random["cuda"], device)
    try:
        yield
    finally:
        random["cpu"] = torch.get_rng_state()
        torch.set_rng_state(before)
        if cuda_before is not None:
            random["cuda"] = torch.cuda.get_rng_state(device)
            torch.cuda.set_rng_state(cuda_before, device)
