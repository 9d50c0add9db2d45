"""The record of an accident: all that is needed to see it again.

RUN/accidents/STEP/record.json  weights.safetensors (before the update)  batch.safetensors (and torch's generators)

The first ten of a run are kept: they show how it began, and what follows mostly follows from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.checkpoint import atomic
from unrolled.checkpoint.format import document_bytes, read_document, read_tensors, tensor_bytes
from unrolled.errors import CheckpointError
from unrolled.training.trace import plain

Arrays = Mapping[str, NDArray[Any]]

FOLDER = "accidents"
MOST = 10  # records in a run
OPTIMISER, RANDOM = "optimiser/", "random/"


@dataclass(frozen=True)
class Record:
    """What is said ``about`` the accident; the ``weights``, beside the optimiser's moments where these matter; the
    ``batch``, beside the states of torch's generators."""

    about: Mapping[str, Any]
    weights: Arrays
    batch: Arrays

    def write(self, run: Path) -> Path | None:
        """Publish it, in place of one of the same step; None if there are ten others already.

        Raises:
            CheckpointError: it cannot be written.
        """
        folder = run / FOLDER / str(self.about["step"])
        atomic.sweep(folder.parent)
        others = [path for path in folder.parent.glob("*") if path.name != folder.name]
        if len(others) >= MOST:
            return None
        files = {
            "weights.safetensors": tensor_bytes(self.weights),
            "batch.safetensors": tensor_bytes(self.batch),
            "record.json": document_bytes(plain(self.about)),
        }
        atomic.publish(folder, files)
        return folder

    @classmethod
    def read(cls, folder: Path) -> Record:
        """The record in a folder.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        if not (folder / "record.json").is_file():
            raise CheckpointError(
                f"{folder} holds no record of an accident; that is a folder such as runs/NAME/{FOLDER}/STEP, which "
                "`unrolled train` writes when a loss or a gradient is not finite"
            )
        weights, _ = read_tensors(folder / "weights.safetensors")
        batch, _ = read_tensors(folder / "batch.safetensors")
        return cls(read_document(folder / "record.json"), weights, batch)

    @property
    def model(self) -> dict[str, NDArray[Any]]:
        """The weights alone."""
        return {name: array for name, array in self.weights.items() if not name.startswith(OPTIMISER)}

    @property
    def random(self) -> dict[str, Tensor]:
        """Torch's generators as they were before the batch."""
        found = {name: array for name, array in self.batch.items() if name.startswith(RANDOM)}
        return {name.removeprefix(RANDOM): torch.from_numpy(array.copy()) for name, array in found.items()}


def batch_arrays(batch: Arrays, random: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """A batch and torch's generators as the arrays of one file."""
    return {**batch, **{RANDOM + name: state.numpy() for name, state in random.items()}}
