"""How well a model predicts a text: one lane, the state carried from zero, the mean over all predictions.

Shapes: ids (N,) of any type of integer, which may be mapped into memory, logits (T, K, V) in K lanes.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Generator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unrolled.data.documents import Symbols, begins_at
from unrolled.data.lanes import Begins
from unrolled.errors import DataError
from unrolled.training.reading import read

if TYPE_CHECKING:
    from unrolled.data.vocabulary import Ids, Vocabulary
    from unrolled.nn import Recurrent

Result = TypeVar("Result")

LARGEST_LOGITS = 4_000_000  # entries of one window's logits: a large vocabulary gets shorter windows
LONGEST_WINDOW = 1000
LONGEST_STRETCH = 1 << 20
WARM_UP = 200  # symbols that a lane reads before its own part, so that it does not start from zero


@dataclass(frozen=True)
class Evaluation:
    """The mean loss in nats per predicted symbol, and what follows from it.

    ``symbols`` were predicted, each a ``unit`` ("character", "byte" or "word"), which are ``characters`` of text; the
    first symbol of the text is given, not predicted.
    """

    nats: float
    symbols: int
    characters: int
    lanes: int = 1
    unit: str = "character"

    @property
    def badness(self) -> float:
        """The loss."""
        return self.nats

    @property
    def summary(self) -> str:
        """In one line."""
        return f"{self.nats:.4f} nats, {self.bits_per_character:.4f} bits/char"

    @property
    def short(self) -> str:
        """Bits per character."""
        return f"{self.bits_per_character:.3f} bits/char"

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The figures with their names."""
        return [
            ("loss", f"{self.nats:.4f} nats per {self.unit}"),
            ("bits per character", f"{self.bits_per_character:.4f}"),
            ("perplexity", f"{self.perplexity:.3f}"),
        ]

    @property
    def bits_per_character(self) -> float:
        """Bits for the text, over its characters: comparable between characters, bytes and words."""
        return self.nats * self.symbols / (math.log(2) * self.characters)

    @property
    def perplexity(self) -> float:
        """exp(nats): as uncertain as among so many symbols."""
        return math.exp(self.nats) if self.nats < 700 else math.inf

    def to_dict(self) -> dict[str, Any]:
        """Plain data, with the derived figures; None for a perplexity beyond all numbers."""
        perplexity = self.perplexity if math.isfinite(self.perplexity) else None
        return {**asdict(self), "bits_per_character": self.bits_per_character, "perplexity": perplexity}


def evaluate(layer: Recurrent, ids: Symbols, vocabulary: Vocabulary | None = None, *, lanes: int = 1) -> Evaluation:
    """Evaluate a layer on ids (N,), N ≥ 2, by the definition, or close to it and faster in several lanes.

    Each further lane first reads the 200 symbols before its part, uncounted. ``vocabulary`` counts the characters.
    """
    return result_of(evaluate_stepwise(layer, ids, vocabulary, lanes=lanes))


def result_of(steps: Generator[float, None, Result]) -> Result:
    """What a generator returns at its end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result


def within(steps: Generator[float, None, Result], begin: float, end: float) -> Generator[float, None, Result]:
    """A measurement as a part of a larger one, of which it is the share from ``begin`` to ``end``."""
    while True:
        try:
            share = next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        yield begin + (end - begin) * share


def evaluate_stepwise(
    layer: Recurrent, ids: Symbols, vocabulary: Vocabulary | None = None, *, lanes: int = 1, starts: Ids | None = None
) -> Generator[float, None, Evaluation]:
    """Like ``evaluate``, yielding the share done after each window; ``starts`` (D,) says where documents begin."""
    if len(ids) < 2:
        raise DataError(f"the text to evaluate on has {len(ids)} symbols; it needs at least 2 to predict one")
    lanes = min(lanes, max(1, (len(ids) - 1) // (2 * WARM_UP)))
    total, state, steps = 0.0, None, _steps(len(ids), lanes)
    length = _window(layer, lanes)
    for start in range(0, steps, length):
        at, counted = _places(len(ids), lanes, start, min(start + length, steps))
        inputs, targets = (ids[each].astype(np.int64, copy=False) for each in (at, at + 1))
        losses, state = _losses(layer, inputs, targets, state, None if starts is None else begins_at(starts, at))
        total += float(losses[counted].sum())
        yield min(1.0, (start + length) / steps)
    symbols = len(ids) - 1
    characters = _characters(ids[1:], vocabulary) if vocabulary is not None else symbols
    unit = vocabulary.unit if vocabulary is not None else "character"
    return Evaluation(total / symbols, symbols, max(1, characters), lanes, unit)


def _characters(ids: Symbols, vocabulary: Vocabulary) -> int:
    """The length of the text that ``vocabulary`` decodes, a stretch at a time."""
    stretches = (ids[start : start + LONGEST_STRETCH] for start in range(0, len(ids), LONGEST_STRETCH))
    if vocabulary.kind == "bytes":
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        return sum(len(decoder.decode(part.astype(np.uint8).tobytes())) for part in stretches) + len(
            decoder.decode(b"", final=True)
        )
    lengths = np.array([len(symbol) for symbol in vocabulary.symbols])
    return sum(int(lengths[part].sum()) for part in stretches)


def _steps(symbols: int, lanes: int) -> int:
    """How many symbols each lane reads."""
    return -(-(symbols - 1) // lanes) + (WARM_UP if lanes > 1 else 0)


def _places(symbols: int, lanes: int, start: int, end: int) -> tuple[Ids, NDArray[np.bool_]]:
    """Where each lane reads in the steps from ``start`` to ``end``, and which predictions count, (T, K); lane k counts
    the targets k·L + 1 … (k + 1)·L."""
    part = -(-(symbols - 1) // lanes)
    first = np.arange(lanes) * part
    begin = np.maximum(first - (WARM_UP if lanes > 1 else 0), 0)
    at = begin + np.arange(start, end)[:, None]
    counted = (at >= first) & (at < np.minimum(first + part, symbols - 1))
    return np.minimum(at, symbols - 2), counted  # past the end a lane reads on without being counted


def _losses(
    layer: Recurrent, inputs: Ids, targets: Ids, state: dict[str, Tensor] | None, begins: Begins | None
) -> tuple[NDArray[np.float64], dict[str, Tensor]]:
    """The losses (T, K) in float64 of one window; the layer's mode is left as it was."""
    device = next(layer.parameters()).device
    training = layer.training
    layer.eval()
    try:
        with torch.no_grad():
            logits, state = read(layer, torch.from_numpy(inputs).to(device), state, begins)
            wanted = torch.from_numpy(targets).to(device)
            losses = functional.cross_entropy(logits.double().flatten(0, 1), wanted.flatten(), reduction="none")
    finally:
        layer.train(training)
    return losses.view(wanted.shape).cpu().numpy(), state


def _window(layer: Recurrent, lanes: int) -> int:
    # for a language model the sizes of the output and of the input both equal the vocabulary's
    widest = int(max(layer.sizes.values()))
    return max(1, min(LONGEST_WINDOW, LARGEST_LOGITS // (lanes * widest)))
