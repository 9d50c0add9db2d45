"""Neurons side by side, each of which is to keep one bit, and what each reads of the two classes.

Shapes: what they read h (T, B, N), their values x (B, N), the triples (2, 3, N), wrong answers (N,); class 0 is to be
answered by 0.8, class 1 by −0.8.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.nn import Recurrent
from unrolled.reproduce.bengio1994.criteria import NOISE, READ, TARGET, WEIGHT

EQUATION = "x_t = tanh(w ⊙ x_{t-1} + h_t)"
AT_ONCE = 200  # sequences of each class that a test reads side by side


class Neurons(nn.Module):
    """``count`` neurons before training; no one feels another, so that each learns as it would by itself."""

    def __init__(self, count: int, seed: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.layer = Recurrent(EQUATION, h=count)
        nn.init.constant_(self.w, WEIGHT)
        self.triples = nn.Parameter(2 * torch.rand(2, READ, count, generator=random) - 1)

    @property
    def w(self) -> nn.Parameter:
        """The weight (N,) of each neuron."""
        return self.layer.get_parameter("w")

    def forward(self, noise: Tensor) -> Tensor:
        """The values x (B, N) at the last step, after ``noise`` (T − 3, B, N); the first half of B is of class 0."""
        half = noise.shape[1] // 2
        read = torch.cat([each[:, None].expand(READ, half, -1) for each in self.triples], 1)
        _, state = self.layer(torch.cat([read, noise]))
        last: Tensor = state["x"]
        return last


def noise(length: int, each: int, count: int, random: torch.Generator) -> Tensor:
    """What ``count`` neurons read after the third of ``length`` steps, of ``each`` sequences of both classes."""
    return NOISE * torch.randn(length - READ, 2 * each, count, generator=random)


def targets(each: int) -> Tensor:
    """What is to be answered (B, 1) for ``each`` sequences of both classes."""
    return torch.tensor([TARGET, -TARGET]).repeat_interleave(each)[:, None]


def learn(neurons: Neurons, length: int, rate: float, seed: int, updates: int, batch: int) -> None:
    """Gradient descent, each update on ``batch`` new sequences of ``length`` steps, half of each class."""
    random = torch.Generator().manual_seed(seed)
    count, wanted = neurons.triples.shape[-1], targets(batch // 2)
    optimiser = torch.optim.SGD(neurons.parameters(), rate)
    for _ in range(updates):
        x = neurons(noise(length, batch // 2, count, random))
        optimiser.zero_grad()
        (x - wanted).square().mean(0).sum().backward()
        optimiser.step()


@torch.no_grad()
def wrong(neurons: Neurons, length: int, sequences: int, random: torch.Generator) -> Tensor:
    """Of so many new sequences, the share (N,) of which the sign of the answer is wrong, for each neuron."""
    count = neurons.triples.shape[-1]
    found = torch.zeros(count)
    for begin in range(0, sequences // 2, AT_ONCE):
        each = min(AT_ONCE, sequences // 2 - begin)
        found += (neurons(noise(length, each, count, random)) * targets(each) <= 0).sum(0)
    return found / (sequences // 2 * 2)
