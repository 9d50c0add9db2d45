"""How training shows itself: a live line on a terminal, plain lines elsewhere, JSON lines, or only the result."""

from __future__ import annotations

import json as json_format
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from unrolled.cli.output import printable
from unrolled.training.events import (
    Accident,
    Evaluated,
    Evaluating,
    Event,
    Finished,
    Sample,
    Saved,
    Started,
    Step,
    Working,
)
from unrolled.training.task import Figures

REFRESH = 0.1  # seconds between updates of the live line
PLAIN_EVERY = 10.0  # seconds between plain progress lines
SMOOTHING = 0.95  # of loss and speed in the progress line


@contextmanager
def display(*, json: bool, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """A function that shows events; ``json`` writes them to stdout instead, ``quiet`` leaves only the result."""
    if json:
        yield _print_json
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if quiet:
        yield _print_result
    elif console.is_terminal and not console.is_dumb_terminal:
        with Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False) as live:
            yield Display(console, live).show
    else:
        yield Display(console).show


def _print_json(event: Event) -> None:
    if not isinstance(event, Evaluating | Working):
        print(json_format.dumps(event.to_dict()), flush=True)


def _print_result(event: Event) -> None:
    if isinstance(event, Finished):
        print(f"run                 {event.run}")
        print_evaluation(event.evaluation)


def print_evaluation(evaluation: Figures) -> None:
    """The figures of an evaluation, on stdout."""
    for name, figure in evaluation.rows:
        print(f"{name:<18}  {figure}", flush=True)


class Display:
    """Progress on stderr: ``live`` is the changing line, without it a plain line is printed now and then."""

    def __init__(self, console: Console, live: Live | None = None):
        self.console, self.live = console, live
        self.run, self.unit = "", "char"
        self.shown = time.monotonic()
        self.loss: float | None = None
        self.speed: float | None = None
        self.validation = ""
        self.use = ""

    def show(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Started():
                self._started(event)
            case Step():
                self._step(event)
            case Evaluating():
                self._update(f"step {event.step:,}  evaluating {event.share:.0%}")
            case Working():
                self._update(event.what)
            case Evaluated():
                self._evaluated(event)
            case Sample():
                self._print(Text(indented(event.text), style="cyan"))
            case Saved(interrupted=True):
                self._print(f"stopped at step {event.step:,} and saved; go on with: unrolled train --resume {self.run}")
            case Accident():
                self._accident(event)
            case Finished():
                self._finished(event)

    def _started(self, event: Started) -> None:
        self.run, self.use, self.unit = event.run, event.use, event.unit.removesuffix("acter")
        begin = f"going on at step {event.step:,}" if event.step else "training"
        text = f"{event.symbols:,} {event.unit}s, {event.vocabulary:,} {event.kinds}"
        self._print(f"{begin}: {event.recurrence}, {event.parameters:,} parameters, on {event.device}")
        self._print(f"data: {text}, {event.steps_per_epoch:,} steps an epoch")
        self._print(f"run: {event.run}")

    def _step(self, event: Step) -> None:
        self.loss = _smooth(self.loss, event.loss)
        self.speed = _smooth(self.speed, event.symbols_per_second)
        if time.monotonic() - self.shown < (REFRESH if self.live else PLAIN_EVERY):
            return
        left = event.seconds * (1 - event.share) / event.share if event.share else 0.0
        validation = f"validation {self.validation}" if self.validation else ""
        parts = [
            f"step {event.step:,}",
            f"epoch {event.epoch:.2f}",
            f"loss {self.loss:.3f}",
            validation,
            f"{self.speed:,.0f} {self.unit}/s",
            f"|g| {event.gradient_norm:.2f}",
            f"{clock(left)} left",
        ]
        self._update("  ".join(part for part in parts if part))

    def _evaluated(self, event: Evaluated) -> None:
        figures = event.evaluation
        self.validation = figures.short
        training = "" if self.loss is None else f"training {self.loss:.4f}  "
        self._print(
            f"step {event.step:,}  {clock(event.seconds)}  {training}validation {figures.summary}"
            f"{'  best so far' if event.best else ''}"
        )

    def _accident(self, event: Accident) -> None:
        # where training stops the error says the message
        said = f" at step {event.step:,}" if event.policy == "stop" else f": {event.message}"
        self._print(Text(f"accident{said}", style="red"))
        if event.record is not None:
            self._print(f"  see it again with: unrolled replay {event.record}")

    def _finished(self, event: Finished) -> None:
        if self.live:
            self.live.update("", refresh=True)
        self._print(f"finished after {clock(event.seconds)}; best at step {event.best_step:,}; use it with:")
        self._print(f"  {self.use}")
        _print_result(event)

    def _update(self, line: str) -> None:
        """The changing line; without a terminal it is printed, but not more often than every ten seconds."""
        now = time.monotonic()
        if now - self.shown < (REFRESH if self.live else PLAIN_EVERY):
            return
        self.shown = now
        if self.live:
            self.live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)
        else:
            self._print(line)

    def _print(self, line: str | Text) -> None:
        self.console.print(line, markup=False)


def clock(seconds: float) -> str:
    """Seconds as 1:05 or 2:00:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def indented(text: str) -> str:
    """A sample, set off from the lines around it."""
    return "\n".join("  " + line for line in printable(text).strip("\n").split("\n"))


def _smooth(before: float | None, now: float) -> float:
    return now if before is None else SMOOTHING * before + (1 - SMOOTHING) * now
