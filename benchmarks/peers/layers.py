"""What torch's layers and ours do alike: the interface is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.peers.data import arrays
from benchmarks.works import Work

NAMES = {"elman": "RNN", "gru": "GRU", "lstm": "LSTM"}


def work_of(module: Any, work: Work, cast: bool = False, **options: Any) -> Callable[[], None]:
    """One run of ``work`` with the layers of ``module``, torch.nn or unrolled.nn, which get the ``options``; ``cast``:
    under bfloat16 autocast."""
    run = _WORKS[work.kind](module, work, **options)

    def under_autocast() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            run()

    return under_autocast if cast else run


def _layer(module: Any, work: Work, **options: Any) -> tuple[Any, torch.Tensor, torch.Tensor]:
    given = {name: torch.from_numpy(array) for name, array in arrays(work).items()}
    *_, inputs, hidden = work.shape
    layer = getattr(module, NAMES[work.cell])(inputs, hidden, **options)
    layer.load_state_dict(
        {
            "weight_ih_l0": given["w_ih"],
            "weight_hh_l0": given["w_hh"],
            "bias_ih_l0": given["b_ih"],
            "bias_hh_l0": given["b_hh"],
        }
    )
    return layer, given["x"], given["g"]


def train(
    layer: Callable[..., Any], parameters: list[torch.Tensor], x: torch.Tensor, g: torch.Tensor
) -> Callable[[], None]:
    """Forward and backward with the gradients of input and parameters."""
    x.requires_grad_()

    def run() -> None:
        y = layer(x)[0]
        y.backward(g.to(y.dtype))
        for tensor in (x, *parameters):
            tensor.grad = None

    return run


def _train(module: Any, work: Work, **options: Any) -> Callable[[], None]:
    layer, x, g = _layer(module, work, **options)
    return train(layer, list(layer.parameters()), x, g)


def _inference(module: Any, work: Work, **options: Any) -> Callable[[], None]:
    layer, x, _ = _layer(module, work, **options)

    def run() -> None:
        with torch.inference_mode():
            layer(x)

    return run


def _ragged(module: Any, work: Work, **options: Any) -> Callable[[], None]:
    layer, x, g = _layer(module, work, **options)
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor(work.lengths), enforce_sorted=False)
    g = nn.utils.rnn.pack_padded_sequence(g, torch.tensor(work.lengths), enforce_sorted=False).data
    data = packed.data.requires_grad_()

    def run() -> None:
        y = layer(packed._replace(data=data))[0]
        y.data.backward(g)
        for tensor in (data, *layer.parameters()):
            tensor.grad = None

    return run


class _CharRNN(nn.Module):
    """Symbols to logits, as char-rnn: one-hot inputs, three layers, a linear read-out."""

    def __init__(self, module: Any, work: Work) -> None:
        super().__init__()
        *_, symbols, hidden = work.shape
        self.symbols = symbols
        self.rnn = getattr(module, NAMES[work.cell])(symbols, hidden, num_layers=work.options["layers"])
        self.head = nn.Linear(hidden, symbols)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.rnn(nn.functional.one_hot(ids, self.symbols).float())[0])
        return logits


def step(
    model: Callable[[torch.Tensor], torch.Tensor], parameters: list[nn.Parameter], work: Work
) -> Callable[[], None]:
    """A training step of char-rnn: loss, gradients, Adam."""
    batch, steps, symbols, _ = work.shape
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, symbols, (steps + 1, batch), generator=generator)
    optimiser = torch.optim.Adam(parameters, lr=1e-3)

    def run() -> None:
        optimiser.zero_grad()
        logits = model(ids[:-1])
        nn.functional.cross_entropy(logits.reshape(-1, symbols).float(), ids[1:].reshape(-1)).backward()
        optimiser.step()

    return run


def _char_rnn(module: Any, work: Work) -> Callable[[], None]:
    model = _CharRNN(module, work)
    return step(model, list(model.parameters()), work)


def _write(module: Any, work: Work) -> Callable[[], None]:
    """The loop that torch's users write: a step, a softmax, a draw, a one-hot vector."""
    batch, steps, symbols, hidden = work.shape
    layers = work.options["layers"]
    rnn, head = getattr(module, NAMES[work.cell])(symbols, hidden, layers), nn.Linear(hidden, symbols)

    def run() -> None:
        x, h = torch.zeros(1, batch, symbols), torch.zeros(layers, batch, hidden)
        with torch.inference_mode():
            for _ in range(steps):
                y, h = rnn(x, h)
                drawn = torch.multinomial(torch.softmax(head(y[0]), -1), 1)[:, 0]
                x = nn.functional.one_hot(drawn, symbols).float()[None]

    return run


_WORKS: dict[str, Callable[..., Callable[[], None]]] = {
    "write": _write, "inference": _inference, "ragged": _ragged, "char-rnn": _char_rnn,
    **dict.fromkeys(("train", "bf16", "memory", "growing"), _train),
}  # fmt: skip
