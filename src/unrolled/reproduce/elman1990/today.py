"""Learning as today: backpropagation through time in windows, many lanes at once, Adam.

The network, the patterns, the squared error and the number of passes stay those of 1990.

Shapes: x (T, I), d (T, O), cut into lanes (T // lanes, lanes, ·).
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.nn import Recurrent
from unrolled.reproduce.elman1990.network import Array


@dataclass(frozen=True)
class Windows:
    """Adam's rate; the stream is read in so many lanes, and the gradient flows back through so many steps."""

    rate: float
    lanes: int
    steps: int


def learn_through_time(layer: Recurrent, x: Array, d: Array, passes: int, windows: Windows) -> Recurrent:
    """A network that has read the patterns ``passes`` times; the one given stays as it is."""
    learner = deepcopy(layer)
    optimiser = torch.optim.Adam(learner.parameters(), windows.rate)
    read, wanted = (_in_lanes(each, windows.lanes) for each in (x, d))
    for _ in range(passes):
        state: dict[str, Tensor] | None = None
        for begin in range(0, len(read), windows.steps):
            part = slice(begin, begin + windows.steps)
            outputs, after = learner(read[part], state)
            loss = torch.nn.functional.mse_loss(outputs["y"], wanted[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            state = {name: each.detach() for name, each in after.items()}
    return learner


def _in_lanes(patterns: Array, lanes: int) -> Tensor:
    """Cut into stretches that lie side by side; what is left over at the end is not read."""
    lanes = min(lanes, len(patterns))
    length = len(patterns) // lanes
    return torch.from_numpy(patterns[: length * lanes]).reshape(lanes, length, -1).transpose(0, 1).contiguous()
