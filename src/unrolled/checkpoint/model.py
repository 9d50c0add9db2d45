"""A trained model, read from a run directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec
import torch
from torch import nn

from unrolled.checkpoint.device import device_of
from unrolled.checkpoint.run import RunDirectory
from unrolled.checkpoint.tensors import restore_module
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import CheckpointError
from unrolled.program.validation import PRECISIONS

if TYPE_CHECKING:
    from unrolled.nn import Recurrent

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Description:
    """The base of dataclasses from which a model is built: to plain data and back."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The description that ``to_json`` wrote.

        Raises:
            CheckpointError: it is another one.
        """
        data = {"precision": "fp32", **data}  # runs were saved before there was a choice
        known = data.get("dtype") in DTYPES and data["precision"] in PRECISIONS
        if not known or set(data) != {field.name for field in fields(cls)}:
            raise CheckpointError('the "model" of config.json is not one that this version of unrolled can build')
        try:
            return msgspec.convert(data, cls)
        except msgspec.ValidationError as error:
            raise CheckpointError(f'the "model" of config.json is damaged: {error}') from error

    def build(self, device: torch.device | str = "cpu") -> nn.Module:
        """A model with fresh parameters, drawn from torch's random numbers."""
        raise NotImplementedError

    def restore(self, directory: RunDirectory, device: torch.device | str) -> Any:
        """The model with the best parameters of a run, ready to be used."""
        arrays, _ = directory.read_best()
        with (
            torch.random.fork_rng()
        ):  # building draws parameters, overwritten at once, that the caller shall not notice
            layer = self.build(device_of(device))
        restore_module(layer, arrays)
        return layer.eval()


@dataclass(frozen=True)
class ModelDescription(Description):
    """What a language model is built from: equations (canonical text), sizes and the type of its numbers."""

    recurrence: str
    vocabulary: int
    hidden: int
    layers: int = 1
    embedding: int = 0
    dropout: float = 0.0
    dtype: str = "float32"
    precision: str = "fp32"

    def build(self, device: torch.device | str = "cpu") -> Recurrent:
        """A model with fresh parameters, drawn from torch's random numbers."""
        from unrolled.nn import language_model

        return language_model(
            self.recurrence,
            vocabulary=self.vocabulary,
            hidden=self.hidden,
            num_layers=self.layers,
            embedding=self.embedding or None,
            dropout=self.dropout,
            precision=self.precision,
            dtype=getattr(torch, self.dtype),
            device=device,
        )


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A layer whose logits predict the next symbol, and the vocabulary of those symbols."""

    layer: Recurrent
    vocabulary: Vocabulary
    path: Path | None = None


def load(run: Path | str, device: torch.device | str = "cpu") -> TrainedModel:
    """The model of a run, best on validation, ready to generate; raises CheckpointError if it is missing or damaged."""
    directory = RunDirectory.open(run)
    description = ModelDescription.from_json(directory.expect("language").get("model", {}))
    vocabulary = directory.read_symbols(Vocabulary.from_json)
    return TrainedModel(description.restore(directory, device), vocabulary, directory.path)
