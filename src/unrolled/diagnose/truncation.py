"""How wrong a truncated gradient is: beside the exact one, against how far back it flows.

Shapes: a text (N,) of any type of integer, ids (T, B); a gradient is flat, (parameters,).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from unrolled.data.documents import Symbols
from unrolled.errors import DataError
from unrolled.nn import Recurrent

BACK = (1, 2, 5, 10, 20, 50, 100, 200)
WARM_UP = 100  # steps that are read before, so that no lane starts from zero


@dataclass(frozen=True)
class Bias:
    """A truncated gradient beside the exact one: their cosine, and the norm of the one over that of the other; each the
    mean over the batches, with the smallest and the largest."""

    cosine: float
    norm: float
    cosines: tuple[float, float]
    norms: tuple[float, float]


@dataclass(frozen=True)
class TruncationBias:
    """For each ``back``, k2 = k1 steps, the bias of the whole gradient, and of each parameter's.

    The losses stand at ``losses`` steps; the exact gradient flows at least as many steps back from each of them.
    """

    back: tuple[int, ...]
    whole: tuple[Bias, ...]
    parameters: Mapping[str, tuple[Bias, ...]]
    losses: int
    lanes: int
    batches: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def enough(self, cosine: float = 0.99) -> int | None:
        """The smallest k2 from which on the truncated gradient has at least this cosine with the exact one; None where
        it never has."""
        found = None
        for back, bias in reversed([*zip(self.back, self.whole, strict=True)]):
            if bias.cosine < cosine:
                break
            found = back
        return found


def truncation_bias(
    layer: Recurrent, ids: Symbols, *, back: Sequence[int] = BACK, lanes: int = 16, batches: int = 4
) -> Generator[float, None, TruncationBias]:
    """Measure on a text (N,), yielding the share done; the layer is left as it was.

    A batch is ``lanes`` stretches of the text, apart from those of other batches. Of each, 100 steps are read first;
    the losses stand at the last K of 2 K steps, K the largest k2. Dropout is off.

    Raises:
        DataError: the text is too short for one batch, or some k2 is not at least 1.
    """
    back = tuple(sorted(set(back)))
    if not back or back[0] < 1:
        raise DataError(f"the gradient cannot flow back {list(back)} steps; give numbers of at least 1")
    steps = WARM_UP + 2 * back[-1]
    batches = min(batches, (len(ids) - 1) // (lanes * steps))
    if batches < 1:
        raise DataError(
            f"the text has {len(ids):,} symbols, and {lanes} lanes of {steps} steps take {lanes * steps + 1:,}; give "
            "more text, fewer lanes, or a smaller largest k2"
        )
    names = [name for name, _ in layer.named_parameters()]
    found: dict[int, list[Mapping[str, tuple[float, float]]]] = {k: [] for k in back}
    training = layer.training
    layer.eval()
    try:
        for batch in range(batches):
            given = _batch(layer, ids, batch, lanes, steps)
            exact = _gradient(layer, *given, back[-1], back[-1] * 2)
            for n, k in enumerate(back):
                truncated = _gradient(layer, *given, back[-1], k)
                found[k].append(_compared(names, truncated, exact))
                yield (batch + (n + 1) / len(back)) / batches
    finally:
        layer.train(training)
    rows = {name: tuple(_bias([each[name] for each in found[k]]) for k in back) for name in ("", *names)}
    return TruncationBias(back, rows.pop(""), rows, back[-1], lanes, batches)


def _batch(
    layer: Recurrent, ids: Symbols, batch: int, lanes: int, steps: int
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Inputs and targets (T, B), and the state before them."""
    device = next(layer.parameters()).device
    begins = (batch * lanes + np.arange(lanes)) * steps
    at = begins + np.arange(steps + 1)[:, None]
    symbols = torch.from_numpy(ids[at].astype(np.int64)).to(device)
    with torch.no_grad():
        _, state = layer.logits(symbols[:WARM_UP])
    return symbols[WARM_UP:-1], symbols[WARM_UP + 1 :], state


def _gradient(
    layer: Recurrent, inputs: Tensor, targets: Tensor, state: dict[str, Tensor], losses: int, back: int
) -> list[Tensor]:
    """Of the mean loss at the last ``losses`` steps, cut every ``back`` steps, counted from the first of these losses;
    where ``back`` is all steps there is no cut."""
    parameters = list(layer.parameters())
    total = [torch.zeros_like(parameter) for parameter in parameters]
    first = len(inputs) - losses
    if back < len(inputs):
        with torch.no_grad():
            _, state = layer.logits(inputs[:first], state)
        cuts = [*range(first, len(inputs), back), len(inputs)]
    else:
        cuts = [0, len(inputs)]
    for begin, end in pairwise(cuts):
        logits, after = layer.logits(inputs[begin:end], state)
        counted = slice(max(0, first - begin), None)
        loss = functional.cross_entropy(
            logits[counted].flatten(0, 1), targets[begin:end][counted].flatten(), reduction="sum"
        )
        for own, gradient in zip(total, torch.autograd.grad(loss, parameters), strict=True):
            own += gradient / targets[first:].numel()
        state = {name: value.detach() for name, value in after.items()}
    return total


def _compared(
    names: Sequence[str], truncated: Sequence[Tensor], exact: Sequence[Tensor]
) -> dict[str, tuple[float, float]]:
    """Cosine and relative norm, of each parameter and, under "", of all together."""
    pairs = {name: (a.flatten(), b.flatten()) for name, a, b in zip(names, truncated, exact, strict=True)}
    pairs[""] = nn.utils.parameters_to_vector(truncated), nn.utils.parameters_to_vector(exact)
    return {name: _angle(a.double(), b.double()) for name, (a, b) in pairs.items()}


def _angle(a: Tensor, b: Tensor) -> tuple[float, float]:
    norms = a.norm().item(), b.norm().item()
    if norms[1] == 0:  # nothing flows here at all
        return (1.0, 1.0) if norms[0] == 0 else (0.0, float("inf"))
    return ((a @ b).item() / (norms[0] * norms[1]) if norms[0] else 0.0), norms[0] / norms[1]


def _bias(pairs: Sequence[tuple[float, float]]) -> Bias:
    cosines, norms = zip(*pairs, strict=True)
    return Bias(
        float(np.mean(cosines)), float(np.mean(norms)), (min(cosines), max(cosines)), (min(norms), max(norms))
    )  # fmt: skip
