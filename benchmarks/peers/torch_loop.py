"""A cell that torch does not have, as its users write it: a Python loop over the steps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.peers import layers
from benchmarks.peers.data import arrays
from benchmarks.works import Work


def prepare(work: Work, threads: int) -> tuple[Callable[[], None], str]:
    """The products with x before the loop, as a careful user does."""
    torch.set_num_threads(threads)
    given = {name: torch.from_numpy(array) for name, array in arrays(work).items()}
    parameters = [given[name].requires_grad_() for name in ("w_ih", "w_hh", "b_ih")]
    loop = {"minimal_gated": _minimal_gated, "softsign": _softsign}[work.cell]
    version = f"torch {torch.__version__}, a Python loop"
    return layers.train(lambda x: (loop(x, *parameters),), parameters, given["x"], given["g"]), version


def _minimal_gated(x: Tensor, w_ih: Tensor, w_hh: Tensor, b: Tensor) -> Tensor:
    """f = σ(U_f x + W_f h + b_f), n = tanh(U x + W (f h) + b), h = (1 − f) h + f n (Zhou et al. 2016)."""
    hidden = w_hh.shape[1]
    gate, new = F.linear(x, w_ih, b).split(hidden, -1)
    w_gate, w_new = w_hh.split(hidden)
    h = x.new_zeros(x.shape[1], hidden)
    outputs = []
    for gate_x, new_x in zip(gate, new, strict=True):
        f = torch.sigmoid(torch.addmm(gate_x, h, w_gate.t()))
        n = torch.tanh(torch.addmm(new_x, f * h, w_new.t()))
        h = (1 - f) * h + f * n
        outputs.append(h)
    return torch.stack(outputs)


def _softsign(x: Tensor, w_ih: Tensor, w_hh: Tensor, b: Tensor) -> Tensor:
    h = x.new_zeros(x.shape[1], w_hh.shape[1])
    outputs = []
    for z_x in F.linear(x, w_ih, b):
        z = torch.addmm(z_x, h, w_hh.t())
        h = z / (1 + z.abs())
        outputs.append(h)
    return torch.stack(outputs)
