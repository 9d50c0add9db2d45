"""Where the states of a network lie: their principal components and the path of a piece of text; beside them the same
of networks before any training.

Shapes: states (T, n), a path or a cloud of points (points, 2).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.documents import Symbols
from unrolled.diagnose.pca import PrincipalComponents, principal_components
from unrolled.diagnose.states import HiddenStates, Model, hidden_states, stretch, untrained
from unrolled.errors import DataError

Array = NDArray[np.float64]

PIECE = 30  # symbols of a path, by default
CLOUD = 1000  # states that are drawn behind it, at most


@dataclass(frozen=True, eq=False)
class Space:
    """The components of one network, the path of the piece along the first two, and where other states lie."""

    components: PrincipalComponents
    path: Array
    cloud: Array

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "components": self.components.to_dict(), "path": self.path.tolist(), "cloud": self.cloud.tolist(),
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class StateSpace:
    """A state of a trained network along a text of ``read`` symbols, and of untrained ones; ``symbols`` are those of
    the piece whose path is followed, the first of them number ``begin``."""

    state: str
    read: int
    begin: int
    symbols: tuple[str, ...]
    trained: Space
    controls: tuple[Space, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "state": self.state,
            "read": self.read,
            "begin": self.begin,
            "symbols": list(self.symbols),
            "trained": self.trained.to_dict(),
            "controls": [each.to_dict() for each in self.controls],
        }


def state_space(
    model: Model, text: str | Symbols, *, state: str | None = None, begin: int | None = None, length: int = PIECE,
    controls: int = 3, seed: int = 0,
) -> Generator[float, None, StateSpace]:  # fmt: skip
    """Measure along a text, yielding the share done.

    Args:
        state: its name (None: the one that the read-out looks at).
        begin: the first symbol of the piece whose path is followed (None: a line in the middle of the text).
        length: of the piece, in symbols.
        controls: how many untrained networks stand beside; ``seed`` says which.

    Raises:
        ConfigurationError: the model reads no text, or has no state; DataError: the text is too short, has an unknown
            symbol, or the piece is not in it; or there is no such state.
    """
    networks: list[HiddenStates] = []
    for number, each in enumerate((model, *untrained(model, controls, seed))):
        networks.append(hidden_states(each, text))
        yield (number + 1) / (controls + 1)
    states = networks[0]
    name = states.read if state is None else state
    states.unit(name, 0)  # says which states there are
    count = len(states.symbols)
    begin = stretch(states.symbols, length).start if begin is None else begin
    if not 0 <= begin < count or length < 1:
        raise DataError(f"There is no piece of {length} symbols from {begin} on: the text has 0 to {count - 1}.")
    piece = slice(begin, min(begin + length, count))
    spaces = [_space(each.states[name], piece) for each in networks]
    return StateSpace(name, count, begin, states.symbols[piece], spaces[0], tuple(spaces[1:]))


def _space(states: Array, piece: slice) -> Space:
    components = principal_components(states)
    path = components.path(states)
    path = np.pad(path, ((0, 0), (0, 2 - path.shape[1])))  # a network of one unit has no second direction
    return Space(components, path[piece], path[:: -(-len(path) // CLOUD)])
