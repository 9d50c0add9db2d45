"""A language model as its equations, one step at a time, where torch sees every state.

Shapes: ids (B,), states (B, n) of each layer in turn, logits (B, V).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unrolled.engine import reference
from unrolled.nn import Recurrent
from unrolled.nn.recurrent import beside
from unrolled.program.instructions import Program

States = Sequence[Tensor]
Masks = Sequence[Tensor]  # (T · B, n) each: what dropout multiplies with, between the layers and before the read-out


@dataclass(frozen=True)
class Cell:
    """One layer, or the read-out, which has no states."""

    program: Program
    parameters: Sequence[Tensor]
    inputs: Sequence[str]
    states: Sequence[str]
    outputs: Sequence[str]


class Cells:
    """The ``layers`` from below, and the ``head`` where there is one; ``names`` are those of all states in turn."""

    def __init__(self, layer: Recurrent, masks: Masks) -> None:
        self.layer, self.masks = layer, masks
        programs = layer.programs()
        cells = [_cell(layer, part) for part in programs["parts"]]
        self.head = cells.pop() if programs["head"] else None
        self.layers = cells
        several = len(self.layers) > 1
        self.names = [
            f"{name} of layer {number}" if several else name
            for number, cell in enumerate(self.layers, 1)
            for name in cell.states
        ]

    def start(self, state: Mapping[str, Tensor] | None, lanes: int) -> States:
        """A carried state as those of the layers; without one their first states."""
        found = []
        for number, cell in enumerate(self.layers):
            for name, first in zip(cell.states, self._first(cell, lanes), strict=True):
                if state is None:
                    found.append(first.detach())
                    continue
                having = [i for i, each in enumerate(self.layers) if name in each.states]
                found.append(state[name][having.index(number)] if len(having) > 1 else state[name])
        return found

    def step(self, t: int, ids: Tensor, before: States, begins: Tensor) -> tuple[Tensor, States]:
        """The logits and the states after step t; where a lane ``begins`` (B,) it is read from its first state."""
        remaining, after, masks = iter(before), list[Tensor](), iter(self.masks)
        rows = slice(t * len(ids), (t + 1) * len(ids))
        read: dict[str, Tensor] = {}
        for number, cell in enumerate(self.layers):
            states = [torch.where(begins[:, None], first, next(remaining)) for first in self._first(cell, len(ids))]
            below = ids if number == 0 else _dropped(beside(list(read.values())), masks, rows)
            found = reference.forward(cell.program, [below], states, cell.parameters, [len(ids)])
            read = dict(zip(cell.outputs, found.outputs, strict=True))
            after += found.final
        if self.head is not None:
            inputs = [_dropped(read[name], masks, rows) for name in self.head.inputs]
            return reference.forward(self.head.program, inputs, [], self.head.parameters, [len(ids)]).outputs[0], after
        return beside(list(read.values())), after

    def _first(self, cell: Cell, lanes: int) -> States:
        return reference.initial_states(cell.program, cell.parameters, lanes, next(self.layer.parameters()))


def widths(layer: Recurrent) -> list[int]:
    """How many numbers of a row each dropout of the model reads, in the order in which they are drawn."""
    cells = Cells(layer, ())
    upper = [*cells.layers[1:], *([] if cells.head is None else [cells.head])]
    return [cell.program.shapes[value][0] for cell in upper for value in cell.program.inputs]


def _cell(layer: Recurrent, part: Mapping[str, Any]) -> Cell:
    parameters = [layer.get_parameter(name) for name in part["parameters"]]
    return Cell(Program.from_dict(part["program"]), parameters, part["inputs"], part["states"], part["outputs"])


def _dropped(value: Tensor, masks: Any, rows: slice) -> Tensor:
    mask = next(masks, None)
    return value if mask is None else value * mask[rows]
