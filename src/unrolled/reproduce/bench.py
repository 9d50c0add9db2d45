"""Where a reproduction trains: one run after the other, each by the configuration that its command line would give."""

from __future__ import annotations

import os
import platform
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from unrolled.errors import ConfigurationError
from unrolled.training.config import flag, resolve
from unrolled.training.events import Event, Finished, Working
from unrolled.training.loop import train

THREADS = 1
QUICK = {"steps": 20, "evaluate_every": 20, "hidden": 16, "embedding": 8}  # enough to see that all of it runs
QUICK_LIMIT = 20_000  # characters of a text


@dataclass(frozen=True)
class Trained:
    """A run that ended: its folder, the figures on what was held out, the seconds, and the command."""

    path: Path
    figures: Any
    seconds: float
    command: str


class Bench:
    """``folder`` takes the runs, ``data`` has the data sets that cannot be made (None: there are none); ``quick``
    trains just long enough to see that everything runs; ``show`` is called for each event; ``settings`` are those of
    the reproduction, as its user wants them."""

    def __init__(
        self, folder: Path, data: Path | None, quick: bool, show: Callable[[Event], None],
        settings: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.folder, self.data, self.quick, self.show = folder, data, quick, show
        self.settings = settings or {}

    def given(self, name: str) -> Path | None:
        """The folder of a data set that must be given; None where it is not there."""
        path = None if self.data is None else self.data / name
        return path if path is not None and path.exists() else None

    def count(self, whole: int) -> int:
        """How many examples to make."""
        return min(whole, 60) if self.quick else whole

    def numbers(self, name: str) -> list[int]:
        """A setting that is one or more whole numbers above 0, such as 1,2,3.

        Raises:
            ConfigurationError: it is something else.
        """
        try:
            found = [int(part) for part in self.settings[name].split(",")]
        except ValueError:
            found = []
        if not found or min(found) < 1:
            raise ConfigurationError(
                f"--set {name}={self.settings[name]}: write whole numbers above 0, such as {name}=64,128"
            )
        return found

    def changed(self, defaults: Mapping[str, str]) -> str:
        """The flags of the settings that are not the ``defaults``, each after a space, as the command has them."""
        changed = {name: value for name, value in self.settings.items() if value != defaults[name]}
        if "text" in changed:
            changed["text"] = Path(changed["text"]).name
        return "".join(f" --set {name}={value}" for name, value in changed.items())

    def say(self, what: str) -> None:
        """Show what is being measured, where nothing is trained by ``train``."""
        self.show(Working(0, what))

    def train(self, name: str, data: Path | None, **options: Any) -> Trained:
        """A run called ``name`` on some data, or on the ``text`` among the options (None: Python's own source code)."""
        given = options if data is None else {"data": str(data), **options}
        if self.quick:
            given = {key: value for key, value in given.items() if key != "epochs"} | QUICK
            given |= {"limit": QUICK_LIMIT} if data is None else {}
        config = resolve({**given, "run": str(self.folder / name), "threads": THREADS})
        begin = time.monotonic()
        *_, finished = self._shown(train(config))
        assert isinstance(finished, Finished)  # an accident raises
        command = _command(options if data is None else {**options, "data": data.name})
        return Trained(self.folder / name, finished.evaluation, time.monotonic() - begin, command)

    def _shown(self, events: Any) -> Any:
        for event in events:
            self.show(event)
            yield event


def written(name: str, options: str = "") -> str:
    """How a report was made, and on what: its last sentences."""
    return (
        f"Written by `unrolled reproduce {name}{options} -o docs/results.md`. Machine: {os.cpu_count()} processors, "
        f"{platform.machine()}; torch {version('torch')}."
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch computes on one thread meanwhile, so that the last bits do not depend on the machine's processors."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _command(options: Mapping[str, Any]) -> str:
    options = {**options, "threads": THREADS}
    text = options.pop("text", None)
    words = ["unrolled", "train", *([Path(text).name] if text else [])]
    first = [name for name in ("task", "data") if name in options]
    for name in (*first, *(each for each in options if each not in first)):
        value = options[name]
        if isinstance(value, bool):
            words.append(flag(name) if value else flag(name).replace("--", "--no-", 1))
        else:
            words += [flag(name), str(value)]
    return shlex.join(words)
