"""Unrolled itself."""

from __future__ import annotations

from collections.abc import Callable

import torch

import unrolled
from benchmarks.peers import layers
from benchmarks.peers.data import arrays
from benchmarks.works import EQUATIONS, Work
from unrolled import nn


def prepare(work: Work, threads: int) -> tuple[Callable[[], None], str]:
    """The library's own layers where there are such, else a layer from its equations."""
    torch.set_num_threads(threads)
    version = f"Unrolled {unrolled.__version__}"
    if work.kind == "char-rnn":
        return _char_rnn(work), version
    if work.cell not in EQUATIONS:
        return layers.work_of(nn, work), version
    given = {name: torch.from_numpy(array) for name, array in arrays(work).items()}
    *_, inputs, hidden = work.shape
    layer = nn.Recurrent(unrolled.Recurrence(EQUATIONS[work.cell], outputs=("h",)), x=inputs, h=hidden)
    return layers.train(layer, list(layer.parameters()), given["x"], given["g"]), version


def _char_rnn(work: Work) -> Callable[[], None]:
    """Symbols go in as they are: no one-hot vectors."""
    *_, symbols, hidden = work.shape
    cell = {"elman": "torch_rnn"}.get(work.cell, work.cell)
    body = nn.Recurrent(
        unrolled.Recurrence(cell, outputs=("h",)), x=symbols, h=hidden, num_layers=work.options["layers"]
    )
    head = torch.nn.Linear(hidden, symbols)

    def model(ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = head(body(ids)[0])
        return logits

    return layers.step(model, [*body.parameters(), *head.parameters()], work)
