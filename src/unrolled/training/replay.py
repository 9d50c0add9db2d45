"""An accident seen again, from its record and the run's documents alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from unrolled.checkpoint.device import device_of
from unrolled.checkpoint.format import plain
from unrolled.checkpoint.run import RunDirectory
from unrolled.checkpoint.tensors import restore_module, restore_optimiser
from unrolled.training.clipping import gradient_norm, shorten
from unrolled.training.config import TrainConfig, from_dict
from unrolled.training.finding import Finding, first_of
from unrolled.training.randomness import own_randomness
from unrolled.training.record import Record
from unrolled.training.recording import Recording, recording_of
from unrolled.training.setup import optimiser_of
from unrolled.training.snapshots import all_finite, finite
from unrolled.training.trace import Trace


@dataclass(frozen=True)
class Replay:
    """What the record says (``recorded``) beside what came out now.

    ``reproduced`` if again something is not finite, and ``first`` is what was so first, where that can be told.
    ``gradients`` are the parameters whose gradient is not finite.
    """

    record: str
    recorded: Mapping[str, Any]
    loss: float
    gradient_norm: float
    gradients: tuple[str, ...]
    reproduced: bool
    first: Finding | None
    trace: Trace | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, in which what is not finite is a text."""
        first = None if self.first is None else self.first.to_dict()
        traced = None if self.trace is None else self.trace.to_dict()
        found: dict[str, Any] = plain(asdict(self))
        return found | {"first": first, "trace": traced}


def replay(folder: Path | str, device: str = "cpu") -> Replay:
    """Run the batch of a recorded accident again, and see what is not finite.

    Raises:
        CheckpointError: there is no record, it or its run is damaged, or the weights are those of another model.
    """
    folder = Path(folder)
    record = Record.read(folder)
    config = from_dict(record.about["options"], str(folder / "record.json"))
    recording = recording_of(RunDirectory.open(folder.absolute().parent.parent), record, config, device_of(device))
    layer = recording.layer
    restore_module(layer, record.model)
    layer.train()
    with own_randomness(record.random, recording.device):
        loss = recording.loss()
        loss.backward()
    norm = gradient_norm(layer.parameters())
    gradients = [(name, each.grad) for name, each in layer.named_parameters() if each.grad is not None]
    bad = tuple(name for name, each in gradients if not all_finite([each]))
    nats, size = loss.item(), norm.item()
    traced = recording.trace(record.random)
    first: Finding | None = None
    if not (math.isfinite(nats) and math.isfinite(size)):
        first = _first(recording, record, loss, gradients) if traced is None else traced.first
        reproduced = True
    else:
        reproduced = record.about["kind"] == "update" and not _updates(recording, record, config, norm)
        first = Finding("update") if reproduced else None
    about = {name: value for name, value in record.about.items() if name != "trace"}
    return Replay(str(folder), about, nats, size, bad, reproduced, first, traced)


def _first(
    recording: Recording, record: Record, loss: Tensor, gradients: list[tuple[str, Tensor]]
) -> Finding:  # fmt: skip
    """What is not finite first in a batch of examples."""
    found = first_of("weight", recording.layer.named_parameters())
    with own_randomness(record.random, recording.device):
        for kind, tensor in recording.parts():
            found = found or first_of(kind, [("", tensor)])
    return found or first_of("loss", [("", loss)]) or first_of("gradient", gradients) or Finding("norm")


def _updates(recording: Recording, record: Record, config: TrainConfig, norm: Tensor) -> bool:
    """Whether the update, made again, leaves weights and moments finite."""
    layer, optimiser = recording.layer, optimiser_of(config, recording.layer)
    restore_optimiser(optimiser, record.weights)
    for group in optimiser.param_groups:
        group["lr"] = record.about["learning_rate"]
    shorten(layer.parameters(), config.clipping, float(record.about["threshold"]), norm)
    optimiser.step()
    return finite(layer, optimiser)
