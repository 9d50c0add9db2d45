"""``unrolled train``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from unrolled.cli import INTERRUPTED, OK, from_user
from unrolled.cli.flags import GROUPS, TrainFlags, given
from unrolled.cli.lines import unescaped
from unrolled.cli.options import Switch
from unrolled.errors import ConfigurationError
from unrolled.training.config import read_toml, resolve
from unrolled.training.ranks import ALONE, Ranks, several

if TYPE_CHECKING:
    from unrolled.training import events as happenings


def train(
    text: Annotated[str | None, Parameter(group=GROUPS["Text"])] = None,
    /,
    *,
    flags: Annotated[TrainFlags | None, Parameter(name="*")] = None,  # type: ignore[valid-type]  # made at run time
    as_bytes: Annotated[Switch, Parameter(name="--bytes", group=GROUPS["Text"])] = False,
    as_words: Annotated[Switch, Parameter(name="--words", group=GROUPS["Text"])] = False,
    preset: Annotated[str | None, Parameter(group=GROUPS["Run"])] = None,
    config: Annotated[Path | None, Parameter(group=GROUPS["Run"])] = None,
    resume: Annotated[Path | None, Parameter(group=GROUPS["Run"])] = None,
    json: Annotated[Switch, Parameter(group=GROUPS["Reports"])] = False,
    quiet: Annotated[Switch, Parameter(group=GROUPS["Reports"])] = False,
    debug: Annotated[Switch, Parameter(group=GROUPS["Reports"])] = False,
) -> int:
    """Train a model that writes, on a text, or one that answers, on examples (--task classify --data FILE).

    Parameters
    ----------
    text
        A file, a folder, a glob in quotes, or - for standard input; without it, Python's standard library.
    as_bytes
        The network reads bytes: any file will do. Short for --symbols bytes.
    as_words
        The network reads words. Short for --symbols words.
    preset
        Options that go together: "tiny" for a first minute.
    config
        A TOML file with options, under the names of the flags.
    resume
        A run directory to go on with; limits, learning rate and reports may change.
    json
        Write every event to stdout as one line of JSON.
    quiet
        No progress on stderr.
    debug
        Show tracebacks.
    """
    options = given(flags)
    if text is not None:
        options["text"] = from_user(text)
    if "documents" in options:
        options["documents"] = unescaped(options["documents"], "--documents")
    if as_bytes or as_words:
        options["symbols"] = _symbols(as_bytes, as_words, options)
    with _together() as ranks:
        start = ranks.agreed(lambda: _starter(options, preset=preset, config=config, resume=resume))
        stop = Event()
        events = start(stop.is_set, ranks)  # Ctrl-C during the preparations ends them: there is nothing to save yet
        with interruption(stop, ranks.first), _display(ranks, json=json, quiet=quiet) as show:
            return _follow(events, show)


def _together() -> AbstractContextManager[Ranks]:
    """The processes that train; torch, which connects several, is loaded only for them."""
    if not several():
        return nullcontext(ALONE)
    from unrolled.training.processes import joined

    return joined()


def _display(ranks: Ranks, *, json: bool, quiet: bool) -> AbstractContextManager[Callable[[happenings.Event], None]]:
    """What shows events, in the first process."""
    from unrolled.cli.display import display

    return display(json=json, quiet=quiet) if ranks.first else nullcontext(lambda event: None)


def _starter(
    options: dict[str, Any], *, preset: str | None, config: Path | None, resume: Path | None
) -> Callable[[Callable[[], bool], Ranks], Iterable[happenings.Event]]:
    """What begins or resumes the run; a wrong option is reported before torch is loaded."""
    if resume is None:
        resolved = resolve(options, file=config, preset=preset)
        return lambda stop, ranks: _loop().train(resolved, stop=stop, ranks=ranks)
    if preset is not None:
        raise ConfigurationError(
            f"--preset {preset} starts a new run; leave it out with --resume, or leave --resume out"
        )
    changes = {**(read_toml(config) if config else {}), **options}
    return lambda stop, ranks: _loop().resume(resume, changes, stop=stop, ranks=ranks)


def _loop() -> Any:
    from unrolled.training import loop

    return loop


def _symbols(as_bytes: bool, as_words: bool, options: dict[str, Any]) -> str:
    wanted = "bytes" if as_bytes else "words"
    if (as_bytes and as_words) or options.get("symbols", wanted) != wanted:
        raise ConfigurationError("--bytes, --words and --symbols contradict each other; give one of them")
    return wanted


def _follow(events: Iterable[happenings.Event], show: Callable[[happenings.Event], None]) -> int:
    for event in events:
        show(event)
        if getattr(event, "interrupted", False):
            return INTERRUPTED
    return OK


@contextmanager
def interruption(stop: Event, say: bool = True) -> Iterator[None]:
    """Inside the block the first Ctrl-C sets ``stop``, so that training saves; the second stops at once."""

    def ask(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        if say:
            print("\nsaving; Ctrl-C again stops at once without", file=sys.stderr)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
