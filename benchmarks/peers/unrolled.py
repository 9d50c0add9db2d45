"""Unrolled itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

import unrolled
from benchmarks.peers import layers
from benchmarks.peers.data import arrays
from benchmarks.works import EQUATIONS, Work
from unrolled import nn
from unrolled.native.core import Core, find_core
from unrolled.runtime import Model


def prepare(work: Work, threads: int) -> tuple[Callable[[], None], str]:
    """The library's own layers where there are such, else a layer from its equations."""
    torch.set_num_threads(threads)
    version = f"Unrolled {unrolled.__version__}"
    if work.kind == "char-rnn":
        return _char_rnn(work), version
    if work.kind == "write":
        return _write(work, threads), version
    if work.cell not in EQUATIONS:
        return layers.work_of(nn, work, precision=work.options.get("precision", "fp32")), version
    given = {name: torch.from_numpy(array) for name, array in arrays(work).items()}
    *_, inputs, hidden = work.shape
    layer = nn.Recurrent(unrolled.Recurrence(EQUATIONS[work.cell], outputs=("h",)), x=inputs, h=hidden)
    return layers.train(layer, list(layer.parameters()), given["x"], given["g"]), version


def _write(work: Work, threads: int) -> Callable[[], None]:
    """The whole model, the draw and the symbols that go in again, in one call."""
    batch, steps, symbols, hidden = work.shape
    core = find_core()
    assert isinstance(core, Core)
    layer = nn.language_model(work.cell, vocabulary=symbols, hidden=hidden, num_layers=work.options["layers"])
    parameters = {name: parameter.detach().numpy() for name, parameter in layer.named_parameters()}
    model = Model(layer.programs(), parameters, core, threads, work.options["precision"])
    first = np.zeros((1, batch), np.int64)
    return lambda: model.write(model.start(batch), first, steps)


def _char_rnn(work: Work) -> Callable[[], None]:
    """Symbols go in as they are: no one-hot vectors."""
    *_, symbols, hidden = work.shape
    cell = {"elman": "torch_rnn"}.get(work.cell, work.cell)
    body = nn.Recurrent(
        unrolled.Recurrence(cell, outputs=("h",)), x=symbols, h=hidden, num_layers=work.options["layers"],
        precision=work.options.get("precision", "fp32"),
    )  # fmt: skip
    head = torch.nn.Linear(hidden, symbols)

    def model(ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = head(body(ids)[0])
        return logits

    return layers.step(model, [*body.parameters(), *head.parameters()], work)
