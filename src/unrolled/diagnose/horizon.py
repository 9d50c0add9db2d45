"""How far back the inputs are still felt: ‖∂h_t/∂x_{t−k}‖ against k, on real data, measured and predicted.

h_t are the states of the top layer that the read-out reads, ‖·‖ is the Frobenius norm. Of a network that reads symbols
x_t is the one-hot vector, so that the derivative holds one column for each symbol: for h_t = tanh(U x_t + W h_{t-1})
it is D_t W D_{t−1} W ⋯ D_{t−k} U, and with an embedding E it ends with U E.

The norm falls in the end like e^{λk}, λ the largest Lyapunov exponent, so that it passes a share q of its first value
after ln(1/q)/−λ steps. That is what is predicted. It does not know how the norm begins (most directions die sooner),
nor whether inputs reach the slowest direction and the read-out sees it; where they do not, the norm falls faster.

Shapes: rows (P, r, n) at P positions; norms (K + 1, P).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unrolled.data.documents import Symbols
from unrolled.diagnose.lyapunov import LyapunovSpectrum, lyapunov_spectrum
from unrolled.diagnose.plain import plain
from unrolled.diagnose.step import StepMap
from unrolled.diagnose.stretches import stretches
from unrolled.equations.expression import NOW, symbol, walk
from unrolled.equations.system import System
from unrolled.errors import DataError
from unrolled.nn import Recurrent
from unrolled.nn.sequences import Data
from unrolled.training.evaluation import result_of

Array = NDArray[np.float64]

BACK = 100
LANES = 16  # of a text, that do for a trained run
UNITS = 160  # components of the state up to which there are so many; the work grows with their cube
SHARE = 0.01
WARM_UP = 50  # steps before the first that is looked back to
KERNEL = 3  # of the convolutional network beside it
RESAMPLED = 400
BAND = (0.025, 0.975)


@dataclass(frozen=True)
class InfluenceHorizon:
    """Against k = 0 … ``back``: ``typical``, the geometric mean of the norm over all places, ``mean``, the arithmetic
    one, which the places that remember long dominate, and ``low`` and ``high``, between which 80 % of the places lie.

    ``rate``: by how much ln of the typical norm falls in a step, fitted to the second half of k; ``exponent`` the
    largest Lyapunov exponent, which predicts −rate. ``steps``: the first k from which on the typical norm is below
    ``share`` of that at k = 0, None where it is not by ``back``; ``predicted`` what the exponent says, None where it is
    not negative. Bands hold 95 % of what lanes drawn again give (places drawn again, where there is one lane).
    """

    typical: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    rate: float
    rate_band: tuple[float, float]
    exponent: float
    exponent_error: float
    steps: int | None
    steps_band: tuple[int | None, int | None]
    predicted: float | None
    share: float
    layers: int
    positions: int
    lanes: int

    @property
    def back(self) -> int:
        """The largest k."""
        return len(self.typical) - 1

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is not finite is None."""
        seen = {kind: receptive_field(self.layers, dilated=kind == "dilated") for kind in ("plain", "dilated")}
        found: dict[str, Any] = plain(asdict(self) | {"convolution": seen})
        return found


def receptive_field(layers: int, kernel: int = KERNEL, dilated: bool = False) -> int:
    """How many steps the output of a stack of convolutions depends on, the present one included.

    Each layer adds kernel − 1 steps; ``dilated`` by 1, 2, 4, … it adds that many times as much.

    >>> [receptive_field(layers) for layers in (1, 2, 3, 10)]
    [3, 5, 7, 21]
    >>> [receptive_field(layers, dilated=True) for layers in (1, 2, 3, 10)]
    [3, 7, 15, 2047]
    """
    return 1 + (kernel - 1) * (2**layers - 1 if dilated else layers)


def layers_needed(steps: int, kernel: int = KERNEL, dilated: bool = False) -> int:
    """The smallest number of convolutional layers that see so many steps.

    >>> layers_needed(100), layers_needed(100, dilated=True)
    (50, 6)
    """
    return next(n for n in range(steps + 1) if receptive_field(n, kernel, dilated) >= steps)


def places(layer: Recurrent, ids: Symbols) -> Tensor:
    """As much of a text (N,) as does for a horizon of up to 100 steps, and fewer lanes (T, B) of a large network.

    Raises:
        ConfigurationError: the layer has no state, or is bidirectional; DataError: the text is too short.
    """
    steps, size = WARM_UP + 2 * BACK, StepMap(layer).size
    affordable = min(LANES, int(LANES * (UNITS / size) ** 3), len(ids) // steps)
    return stretches(ids, max(1, affordable), steps)


def influence_horizon(
    layer: Recurrent, inputs: Data | Mapping[str, Data], *, back: int = BACK, positions: int = 4,
    share: float = SHARE, warm_up: int = WARM_UP,
) -> Generator[float, None, InfluenceHorizon]:  # fmt: skip
    """Measure at so many ``positions`` of each lane of (T, B, size) or ids (T, B), yielding the share done.

    Raises:
        ConfigurationError: the layer has no state, or is bidirectional; DataError: the input is too short.
    """
    if back < 4 or positions < 1 or not 0 < share < 1:
        raise DataError(
            f"back = {back} is at least 4, positions = {positions} at least 1, share = {share} lies between 0 and 1."
        )
    step = StepMap(layer)
    batch, sequences = step.inputs(inputs)
    if batch.steps < warm_up + back + positions:
        raise DataError(
            f"The input has {batch.steps} steps; to look {back} steps back from {positions} of them, after {warm_up} "
            f"for warm-up, takes {warm_up + back + positions}. Give a longer input, or a smaller back."
        )
    ends = np.linspace(warm_up + back, batch.steps - 1, positions).round().astype(int)
    at = [(end, lane) for end in ends.tolist() for lane in range(batch.batch)]
    norms = np.empty((back + 1, len(at)))
    for k, row in enumerate(_norms(step, step.trajectory(batch), sequences, at, back)):
        norms[k] = row
        yield (k + 1) / (back + 2)
    leading = result_of(lyapunov_spectrum(layer, inputs, count=1, warm_up=warm_up))
    return _report(norms.reshape(back + 1, positions, batch.batch), share, leading, layer.num_layers)


def _norms(
    step: StepMap, states: Tensor, sequences: Sequence[Tensor], at: Sequence[tuple[int, int]], back: int
) -> Iterator[Array]:
    """‖∂h_t/∂x_{t−k}‖ for k = 0, 1, … at each place (t, lane)."""
    step, sequences = with_vectors(step, sequences)
    ends, lanes = torch.tensor(at).T
    rows = torch.eye(step.size, dtype=torch.float64)[step.visible].expand(len(at), -1, -1)
    for k in range(back + 1):
        inputs = [each[ends - k, lanes] for each in sequences]
        rows, vectors = step.pulled(rows, states[ends - k, lanes], *inputs)
        squares = torch.stack([each.square().sum((1, 2)) for each in vectors]).sum(0)
        yield squares.sqrt().numpy()


def with_vectors(step: StepMap, sequences: Sequence[Tensor]) -> tuple[StepMap, list[Tensor]]:
    """A step that reads vectors in place of ids, so that there is a derivative with respect to them.

    The one-hot vectors of many symbols are turned by an orthonormal Qᵀ whose rows span all that the matrices M of M x
    see: (M Q) (Qᵀ x) = M x with fewer numbers, and the derivative with respect to Qᵀ x has the same Frobenius norm.
    """
    lowest, found = step.pieces[0], []
    for name, values in zip(lowest.system.inputs, sequences, strict=True):
        symbols = lowest.sizes.get(name, 1)
        if values.dtype != torch.int64:
            found.append(values)
            continue
        tensors = dict(zip(lowest.system.parameters, lowest.tensors, strict=True))
        matrices = _applied_to(lowest.system, name)
        rows = sum(len(tensors[matrix]) for matrix in matrices)
        if not 0 < rows < symbols:
            found.append(functional.one_hot(values, symbols).double())
            continue
        q, _ = torch.linalg.qr(torch.cat([tensors[matrix] for matrix in matrices]).T)
        found.append(q[values])
        tensors |= {matrix: tensors[matrix] @ q for matrix in matrices}
        lowest = replace(lowest, sizes={**lowest.sizes, name: rows}, tensors=tuple(tensors.values()))
    turned = copy.copy(step)
    turned.pieces = [lowest, *step.pieces[1:]]
    return turned, found


def _applied_to(system: System, name: str) -> list[str]:
    """The parameters that are applied to the input and to nothing else; none where it is also read in another way."""
    reads, found = symbol(name, NOW), dict[str, None]()
    nodes = list(walk(right for _, right in system.equations))
    for node in nodes:
        if reads in node.args:
            if node.op != "matmul" or node.args[0].op != "symbol":
                return []
            found[node.args[0].data[0]] = None
    matrices = {symbol(matrix) for matrix in found}
    elsewhere = any(reads not in node.args and matrices.intersection(node.args) for node in nodes)
    return [] if elsewhere else list(found)


def _report(norms: Array, share: float, leading: LyapunovSpectrum, layers: int) -> InfluenceHorizon:
    """From norms (K + 1, positions, lanes)."""
    with np.errstate(divide="ignore"):
        logs = np.log(norms)
    every = logs.reshape(len(logs), -1)
    typical = np.exp(every.mean(1))
    rate_band, steps_band = _bands(logs, share)
    low, high = np.exp(np.quantile(every, (0.1, 0.9), axis=1, method="nearest"))
    exponent = leading.exponents[0]
    return InfluenceHorizon(
        tuple(typical.tolist()), tuple(norms.mean((1, 2)).tolist()), tuple(low.tolist()), tuple(high.tolist()),
        decay_rate(typical), rate_band, exponent, leading.errors[0], _whole(horizon_steps(typical, share)), steps_band,
        math.log(1 / share) / -exponent if exponent < 0 else None, share, layers, *norms.shape[1:],
    )  # fmt: skip


def decay_rate(norms: Array) -> float:
    """How much ln of the norms falls from one k to the next: least squares over the second half; ∞ where one is 0."""
    half = len(norms) // 2
    if not norms[half:].all():
        return math.inf
    return -float(np.polyfit(np.arange(half, len(norms)), np.log(norms[half:]), 1)[0])


def horizon_steps(norms: Array, share: float) -> float:
    """The first k from which on the norms are below ``share`` of the first; ∞ where the last is not."""
    above = np.flatnonzero((norms >= share * norms[0]) & (norms > 0))
    if not len(above):
        return 0
    return math.inf if above[-1] == len(norms) - 1 else float(above[-1] + 1)


def _bands(logs: Array, share: float) -> tuple[tuple[float, float], tuple[int | None, int | None]]:
    """95 % of the rates and horizons of lanes drawn again; of places drawn again, where there is one lane."""
    samples = logs.mean(1) if logs.shape[2] > 1 else logs[:, :, 0]
    drawn = np.random.default_rng(0).integers(0, samples.shape[1], (RESAMPLED, samples.shape[1]))
    curves = [np.exp(samples[:, some].mean(1)) for some in drawn]
    rates = np.quantile([decay_rate(curve) for curve in curves], BAND, method="nearest").tolist()
    steps = np.quantile([horizon_steps(curve, share) for curve in curves], BAND, method="nearest").tolist()
    return (rates[0], rates[1]), (_whole(steps[0]), _whole(steps[1]))


def _whole(steps: float) -> int | None:
    return int(steps) if math.isfinite(steps) else None
