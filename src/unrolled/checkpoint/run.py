"""One run on disk.

RUN/config.json  vocabulary.json  program.json  metrics.jsonl  model.safetensors (the best on validation)
RUN/checkpoints/STEP/{model.safetensors, trainer.safetensors, manifest.json}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from unrolled.checkpoint import atomic
from unrolled.checkpoint.format import (
    Tensors,
    document_bytes,
    parse_tensors,
    read_bytes,
    read_document,
    read_tensors,
    tensor_bytes,
    write_document,
)
from unrolled.errors import CheckpointError, DataError

Symbols = TypeVar("Symbols")
DOCUMENTS = ("config", "vocabulary", "program")
DOES = {
    "language": "writes",
    "classify": "classifies",
    "tag": "tags",
    "regress": "estimates numbers",
    "caption": "describes",
    "translate": "translates",
}


@dataclass(frozen=True)
class Checkpoint:
    """All that training needs to go on: the model, the trainer's tensors, and its plain data."""

    step: int
    model: Mapping[str, NDArray[Any]]
    trainer: Mapping[str, NDArray[Any]]
    progress: Mapping[str, Any]


class RunDirectory:
    """A run directory, made by ``create`` or found by ``open``."""

    def __init__(self, path: Path):
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.metrics = path / "metrics.jsonl"
        self.best_model = path / "model.safetensors"

    @classmethod
    def create(cls, path: Path | str, **documents: Mapping[str, Any]) -> RunDirectory:
        """A new run with its documents (config, vocabulary, program); an existing one is refused."""
        run = cls(Path(path))
        if run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
            raise CheckpointError(
                f"{path} exists already and is not overwritten; go on with --resume {path}, or choose another --run"
            )
        try:
            run.checkpoints.mkdir(parents=True)
        except OSError as error:
            raise CheckpointError(f"{path} cannot be made: {error.strerror or error}; choose another --run") from error
        for name, content in documents.items():
            run.write(name, content)
        return run

    @classmethod
    def open(cls, path: Path | str) -> RunDirectory:
        """An existing run."""
        run = cls(Path(path))
        if not (run.path / "config.json").is_file():
            what = "holds no run (it has no config.json)" if run.path.is_dir() else "does not exist"
            raise CheckpointError(f"{path} {what}; a run is a folder that `unrolled train` made, such as runs/NAME")
        return run

    @property
    def task(self) -> str:
        """What the model was trained for."""
        train = self.read("config").get("train")
        return str(train.get("task", "language")) if isinstance(train, dict) else "language"

    def expect(self, *tasks: str) -> dict[str, Any]:
        """config.json, of a model trained for one of some tasks.

        Raises:
            CheckpointError: it was trained for another; the message says which command is for it.
        """
        found = self.task
        if found not in tasks:
            command = "sample" if found == "language" else "predict"
            raise CheckpointError(
                f"{self.path} is a model that {DOES.get(found, repr(found))}; use unrolled {command} {self.path}"
            )
        return self.read("config")

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a document: config, vocabulary or program."""
        write_document(self._document(name), content)

    def read(self, name: str) -> dict[str, Any]:
        """Read a document: config, vocabulary or program."""
        return read_document(self._document(name))

    def read_symbols(self, read: Callable[[Mapping[str, Any]], Symbols]) -> Symbols:
        """What ``read`` makes of the document vocabulary.

        Raises:
            CheckpointError: it is none.
        """
        try:
            return read(self.read("vocabulary"))
        except DataError as error:
            raise CheckpointError(f"{self.path / 'vocabulary.json'}: {error}") from error

    def save(self, checkpoint: Checkpoint) -> Path:
        """Publish a checkpoint; the metrics up to it reach the disk first."""
        if self.metrics.exists():
            atomic.flush(self.metrics)
        files = {
            "model.safetensors": tensor_bytes(checkpoint.model, {"step": checkpoint.step}),
            "trainer.safetensors": tensor_bytes(checkpoint.trainer, checkpoint.progress),
        }
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        manifest = {"step": checkpoint.step, "files": hashes}
        folder = self.checkpoints / str(checkpoint.step)
        atomic.publish(folder, {**files, "manifest.json": document_bytes(manifest)})
        return folder

    def steps(self) -> list[int]:
        """The steps at which there are checkpoints, in order."""
        names = (path.name for path in self.checkpoints.glob("*"))
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    def latest(self) -> Checkpoint:
        """The newest checkpoint; if it is damaged the refusal says how to go on from the one before."""
        steps = self.steps()
        if not steps:
            raise CheckpointError(f"{self.path} has no checkpoint yet: it ended before the first; go on with --resume")
        try:
            return self.checkpoint(steps[-1])
        except CheckpointError as error:
            if len(steps) == 1:
                raise
            folder = self.checkpoints / str(steps[-1])
            raise CheckpointError(f"{error}; to go on from step {steps[-2]} instead, delete {folder}") from error

    def checkpoint(self, step: int) -> Checkpoint:
        """The checkpoint of a step, each file checked against the manifest."""
        folder = self.checkpoints / str(step)
        manifest = read_document(folder / "manifest.json")
        hashes = manifest.get("files")
        if manifest.get("step") != step or not isinstance(hashes, dict):
            raise CheckpointError(f"{folder / 'manifest.json'} belongs to another checkpoint")
        parts = {}
        for name in ("model.safetensors", "trainer.safetensors"):
            data = read_bytes(folder / name)
            if hashlib.sha256(data).hexdigest() != hashes.get(name):
                raise CheckpointError(f"{folder / name} is damaged: its content does not match the manifest's sha256")
            parts[name] = parse_tensors(data, folder / name)
        trainer, progress = parts["trainer.safetensors"]
        return Checkpoint(step, parts["model.safetensors"][0], trainer, progress)

    def prune(self, keep: int, best: int | None) -> None:
        """Delete all checkpoints but the last ``keep`` and the best."""
        steps = self.steps()
        for step in steps[: max(0, len(steps) - max(1, keep))]:
            if step != best:
                atomic.remove(self.checkpoints / str(step))

    def write_best(self, model: Tensors, about: Mapping[str, Any]) -> None:
        """Replace RUN/model.safetensors."""
        atomic.write(self.best_model, tensor_bytes(model, about))

    def read_best(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The best model so far and what is said about it; the newest checkpoint's where none was evaluated yet."""
        if self.best_model.exists():
            return read_tensors(self.best_model)
        newest = self.latest()
        return dict(newest.model), {"step": newest.step}

    def record(self, metrics: Mapping[str, Any]) -> None:
        """Append one line to metrics.jsonl."""
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(metrics) + "\n")
        except OSError as error:
            raise CheckpointError(f"{self.metrics} cannot be written: {error.strerror or error}") from error

    def history(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; a last line that a kill cut short is left out."""
        return list(_whole_lines(self.metrics.read_text("utf-8").split("\n"))) if self.metrics.exists() else []

    def cut_metrics(self, step: int) -> None:
        """Forget what was recorded after a step, so that the run can go on from there."""
        kept = (line for line in self.history() if line.get("step", 0) <= step and line.get("event") != "finished")
        lines = [json.dumps(line) + "\n" for line in kept]
        atomic.write(self.metrics, "".join(lines).encode())

    def sweep(self) -> None:
        """Delete the remains of interrupted writes."""
        atomic.sweep(self.path)
        atomic.sweep(self.checkpoints)

    def _document(self, name: str) -> Path:
        if name not in DOCUMENTS:
            raise ValueError(f"a run has no document {name!r}")
        return self.path / f"{name}.json"


def _whole_lines(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            yield content
