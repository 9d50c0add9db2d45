"""Training a language model: its configuration, the loop and its events, and the evaluation."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from unrolled.training.config import PRESETS, TrainConfig

if TYPE_CHECKING:
    from unrolled.training.evaluation import Evaluation, evaluate
    from unrolled.training.events import Accident, Evaluated, Evaluating, Event, Finished, Sample, Saved, Started, Step
    from unrolled.training.loop import resume, train

__all__ = [
    "PRESETS",
    "Accident",
    "Evaluated",
    "Evaluating",
    "Evaluation",
    "Event",
    "Finished",
    "Sample",
    "Saved",
    "Started",
    "Step",
    "TrainConfig",
    "evaluate",
    "resume",
    "train",
]

# The configuration alone needs no torch: the command line reads it to print its help.
_HOMES = {"evaluate": "evaluation", "Evaluation": "evaluation", "train": "loop", "resume": "loop"}


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module(f"unrolled.training.{_HOMES.get(name, 'events')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
