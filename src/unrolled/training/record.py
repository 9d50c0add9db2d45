"""The record of an accident: all that is needed to see it again.

RUN/accidents/STEP/record.json  weights.safetensors (before the update)  batch.safetensors (and torch's generators)

record.json names the other two by their hashes. The first ten of a run are kept: they show how it began, and what
follows mostly follows from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.checkpoint import atomic
from unrolled.checkpoint.format import document_bytes, parse_tensors, plain, read_bytes, read_document, tensor_bytes
from unrolled.checkpoint.tensors import OPTIMISER, Arrays
from unrolled.errors import CheckpointError
from unrolled.training.randomness import RANDOM

FOLDER = "accidents"
MOST = 10  # records in a run


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
        files = {"weights.safetensors": tensor_bytes(self.weights), "batch.safetensors": tensor_bytes(self.batch)}
        about = {**plain(self.about), "files": {name: _sha256(data) for name, data in files.items()}}
        atomic.publish(folder, {**files, "record.json": document_bytes(about)})
        return folder

    @classmethod
    def read(cls, folder: Path) -> Record:
        """The record in a folder.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        if not (folder / "record.json").is_file():
            raise CheckpointError(f"{folder} {_without_record(folder)}")
        about = read_document(folder / "record.json")
        hashes = about.pop("files", None)
        if not isinstance(hashes, dict) or "options" not in about:
            raise CheckpointError(f"{folder / 'record.json'} is the record of no accident, or of another version")
        return cls(about, *(_tensors(folder / name, hashes) for name in ("weights.safetensors", "batch.safetensors")))

    @property
    def model(self) -> dict[str, NDArray[Any]]:
        """The weights alone."""
        return {name: array for name, array in self.weights.items() if not name.startswith(OPTIMISER)}

    @property
    def random(self) -> dict[str, Tensor]:
        """Torch's generators as they were before the batch."""
        found = {name: array for name, array in self.batch.items() if name.startswith(RANDOM)}
        return {name.removeprefix(RANDOM): torch.from_numpy(array.copy()) for name, array in found.items()}


def _without_record(folder: Path) -> str:
    """What is wrong with a folder that is no record, and which folders near it are."""
    if not folder.exists():
        return f"does not exist; the record of an accident is a folder such as runs/NAME/{FOLDER}/STEP"
    found = sorted(folder.glob("*/record.json")) or sorted(folder.glob(f"{FOLDER}/*/record.json"))
    if found:
        return f"is not itself the record of an accident; name one, such as {found[0].parent}"
    return (
        f"holds no record of an accident; that is a folder such as runs/NAME/{FOLDER}/STEP, which `unrolled train` "
        "writes when a loss or a gradient is not finite"
    )


def _tensors(path: Path, hashes: Mapping[str, str]) -> Arrays:
    """A file of a record, if it is the one that the record names."""
    data = read_bytes(path)
    arrays, _ = parse_tensors(data, path)
    if _sha256(data) != hashes.get(path.name):
        raise CheckpointError(f"{path} is that of another accident: it is not the one that record.json names")
    return arrays


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def batch_arrays(batch: Arrays, random: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """A batch and torch's generators as the arrays of one file."""
    return {**batch, **{RANDOM + name: state.numpy() for name, state in random.items()}}
