"""What can be said of runs at a glance: from their documents, without their tensors and without torch."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from unrolled.checkpoint import metrics
from unrolled.checkpoint.format import check_length, unreadable
from unrolled.checkpoint.run import RunDirectory
from unrolled.errors import CheckpointError

# one of these makes a folder a run, or what is left of one
FILES = ("config.json", "checkpoints", "metrics.jsonl", "model.safetensors")


@dataclass(frozen=True)
class Summary:
    """One run. ``state`` is "running" (in the process ``pid``), "finished", "stopped" or "damaged"; ``reason`` says
    what is damaged, or why training stopped by itself.

    ``step`` is the last one that was recorded, and ``changed`` when, in ISO 8601; ``best`` is the best figure in words,
    measured at ``best_step``.
    """

    name: str
    path: str
    state: str
    pid: int | None = None
    reason: str = ""
    task: str = ""
    recurrence: str = ""
    layers: int | None = None
    hidden: int | None = None
    step: int | None = None
    best: str = ""
    best_step: int | None = None
    changed: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def summaries(folder: Path) -> list[Summary]:
    """The runs in a folder, by their names, gru-2 before gru-10; or the folder itself, if it is one.

    Raises:
        CheckpointError: there is no such folder.
    """
    if _holds_a_run(folder):
        return [summary(folder)]
    try:
        found = [path for path in folder.iterdir() if _holds_a_run(path)]
    except (FileNotFoundError, NotADirectoryError) as error:
        what = "is no folder" if folder.exists() else "does not exist"
        raise CheckpointError(f"{folder} {what}; name a folder with runs in it, such as runs, or one run") from error
    except OSError as error:
        raise unreadable(folder, error) from error
    return [summary(path) for path in sorted(found, key=_order)]


def summary(path: Path) -> Summary:
    """What can be said of one run; what is damaged is said, and not raised."""
    run = RunDirectory(path)
    known = _known(run)
    if owner := run.owner:
        # what a running one deletes between two looks is not damaged
        known = _known(run) if known["state"] == "damaged" else known
        known |= {"state": "running", "pid": owner.pid}
    return Summary(**known)


def _known(run: RunDirectory) -> dict[str, Any]:
    """The fields of a summary, but for who is running it."""
    name, damage = Path(os.path.abspath(run.path)).name, ""
    known: dict[str, Any] = {"name": name, "path": str(run.path), "state": "stopped"}
    for look in (_configured, _reached, _best, _whole):
        try:
            known |= look(run)
        except CheckpointError as error:
            damage = damage or str(error)
        except OSError as error:
            damage = damage or str(unreadable(run.path, error))
    return known | ({"state": "damaged", "reason": damage} if damage else {})


def _order(path: Path) -> list[tuple[str, int]]:
    parts = re.findall(r"(\D*)(\d*)", path.name)
    return [*((text, int(number or 0)) for text, number in parts), (path.name, 0)]


def _holds_a_run(path: Path) -> bool:
    return any(os.path.exists(path / name) for name in FILES)  # False where it may not be read


def _configured(run: RunDirectory) -> dict[str, Any]:
    train = RunDirectory.open(run.path).read("config").get("train")
    if not isinstance(train, dict):
        raise CheckpointError(f"{run.path / 'config.json'} lacks what a run needs (train)")
    found = {name: train[name] for name in ("recurrence", "layers", "hidden") if name in train}
    return {"task": train.get("task", "language"), **found}


def _reached(run: RunDirectory) -> dict[str, Any]:
    event = metrics.last(run.metrics)
    if event is None:
        return {}
    changed = datetime.fromtimestamp(run.metrics.stat().st_mtime).astimezone().isoformat(timespec="seconds")
    found = {"step": event["step"], "changed": changed}
    if event["event"] == "finished":
        found["state"] = "finished"
    elif event["event"] == "accident" and event.get("policy") == "stop":
        found["reason"] = str(event.get("message", ""))
    return found


def _best(run: RunDirectory) -> dict[str, Any]:
    steps = run.steps()
    best = run.manifest(steps[-1]).get("best", {}) if steps else {}
    return {"best": best["figure"], "best_step": best["step"]} if "figure" in best else {}


def _whole(run: RunDirectory) -> dict[str, Any]:
    if run.best_model.exists():
        check_length(run.best_model)
    return {}
