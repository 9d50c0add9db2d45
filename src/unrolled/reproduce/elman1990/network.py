"""The simple recurrent network of the paper: logistic units, a context that starts at 0.5.

Shapes: x (T, inputs), y (T, outputs), h (T, hidden), in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.nn import Recurrent
from unrolled.recurrence import Recurrence

EQUATIONS = ("h_t = σ(U x_t + W h_{t-1} + b)", "y_t = σ(V h_t + c)", "h_{-1} = 0.5")
WEIGHTS = 0.5  # the first weights are uniform in ±0.5, as in the programs of McClelland & Rumelhart 1988

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sizes:
    """How many units there are; the context has as many as the hidden layer."""

    inputs: int
    hidden: int
    outputs: int


def new_network(sizes: Sizes, seed: int) -> Recurrent:
    """A network before training; it gives "y" and "h"."""
    recurrence = Recurrence(*EQUATIONS, outputs=("y", "h"))
    layer = Recurrent(recurrence, x=sizes.inputs, h=sizes.hidden, y=sizes.outputs, dtype=torch.float64)
    rng = np.random.Generator(np.random.PCG64(seed))
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.from_numpy(rng.uniform(-WEIGHTS, WEIGHTS, parameter.shape)))
    return layer


def run(layer: Recurrent, x: Array) -> tuple[Array, Array]:
    """The outputs y and the hidden states h of a network that reads x and does not learn."""
    with torch.no_grad():
        outputs, _ = layer(torch.from_numpy(x))
    return outputs["y"].numpy(), outputs["h"].numpy()
