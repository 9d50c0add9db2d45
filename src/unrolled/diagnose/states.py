"""Every state of a trained network after every symbol of a text, and what untrained networks do with the same text.

Shapes: a text of T symbols; a state (T, n), in float64.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.answering import Answerer, Texts
from unrolled.checkpoint import RunDirectory, TrainedModel
from unrolled.data.documents import Symbols
from unrolled.data.vocabulary import Ids, Vocabulary
from unrolled.diagnose.opened import Opened, named
from unrolled.equations.extension import read_states
from unrolled.errors import ConfigurationError, DataError
from unrolled.nn import Recurrent, initialise
from unrolled.training.config import from_dict

Array = NDArray[np.float64]
Model = TrainedModel | Answerer
READ = 20_000  # symbols of a text along which the states of a trained run are looked at


@dataclass(frozen=True, eq=False)
class HiddenStates:
    """The states after each of ``symbols``, by the name of the state, with its layer where there are several.

    ``read`` names the state that the read-out looks at.
    """

    symbols: tuple[str, ...]
    states: Mapping[str, Array]
    read: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "symbols": list(self.symbols),
            "states": {name: values.tolist() for name, values in self.states.items()},
            "read": self.read,
        }

    @property
    def text(self) -> str:
        """What the network has read."""
        return "".join(self.symbols)

    @property
    def units(self) -> tuple[tuple[str, int], ...]:
        """The state and the number of every unit, in the order of ``states``."""
        return tuple((name, number) for name, values in self.states.items() for number in range(values.shape[1]))

    def unit(self, name: str, number: int) -> Array:
        """The activation (T,) of one unit.

        Raises:
            DataError: there is none of this name and number.
        """
        if name not in self.states:
            raise DataError(f"There is no state {name!r}; the states are {', '.join(map(repr, self.states))}.")
        count = self.states[name].shape[1]
        if not 0 <= number < count:
            raise DataError(f"There is no unit {number} of {name}; its units are 0 to {count - 1}.")
        found: Array = self.states[name][:, number]
        return found


def hidden_states(model: Model, text: str | Symbols) -> HiddenStates:
    """What a language model, or an answering model that reads texts, holds after each symbol of a text, or of its ids
    (T,), from the first state on.

    Raises:
        ConfigurationError: the model reads something else, or has no state; DataError: the text is empty, or has a
            symbol that the vocabulary does not know.
    """
    vocabulary = vocabulary_of(model)
    ids = symbol_ids(vocabulary, text)
    if not len(ids):
        raise DataError("The text is empty: there is no state to look at.")
    return states_of(model.layer, ids, spelled(vocabulary, ids))


def states_of(layer: Recurrent, inputs: Any, symbols: tuple[str, ...] = ()) -> HiddenStates:
    """The states of a layer along one sequence: ids (T,) or vectors (T, n), as an array or a tensor, or a dict of these
    by input name; ``symbols`` are (T,) names of the steps (by default their numbers).

    Raises:
        ConfigurationError: the layer has no state; DataError: this is not one sequence, or it does not fit the layer.
    """
    opened = Opened(layer)
    batch = opened.batch(_tensors(inputs))
    if batch.form != "single":
        raise DataError("States are shown along one sequence: give ids (T,) or vectors (T, size).")
    found = {
        named(name, piece): values[:, 0].numpy()
        for piece, states in zip(opened.pieces, opened.states(batch), strict=True)
        for name, values in states.items()
    }
    top = opened.levels[-1][0]
    seen = [name for name in top.system.outputs if name in top.system.states] or read_states(top.system)
    return HiddenStates(symbols or tuple(map(str, range(batch.steps))), found, named(seen[-1], top))


def vocabulary_of(model: Model) -> Vocabulary:
    """The symbols of a model that reads texts symbol by symbol.

    Raises:
        ConfigurationError: it reads something else.
    """
    if isinstance(model, TrainedModel):
        return model.vocabulary
    if isinstance(model, Answerer) and isinstance(model.reading, Texts):
        return model.reading.vocabulary
    what = f"a {model.reading.kind}" if isinstance(model, Answerer) else f"no text ({type(model).__name__})"
    raise ConfigurationError(
        f"States are shown beside the symbols of a text, and this model reads {what}. Give a language model or one "
        "that answers texts, or call states_of with its layer and what that reads."
    )


def symbol_ids(vocabulary: Vocabulary, text: str | Symbols) -> Ids:
    """The ids of a text, which may be given as ids of any integer type."""
    return vocabulary.encode(text) if isinstance(text, str) else np.asarray(text).astype(np.int64)


def spelled(vocabulary: Vocabulary, ids: Ids) -> tuple[str, ...]:
    """The text that each symbol completes; of a character of several bytes the last one does."""
    found, pending = [], b""
    for symbol in ids.tolist():
        text, pending = vocabulary.decode_next(symbol, pending)
        found.append(text)
    return tuple(found)


@dataclass(frozen=True)
class Activation:
    """What one unit does over a text."""

    unit: str
    symbols: tuple[str, ...]
    values: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"unit": self.unit, "symbols": list(self.symbols), "values": list(self.values)}


def activation(model: Model, text: str | Symbols, unit: str) -> Activation:
    """The activation of a unit after each symbol; ``unit`` is a number, of the state that the read-out looks at, or a
    name such as h[17], with several layers "h[17], layer 2".

    Raises:
        ConfigurationError, DataError: as ``hidden_states``; DataError: there is no such unit.
    """
    states = hidden_states(model, text)
    units = {unit_name(*each): each for each in states.units}
    name = unit_name(states.read, int(unit)) if unit.isdecimal() else unit
    if name not in units:
        parts = (f"{unit_name(state, 0)} to {unit_name(state, v.shape[1] - 1)}" for state, v in states.states.items())
        raise DataError(f"There is no unit {name}; there are {'; '.join(parts)}.")
    return Activation(name, states.symbols, tuple(states.unit(*units[name]).tolist()))


def unit_name(state: str, unit: int) -> str:
    """One unit in words.

    >>> unit_name("h", 17), unit_name("c, layer 2", 3)
    ('h[17]', 'c[3], layer 2')
    """
    letter, comma, place = state.partition(",")
    return f"{letter}[{unit}]{comma}{place}"


def stretch(symbols: Sequence[str], length: int) -> slice:
    r"""So many symbols from the middle of a text on, or better from the line that begins soon after it.

    >>> "".join("a line\n\nanother line\nthe last"[stretch("a line\n\nanother line\nthe last", 8)])
    'the last'
    """
    middle = len(symbols) // 2
    for place in range(middle, min(middle + 200, len(symbols) - 1)):
        if "\n" in symbols[place] and "\n" not in symbols[place + 1]:
            middle = place + 1
            break
    return slice(middle, min(middle + length, len(symbols)))


def untrained(model: Model, count: int, seed: int = 0) -> Iterator[Model]:
    """The same network before any training, ``count`` times with other first values; those of a run start as it did."""
    start: dict[str, Any] = {}
    if model.path is not None:
        config = from_dict(RunDirectory.open(model.path).read("config")["train"])
        start = {"forget_bias": config.forget_bias, "spectral_radius": config.spectral_radius}
        start["kind"] = config.initialisation
    for number in range(count):
        layer = copy.deepcopy(model.layer)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
            for module in layer.modules():
                reset = getattr(module, "reset_parameters", None)
                if callable(reset):
                    reset()
            initialise(layer, **start)
        yield replace(model, layer=layer, path=None)


def _tensors(inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return {name: torch.as_tensor(value) for name, value in inputs.items()}
    return torch.as_tensor(inputs)
