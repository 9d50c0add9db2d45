"""One run on disk.

RUN/config.json  vocabulary.json  program.json  metrics.jsonl  lock  model.safetensors (the best on validation)
RUN/checkpoints/STEP/{model.safetensors, trainer.safetensors, manifest.json}
RUN/accidents/STEP/{record.json, weights.safetensors, batch.safetensors}, see training/record.py

config.json makes a folder a run, and is written last. The checkpoints are what a run goes on from; the model beside
them is a copy of the best one's. All are tied to each other, so that no file of another run is taken for one of this:
config.json holds a mark, which is the hash of what the run was begun with, and the hashes of the other documents; each
manifest holds the mark and the hashes of its files; model.safetensors holds the mark.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from unrolled.checkpoint import atomic, metrics
from unrolled.checkpoint.format import (
    Tensors,
    document_bytes,
    parse_tensors,
    read_bytes,
    read_document,
    read_tensors,
    seal,
    tensor_bytes,
    unreadable,
    write_document,
)
from unrolled.checkpoint.lock import Lock, Owner, owner
from unrolled.errors import CheckpointError, DataError

Symbols = TypeVar("Symbols")
DOCUMENTS = ("config", "vocabulary", "program")
TIES = "ties"  # in config.json: the mark of the run, and the hashes of the other documents
MARK = "mark"
PLACES = ("run", "text", "data")  # options that say where something lies, not what it is
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
    """All that training needs to go on: the model, the trainer's tensors, and its plain data.

    ``best`` is what is said of the best model so far, its step and its figures; empty where none was measured yet.
    """

    step: int
    model: Mapping[str, NDArray[Any]]
    trainer: Mapping[str, NDArray[Any]]
    progress: Mapping[str, Any]
    best: Mapping[str, Any] = field(default_factory=dict)


class RunDirectory:
    """A run directory, made by ``create`` or found by ``open``."""

    def __init__(self, path: Path):
        self.path = path
        self.checkpoints, self.accidents = path / "checkpoints", path / "accidents"
        self.metrics = path / "metrics.jsonl"
        self.best_model = path / "model.safetensors"
        self._lock: Lock | None = None

    @classmethod
    def create(cls, path: Path | str, **documents: Mapping[str, Any]) -> RunDirectory:
        """A new run with its documents (config, vocabulary, program), locked; an existing one is refused."""
        run = cls(Path(path))
        try:
            run._refuse_to_overwrite()
            atomic.make(run.path)
            run.lock()
            run._refuse_to_overwrite()  # another process may have made it since
            run._make(documents)
        except (OSError, CheckpointError) as error:
            run.unlock()
            cause = error if isinstance(error, OSError) else error.__cause__
            if not isinstance(cause, OSError):
                raise
            reason = cause.strerror or cause
            raise CheckpointError(f"{path} cannot be made: {reason}; mend that, or choose another --run") from error
        return run

    def _make(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self.sweep()
        self.checkpoints.mkdir(exist_ok=True)
        atomic.write(self.metrics, b"")
        for name in sorted(documents, key=lambda name: name == "config"):
            self.write(name, documents[name])

    def _refuse_to_overwrite(self) -> None:
        if not self.path.exists() or self._was_being_made():
            return
        if found := self.owner:
            raise CheckpointError(f"{self.path} is in use by {found} and is not overwritten; choose another --run")
        what, remedy = "and is no run", ""
        if self._document("config").exists():
            what, remedy = "and is not overwritten", f"go on with --resume {self.path}, or "
        raise CheckpointError(f"{self.path} exists already {what}; {remedy}choose another --run")

    def _was_being_made(self) -> bool:
        """Whether nothing is there but what a kill inside ``create`` leaves."""
        if not self.path.is_dir():
            return False
        names = {path.name for path in self.path.iterdir() if not path.match(".*.tmp")}
        empty = not any(self.checkpoints.glob("*")) and not (self.metrics.exists() and self.metrics.stat().st_size)
        return empty and names <= {"lock", "checkpoints", "metrics.jsonl", "vocabulary.json", "program.json"}

    @classmethod
    def open(cls, path: Path | str) -> RunDirectory:
        """An existing run."""
        run = cls(Path(path))
        try:
            if (run.path / "config.json").is_file():
                return run
            what = "is a file" if run.path.exists() else "does not exist"
            if run.path.is_dir():
                what = "holds no run (it has no config.json)"
            if run._was_being_made():
                what = "holds no run yet (one that ended while it was being made is started again without --resume)"
        except OSError as error:
            raise unreadable(run.path, error) from error
        raise CheckpointError(f"{path} {what}; a run is a folder that `unrolled train` made, such as runs/NAME")

    def lock(self) -> None:
        """Keep other processes from writing here, until ``unlock`` or until nobody holds this object any more.

        Raises:
            CheckpointError: another one is writing; the message names it.
        """
        self._lock = Lock(self.path / "lock")

    def unlock(self) -> None:
        """Let others write."""
        if self._lock is not None:
            self._lock.release()

    @property
    def owner(self) -> Owner | None:
        """The process that is writing; None where there is none."""
        return owner(self.path / "lock")

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
        """Write a document: config, which comes last, vocabulary or program."""
        if name == "config":
            others = [each for each in DOCUMENTS if each != name and self._document(each).exists()]
            mark = self._ties.get(MARK) if self._document(name).exists() else _mark(content)
            content = {**content, TIES: {MARK: mark, **{each: seal(self.read(each)) for each in others}}}
        write_document(self._document(name), content)

    def read(self, name: str) -> dict[str, Any]:
        """Read a document: config, vocabulary or program.

        Raises:
            CheckpointError: it is missing, damaged, from another version, or that of another run.
        """
        content = read_document(self._document(name))
        if name == "config":
            if content.pop(TIES, None) is None and "train" not in content:
                raise _foreign(self._document(name))
            return content
        ties = self._ties
        if name in ties and ties[name] != seal(content):
            raise _foreign(self._document(name))
        return content

    @property
    def _ties(self) -> dict[str, Any]:
        config = self._document("config")
        found: dict[str, Any] = read_document(config).get(TIES, {}) if config.exists() else {}
        return found

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
        metrics.flush(self.metrics)
        mark = self._ties.get(MARK)
        is_best = checkpoint.best.get("step") == checkpoint.step
        about = checkpoint.best if is_best else {"step": checkpoint.step}
        files = {
            "model.safetensors": tensor_bytes(checkpoint.model, {**about, MARK: mark}),  # the bytes of ``write_best``
            "trainer.safetensors": tensor_bytes(checkpoint.trainer, checkpoint.progress),
        }
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        manifest = {"step": checkpoint.step, MARK: mark, "files": hashes, "best": dict(checkpoint.best)}
        folder = self.checkpoints / str(checkpoint.step)
        atomic.publish(folder, {**files, "manifest.json": document_bytes(manifest)})
        return folder

    def steps(self) -> list[int]:
        """The steps at which there are checkpoints, in order."""
        try:
            names = [path.name for path in self.checkpoints.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unreadable(self.checkpoints, error) from error
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
                raise CheckpointError(f"{error}; there is no other checkpoint: start a new run") from error
            folder = self.checkpoints / str(steps[-1])
            raise CheckpointError(f"{error}; to go on from step {steps[-2]} instead, delete {folder}") from error

    def checkpoint(self, step: int) -> Checkpoint:
        """The checkpoint of a step, each file checked against the manifest."""
        model, _ = self._tensors(step, "model.safetensors")
        trainer, progress = self._tensors(step, "trainer.safetensors")
        return Checkpoint(step, model, trainer, progress, self.manifest(step).get("best", {}))

    def manifest(self, step: int) -> dict[str, Any]:
        """What a checkpoint says of itself: its step, the hashes of its files, the best model so far."""
        path = self.checkpoints / str(step) / "manifest.json"
        manifest = read_document(path)
        if manifest.get("step") != step or not isinstance(manifest.get("files"), dict):
            raise CheckpointError(f"{path} belongs to another checkpoint")
        if manifest.pop(MARK, None) != self._ties.get(MARK):
            raise _foreign(path)
        return manifest

    def _tensors(self, step: int, name: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return parse_tensors(self._checked(step, name), self.checkpoints / str(step) / name)

    def _checked(self, step: int, name: str) -> bytes:
        """The bytes of a file of a checkpoint, if they are those that the manifest names."""
        path = self.checkpoints / str(step) / name
        data = read_bytes(path)
        if hashlib.sha256(data).hexdigest() != self.manifest(step)["files"].get(name):
            raise CheckpointError(f"{path} is damaged: its content does not match the manifest's sha256")
        return data

    def prune(self, keep: int, best: int | None) -> None:
        """Delete all checkpoints but the last ``keep``, the best, and what was the best at each of those: to go on from
        one of them takes it."""
        steps = self.steps()
        last = steps[-max(1, keep) :]
        kept = {*last, best, *map(self._best_at, last)}
        for step in steps:
            if step not in kept:
                atomic.remove(self.checkpoints / str(step))

    def _best_at(self, step: int) -> int | None:
        with contextlib.suppress(CheckpointError):  # nobody goes on from one that is damaged
            found: int | None = self.manifest(step).get("best", {}).get("step")
            return found
        return None

    def write_best(self, model: Tensors, about: Mapping[str, Any]) -> None:
        """Replace RUN/model.safetensors."""
        atomic.write(self.best_model, tensor_bytes(model, {**about, MARK: self._ties.get(MARK)}))

    def restore_best(self, step: int) -> None:
        """Make RUN/model.safetensors the model of the checkpoint of ``step``, if a kill came before it was replaced."""
        try:
            data = self._checked(step, "model.safetensors")
        except CheckpointError:
            if not self.best_model.exists() or self.read_best()[1].get("step") != step:
                raise
            return  # the checkpoint was deleted or is damaged, and the copy of it is whole
        if not self.best_model.exists() or read_bytes(self.best_model) != data:
            atomic.write(self.best_model, data)

    def read_best(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """The best model so far and what is said about it; the newest checkpoint's where none was evaluated yet."""
        if not self.best_model.exists():
            newest = self.latest()
            best = self.checkpoint(newest.best["step"]) if newest.best else newest
            return dict(best.model), dict(newest.best) or {"step": newest.step}
        try:
            arrays, about = read_tensors(self.best_model)
            if about.pop(MARK, None) != self._ties.get(MARK):
                raise _foreign(self.best_model)
        except CheckpointError as error:
            remedy = "; delete it, and what its checkpoint holds is read in its place" if self.steps() else ""
            raise CheckpointError(f"{error}{remedy}") from error
        return arrays, about

    def record(self, event: Mapping[str, Any]) -> None:
        """Append one line to metrics.jsonl."""
        metrics.append(self.metrics, event)

    def history(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; a last line that a kill cut short is left out."""
        return metrics.read(self.metrics)

    def cut_metrics(self, step: int, evaluated_at: int) -> None:
        """Forget what was recorded after a checkpoint at ``step``, last evaluated at another, to go on from there."""
        metrics.cut(self.metrics, step, evaluated_at)

    def sweep(self) -> None:
        """Delete the remains of interrupted writes."""
        for folder in (self.path, self.checkpoints, self.accidents):
            atomic.sweep(folder)

    def _document(self, name: str) -> Path:
        if name not in DOCUMENTS:
            raise ValueError(f"a run has no document {name!r}")
        return self.path / f"{name}.json"


def _mark(config: Mapping[str, Any]) -> str:
    """The same for all runs that are begun alike."""
    train = config.get("train", {})
    return seal({**config, "train": {name: value for name, value in train.items() if name not in PLACES}})


def _foreign(path: Path) -> CheckpointError:
    return CheckpointError(f"{path} is not the one that was written here, but that of another run")
