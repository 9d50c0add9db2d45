"""The network, h_t = tanh(U x_t + W h_{t-1} + b) and o = V h_T + c, and how it may start.

Shapes: U (50, 6), W (50, 50), V (4, 50).
"""

from __future__ import annotations

import torch
from torch import nn

from unrolled.nn import ManyToOne
from unrolled.nn.initialisation import initialise
from unrolled.reproduce.pascanu2013.criteria import HIDDEN
from unrolled.reproduce.pascanu2013.temporal import CLASSES, SYMBOLS

BASIC, SMART, ORTHOGONAL = "basic tanh", "smart tanh", "orthogonal"
DEVIATIONS = {BASIC: 0.1, SMART: 0.01}  # of normal first weights, which the paper gives for these two
RADIUS = 0.95  # the spectral radius of W in a smart start


def new_network(start: str, seed: int) -> ManyToOne:
    """A network before training; its biases are 0.

    "basic tanh" and "smart tanh" are the paper's; "orthogonal" is not: there W keeps every length, and U and V are
    uniform in ±1/√50.
    """
    torch.manual_seed(seed)
    layer = ManyToOne("vanilla", x=SYMBOLS, h=HIDDEN, o=CLASSES)
    for parameter in layer.parameters():
        if parameter.dim() == 1:
            nn.init.zeros_(parameter)
        elif start in DEVIATIONS:
            nn.init.normal_(parameter, std=DEVIATIONS[start])
    if start == SMART:
        initialise(layer, spectral_radius=RADIUS)
    if start == ORTHOGONAL:
        initialise(layer, "orthogonal")
    return layer
