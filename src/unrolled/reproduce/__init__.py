"""What was published or is claimed, measured again by one command: ``unrolled reproduce NAME``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from unrolled.errors import ConfigurationError

if TYPE_CHECKING:
    from unrolled.reproduce.bench import Bench
    from unrolled.reproduce.report import Report

NAMES: Mapping[str, str] = {
    "topologies": "every topology on data, and three ways to know when to stop",
    "memory": "backpropagation through 100,000 steps in little memory, and what it costs",
}


def reproduction(name: str) -> Callable[[Bench], Report]:
    """The reproduction of that name.

    Raises:
        ConfigurationError: there is none.
    """
    if name not in NAMES:
        raise ConfigurationError(f"there is no reproduction {name!r}; there are {', '.join(NAMES)}")
    run: Callable[[Bench], Report] = import_module(f"unrolled.reproduce.{name}").reproduce
    return run
