"""A training run in memory: everything that one update reads and changes, and how it goes to disk and back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.checkpoint.run import Checkpoint, RunDirectory
from unrolled.checkpoint.tensors import module_arrays, optimiser_arrays, restore_module, restore_optimiser
from unrolled.data.lanes import Position
from unrolled.training import schedule
from unrolled.training.clipping import Clipping
from unrolled.training.config import TrainConfig
from unrolled.training.events import Event
from unrolled.training.randomness import RANDOM, further_randomness, own_randomness
from unrolled.training.ranks import ALONE, Ranks
from unrolled.training.snapshots import Snapshots
from unrolled.training.task import Arrays, Task


@dataclass
class Job:
    """One run. ``random`` are the run's own generator states, apart from torch's global ones so that the caller's
    random numbers neither disturb the run nor are disturbed; ``best`` is the smallest ``badness`` so far, and
    ``best_figures`` are all of that evaluation; ``accidents`` counts those since the last good update.
    """

    config: TrainConfig
    run: RunDirectory
    task: Task
    optimiser: torch.optim.Optimizer
    device: torch.device
    random: dict[str, Tensor]
    clipping: Clipping
    ranks: Ranks = ALONE
    snapshots: Snapshots = field(default_factory=Snapshots)
    accidents: int = 0
    step: int = 0
    position: Position = field(default_factory=Position)
    evaluated_at: int = -1
    best: float | None = None
    best_step: int = 0
    best_figures: dict[str, Any] = field(default_factory=dict)
    evaluation_seconds: float = 0.0
    seconds_before: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Wall-clock time spent on the run so far, in all its sittings."""
        return self.seconds_before + time.monotonic() - self.started

    @property
    def epochs(self) -> float:
        """Epochs done, with the fraction of the present one."""
        return self.position.epoch + self.position.window / self.task.steps_per_epoch

    @property
    def share(self) -> float:
        """The share of the run that is done, in [0, 1], for which all processes ask; a limit in minutes leaves time for
        the last evaluation."""
        limit = 60 * (self.config.minutes or 0)
        reserve = min(self.evaluation_seconds, limit / 2)
        seconds = self.ranks.told(lambda: self.seconds + reserve) if limit else 0.0  # by one clock
        return schedule.progress(self.config, step=self.step, epochs=self.epochs, seconds=seconds)

    @contextmanager
    def randomness(self) -> Iterator[None]:
        """Let torch draw from the run's generators inside the block."""
        with own_randomness(self.random, self.device):
            yield

    def save(self) -> Path:
        """Publish a checkpoint of the present moment, copy its model if it is the best, delete what is not kept."""
        trainer = {
            **optimiser_arrays(self.optimiser),
            **self.task.carried(),
            **self.clipping.carried(),
            **(self.snapshots.carried() if self.config.on_accident == "rollback" else {}),
            **self._streams(),
        }
        progress = {
            "step": self.step,
            "epoch": self.position.epoch,
            "window": self.position.window,
            "accidents": self.accidents,
            "evaluated_at": self.evaluated_at,
            "best": self.best,
            "best_step": self.best_step,
            "evaluation_seconds": self.evaluation_seconds,
            "seconds": self.seconds,
        }
        model = module_arrays(self.task.layer)
        best = {} if self.best is None else {**self.best_figures, "step": self.best_step}
        checkpoint = Checkpoint(self.step, model, trainer, progress, best)
        return self.ranks.told(lambda: self._publish(checkpoint))

    def _publish(self, checkpoint: Checkpoint) -> Path:
        path, best = self.run.save(checkpoint), checkpoint.best
        if best and self.best_step == self.step:
            self.run.write_best(checkpoint.model, best)
        self._prune()
        return path

    def _streams(self) -> Arrays:
        """The generator states of all processes."""
        own = {_stream(self.ranks.rank) + name: state.numpy() for name, state in self.random.items()}
        return {name: array for each in self.ranks.gathered(own) for name, array in each.items()}

    def record(self, event: Event) -> None:
        """Append it to the run's metrics."""
        if self.ranks.first:
            self.run.record(event.to_dict())

    def settle(self) -> None:
        """Make the files of the run those of this moment: forget what came after, finish what a kill left undone."""
        self.run.cut_metrics(self.step, self.evaluated_at)
        if self.best is not None:
            self.run.restore_best(self.best_step)
        self._prune()

    def _prune(self) -> None:
        self.run.prune(self.config.keep, None if self.best is None else self.best_step)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the moment of a checkpoint."""
        progress = checkpoint.progress
        restore_module(self.task.layer, checkpoint.model)
        restore_optimiser(self.optimiser, checkpoint.trainer)
        self.task.restore(checkpoint.trainer, self.device)
        self.clipping.restore(checkpoint.trainer)
        self.snapshots.restore(checkpoint.trainer)
        self.step = checkpoint.step
        self._restore_stream(checkpoint.trainer)
        self.position = Position(progress["epoch"], progress["window"])
        self.accidents = progress.get("accidents", 0)
        self.evaluated_at = progress["evaluated_at"]
        # before there were other tasks than language, what is to become small was called by its name
        self.best, self.best_step = progress.get("best", progress.get("best_nats")), progress["best_step"]
        self.best_figures = dict(checkpoint.best)
        self.evaluation_seconds = progress["evaluation_seconds"]
        self.seconds_before, self.started = progress["seconds"], time.monotonic()

    def _restore_stream(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """This process's random numbers; new ones where there were fewer processes."""
        rank = self.ranks.rank
        if rank:
            self.random = further_randomness(self.config.seed, rank, self.step, self.device)
        for name in self.random:
            saved = arrays.get(_stream(rank) + name)
            if saved is not None:
                self.random[name] = torch.from_numpy(np.array(saved))


def _stream(rank: int) -> str:
    return f"{RANDOM}{rank}/" if rank else RANDOM
