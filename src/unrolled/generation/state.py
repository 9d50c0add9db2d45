"""Where a text stands: what its model remembers of it, in memory or in a file.

Shapes: unread (T,) int64; what a model remembers is its writer's own, for one text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unrolled.checkpoint import atomic
from unrolled.checkpoint.format import Tensors, read_tensors, tensor_bytes
from unrolled.errors import CheckpointError

if TYPE_CHECKING:
    from unrolled.data.vocabulary import Ids

Numbers = dict[str, NDArray[Any]]


class Origin:
    """The model that a state belongs to: who computes it ("native" or "torch"), in which precision, and with which
    parameters: their SHA-256, or a function that computes it when it is asked for. A ``layer`` in memory is the same
    model for as long as it lives.
    """

    def __init__(
        self, executor: str, precision: str, parameters: str | Callable[[], str], layer: object = None
    ) -> None:
        self.executor, self.precision, self.layer = executor, precision, layer
        self._parameters = parameters

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the parameters."""
        return self._parameters if isinstance(self._parameters, str) else self._parameters()

    def unlike(self, other: Origin) -> str | None:
        """What tells this model from the ``other``; None where they are the same."""
        if (self.executor, self.precision) != (other.executor, other.precision):
            return f"one is computed by {self}, the other by {other}"
        if self is other or (self.layer is not None and self.layer is other.layer) or self.sha256 == other.sha256:
            return None
        return f"the parameters of one have the sha256 {self.sha256[:12]}…, those of the other {other.sha256[:12]}…"

    def __str__(self) -> str:
        return f"{'the native core' if self.executor == 'native' else self.executor} in {self.precision}"


@dataclass(frozen=True, eq=False)
class GenerationState:
    """All that the next token depends on, besides the model and the options.

    ``recurrent`` has read everything but ``unread``; ``origin`` is the model; ``position`` counts the tokens drawn so
    far; ``pending`` are the bytes of a character that has not ended.
    """

    recurrent: Any | None
    unread: Ids
    origin: Origin
    position: int = 0
    pending: bytes = b""

    def save(self, path: Path | str) -> None:
        """Write it to a file, which is replaced as a whole or not at all.

        Raises:
            CheckpointError: the file cannot be written.
        """
        origin = {name: getattr(self.origin, name) for name in ("executor", "precision", "sha256")}
        about = {"text": {"position": self.position, "pending": self.pending.hex(), "model": origin}}
        arrays = {"unread": self.unread, **_saved(self.recurrent)}
        try:
            atomic.write(Path(path), tensor_bytes(arrays, about))
        except CheckpointError as error:  # which speaks of a run
            reason = getattr(error.__cause__, "strerror", error)
            raise CheckpointError(f"the state cannot be written to {path}: {reason}; choose another file") from error

    @classmethod
    def load(cls, path: Path | str) -> GenerationState:
        """The state in a file that ``save`` wrote.

        Raises:
            CheckpointError: the file is missing, damaged, or holds something else.
        """
        if not Path(path).exists():
            raise CheckpointError(
                f"there is no file {path}; a state to go on from is written by --save-state, or by save"
            )
        arrays, about = read_tensors(Path(path))
        if "text" not in about:
            raise CheckpointError(
                f"{path} holds no state of a text; such a file is written by --save-state, or by save"
            )
        text, unread = about["text"], arrays.pop("unread")
        origin = Origin(text["model"]["executor"], text["model"]["precision"], text["model"]["sha256"])
        recurrent = _restored(arrays, origin.executor) if arrays else None
        return cls(recurrent, unread, origin, text["position"], bytes.fromhex(text["pending"]))


def digest(parameters: Tensors) -> str:
    """The SHA-256 of arrays: of their names, types, shapes and values."""
    found = hashlib.sha256()
    for name in sorted(parameters):
        array = np.asarray(parameters[name], order="C")
        found.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        found.update(array.data if array.size else b"")
    return found.hexdigest()


def _saved(recurrent: Any | None) -> Numbers:
    """The arrays of the native core by their numbers, the tensors of a layer by their names."""
    if isinstance(recurrent, Mapping):
        from unrolled.checkpoint.tensors import state_arrays  # torch made them

        return state_arrays(recurrent)
    return {f"state/{number}": array for number, array in enumerate(recurrent or ())}


def _restored(arrays: Numbers, executor: str) -> Any:
    if executor == "native":
        return tuple(arrays[f"state/{number}"] for number in range(len(arrays)))
    return {name.removeprefix("state/"): array for name, array in arrays.items()}
