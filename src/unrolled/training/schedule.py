"""The learning rate as a function of how far training has come."""

from __future__ import annotations

import math

from unrolled.training.config import TrainConfig


def progress(config: TrainConfig, *, step: int, epochs: float, seconds: float) -> float:
    """The share of the run that is done, in [0, 1]: of the limit (epochs, steps or minutes) that ends it first."""
    done = {"steps": float(step), "epochs": epochs, "minutes": seconds / 60}
    return min(1.0, max(done[name] / limit for name, limit in config.limits.items()))


def learning_rate(config: TrainConfig, *, step: int, epoch: int, share: float) -> float:
    """The learning rate of update number ``step`` (from 0), after ``epoch`` whole epochs, ``share`` of the run done.

    Exponential: char-rnn's, one factor ``decay`` at the end of each epoch from number ``decay_after`` on. Cosine: half
    a wave down to zero at the end (Loshchilov & Hutter 2017, eq. 5). Before that a linear warm-up.
    """
    factor = 1.0
    if config.schedule == "exponential":
        factor = config.decay ** max(0, epoch - max(1, config.decay_after) + 1)
    elif config.schedule == "cosine":
        factor = 0.5 * (1 + math.cos(math.pi * share))
    if step < config.warm_up:
        factor *= (step + 1) / config.warm_up
    return config.learning_rate * factor
