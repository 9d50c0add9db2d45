"""metrics.jsonl: what happens in a run, one event a line, each with its kind ("event") and its "step".

Lines are appended, so that a kill can cut the last one; then it does not count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unrolled.checkpoint import atomic
from unrolled.checkpoint.format import read_bytes, unreadable
from unrolled.errors import CheckpointError

TAIL = 1 << 16  # bytes at the end of the file in which the last event stands
MEASURED = ("evaluation", "sample")  # what an evaluation records; a checkpoint at the same step may come before it


def append(path: Path, event: Mapping[str, Any]) -> None:
    """Add an event; raises CheckpointError if the file cannot be written."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
    except OSError as error:
        raise atomic.refusal(path, error) from error


def flush(path: Path) -> None:
    """Wait until the events are on the disk."""
    try:
        if path.exists():
            atomic.flush(path)
    except OSError as error:
        raise atomic.refusal(path, error) from error


def read(path: Path) -> list[dict[str, Any]]:
    """All events; none if there is no file yet."""
    return list(_events(read_bytes(path))) if path.exists() else []


def last(path: Path) -> dict[str, Any] | None:
    """The last event, found without reading the whole file; None if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            events = list(_events(file.read()))
            if not events:  # a sample may be a long line
                file.seek(0)
                events = list(_events(file.read()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(path, error) from error
    return events[-1] if events else None


def cut(path: Path, step: int, evaluated_at: int) -> None:
    """Forget what was recorded after a checkpoint at ``step``, which was last evaluated at another one, and the end of
    the run.

    Raises:
        CheckpointError: the file cannot be read or written, or a line before the checkpoint is damaged.
    """
    kept, damaged = [], None
    last = {"finished": -1, **dict.fromkeys(MEASURED, evaluated_at)}
    for number, line in enumerate(read_bytes(path).split(b"\n") if path.exists() else (), 1):
        event = _event(line)
        if event is None:
            damaged = damaged or number
        elif event["step"] <= last.get(event["event"], step):
            if damaged:  # what a kill or a power cut spoils comes after all that a checkpoint counts on
                raise CheckpointError(f"{path} is damaged in line {damaged}; delete this line to go on without it")
            kept.append(line)
    atomic.write(path, b"".join(line + b"\n" for line in kept))


def _events(data: bytes) -> Iterator[dict[str, Any]]:
    found = map(_event, data.split(b"\n"))
    return (event for event in found if event is not None)


def _event(line: bytes) -> dict[str, Any] | None:
    """The event of a line; None where it holds none."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    known = isinstance(event, dict) and isinstance(event.get("step"), int) and isinstance(event.get("event"), str)
    return event if known else None
