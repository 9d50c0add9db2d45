"""Texts whose entropy is known, models trained on them, and evidence that was made up."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from unrolled.diagnose.limits.evidence import Evidence
from unrolled.diagnose.limits.lags import LagGain
from unrolled.diagnose.limits.past import Past, Turn
from unrolled.diagnose.limits.probes import Further, Gain, Probes
from unrolled.diagnose.limits.samples import Mean

NONE = Mean(0.0, 0.001)
LETTERS = np.array(list("abcdefgh"))


def markov(length: int, seed: int = 0, order: int = 2) -> str:
    """A text in which the last ``order`` letters tell all there is to know of the next; the chain is always the same,
    ``seed`` draws the text."""
    return _walk(_chain(order).cumsum(1), length, order, np.random.default_rng(seed))


def entropy(order: int = 2) -> float:
    """Nats a letter of these texts: − Σ π(s) p(x | s) ln p(x | s), π where the chain comes to rest."""
    chain, count = _chain(order), len(LETTERS)
    rest = np.full(len(chain), 1 / len(chain))
    for _ in range(500):
        moved = np.zeros_like(rest)
        for letter in range(count):
            np.add.at(moved, (np.arange(len(chain)) * count + letter) % len(chain), rest * chain[:, letter])
        rest = moved
    return float(-(rest[:, None] * chain * np.log(np.maximum(chain, 1e-300))).sum())


def _chain(order: int) -> np.ndarray:
    """The probability of each letter after each state, the last letters as a number."""
    chain = np.random.default_rng(1).dirichlet(np.full(len(LETTERS), 0.3), size=(len(LETTERS),) * order)
    return chain.reshape(-1, len(LETTERS))


def _walk(chain: np.ndarray, length: int, order: int, random: np.random.Generator) -> str:
    draws, states, state = random.random(length), len(LETTERS) ** order, 0
    found = np.empty(length, int)
    for t, draw in enumerate(draws):
        found[t] = min(np.searchsorted(chain[state], draw), len(LETTERS) - 1)
        state = (state * len(LETTERS) + found[t]) % states
    return "".join(LETTERS[found])


def echo(length: int, lag: int, seed: int = 0, share: float = 0.8) -> str:
    """A text whose letters are with this probability those that stood ``lag`` places before, and else any."""
    random = np.random.default_rng(seed)
    copied, found = random.random(length) < share, random.integers(0, len(LETTERS), length)
    for t in range(lag, length):
        found[t] = found[t - lag] if copied[t] else found[t]
    return "".join(LETTERS[found])


def trained(folder: Path, text: str, **options: object) -> Path:
    """The run of a GRU on a text."""
    from unrolled.training import TrainConfig, train

    (folder / "text.txt").write_text(text)
    given = {
        "recurrence": "gru", "layers": 1, "hidden": 32, "batch": 16, "sequence_length": 30, "learning_rate": 0.005,
        "schedule": "cosine", "sample_length": 0, "evaluate_every": 200, "threads": 1,
    }  # fmt: skip
    config = TrainConfig(text=str(folder / "text.txt"), run=str(folder / "run"), **{**given, **options})
    list(train(config))
    return folder / "run"


def gain(held_out: Mean, training: Mean | None = None) -> Gain:
    """The same on both texts, or another on training text."""
    return Gain(held_out if training is None else training, held_out)


def evidence(**changes: object) -> Evidence:
    """Of a model of 2 nats in which nothing can be mended."""
    probes = Probes(100, (Further(0.001, gain(NONE)), Further(0.01, gain(NONE))), gain(NONE), 64, gain(NONE), 200)
    probes = dataclasses.replace(probes, **{key: changes.pop(key) for key in [*changes] if hasattr(probes, key)})
    given = Evidence(
        symbols=50_000, units=32, rate=0.01, back=50, training=Mean(2.0, 0.01), held_out=Mean(2.0, 0.01), gap=NONE,
        shift=NONE, horizon=20, seen=100, lag=LagGain(30, NONE), silence="", probes=probes,
        past=Past(1000, 0.0, 0, Turn(1000, 0.0, 0.0)),
    )  # fmt: skip
    return dataclasses.replace(given, **changes)
