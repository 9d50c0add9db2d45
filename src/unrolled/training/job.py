"""A training run in memory: everything that one update reads and changes, and how it goes to disk and back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unrolled.checkpoint.run import Checkpoint, RunDirectory
from unrolled.checkpoint.tensors import module_arrays, optimiser_arrays, restore_module, restore_optimiser
from unrolled.data.lanes import Position
from unrolled.training import schedule
from unrolled.training.config import TrainConfig
from unrolled.training.task import Task

RANDOM = "random/"  # the states of torch's generators, in a checkpoint


@dataclass
class Job:
    """One run. ``random`` are the run's own generator states, apart from torch's global ones so that the caller's
    random numbers neither disturb the run nor are disturbed; ``best`` is the smallest ``badness`` so far.
    """

    config: TrainConfig
    run: RunDirectory
    task: Task
    optimiser: torch.optim.Optimizer
    device: torch.device
    random: dict[str, Tensor]
    step: int = 0
    position: Position = field(default_factory=Position)
    evaluated_at: int = -1
    best: float | None = None
    best_step: int = 0
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
        """The share of the run that is done, in [0, 1]; a limit in minutes leaves time for the last evaluation."""
        limit = 60 * (self.config.minutes or 0)
        reserve = min(self.evaluation_seconds, limit / 2)
        return schedule.progress(self.config, step=self.step, epochs=self.epochs, seconds=self.seconds + reserve)

    @contextmanager
    def randomness(self) -> Iterator[None]:
        """Let torch draw from the run's generators inside the block."""
        with own_randomness(self.random, self.device):
            yield

    def save(self) -> Path:
        """Publish a checkpoint of the present moment, and delete those that are no longer kept."""
        trainer = {
            **optimiser_arrays(self.optimiser),
            **self.task.carried(),
            **{RANDOM + name: state.numpy() for name, state in self.random.items()},
        }
        progress = {
            "step": self.step,
            "epoch": self.position.epoch,
            "window": self.position.window,
            "evaluated_at": self.evaluated_at,
            "best": self.best,
            "best_step": self.best_step,
            "evaluation_seconds": self.evaluation_seconds,
            "seconds": self.seconds,
        }
        path = self.run.save(Checkpoint(self.step, module_arrays(self.task.layer), trainer, progress))
        self.run.prune(self.config.keep, self.best_step)
        return path

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to the moment of a checkpoint."""
        progress = checkpoint.progress
        restore_module(self.task.layer, checkpoint.model)
        restore_optimiser(self.optimiser, checkpoint.trainer)
        self.task.restore(checkpoint.trainer, self.device)
        for name in self.random:
            if RANDOM + name in checkpoint.trainer:
                self.random[name] = torch.from_numpy(np.array(checkpoint.trainer[RANDOM + name]))
        self.step = checkpoint.step
        self.position = Position(progress["epoch"], progress["window"])
        self.evaluated_at = progress["evaluated_at"]
        # before there were other tasks than language, what is to become small was called by its name
        self.best, self.best_step = progress.get("best", progress.get("best_nats")), progress["best_step"]
        self.evaluation_seconds = progress["evaluation_seconds"]
        self.seconds_before, self.started = progress["seconds"], time.monotonic()


def fresh_randomness(seed: int, device: torch.device) -> dict[str, Tensor]:
    """Generator states that follow from a seed."""
    random = {"cpu": torch.Generator().manual_seed(seed).get_state()}
    if device.type == "cuda":
        random["cuda"] = torch.Generator(device).manual_seed(seed).get_state()
    return random


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
