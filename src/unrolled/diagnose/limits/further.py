"""Training a network further for a little while.

It makes so many updates with a fresh Adam, whose learning rate falls to zero in half a cosine, from a place in the
text that ``seed`` chooses.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Generator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from unrolled.data.documents import Documents
from unrolled.data.lanes import Lanes, Position
from unrolled.data.truncation import Truncation
from unrolled.nn import Recurrent
from unrolled.training.clipping import Clipping, gradient_norm, shorten
from unrolled.training.config import TrainConfig
from unrolled.training.reading import State
from unrolled.training.setup import optimiser_of
from unrolled.training.window import window_loss


@dataclass(frozen=True)
class Plan:
    """How a probe trains: ``lanes`` side by side in windows of ``truncation``, from the learning rate ``rate`` on."""

    rate: float
    lanes: int
    truncation: Truncation
    updates: int
    seed: int = 0

    @classmethod
    def of(cls, config: TrainConfig, updates: int) -> Plan:
        """As the run was trained; where its gradient went forwards, through windows of as many steps."""
        return cls(config.learning_rate, config.batch, config.truncation, updates)

    def longer(self, back: int) -> Plan | None:
        """With windows of ``back`` steps of fewer lanes, so that an update reads as many symbols, or fewer; None where
        one lane alone would have more."""
        lanes = self.lanes * self.truncation.every // back
        return replace(self, lanes=lanes, truncation=Truncation(back, back)) if lanes else None


def trained(
    layer: Recurrent, documents: Documents, config: TrainConfig, plan: Plan
) -> Generator[float, None, Recurrent]:
    """A copy of a layer after these updates, yielding the share done; one whose loss or gradient is no longer finite
    stays as it was before.

    Raises:
        DataError: the text is too short for one window.
    """
    layer = copy.deepcopy(layer).train()
    lanes = Lanes(documents.ids, plan.lanes, plan.truncation, documents.starts)
    optimiser = optimiser_of(config, layer)
    clipping = Clipping(config.clipping, config.clip, config.clip_quantile)
    first = int(np.random.default_rng(plan.seed).integers(len(lanes)))
    position, state = Position(0, first), None
    with torch.random.fork_rng():  # dropout draws
        torch.manual_seed(plan.seed)
        for update in range(plan.updates):
            for group in optimiser.param_groups:
                group["lr"] = plan.rate * 0.5 * (1 + math.cos(math.pi * update / plan.updates))
            window = plan.truncation.window(position.window)
            loss, carried = window_loss(layer, lanes, window, state, config.budget)
            if not _moved(layer, loss, optimiser, clipping):
                break
            position = position.after(len(lanes))
            state = _detached(carried) if position.window else None
            yield (update + 1) / plan.updates
    return layer.eval()


def _moved(layer: Recurrent, loss: Tensor, optimiser: torch.optim.Optimizer, clipping: Clipping) -> bool:
    """Make one update, if loss and gradient are finite."""
    optimiser.zero_grad()
    loss.backward()
    norm = gradient_norm(layer.parameters())
    if not math.isfinite(loss.item()) or not math.isfinite(norm.item()):
        return False
    shorten(layer.parameters(), clipping.kind, clipping.threshold(norm.item()), norm)
    optimiser.step()
    return True


def _detached(state: State | None) -> State | None:
    return None if state is None else {name: value.detach() for name, value in state.items()}
