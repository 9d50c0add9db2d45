"""What one step, and many, do to small changes of the state: the matrices of a layer, and its Jacobians on real data.

J_t = ∂s_t/∂s_{t-1}, s all states of all layers. The recurrent matrices alone say little of a network with gates or
saturated units; their eigenvalues stand beside those of J_t for comparison.

Shapes: states (N, n) at N places, Jacobians (N, n, n); norms of products (K, N).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.diagnose.linear import LinearReport, linear_report
from unrolled.diagnose.opened import Piece
from unrolled.diagnose.plain import plain
from unrolled.diagnose.step import StepMap
from unrolled.equations.carrying import recurrent_matrices
from unrolled.errors import DataError
from unrolled.nn import Recurrent
from unrolled.nn.sequences import Data

WARM_UP = 100
PRODUCTS = 50
LANES = 8  # of a text, that do for a trained run


@dataclass(frozen=True)
class JacobianReport:
    """``matrices``: the recurrent matrices by parameter. ``eigenvalues`` and ``singular_values`` of J_t, the largest
    first, at each place; ``products``: σ_max(J_{t+k} ⋯ J_{t+1}) for k = 1, 2, …, its geometric mean over the places,
    the smallest and the largest."""

    matrices: Mapping[str, LinearReport]
    eigenvalues: tuple[tuple[complex, ...], ...]
    singular_values: tuple[tuple[float, ...], ...]
    products: tuple[float, ...]
    products_range: tuple[tuple[float, float], ...]

    @property
    def radius(self) -> float:
        """The mean over the places of the largest |λ| of J_t."""
        return float(np.mean([abs(each[0]) for each in self.eigenvalues]))

    @property
    def largest(self) -> float:
        """The mean over the places of σ_max(J_t)."""
        return float(np.mean([each[0] for each in self.singular_values]))

    def to_dict(self) -> dict[str, Any]:
        """Plain data; an eigenvalue is its real and its imaginary part, what is not finite is None."""
        found: dict[str, Any] = plain(
            {
                "matrices": {name: report.to_dict() for name, report in self.matrices.items()},
                "eigenvalues": [[[each.real, each.imag] for each in place] for place in self.eigenvalues],
                "singular_values": self.singular_values,
                "products": self.products,
                "products_range": self.products_range,
                "radius": self.radius,
                "largest": self.largest,
            }
        )
        return found


def jacobian_report(
    layer: Recurrent, inputs: Data | Mapping[str, Data], *, steps: int = PRODUCTS, warm_up: int = WARM_UP
) -> Generator[float, None, JacobianReport]:
    """Measure after ``warm_up`` steps of each lane of (T, B, size) or ids (T, B), yielding the share done; in float64.

    Raises:
        ConfigurationError: the layer has no state, or is bidirectional; DataError: the input is too short.
    """
    step = StepMap(layer)
    batch, sequences = step.inputs(inputs)
    if steps < 1 or warm_up < 0 or batch.steps < warm_up + steps:
        raise DataError(
            f"The input has {batch.steps} steps; products of {steps} Jacobians after {warm_up} steps of warm-up take "
            f"{warm_up + steps}, and at least one."
        )
    states = step.trajectory(batch)
    product = torch.eye(step.size, dtype=torch.float64).expand(batch.batch, -1, -1)
    first, norms = product, np.empty((steps, batch.batch))
    for k in range(steps):
        product = step.pushed(product, states[warm_up + k], *(each[warm_up + k] for each in sequences))
        first = product if k == 0 else first
        norms[k] = torch.linalg.matrix_norm(product, 2).numpy()
        yield (k + 1) / steps
    with np.errstate(divide="ignore"):
        typical = np.exp(np.log(norms).mean(1))
    singular = tuple(tuple(each) for each in torch.linalg.svdvals(first).tolist())
    return JacobianReport(
        _matrices(step.pieces), _eigenvalues(first), singular,
        tuple(typical.tolist()), tuple(zip(norms.min(1).tolist(), norms.max(1).tolist(), strict=True)),
    )  # fmt: skip


def _eigenvalues(jacobians: Tensor) -> tuple[tuple[complex, ...], ...]:
    values = torch.linalg.eigvals(jacobians)
    return tuple(tuple(sorted(each, key=abs, reverse=True)) for each in values.tolist())


def _matrices(pieces: list[Piece]) -> dict[str, LinearReport]:
    """The square ones among the recurrent matrices."""
    found = {}
    for piece in pieces:
        applied = recurrent_matrices(piece.system)
        for letter, name, tensor in zip(piece.system.parameters, piece.names, piece.tensors, strict=True):
            if letter in applied and tensor.shape[0] == tensor.shape[1]:
                found[name] = linear_report(tensor.numpy())
    return found
