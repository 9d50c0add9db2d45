"""What dropout left out of a window, drawn again as it was drawn.

Shapes: a mask (T · B, n), where row t · B + b is that of lane b at step t of the window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unrolled.nn import Recurrent
from unrolled.nn.sequences import pack
from unrolled.training.cells import Masks, widths
from unrolled.training.randomness import own_randomness
from unrolled.training.reading import State, read
from unrolled.training.window import RecordedWindow


def masks_of(
    layer: Recurrent,
    recorded: RecordedWindow,
    stretches: Sequence[tuple[int, int]],
    random: Mapping[str, Tensor],
    anew: bool,
) -> Masks:
    """Of each dropout of the model; none where it has none. The ``stretches`` are those that were read at once, from
    the first state where that was ``anew``; ``random`` are torch's generators as they were before."""
    if not layer.dropout or not layer.training:
        return ()
    like = next(layer.parameters())
    rows = recorded.inputs.size
    masks = [like.new_zeros(rows, width) for width in widths(layer)]
    with own_randomness(dict(random), like.device), torch.no_grad():
        for places in _places(recorded, stretches, anew):
            for mask in masks:
                ones = like.new_ones(len(places), mask.shape[1])
                mask[places.to(like.device)] = functional.dropout(ones, layer.dropout)
    return masks


def _places(recorded: RecordedWindow, stretches: Sequence[tuple[int, int]], anew: bool) -> list[Tensor]:
    """For each call of the layer, the places (N,) in the window of what it read, in the order in which it read them."""
    where = _Where()
    rows = torch.arange(recorded.inputs.size).reshape(recorded.inputs.shape)
    state: State | None = None if anew else _state(recorded.batch)
    for begin, end in stretches:
        part = slice(begin - recorded.window.begin, end - recorded.window.begin)
        begins = None if recorded.begins is None else recorded.begins[part]
        layer: Any = where  # in place of a layer, as all that is called is ``logits``
        _, state = read(layer, rows[part], state, begins)
    return where.places


class _Where:
    """Reads places instead of ids, and notes them in the order in which a layer computes."""

    def __init__(self) -> None:
        self.places: list[Tensor] = []

    def logits(self, x: Any, state: State | None = None) -> tuple[Any, State]:
        """As ``Recurrent.logits``, whatever the logits are."""
        self.places.append(pack(x, None, ("x",)).data["x"])
        return x, _state(len(x) if isinstance(x, list) else x.shape[1])


def _state(lanes: int) -> State:
    return {"": torch.zeros(lanes, 1)}
