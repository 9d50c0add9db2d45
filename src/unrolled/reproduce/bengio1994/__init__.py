"""Bengio, Simard & Frasconi 1994: one neuron that is to keep one bit, over longer and longer spans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from unrolled.diagnose.plots import BLUE, GREY, ORANGE, panels
from unrolled.reproduce.bench import Bench, one_thread, written
from unrolled.reproduce.bengio1994.criteria import (
    BATCH,
    FALLS,
    HALF,
    LENGTHS,
    NEURONS,
    POSSIBLE,
    SEQUENCES,
    SHORT,
    UPDATES,
    WRONG,
)
from unrolled.reproduce.bengio1994.neurons import Neurons, learn, wrong
from unrolled.reproduce.judging import judged
from unrolled.reproduce.report import Picture, Report, Row, Section
from unrolled.reproduce.success import Rate, draw_rates, fewer_by_chance

NAME = "bengio1994"
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
SHORTEST, LONGEST = min(LENGTHS), max(LENGTHS)
SEED, PILOT_SEED = 0, 100


@dataclass(frozen=True)
class Budget:
    """Updates, and the new sequences on which a success is judged."""

    updates: int = UPDATES
    sequences: int = SEQUENCES


QUICK = Budget(updates=2, sequences=40)


@dataclass(frozen=True)
class Found:
    """Success rates by length: before training, trained at that length, and trained at the shortest, tested at that
    length; the weights w after training at a length."""

    untrained: Mapping[int, Rate]
    trained: Mapping[int, Rate]
    carried: Mapping[int, Rate]
    weights: Mapping[int, Sequence[float]]


def reproduce(bench: Bench) -> Report:
    """Choose the rate, train the neurons at each length, and judge them."""
    budget = QUICK if bench.quick else Budget()
    with one_thread():
        pilot = {rate: _pilot(bench, rate, budget) for rate in RATES}
        rate = best(pilot)
        found = _measured(bench, rate, budget)
    rows = [*judgements(found), *told(found)]
    picture = Picture("latch", "Neurons that keep the bit for T steps; bars: 95 % intervals", lambda: draw(found))
    return Report(NAME, _about(), [Section("One bit, one neuron", [], rows, _chosen(pilot, rate), [picture])])


def best(pilot: Mapping[float, Mapping[int, Rate]]) -> float:
    """The rate with which most succeed at the shortest length; the smallest of those that are as good."""
    return max(sorted(pilot), key=lambda rate: pilot[rate][SHORTEST].successes)


def rate_of(neurons: Neurons, length: int, sequences: int) -> Rate:
    """How many keep the bit."""
    random = torch.Generator().manual_seed(1_000_000 + length)
    return Rate.of((wrong(neurons, length, sequences, random) < WRONG).tolist())


def _pilot(bench: Bench, rate: float, budget: Budget) -> Mapping[int, Rate]:
    bench.say(f"the rate {rate:g} on other neurons at T = {SHORTEST}")
    neurons = Neurons(NEURONS, PILOT_SEED)
    learn(neurons, SHORTEST, rate, PILOT_SEED, budget.updates, BATCH)
    return {length: rate_of(neurons, length, budget.sequences) for length in (SHORTEST, LONGEST)}


def _measured(bench: Bench, rate: float, budget: Budget) -> Found:
    start = Neurons(NEURONS, SEED)
    untrained = {length: rate_of(start, length, budget.sequences) for length in LENGTHS}
    trained, weights, carried = {}, {}, {}
    for length in LENGTHS:
        bench.say(f"{NEURONS} neurons at T = {length}")
        neurons = deepcopy(start)
        learn(neurons, length, rate, length, budget.updates, BATCH)
        trained[length] = rate_of(neurons, length, budget.sequences)
        weights[length] = neurons.w.tolist()
        if length == SHORTEST:
            carried = {other: rate_of(neurons, other, budget.sequences) for other in LENGTHS}
    return Found(untrained, trained, carried, weights)


def judgements(found: Found) -> list[Row]:
    """A row for each criterion."""
    short, long = found.trained[SHORTEST], found.trained[LONGEST]
    short_before, long_before = found.untrained[SHORTEST], found.untrained[LONGEST]
    return [
        judged(SHORT, short.share, short_before.share),
        judged(FALLS, fewer_by_chance(long, short), fewer_by_chance(long_before, short_before)),
        judged(HALF, short.share - long.share, short_before.share - long_before.share),
        judged(POSSIBLE, found.carried[LONGEST].share, long_before.share),
    ]


def told(found: Found) -> list[Row]:
    """A row for each length."""
    return [
        Row(
            f"T = {length}",
            f"{found.trained[length]} succeed; untrained {found.untrained[length].successes}; trained at T = "
            f"{SHORTEST} {found.carried[length].successes}; {_weights(found.weights[length])}",
        )
        for length in LENGTHS
    ]


def _weights(each: Sequence[float]) -> str:
    return f"median |w| {median(map(abs, each)):.2f}, w < 0 in {sum(w < 0 for w in each)}"


def draw(found: Found) -> Any:
    """The success rates against the length."""
    figure, axes = panels(1)
    for rates, label, color in (
        (found.carried, f"trained at T = {SHORTEST}", ORANGE),
        (found.trained, "trained at T", BLUE),
        (found.untrained, "untrained", GREY),
    ):
        draw_rates(axes, LENGTHS, [rates[length] for length in LENGTHS], label, color)
    axes.legend(frameon=False)
    return figure


def _chosen(pilot: Mapping[float, Mapping[int, Rate]], rate: float) -> str:
    each = "; ".join(
        f"{rate:g}: {found[SHORTEST].successes} and {found[LONGEST].successes}" for rate, found in pilot.items()
    )
    return (
        f"The rate is {rate:g}, with which most of {NEURONS} other neurons (seed {PILOT_SEED}), trained at T = "
        f"{SHORTEST}, succeeded there. So many did with each rate at T = {SHORTEST}, and untouched at T = {LONGEST}: "
        f"{each}. What serves a short span best is not what lasts. Only where |w| > 1 do two states attract; where w < "
        "0 they change sign at every step, and the answer is right at odd T or at even T only. The criterion of "
        "Fisher's test did not foresee that untrained neurons, some of which succeed by chance, forget too. In "
        "brackets: the 95 % interval of the probability of success (Wilson)."
    )


def _about() -> str:
    return (
        "Bengio, Simard & Frasconi, “Learning long-term dependencies with gradient descent is difficult”, IEEE "
        "Transactions on Neural Networks 5 (1994), a minimal task. x_t = tanh(w x_{t-1} + h_t) is to tell two classes "
        "apart at step T by what it read at the steps 1 to 3, which is learnt along with w; then it reads noise of "
        f"standard deviation 0.2. {NEURONS} neurons, {UPDATES:,} updates of gradient descent on {BATCH} new sequences "
        f"each; one succeeds where it is wrong about under 1 % of {SEQUENCES:,} new ones. Chosen here, the paper being "
        "silent: the first h_t, the rate, the number of updates. The criteria were written before any neuron was "
        "trained; what the same neurons do before training does not hold. "
        f"{written(NAME)}"
    )
