"""How the parameters of a recurrence start, by name.

What is a recurrent matrix, and what a gate's bias, follows from the equations: a recurrent matrix multiplies what a
state was one step before (``W h_{t-1}``, ``U (r_t ⊙ h_{t-1})``); the gate that keeps a state s is what s_{t-1} is
multiplied by in the equation of s (``f_t ⊙ c_{t-1}``, ``(1 - z_t) ⊙ h_{t-1}``).

Shapes: a recurrent matrix (n, m), mostly n = m; a bias (n,).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from unrolled.equations.expression import BEFORE, NOW, Expression, is_number, symbol, walk
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
    for system, parameters in systems:
        for name in recurrent_matrices(system):
            _start(parameters[name], kind)
            if spectral_radius is not None:
                _scale(parameters[name], spectral_radius, name)
        if kind == "identity":
            for name in _biases_beside(system):
                parameters[name].zero_()
    if forget_bias is not None and not sum(_open(system, own, forget_bias) for system, own in systems):
        raise ConfigurationError(
            "no state has a gate with a bias that keeps it, such as f_t = σ(… + b) in c_t = f_t ⊙ c_{t-1} + …; leave "
            "the bias of the forget gate out"
        )


def recurrent_matrices(system: System) -> tuple[str, ...]:
    """The parameters that multiply a state of the step before.

    >>> from unrolled.equations.library import load
    >>> recurrent_matrices(load("gru_reset_before"))
    ('U_r', 'U_z', 'U')
    """
    found = dict[str, None]()
    for node in walk(right for _, right in system.equations):
        if node.op == "matmul" and (matrix := _parameter(node.args[0])) is not None and _reads_back(node.args[1]):
            found[matrix] = None
    return tuple(found)


def keeping_biases(system: System) -> dict[tuple[str, ...], int]:
    """The biases inside each gate that keeps a state, with the sign by which they open it.

    >>> from unrolled.equations.library import load
    >>> keeping_biases(load("lstm")), keeping_biases(load("minimal_gated"))
    ({('b_if', 'b_hf'): 1}, {('b_f',): -1})
    """
    found = {}
    for state in system.states:
        for term in _terms(system.definitions[state]):
            if term.op == "mul" and (before := symbol(state, BEFORE)) in term.args:
                gate, sign = _gate(system, term.args[term.args[0] is before])
                names = () if gate is None else tuple(_biases(gate.args[0]))
                if names:
                    found[names] = sign
    return found


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


def _biases_beside(system: System) -> Iterator[str]:
    """The biases in the sums in which a recurrent matrix stands."""
    matrices = set(recurrent_matrices(system))
    for node in walk(right for _, right in system.equations):
        products = [term for term in _terms(node) if term.op == "matmul"]
        if any(_parameter(term.args[0]) in matrices for term in products):
            yield from _biases(node)


def _biases(total: Expression) -> Iterator[str]:
    """The parameters that are terms of a sum by themselves."""
    return (term.data[0] for term in _terms(total) if term.op == "symbol" and term.data[1] is None)


def _terms(total: Expression) -> Iterator[Expression]:
    """What is added up, whatever the signs."""
    stack = [total]
    while stack:
        node = stack.pop()
        if node.op in ("add", "sub", "neg"):
            stack += reversed(node.args)
        else:
            yield node


def _gate(system: System, factor: Expression) -> tuple[Expression | None, int]:
    """The sigmoid that a factor is, or that it is 1 minus, with the sign; None where it is something else."""
    sign = 1
    while True:
        if factor.op == "sigmoid":
            return factor, sign
        if factor.op == "sub" and is_number(factor.args[0], 1):
            factor, sign = factor.args[1], -sign
        elif factor.op == "symbol" and factor.data[1] == NOW and factor.data[0] in system.definitions:
            factor = system.definitions[factor.data[0]]
        else:
            return None, sign


def _parameter(matrix: Expression) -> str | None:
    """The name of a parameter, also where it is transposed."""
    leaf = matrix.args[0] if matrix.op == "transpose" else matrix
    return leaf.data[0] if leaf.op == "symbol" and leaf.data[1] is None else None


def _reads_back(vector: Expression) -> bool:
    """Whether a state of the step before stands in it, outside products with other matrices."""
    stack: list[Any] = [vector]
    while stack:
        node = stack.pop()
        if node.op == "symbol" and node.data[1] == BEFORE:
            return True
        if node.op != "matmul":
            stack += node.args
    return False
