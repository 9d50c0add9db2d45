"""The grid: one run for each cell, number of layers and size, with as many parameters as the LSTM of that size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch

from unrolled.checkpoint import load
from unrolled.nn import language_model
from unrolled.reproduce.bench import Bench
from unrolled.training import evaluate
from unrolled.training.config import TrainConfig, resolve
from unrolled.training.material import read_configured

CELLS: Mapping[str, str] = {"vanilla": "RNN", "lstm": "LSTM", "gru": "GRU"}
BATCH, LENGTH = 50, 50
LANES = 8  # of the evaluation before training


@dataclass(frozen=True)
class Cell:
    """One place in the grid: nats per character after and before training, and what it took."""

    cell: str
    layers: int
    size: int
    hidden: int
    parameters: int
    nats: float
    untrained: float
    steps: int
    batch: int
    length: int
    seconds: float
    command: str


def measured(bench: Bench, layers: Sequence[int], sizes: Sequence[int]) -> list[Cell]:
    """Train them all."""
    return [_place(bench, cell, depth, size) for cell in CELLS for depth in layers for size in sizes]


def matching(cell: str, layers: int, size: int, symbols: int) -> int:
    """The units at which a cell comes nearest to the parameters of an LSTM with ``size`` units."""
    wanted = parameters("lstm", layers, size, symbols)
    low, high = 1, 4 * size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if parameters(cell, layers, middle, symbols) <= wanted else (low, middle)
    return min(low, high, key=lambda hidden: abs(parameters(cell, layers, hidden, symbols) - wanted))


@cache
def parameters(cell: str, layers: int, hidden: int, symbols: int) -> int:
    """Of a language model."""
    return sum(each.numel() for each in language_model(cell, symbols, hidden, layers, device="meta").parameters())


def _place(bench: Bench, cell: str, layers: int, size: int) -> Cell:
    (steps,), (seed,) = bench.numbers("steps"), bench.numbers("seed")
    text = bench.settings["text"] or None
    symbols = _symbols(text)
    hidden = matching(cell, layers, size, symbols)
    run = bench.train(
        f"{cell}-{layers}-{size}", None, text=text, recurrence=cell, layers=layers, hidden=hidden, batch=BATCH,
        sequence_length=LENGTH, learning_rate=2e-3, schedule="cosine", steps=steps, evaluate_every=steps,
        sample_length=0, seed=seed,
    )  # fmt: skip
    model = load(run.path)
    torch.manual_seed(seed)
    fresh = language_model(cell, len(model.vocabulary), hidden, layers)
    corpus = read_configured(resolve({"text": text, "limit": 20_000 if bench.quick else 0}))
    before = evaluate(fresh, corpus.documents("validation", model.vocabulary).ids, lanes=LANES)
    return Cell(
        cell, layers, size, hidden, parameters(cell, layers, hidden, symbols), run.figures.nats, before.nats, steps,
        BATCH, LENGTH, run.seconds, run.command,
    )  # fmt: skip


@cache
def _symbols(text: str | None) -> int:
    """How many different characters a text has, as training counts them."""
    config = TrainConfig(text=text)
    return len(read_configured(config).vocabulary("characters", ""))
