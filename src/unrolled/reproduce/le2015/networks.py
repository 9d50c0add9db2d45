"""The three networks: tanh, rectified units that start from the identity (IRNN), LSTM.

Shapes: x (T, B, 2); W (100, 100); an answer (B, 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import nn

from unrolled.nn import ManyToOne
from unrolled.nn.initialisation import initialise
from unrolled.reproduce.le2015.criteria import FORGET, HIDDEN

DEVIATION = 0.001  # of the first weights of an IRNN but W
CELLS: Mapping[str, str] = MappingProxyType({"tanh": "vanilla", "IRNN": "irnn", "LSTM": "lstm"})
KINDS = tuple(CELLS)


def new_network(kind: str, seed: int) -> ManyToOne:
    """A network before training."""
    torch.manual_seed(seed)
    readout = {"y" if kind == "LSTM" else "o": 1}  # in an LSTM o is a gate
    layer = ManyToOne(CELLS[kind], sizes=readout, x=2, h=HIDDEN)
    if kind == "LSTM":
        initialise(layer, forget_bias=FORGET)
    if kind == "IRNN":
        for name, parameter in layer.named_parameters():
            if name != "W":
                start = nn.init.zeros_ if parameter.dim() == 1 else _small
                start(parameter)
        initialise(layer, "identity")
    return layer


def _small(parameter: torch.Tensor) -> torch.Tensor:
    return nn.init.normal_(parameter, std=DEVIATION)
