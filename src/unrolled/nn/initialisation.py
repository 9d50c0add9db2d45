"""How the parameters of a recurrence start, by name.

What is a recurrent matrix, and what a gate's bias, follows from the equations, see ``equations.carrying``.

Shapes: a recurrent matrix (n, m), mostly n = m; a bias (n,).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from unrolled.equations.carrying import biases_beside, keeping_biases, recurrent_matrices
from unrolled.equations.system import System
from unrolled.errors import ConfigurationError
from unrolled.nn.recurrent import Recurrent

Kind = Literal["uniform", "orthogonal", "identity"]


@torch.no_grad()
def initialise(
    module: nn.Module, kind: Kind = "uniform", *, forget_bias: float | None = None, spectral_radius: float | None = None
) -> None:
    """Give every ``Recurrent`` inside ``module``, fresh from its making, other first values.

    Args:
        kind: of the recurrent matrices. "uniform": leaves them as they are, in ±1/√(size of the state). "orthogonal":
            drawn at random among matrices that keep every length, for which W h neither grows nor shrinks (Saxe,
            McClelland & Ganguli 2014). "identity": W = I, and the biases beside it zero (Le, Jaitly & Hinton 2015, for
            rectified units).
        forget_bias: of the gates that keep a state; 1 lets them keep more at first (Gers, Schmidhuber & Cummins 2000;
            Jozefowicz, Zaremba & Sutskever 2015). Where a gate has two biases, this is their sum.
        spectral_radius: each recurrent matrix is then scaled so that its largest |eigenvalue| is this number, above 0
            (Jaeger 2001).

    Raises:
        ConfigurationError: there is nothing that this could apply to, or a matrix has no radius to scale.

    >>> layer = Recurrent("irnn", x=3, h=2)
    >>> initialise(layer, "identity", spectral_radius=0.5)
    >>> layer.W.tolist(), layer.b.tolist()
    ([[0.5, 0.0], [0.0, 0.5]], [0.0, 0.0])
    """
    if kind not in get_args(Kind):
        raise ConfigurationError(f"there is no initialisation {kind!r}; there are {', '.join(get_args(Kind))}")
    systems = list(_systems(module))
    if not systems and (kind != "uniform" or forget_bias is not None or spectral_radius is not None):
        raise ConfigurationError("the module holds no Recurrent, to which a name for first values could apply")
    asked = kind if kind != "uniform" else "a spectral radius" if spectral_radius is not None else None
    if asked is not None and not any(recurrent_matrices(system) for system, _ in systems):
        raise ConfigurationError(
            f"{asked} is for recurrent matrices, such as W in W h_{{t-1}}, and these equations have none; leave it out"
        )
    for system, parameters in systems:
        for name in recurrent_matrices(system):
            _start(parameters[name], kind)
            if spectral_radius is not None:
                _scale(parameters[name], spectral_radius, name)
        if kind == "identity":
            for name in biases_beside(system):
                parameters[name].zero_()
    if forget_bias is not None and not sum(_open(system, own, forget_bias) for system, own in systems):
        raise ConfigurationError(
            "no state has a gate with a bias that keeps it, such as f_t = σ(… + b) in c_t = f_t ⊙ c_{t-1} + …; leave "
            "the bias of the forget gate out"
        )


def _systems(module: nn.Module) -> Iterator[tuple[System, dict[str, Tensor]]]:
    """Each layer and direction, with its parameters under the names of its equations."""
    for each in module.modules():
        if isinstance(each, Recurrent):
            for layer in each.network.layers:
                names = layer.system.parameters
                yield layer.system, {name: getattr(each, name + layer.suffix) for name in names}


def _start(matrix: Tensor, kind: Kind) -> None:
    if kind == "orthogonal":
        nn.init.orthogonal_(matrix)
    elif kind == "identity":
        nn.init.eye_(matrix)


def _scale(matrix: Tensor, radius: float, name: str) -> None:
    rows, columns = matrix.shape
    if not 0 < radius < float("inf"):
        raise ConfigurationError(f"the spectral radius is {radius}; it must be a number above 0")
    if rows != columns:
        raise ConfigurationError(
            f"{name} is {rows}×{columns}: only a square matrix has a spectral radius; leave it out"
        )
    own = torch.linalg.eigvals(matrix.double()).abs().max().item()
    if own == 0:
        raise ConfigurationError(
            f"all eigenvalues of {name} are 0, and no factor gives it the spectral radius {radius}"
        )
    matrix.mul_(radius / own)


def _open(system: System, parameters: dict[str, Tensor], value: float) -> int:
    """Set the biases of the keeping gates, and say how many gates there are."""
    found = keeping_biases(system)
    for (first, *others), sign in found.items():
        parameters[first].fill_(sign * value)
        for name in others:
            parameters[name].zero_()
    return len(found)
