"""A recorded batch beside a model that can read it: for each kind of task, its loss and what it is made of."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.answering.answerer import Answerer, AnswererDescription
from unrolled.answering.head import head_of
from unrolled.answering.reading import Reading
from unrolled.answering.translator import Translator, TranslatorDescription
from unrolled.checkpoint.run import RunDirectory
from unrolled.checkpoint.tensors import restore_state
from unrolled.errors import CheckpointError, DataError
from unrolled.training.answers import answering_loss
from unrolled.training.config import TrainConfig
from unrolled.training.flow import Flow, flow_of
from unrolled.training.kinds import KINDS
from unrolled.training.material import TextMaterial
from unrolled.training.ragged import apart
from unrolled.training.record import Record
from unrolled.training.trace import Trace
from unrolled.training.translation import translating_loss
from unrolled.training.window import RecordedWindow


class Recording(ABC):
    """The ``layer`` has fresh parameters until others are put into it."""

    def __init__(self, layer: Any, record: Record, config: TrainConfig, device: torch.device) -> None:
        self.layer: nn.Module = layer
        self.batch, self.config, self.device = record.batch, config, device

    @abstractmethod
    def loss(self) -> Tensor:
        """That of the batch."""

    def trace(self, random: Mapping[str, Tensor]) -> Trace | None:
        """See ``Task``."""
        return None

    def parts(self) -> Iterator[tuple[str, Tensor]]:
        """What is computed on the way to the loss, each with the kind of a ``Finding``."""
        yield from ()


class _Language(Recording):
    layer: Any

    def loss(self) -> Tensor:
        recorded, state = RecordedWindow(self.batch), restore_state(self.batch, self.device)
        return self._flow(recorded.batch).loss(recorded, recorded.window, state)[0]

    def trace(self, random: Mapping[str, Tensor]) -> Trace:
        return self._flow(RecordedWindow(self.batch).batch).trace(self.batch, random)

    def _flow(self, lanes: int) -> Flow:
        return flow_of(self.layer, self.config, lanes)


class _Answering(Recording):
    def __init__(self, model: Answerer, record: Record, config: TrainConfig, device: torch.device) -> None:
        super().__init__(model.layer, record, config, device)
        self.model, self.items = model, apart("inputs", record.batch)

    def loss(self) -> Tensor:
        targets = torch.from_numpy(self.batch["targets"])
        return answering_loss(self.model, self.items, targets, float(self.batch["answers"]))[0]

    def parts(self) -> Iterator[tuple[str, Tensor]]:
        yield from _read(self.model.reading, self.items, self.layer)
        yield "scores", self.model.scores(self.items)


class _Translating(Recording):
    def __init__(self, model: Translator, record: Record, config: TrainConfig, device: torch.device) -> None:
        super().__init__(model.layer, record, config, device)
        self.model, self.items = model, apart("inputs", record.batch)

    def loss(self) -> Tensor:
        targets = apart("targets", self.batch)
        return translating_loss(self.model, self.items, targets, float(self.batch["outcomes"]))[0]

    def parts(self) -> Iterator[tuple[str, Tensor]]:
        yield from _read(self.model.reading, self.items, self.layer)


def recording_of(run: RunDirectory, record: Record, config: TrainConfig, device: torch.device) -> Recording:
    """The batch of a record, and the model that its run describes.

    Raises:
        CheckpointError: the run is damaged.
    """
    document, kind = run.read("config"), KINDS.get(config.task, TextMaterial)
    description: Any = kind.description.from_json(document.get("model", {}))
    reading = run.read_symbols(kind.read_reading)
    with torch.random.fork_rng():  # building draws parameters, overwritten at once
        layer = dataclasses.replace(description, dropout=config.dropout).build(device)
    if isinstance(description, AnswererDescription):
        try:
            head = head_of(document)
        except DataError as error:
            raise CheckpointError(f"{run.path}: {error}") from error
        return _Answering(Answerer(layer, reading, head, description.aligned), record, config, device)
    if isinstance(description, TranslatorDescription):
        return _Translating(Translator(layer, reading, description.longest), record, config, device)
    return _Language(layer, record, config, device)


def _read(reading: Reading, items: list[Any], layer: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """What the layer is given, as numbers of its type."""
    waiting = list(reading.tensors(items, next(layer.parameters())))
    while waiting:
        each = waiting.pop()
        if isinstance(each, Tensor):
            yield "input", each
        else:
            waiting += each
