"""Reading lanes in which documents begin: each starts from the first state, wherever in a window that is.

Shapes: ids (T, B), logits (T, B, V), begins (T, B) bool; a state (B, n), or (layers, B, n).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from unrolled.data.lanes import Begins
from unrolled.nn import Recurrent

State = dict[str, Tensor]


@dataclass(frozen=True)
class _Piece:
    """Steps of one lane within one document; ``anew`` if this begins with them."""

    lane: int
    begin: int
    end: int
    anew: bool


def read(layer: Recurrent, ids: Tensor, state: State | None, begins: Begins | None) -> tuple[Tensor, State]:
    """The logits at all steps and the state after them; where a document ``begins`` nothing was read before."""
    if begins is None or not begins.any():
        return layer.logits(ids, state)
    pieces, logits, states = _pieces(begins, state is None), dict[_Piece, Tensor](), list[State]()
    for anew in (False, True):
        own = [piece for piece in pieces if piece.anew == anew]
        if own:
            begun = None if anew or state is None else _select(state, [piece.lane for piece in own])
            found, after = layer.logits([ids[piece.begin : piece.end, piece.lane] for piece in own], begun)
            logits |= zip(own, found, strict=True)
            states.append(after)
    lanes = range(begins.shape[1])
    read_by_lane = [torch.cat([logits[piece] for piece in pieces if piece.lane == lane]) for lane in lanes]
    order = list(logits)  # of the pieces in ``states``
    last = [order.index(piece) for piece in pieces if piece.end == len(begins)]
    whole = {name: torch.cat([each[name] for each in states], -2) for name in states[0]}
    return torch.stack(read_by_lane, 1), _select(whole, last)


def _pieces(begins: Begins, all_anew: bool) -> list[_Piece]:
    """Lane by lane, in the order of time."""
    found = []
    for lane, column in enumerate(begins.T):
        places = [0, *(int(place) for place in np.flatnonzero(column) if place), len(column)]
        for begin, end in pairwise(places):
            found.append(_Piece(lane, begin, end, bool(column[begin]) or (all_anew and begin == 0)))
    return found


def _select(state: State, lanes: list[int]) -> State:
    return {name: each.index_select(-2, torch.tensor(lanes, device=each.device)) for name, each in state.items()}
