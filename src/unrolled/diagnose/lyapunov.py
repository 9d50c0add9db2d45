"""The Lyapunov spectrum of a network along real data: how fast small changes of its state grow or vanish.

With J_t = ∂s_t/∂s_{t-1}, s all states of all layers, the exponents are λ_i = lim 1/T ln σ_i(J_T ⋯ J_1), measured with
repeated QR decompositions: J_t Q_{t-1} = Q_t R_t, λ_i = mean of ln |R_t,ii| (Benettin et al. 1980; for trained networks
Engelken, Wolf & Abbott 2023, Vogt et al. 2022).

Shapes: Q (B, n, count), a trajectory (T + 1, B, n), logarithms of growth (T, B, count).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.diagnose.plain import plain
from unrolled.diagnose.step import StepMap, at
from unrolled.errors import DataError
from unrolled.nn import Recurrent
from unrolled.nn.sequences import Data

WARM_UP = 100  # steps in which the state forgets where it began, and Q turns into the directions that grow most
LANES, STEPS = 4, 500  # of a text, counted after the warm-up, that do for a trained run
BLOCKS = 8  # parts of a lane whose means say how much an exponent varies, where there are few lanes
ENOUGH_LANES = 4


@dataclass(frozen=True)
class LyapunovSpectrum:
    """Exponents in nats per step, the largest first, with standard errors; −∞ where a direction dies at once.

    ``states`` are the sizes of the states that make up the vector; ``running`` is the mean, over the lanes, of the
    largest exponent as it is known after each counted step. The errors come from the lanes, or, where there are fewer
    than 4, from 8 stretches of each; they are infinite where neither is possible.
    """

    exponents: tuple[float, ...]
    errors: tuple[float, ...]
    running: tuple[float, ...]
    states: Mapping[str, int]
    steps: int
    lanes: int
    warm_up: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is not finite is None."""
        found: dict[str, Any] = plain(asdict(self))
        return found

    @property
    def total(self) -> float:
        """The sum of the exponents: the mean of ln |det J_t|, where all are there."""
        return math.fsum(self.exponents)

    @property
    def lifetime(self) -> float:
        """Steps in which a small change shrinks to 1/e in the direction that keeps it longest; ∞ where it grows."""
        return -1 / self.exponents[0] if self.exponents[0] < 0 else math.inf


def lyapunov_spectrum(
    layer: Recurrent, inputs: Data | Mapping[str, Data], *, count: int | None = None, warm_up: int = WARM_UP
) -> Generator[float, None, LyapunovSpectrum]:
    """Measure along inputs (T, B, size), ids (T, B), or one lane of these, yielding the share done; in float64.

    The first ``warm_up`` steps are run and not counted. With a ``count`` only the largest exponents are measured.

    Raises:
        ConfigurationError: the layer has no state, or is bidirectional; DataError: no step is left to count.

    >>> from unrolled.training.evaluation import result_of
    >>> layer = Recurrent("h_t = W h_{t-1} + U x_t", x=1, h=2, dtype=torch.float64)
    >>> _ = layer.W.data.copy_(torch.tensor([[0.5, 3.0], [0.0, 0.25]]))
    >>> found = result_of(lyapunov_spectrum(layer, torch.zeros(200, 1, 1)))
    >>> [round(math.exp(exponent), 6) for exponent in found.exponents]
    [0.5, 0.25]
    """
    step = StepMap(layer)
    batch, sequences = step.inputs(inputs)
    if warm_up < 0 or batch.steps <= warm_up:
        raise DataError(
            f"The input has {batch.steps} steps, and {warm_up} of them are warm-up: none is left to count. Give a "
            "longer input, or a shorter warm-up."
        )
    states = step.trajectory(batch)
    q = _first_directions(batch.batch, step.size, step.size if count is None else min(count, step.size))
    growth = np.empty((batch.steps, batch.batch, q.shape[-1]))
    for t in range(batch.steps):
        q, r = torch.linalg.qr(step.pushed(q, states[t], *at(sequences, t)))
        growth[t] = r.diagonal(dim1=-2, dim2=-1).abs().log().numpy()
        yield (t + 1) / batch.steps
    return _report(growth[warm_up:], step, warm_up)


def _first_directions(lanes: int, size: int, count: int) -> Tensor:
    """Orthonormal columns in no special position: axes may lie in a subspace that no Jacobian ever leaves."""
    random = torch.Generator().manual_seed(0)
    return torch.linalg.qr(torch.randn(lanes, size, count, generator=random, dtype=torch.float64))[0]


def _report(growth: NDArray[np.float64], step: StepMap, warm_up: int) -> LyapunovSpectrum:
    steps, lanes, _ = growth.shape
    exponents = growth.mean((0, 1))
    order = np.argsort(-exponents, kind="stable")
    sizes = {name: place.stop - place.start for name, place in step.places.items()}
    leading = growth[:, :, order[0]].mean(1)
    return LyapunovSpectrum(
        tuple(exponents[order].tolist()), tuple(_errors(growth)[order].tolist()),
        tuple((leading.cumsum() / np.arange(1, steps + 1)).tolist()), sizes, steps, lanes, warm_up,
    )  # fmt: skip


def _errors(growth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard errors of the means over steps and lanes."""
    steps, lanes, count = growth.shape
    samples = growth.mean(0)
    if lanes < ENOUGH_LANES:
        whole = steps // BLOCKS * BLOCKS
        if not whole:
            return np.full(count, math.inf)
        samples = growth[steps - whole :].reshape(BLOCKS, -1, lanes, count).mean(1).reshape(-1, count)
    with np.errstate(invalid="ignore"):  # −∞ in every sample varies by nothing
        errors: NDArray[np.float64] = samples.std(0, ddof=1) / math.sqrt(len(samples))
    return np.where(np.isneginf(samples).all(0), 0.0, errors)
