"""The smallest network that writes: it learns one word, and shows at each step what it expects.

The demonstration of Karpathy (2015, "The unreasonable effectiveness of recurrent neural networks"): the letters of
"hello", and an end; the same letter, l, must be followed by another one the second time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from unrolled.errors import ConfigurationError
from unrolled.generation.draw import draw
from unrolled.generation.sampler import Sampler
from unrolled.nn import Recurrent

END = "<end>"
EQUATIONS = "h_t = tanh(U x_t + W h_{t-1} + b); y_t = softmax(V h_t + c)"


@dataclass(frozen=True)
class Step:
    """What was read, with which probability each symbol follows, which one was drawn, and the state."""

    reads: str
    probabilities: Mapping[str, float]
    drawn: str
    state: tuple[float, ...]


@dataclass(frozen=True)
class Hello:
    """A word that was learnt and written; ``learnt`` is the probability of exactly that word and its end."""

    word: str
    written: str
    learnt: float
    updates: int
    steps: tuple[Step, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def told_apart(self) -> list[tuple[int, int, float]]:
        """For each two steps that read the same symbol: their numbers, and how far their states are apart, from 0 to 1.

        The distance is that of the states over the largest one that two states can have.
        """
        found = []
        for (i, one), (j, other) in combinations(enumerate(self.steps), 2):
            if one.reads == other.reads:
                apart = math.dist(one.state, other.state) / (2 * math.sqrt(len(one.state)))
                found.append((i, j, apart))
        return found


def hello(word: str = "hello", hidden: int = 8, updates: int = 200, seed: int = 1) -> Hello:
    """Train Elman's network on ``word``, then let it write until it draws the end, or three times as long.

    Raises:
        ConfigurationError: the word is empty, or longer than 40 letters; fewer than 0 updates.

    >>> found = hello("hello")
    >>> found.written, found.learnt > 0.9
    ('hello', True)
    """
    if not 0 < len(word) <= 40:
        raise ConfigurationError(f"the word has {len(word)} letters; give one of 1 to 40")
    if updates < 0:
        raise ConfigurationError(f"{updates} updates cannot be made; give 0 or more")
    symbols = [*sorted(set(word)), END]
    ids = torch.tensor([symbols.index(letter) for letter in (END, *word, END)])  # the end is also the beginning
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layer = Recurrent(EQUATIONS, x=len(symbols), h=hidden, y=len(symbols))
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(updates):
        optimiser.zero_grad()
        functional.cross_entropy(layer.logits(ids[:-1])[0], ids[1:]).backward()
        optimiser.step()
    with torch.no_grad():
        chances = torch.log_softmax(layer.logits(ids[:-1])[0].double(), -1)
        learnt = float(chances.gather(1, ids[1:, None]).sum().exp())
        steps = tuple(_write(layer, symbols, 3 * len(word) + 1, seed))
    written = "".join(step.drawn for step in steps if step.drawn != END)
    return Hello(word, written, learnt, updates, steps)


def _write(layer: Recurrent, symbols: list[str], most: int, seed: int) -> list[Step]:
    steps: list[Step] = []
    reads = END
    state: dict[str, torch.Tensor] | None = None
    while len(steps) < most and (not steps or reads != END):
        logits, state = layer.logits(torch.tensor([symbols.index(reads)]), state)
        scores = logits[0].double().numpy()
        sampler = Sampler()
        drawn, _ = sampler.choose(scores, draw(seed, 0, len(steps)))
        chances = dict(zip(symbols, map(float, sampler.probabilities(scores)), strict=True))
        steps.append(Step(reads, chances, symbols[drawn], tuple(map(float, np.asarray(state["h"])))))
        reads = symbols[drawn]
    return steps
