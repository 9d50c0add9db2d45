"""A loop over the steps, compiled by torch; for few steps, because compiling takes seconds for each ten of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.peers import layers
from benchmarks.peers.data import arrays
from benchmarks.works import Work

MOST = 64  # steps


def prepare(work: Work, threads: int) -> tuple[Callable[[], None], str]:
    """Elman's cell.

    Raises:
        ValueError: there are too many steps.
    """
    if work.shape[1] > MOST:
        raise ValueError(f"more than {MOST} steps take minutes to compile")
    torch.set_num_threads(threads)
    given = {name: torch.from_numpy(array) for name, array in arrays(work).items()}
    parameters = [given[name].requires_grad_() for name in ("w_ih", "w_hh", "b_ih")]
    loop = torch.compile(_elman)
    version = f"torch {torch.__version__}, torch.compile"
    return layers.train(lambda x: (loop(x, *parameters),), parameters, given["x"], given["g"]), version


def _elman(x: Tensor, w_ih: Tensor, w_hh: Tensor, b: Tensor) -> Tensor:
    h = x.new_zeros(x.shape[1], w_hh.shape[1])
    outputs = []
    for z in F.linear(x, w_ih, b):
        h = torch.tanh(torch.addmm(z, h, w_hh.t()))
        outputs.append(h)
    return torch.stack(outputs)
