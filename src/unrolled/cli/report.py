"""``unrolled report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from unrolled.cli import OK, from_user
from unrolled.cli.options import Switch
from unrolled.cli.progress import followed
from unrolled.errors import CheckpointError, ConfigurationError, DataError, UnrolledError

if TYPE_CHECKING:
    from unrolled.cli.measurements import Subject
    from unrolled.diagnose.limits import Summary


def report(
    run: Path,
    text: str | None = None,
    /,
    *,
    output: Annotated[str | None, Parameter(name=("--output", "-o"))] = None,
    limits: Annotated[bool, Parameter(negative="--no-limits")] = True,
    updates: int | None = None,
    quiet: Switch = False,
    debug: Switch = False,
) -> int:
    """Write one page on a trained model: what limits it, equations, learning curves, memory, gradients, hidden states.

    The page is one file of HTML that needs no network.

    Parameters
    ----------
    run
        A run directory that `unrolled train TEXT` made.
    text
        A file, a folder, a glob, or - for standard input; without it, what the run held out of its own text.
    output
        The file to write, or - for stdout.
    limits
        Begin with what limits the model, for which copies of it are trained further, on the run's own text.
    updates
        Of each of these trainings; half as many as the run made, at least 150 and at most 600.
    quiet
        No progress on stderr.
    debug
        Show tracebacks.
    """
    if output is None:
        raise ConfigurationError("say which file to write: unrolled report RUN -o report.html")
    place = None if from_user(output) == "-" else Path(output)
    if place is not None and (place.is_dir() or not place.parent.is_dir()):
        what = "is a folder" if place.is_dir() else "has no folder to stand in"
        raise ConfigurationError(f"{place} {what}; name a file, such as report.html")
    if updates is not None and updates < 1:
        raise ConfigurationError(f"--updates is {updates}; it must be at least 1")
    from unrolled.cli.measurements import subject
    from unrolled.diagnose import plots
    from unrolled.diagnose.report import HELD_OUT
    from unrolled.diagnose.report import report as page_of

    plots.panels(1)  # refuses, where there is no matplotlib, before what takes long
    of = subject(run, text)
    measured_on = HELD_OUT if text is None else "standard input" if from_user(text) == "-" else text
    summary = _limits(of, updates, quiet) if limits else None
    page = followed(page_of(of.model, of.ids, summary=summary, measured_on=measured_on), "measuring", quiet)
    if place is None:
        sys.stdout.write(page)
    else:
        _write(place, page)
    return OK


def _limits(of: Subject, updates: int | None, quiet: bool) -> Summary | UnrolledError:
    """What limits the model, or why that cannot be told."""
    from unrolled.diagnose.limits import summarise

    try:
        return followed(summarise(of.name, updates=updates, text=of.own), "trying what would help", quiet)
    except (CheckpointError, ConfigurationError, DataError) as error:
        return error


def _write(place: Path, page: str) -> None:
    """The old file or the new one, and never a part of it."""
    from unrolled.checkpoint import atomic

    try:
        atomic.write(place, page.encode())
    except CheckpointError as error:
        cause = error.__cause__
        reason = cause.strerror if isinstance(cause, OSError) else error
        raise DataError(f"{place} cannot be written: {reason}") from error
