"""What was published or is claimed, measured again by one command: ``unrolled reproduce NAME``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from unrolled.errors import ConfigurationError

if TYPE_CHECKING:
    from unrolled.reproduce.bench import Bench
    from unrolled.reproduce.report import Report

NAMES: Mapping[str, str] = {
    "topologies": "every topology on data, and three ways to know when to stop",
    "memory": "backpropagation through 100,000 steps in little memory, and what it costs",
    "karpathy2015": "cells, layers and sizes on a text",
    "siegelmann1995": "a network that runs an automaton, and a machine with two stacks",
    "capacity": "how many symbols a state recalls, and what it learns by heart",
    "nonlinearity": "what is said for tanh, beside σ, relu, hard tanh and the identity",
    "le2015": "the adding problem with tanh, rectified units from the identity, and an LSTM",
    "bengio1994": "one neuron that is to keep one bit, over longer and longer spans",
    "pascanu2013": "the temporal-order problem with and without clipping of the gradient's norm",
    "elman1990": "Elman's “Finding structure in time”: XOR, letters, words, classes of words",
}


def settings(name: str, given: Sequence[str] = ()) -> dict[str, str]:
    """The settings of a reproduction by name: what was ``given``, each NAME=VALUE, and else its own.

    Raises:
        ConfigurationError: it has no such setting.
    """
    found: dict[str, str] = dict(getattr(_module(name), "SETTINGS", {}))
    for each in given:
        key, equals, value = each.partition("=")
        if key not in found or not equals:
            known = f"its settings are {', '.join(f'{k}={v}' for k, v in found.items())}" if found else "it has none"
            raise ConfigurationError(f"--set {each} is no setting of {name}; {known}")
        found[key] = value
    return found


def reproduction(name: str) -> Callable[[Bench], Report]:
    """The reproduction of that name.

    Raises:
        ConfigurationError: there is none.
    """
    run: Callable[[Bench], Report] = _module(name).reproduce
    return run


def _module(name: str) -> Any:
    if name not in NAMES:
        raise ConfigurationError(f"there is no reproduction {name!r}; there are {', '.join(NAMES)}")
    return import_module(f"unrolled.reproduce.{name}")
