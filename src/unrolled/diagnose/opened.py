"""A layer, opened: the equations of its parts with numbers in float64, and every state at every step.

Shapes: a sequence (T, B, n) or ids (T, B), packed (T · B, n); a state (B, n).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unrolled.engine import reference
from unrolled.equations.network import Layer
from unrolled.equations.system import System
from unrolled.errors import ConfigurationError, DataError
from unrolled.nn import Recurrent
from unrolled.nn.direction import run_direction
from unrolled.nn.parts import Part, parts_of
from unrolled.nn.recurrent import beside
from unrolled.nn.sequences import Batch, Data, pack
from unrolled.program.compile import compile_system
from unrolled.program.instructions import Program

Values = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Piece:
    """The equations of one layer and direction, or of the read-out, with the size of each sequence and the parameters.

    ``label`` tells layers and directions apart where there are several.
    """

    system: System
    sizes: Mapping[str, int]
    tensors: tuple[Tensor, ...]
    names: tuple[str, ...]
    backward: bool = False
    label: str = ""
    precision: str = "fp32"

    def program(
        self, ids: Sequence[str] = (), outputs: Sequence[str] | None = None, logits: bool = False,
        system: System | None = None,
    ) -> Program:  # fmt: skip
        """The program of these equations, or of a ``system`` made from them, that returns ``outputs``."""
        system = system or self.system
        system = system if outputs is None else replace(system, outputs=tuple(outputs))
        return compile_system(system, self.sizes, ids, logits, self.precision)

    def first(self, batch: int) -> list[Tensor]:
        """The states from which these equations start."""
        like = torch.zeros((), dtype=torch.float64)
        return reference.initial_states(self.program(), self.tensors, batch, like)


class Opened:
    """A copy of a layer in float64 on the CPU, without dropout, that shows its parts.

    Raises:
        ConfigurationError: this is no ``Recurrent``, or it has no state.
    """

    def __init__(self, layer: Recurrent) -> None:
        if not isinstance(layer, Recurrent):
            raise ConfigurationError(
                f"A {type(layer).__name__} is not one recurrence. Give an nn.Recurrent, or nn.ManyToOne or "
                "nn.ManyToMany; of a model that holds several, each of them."
            )
        if not any(each.system.states for each in layer.network.layers):
            raise ConfigurationError("These equations carry no state from step to step: there are no dynamics.")
        self.layer = copy.deepcopy(layer).to("cpu", torch.float64).eval().requires_grad_(False)
        layers = [*layer.network.layers, *([] if layer.network.head is None else [Layer(layer.network.head)])]
        pieces = [
            Piece(
                part.system, _sizes(part, layer.sizes), tuple(part.tensors.values()),
                tuple(name + each.suffix for name in part.tensors), each.direction == "backward",
                _label(layer, number), layer.precision,
            )
            for number, (part, each) in enumerate(zip(parts_of(self.layer), layers, strict=True))
        ]  # fmt: skip
        count = len(layer.network.layers)
        width = layer.network.directions
        self.levels = [pieces[at : at + width] for at in range(0, count, width)]
        self.head = pieces[count] if len(pieces) > count else None

    @property
    def pieces(self) -> list[Piece]:
        """Those with states, in the order of ``Network.layers``."""
        return [piece for level in self.levels for piece in level]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of what the lowest level reads."""
        return self.levels[0][0].system.inputs

    def batch(self, x: Data | Mapping[str, Data]) -> Batch:
        """``x`` as packed rows, numbers in float64.

        Raises:
            DataError: it does not fit the layer, has no step, or its sequences have different lengths.
        """
        batch = pack(x, None, self.inputs)
        if batch.form not in ("dense", "single"):
            raise DataError(
                "Steps are compared across sequences: give a tensor (T, B, size) or ids (T, B), not a list."
            )
        if not batch.steps or not batch.batch:
            raise DataError("There is no step to look at: the input is empty.")
        data = {name: (v.cpu().double() if v.is_floating_point() else v.cpu()) for name, v in batch.data.items()}
        ids = {v.dtype == torch.int64 for v in data.values()}
        if len(ids) > 1:
            raise DataError("Some inputs are ids and some are vectors; give all of one kind.")
        for name, value in data.items():
            size = self.levels[0][0].sizes.get(name, 1)
            if value.is_floating_point() and value.shape[1] != size:
                raise DataError(f"The input {name} has the size {value.shape[1]}; the layer reads {size} numbers.")
            if not value.is_floating_point() and not 0 <= int(value.min()) <= int(value.max()) < size:
                raise DataError(f"The input {name} has ids from {value.min()} to {value.max()}; there are {size}.")
        return batch.with_data(data)

    def states(self, batch: Batch) -> list[Values]:
        """Of each piece, every state after every step (T, B, n), from the first state that the equations say."""
        found: list[Values] = []
        sequences: Values = dict(batch.data)
        for depth, level in enumerate(self.levels):
            upward: list[list[Tensor]] = []
            for piece in level:
                system = piece.system
                names = tuple(
                    dict.fromkeys((*system.states, *(() if depth == len(self.levels) - 1 else system.outputs)))
                )
                program = piece.program(ids_among(sequences), names)
                inputs = [sequences[name] for name in system.inputs]
                with torch.no_grad():
                    rows, _ = run_direction(
                        program, inputs, piece.first(batch.batch), piece.tensors, batch, piece.backward
                    )  # fmt: skip
                named = dict(zip(names, rows, strict=True))
                found.append({name: _steps(named[name], batch) for name in system.states})
                upward.append([named[name] for name in system.outputs if name in named])
            if depth < len(self.levels) - 1:
                sequences = {self.levels[depth + 1][0].system.inputs[0]: side_by_side(upward)}
        return found


def _sizes(part: Part, given: Mapping[str, int]) -> dict[str, int]:
    """The size of each sequence that is a vector: as the parameters tell, or as it was given."""
    known = {name: shape[0] for name, shape in part.shapes().items() if name in part.system.sequences and shape}
    return {
        name: given[name] if size.terms else size.constant
        for name, size in known.items()
        if name in given or not size.terms
    }


def ids_among(sequences: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The names of those that are integer symbols."""
    return tuple(name for name, value in sequences.items() if value.dtype == torch.int64)


def side_by_side(directions: Sequence[Sequence[Tensor]]) -> Tensor:
    """What one level hands up, as the level above reads it: sequence by sequence, both directions of each."""
    return beside([beside(list(same)) for same in zip(*directions, strict=True)])


def _steps(rows: Tensor, batch: Batch) -> Tensor:
    return rows.reshape(batch.steps, batch.batch, -1)


def _label(layer: Recurrent, number: int) -> str:
    """Such as "layer 2" or "layer 1 backwards"; empty where there is one of them, and for the read-out."""
    if number >= len(layer.network.layers):
        return ""
    depth, direction = divmod(number, layer.network.directions)
    words = [f"layer {depth + 1}"] if layer.num_layers > 1 else []
    return " ".join(words + (["backwards" if direction else "forwards"] if layer.network.directions > 1 else []))


def named(state: str, piece: Piece) -> str:
    """A state of a piece in words."""
    return f"{state}, {piece.label}" if piece.label else state
