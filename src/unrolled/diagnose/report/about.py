"""What a run is, in words: its model, its figures on held-out text, and the command that made it."""

from __future__ import annotations

import math
import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unrolled.checkpoint import RunDirectory, TrainedModel
from unrolled.equations.library import CELLS
from unrolled.errors import DataError
from unrolled.training.config import TrainConfig, flag, from_dict

PACKAGES = ("unrolled", "torch", "numpy", "matplotlib")


@dataclass(frozen=True)
class HeldOut:
    """How well the model predicts what its run held out: nats per ``unit``, bits per character, perplexity."""

    nats: float
    bits: float
    unit: str

    @property
    def words(self) -> str:
        """In one line."""
        return (
            f"{self.nats:.4f} nats per {self.unit}, {self.bits:.4f} bits per character, perplexity "
            f"{math.exp(self.nats):.3f}"
        )


@dataclass(frozen=True, eq=False)
class About:
    """One run: its options, what is said of its corpus, what happened in it, and the model that is best so far."""

    name: str
    config: TrainConfig
    corpus: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    best: Mapping[str, Any]
    model: TrainedModel

    @classmethod
    def read(cls, model: TrainedModel) -> About:
        """What the run directory of a model says.

        Raises:
            DataError: the model does not come from a run; CheckpointError: the run cannot be read.
        """
        if model.path is None:
            raise DataError("A report tells of a run, and this model comes from none; give what unrolled.load returns.")
        run = RunDirectory.open(model.path)
        document = run.read("config")
        name = Path(os.path.abspath(model.path)).name
        best = run.read_best()[1]
        return cls(name, from_dict(document["train"]), document.get("corpus", {}), run.history(), best, model)

    @property
    def held_out(self) -> HeldOut | None:
        """The figures of the best model: by the definition where training finished with it, else as it was evaluated on
        the way; None where it never was."""
        finished = [event for event in self.history if event["event"] == "finished"]
        exact = [event for event in finished if event.get("best_step") == self.best.get("step")]
        found = (exact or [self.best])[-1]
        if not isinstance(found.get("nats"), float):
            return None
        return HeldOut(found["nats"], found["bits_per_character"], found.get("unit", "character"))

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(each.numel() for each in self.model.layer.parameters())

    @property
    def line(self) -> str:
        """The model in one line."""
        config, unit = self.config, self.model.vocabulary.unit
        cell = config.recurrence if config.recurrence in CELLS else "equations of its own"
        layers = f"{config.layers} layer{'s' * (config.layers > 1)}"
        text = f"trained on {self.corpus['name']}" if "name" in self.corpus else "trained on a text"
        if "training_characters" in self.corpus:
            text += f" ({self.corpus['training_characters']:,} characters)"
        return (
            f"{cell}, {layers} of {config.hidden} units, {self.parameters:,} parameters, for "
            f"{len(self.model.vocabulary):,} different {unit}s; {text}"
        )

    @property
    def command(self) -> str:
        """The command that trains such a run: every option that is not as it is by itself."""
        given = ["unrolled", "train"]
        for field in fields(TrainConfig):
            value = getattr(self.config, field.name)
            if value == field.default:
                continue
            if field.name == "text":
                given.insert(2, str(value))
            elif value is True:
                given.append(flag(field.name))
            else:
                given += [flag(field.name), f"{value:g}" if isinstance(value, float) else str(value)]
        return shlex.join(given)

    @property
    def versions(self) -> str:
        """Of what measured and drew."""
        return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)])
