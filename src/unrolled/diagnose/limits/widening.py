"""A trained network with more units that computes what it computed: what it would do with a larger state.

Old units do not see new ones and the read-out does not either, until training lets them (as Net2Net does in its way,
Chen, Goodfellow & Shlens 2016); new units see all.

Shapes: a matrix (n, m) becomes the upper left corner of a larger one, block by block where it reads a concatenation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.checkpoint.model import ModelDescription
from unrolled.equations.expression import Expression, walk
from unrolled.equations.sizes import Size
from unrolled.nn import Recurrent, initialise
from unrolled.nn.parts import Part, parts_of
from unrolled.training.config import TrainConfig

MORE = 32  # units that a small network gets; a larger one doubles
STEPS, LANES, TOLERANCE = 20, 3, 1e-4  # of the check that nothing has changed

Places = NDArray[np.int64]
Owned = tuple[Part, Recurrent]  # a part of a layer, and that layer


def grown(hidden: int) -> int:
    """The units of the larger network.

    >>> grown(2), grown(128)
    (34, 256)
    """
    return max(2 * hidden, hidden + MORE)


def widened(layer: Recurrent, description: ModelDescription, config: TrainConfig) -> Recurrent | None:
    """A copy with more units in each layer that computes the same, drawn from torch's random numbers; None where these
    equations have no such copy (the length of the state itself enters, as in a layer norm)."""
    larger = replace(description, hidden=grown(description.hidden)).build(next(layer.parameters()).device)
    initialise(larger, config.initialisation, forget_bias=config.forget_bias, spectral_radius=config.spectral_radius)
    with torch.no_grad():
        for old, new in zip(parts_of(layer), parts_of(larger), strict=True):
            for name, tensor in old.tensors.items():
                _embed(tensor, new.tensors[name], _places(name, (old, layer), (new, larger)))
    return larger if _same(layer, larger, description.vocabulary) else None


def _embed(old: Tensor, new: Tensor, places: list[Places]) -> None:
    """Put a parameter into a larger one; what its old rows read of new units is zero."""
    if not places:
        new.copy_(old)
        return
    rows = torch.from_numpy(places[0])
    if old.dim() == 1:
        new[rows] = old
        return
    block = torch.zeros(len(rows), new.shape[1], dtype=new.dtype, device=new.device)
    block[:, torch.from_numpy(places[1])] = old
    new[rows] = block


def _places(name: str, old: Owned, new: Owned) -> list[Places]:
    """Where the old entries of a parameter lie in the new one, along each axis."""
    before, after = (each.tensors[name].shape for each, _ in (old, new))
    found = [np.arange(count) for count in before]
    pieces = _pieces(old[0], name) if len(before) == 2 and before[1] != after[1] else None
    if pieces is not None:
        sizes = [[_size(owned, piece) for piece in pieces] for owned in (old, new)]
        begins = np.cumsum([0, *sizes[1]])[:-1]
        found[1] = np.concatenate([begin + np.arange(size) for begin, size in zip(begins, sizes[0], strict=True)])
    return found


def _pieces(part: Part, name: str) -> list[str] | None:
    """The sequences whose concatenation a matrix multiplies; None where it reads something else."""
    for node in walk(right for _, right in part.system.equations):
        if node.op == "matmul" and _is(node.args[0], name) and node.args[1].op == "concat":
            args = node.args[1].args
            return [each.data[0] for each in args] if all(each.op == "symbol" for each in args) else None
    return None


def _is(node: Expression, name: str) -> bool:
    return node.op == "symbol" and node.data[0] == name


def _size(owned: Owned, name: str) -> int:
    """The size of a sequence, which the parameters tell or which was given."""
    part, layer = owned
    shape: tuple[Size, ...] = part.shapes()[name]
    return layer.sizes[name] if shape[0].terms else shape[0].constant


def _same(layer: Recurrent, larger: Recurrent, vocabulary: int) -> bool:
    """Do both compute the same, on symbols drawn at random?"""
    ids = np.random.default_rng(0).integers(0, vocabulary, (STEPS, LANES))
    given = torch.from_numpy(ids).to(next(layer.parameters()).device)
    modes = layer.training, larger.training
    layer.eval(), larger.eval()
    with torch.no_grad():
        one, other = layer.logits(given)[0], larger.logits(given)[0]
    layer.train(modes[0]), larger.train(modes[1])
    scale = float(one.abs().max())
    return bool((one - other).abs().max() <= TOLERANCE * max(1.0, scale))
