"""A generator that yields the share done, followed on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")


def followed(shares: Generator[float, None, Result], doing: str, quiet: bool) -> Result:
    """What the generator returns at its end; until then the share stands on stderr, if that is a terminal."""
    from rich.console import Console

    console = Console(stderr=True, quiet=quiet or not sys.stderr.isatty())
    with console.status(doing) as status:
        while True:
            try:
                status.update(f"{doing} {next(shares):.0%}")
            except StopIteration as end:
                found: Result = end.value
                return found
