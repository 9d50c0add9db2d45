"""Finite weights and optimiser moments in memory, to which a run goes back when others are not finite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.checkpoint.tensors import module_arrays, optimiser_arrays, restore_module, restore_optimiser
from unrolled.training.task import Arrays

EVERY = 20  # good updates between two of them
KEPT = 2
MODEL = "model/"
PREFIX = "snapshots/"
GOOD = PREFIX + "good"  # in a checkpoint, beside the snapshots/NUMBER/…


@dataclass(frozen=True)
class Snapshot:
    """What an update changes, as it was at a ``step``; the moments of an optimiser that made no step are none."""

    step: int
    model: Arrays
    moments: Arrays

    @classmethod
    def of(cls, layer: nn.Module, optimiser: torch.optim.Optimizer, step: int) -> Snapshot:
        """A copy of the present."""
        return cls(step, module_arrays(layer), optimiser_arrays(optimiser))

    def restore(self, layer: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Make it the present."""
        restore_module(layer, self.model)
        restore_optimiser(optimiser, self.moments)


class Snapshots:
    """The last ones, the newest at the end. ``good`` counts the updates since the newest was taken or gone back to."""

    def __init__(self) -> None:
        self.taken: list[Snapshot] = []
        self.good = 0
        self._used = False  # whether the newest was gone back to since it was taken

    def passed(self, layer: nn.Module, optimiser: torch.optim.Optimizer, step: int) -> None:
        """A good update was made; every 20 of them are followed by a snapshot."""
        self.good += 1
        if self.good >= EVERY:
            self.take(layer, optimiser, step)

    def take(self, layer: nn.Module, optimiser: torch.optim.Optimizer, step: int) -> None:
        """Take one, if what there is to take is finite."""
        if finite(layer, optimiser):
            self.taken = [*self.taken, Snapshot.of(layer, optimiser, step)][-KEPT:]
            self.good, self._used = 0, False

    def back(self, layer: nn.Module, optimiser: torch.optim.Optimizer) -> Snapshot:
        """Go back to the newest, or, where that was done since it was taken, to the one before it."""
        if self._used and len(self.taken) > 1:
            self.taken.pop()
        self.taken[-1].restore(layer, optimiser)
        self.good, self._used = 0, True
        return self.taken[-1]

    def carried(self) -> Arrays:
        """For a checkpoint."""
        found: Arrays = {GOOD: np.array([self.good, self._used], np.int64)} if self.taken else {}
        for number, each in enumerate(self.taken):
            prefix = f"{PREFIX}{number}/"
            found |= {prefix + MODEL + name: array for name, array in each.model.items()}
            found |= {prefix + name: array for name, array in each.moments.items()}
            found[prefix + "step"] = np.array(each.step, np.int64)
        return found

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take back what ``carried`` gave."""
        good, used = arrays.get(GOOD, (0, 0))
        self.good, self._used = int(good), bool(used)
        self.taken = []
        while f"{PREFIX}{len(self.taken)}/step" in arrays:
            prefix = f"{PREFIX}{len(self.taken)}/"
            own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            step = int(own.pop("step"))
            model = {name.removeprefix(MODEL): array for name, array in own.items() if name.startswith(MODEL)}
            moments = {name: array for name, array in own.items() if not name.startswith(MODEL)}
            self.taken.append(Snapshot(step, model, moments))


def finite(layer: nn.Module, optimiser: torch.optim.Optimizer | None = None) -> bool:
    """Whether all weights are finite, and all moments of an optimiser."""
    moments = (value for state in optimiser.state.values() for value in state.values()) if optimiser else ()
    return all_finite((*layer.state_dict().values(), *moments))


def all_finite(tensors: Iterable[Any]) -> bool:
    """Whether no entry of a tensor is infinite or NaN; what is no tensor does not count."""
    return all(bool(torch.isfinite(each).all()) for each in tensors if isinstance(each, Tensor))
