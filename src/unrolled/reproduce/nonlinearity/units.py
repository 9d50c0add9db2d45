"""One network with one non-linearity: what its units do, before and after training.

Shapes: states (T + 1, B, H), ids (T, B).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from unrolled.checkpoint import load
from unrolled.data.vocabulary import Vocabulary
from unrolled.diagnose.lyapunov import lyapunov_spectrum
from unrolled.diagnose.step import StepMap
from unrolled.nn import Recurrent, language_model
from unrolled.reproduce.bench import Bench
from unrolled.training import evaluate
from unrolled.training.config import resolve
from unrolled.training.evaluation import result_of
from unrolled.training.material import read_configured

FLAT = 0.05  # |φ′| below which a unit passes no gradient on
LANES, STEPS = 8, 400  # of held-out text along which units are watched


@dataclass(frozen=True)
class Unit:
    """A non-linearity: its name, and the equation with it."""

    name: str
    equation: str


UNITS: Mapping[str, Unit] = MappingProxyType(
    {
        "tanh": Unit("tanh", "h_t = tanh(U x_t + W h_{t-1} + b)"),
        "sigmoid": Unit("σ", "h_t = σ(U x_t + W h_{t-1} + b)"),
        "relu": Unit("relu", "h_t = relu(U x_t + W h_{t-1} + b)"),
        "hard": Unit("hard tanh", "h_t = clip(U x_t + W h_{t-1} + b, -1, 1)"),
        "identity": Unit("identity", "h_t = U x_t + W h_{t-1} + b"),
    }
)


@dataclass(frozen=True)
class Behaviour:
    """Nats per character; of the activations the mean and the largest size; the share of those through which nothing
    flows back; the leading Lyapunov exponent in nats per step."""

    nats: float
    mean: float
    most: float
    flat: float
    exponent: float


@dataclass(frozen=True)
class Measured:
    """The same network before and after training."""

    before: Behaviour
    after: Behaviour
    command: str


def measured(bench: Bench, phi: str, hidden: int, steps: int, seed: int) -> Measured:
    """Train it, and look at it before and after."""
    text = bench.settings["text"] or None
    run = bench.train(
        f"{phi}-{seed}", None, text=text, recurrence=UNITS[phi].equation, layers=1, hidden=hidden, batch=50,
        sequence_length=50, learning_rate=1e-3, schedule="cosine", steps=steps, evaluate_every=steps, sample_length=0,
        seed=seed,
    )  # fmt: skip
    model = load(run.path)
    corpus = read_configured(resolve({"text": text, "limit": 20_000 if bench.quick else 0}))
    ids = torch.from_numpy(corpus.documents("validation", model.vocabulary).ids[: LANES * STEPS + 1].astype("int64"))
    fresh = first(phi, model.vocabulary, model.layer, seed)
    return Measured(behaviour(fresh, phi, ids), behaviour(model.layer, phi, ids), run.command)


def first(phi: str, vocabulary: Vocabulary, layer: Recurrent, seed: int) -> Recurrent:
    """The network as training began with it."""
    torch.manual_seed(seed)
    return language_model(UNITS[phi].equation, len(vocabulary), layer.sizes["h"])


def behaviour(layer: Recurrent, phi: str, ids: Tensor) -> Behaviour:
    """What a network does along a text (N,)."""
    lanes = ids[: len(ids) // LANES * LANES].view(LANES, -1).T.contiguous()
    step = StepMap(layer)
    batch, _ = step.inputs(lanes)
    states = step.trajectory(batch)[1:]
    steps = len(lanes)
    spectrum = result_of(lyapunov_spectrum(layer, lanes, count=1, warm_up=steps // 4))
    return Behaviour(
        evaluate(layer, ids.numpy(), lanes=LANES).nats,
        states.mean().item(),
        states.abs().max().item(),
        (slope(phi, states) < FLAT).double().mean().item(),
        spectrum.exponents[0],
    )


def slope(phi: str, h: Tensor) -> Tensor:
    """|φ′| where φ answered h."""
    match phi:
        case "tanh":
            return 1 - h**2
        case "sigmoid":
            return h * (1 - h)
        case "relu":
            return (h > 0).to(h.dtype)
        case "hard":
            return (h.abs() < 1).to(h.dtype)
    return torch.ones_like(h)
