"""Le, Jaitly & Hinton 2015: the adding problem with tanh, with rectified units from the identity, with an LSTM."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from types import MappingProxyType
from typing import Any

import torch

from unrolled.diagnose.plots import BLUE, GREEN, GREY, ORANGE, panels
from unrolled.reproduce.bench import Bench, one_thread, written
from unrolled.reproduce.judging import judged, judged_each
from unrolled.reproduce.le2015.adding import batch
from unrolled.reproduce.le2015.criteria import (
    AS_GOOD,
    BASELINE,
    BATCH,
    CONSTANT,
    HARDER,
    IRNN,
    LENGTHS,
    LSTM,
    NETWORKS,
    SEQUENCES,
    SOLVED,
    TANH,
    UPDATES,
)
from unrolled.reproduce.le2015.learning import LOOKED_AT, Budget, Check, learn
from unrolled.reproduce.le2015.networks import KINDS, new_network
from unrolled.reproduce.le2015.rates import GRID, RATES, SEED
from unrolled.reproduce.report import Picture, Report, Row, Section

NAME = "le2015"
SETTINGS: Mapping[str, str] = MappingProxyType({"networks": str(NETWORKS), "updates": str(UPDATES)})
QUICK = Budget(updates=4, every=2, sequences=100)
COLORS = {"tanh": GREY, "IRNN": BLUE, "LSTM": ORANGE}


@dataclass(frozen=True)
class Run:
    """What a network did: its checks, from before training to the last."""

    checks: Sequence[Check]

    @property
    def untrained(self) -> float:
        """The error before training."""
        return self.checks[0].error

    @property
    def error(self) -> float:
        """The error at the end."""
        return self.checks[-1].error

    @property
    def updates(self) -> float:
        """In how many updates it solved the problem; infinite where it did not."""
        return self.checks[-1].update if self.checks[-1].solved else math.inf


Runs = Mapping[tuple[str, int], Sequence[Run]]  # by kind and length


def reproduce(bench: Bench) -> Report:
    """Train all networks, and judge them."""
    (networks,), (updates,) = bench.numbers("networks"), bench.numbers("updates")
    if bench.quick:
        networks = 1
    budget = QUICK if bench.quick else Budget(updates=updates)
    with one_thread():
        runs = {
            (kind, length): [_run(bench, kind, length, seed, budget) for seed in range(networks)]
            for length in LENGTHS
            for kind in KINDS
        }
        rows = [_baseline(budget.sequences), *told(runs), *judgements(runs)]
    picture = Picture("adding", "Error while the networks learn, a line for each", lambda: draw(runs))
    section = Section("The adding problem", [], rows, _rates(), [picture])
    return Report(NAME, _about(networks, budget, bench.changed(SETTINGS)), [section])


def _run(bench: Bench, kind: str, length: int, seed: int, budget: Budget) -> Run:
    checks: list[Check] = []
    for check in learn(new_network(kind, seed), length, RATES[kind], seed, budget):
        bench.say(f"{kind}, T = {length}, network {seed + 1}: error {check.error:.4f} after {check.update:,} updates")
        checks.append(check)
    return Run(checks)


def _baseline(sequences: int) -> Row:
    """What answering 1 makes, and a network that has learnt nothing but the mean."""
    _, d = batch(LENGTHS[0], sequences, torch.Generator().manual_seed(0))
    error = (d.double() - 1).square().mean().item()
    away = abs(error - CONSTANT)
    return Row(BASELINE.what, f"{away:.4f}: {error:.4f}", BASELINE.wanted, BASELINE.met(away), BASELINE.published)


def told(runs: Runs) -> list[Row]:
    """What each kind did, in words."""
    rows = []
    for (kind, length), each in runs.items():
        solved = [run.updates for run in each if math.isfinite(run.updates)]
        when = f", after {', '.join(f'{updates:,}' for updates in solved)} updates" if solved else ""
        errors = ", ".join(f"{run.error:.4f}" for run in each)
        rows.append(Row(f"{kind}, T = {length}", f"{len(solved)} of {len(each)} solve it{when}; errors {errors}"))
    return rows


def judgements(runs: Runs) -> list[Row]:
    """A row for each criterion about networks."""
    rows = []
    for length in LENGTHS:
        for kind, criterion in (("IRNN", IRNN[length]), ("LSTM", LSTM[length])):
            each = runs[kind, length]
            rows.append(judged_each(criterion, [run.error for run in each], [run.untrained for run in each]))
    for length in LENGTHS:
        irnn, tanh, lstm = (runs[kind, length] for kind in ("IRNN", "tanh", "LSTM"))
        before = median(run.untrained for run in irnn) / median(run.untrained for run in tanh)
        after = _over(median(run.error for run in irnn), median(run.error for run in tanh))
        rows.append(judged(TANH[length], after, before))
        rows.append(judged(AS_GOOD[length], _over(_updates(irnn), _updates(lstm)), math.nan))
    most, least = (_updates(runs["IRNN", length]) for length in (max(LENGTHS), min(LENGTHS)))
    return [*rows, judged(HARDER, _over(most, least), math.nan)]


def _updates(each: Sequence[Run]) -> float:
    return median(run.updates for run in each)


def _over(a: float, b: float) -> float:
    """a / b, which is no number where both are infinite."""
    return a / b if b else math.nan


def draw(runs: Runs) -> Any:
    """The errors of all networks against the updates, a panel for each length."""
    figure, columns = panels(len(LENGTHS))
    for axes, length in zip(columns, LENGTHS, strict=True):
        for kind, color in COLORS.items():
            for number, run in enumerate(runs[kind, length]):
                updates, errors = zip(*((check.update, check.error) for check in run.checks), strict=True)
                axes.plot(updates, errors, color=color, linewidth=1, label=kind if number == 0 else None)
        for level, name in ((CONSTANT, "answering 1"), (SOLVED, "solved")):
            axes.axhline(level, color=GREEN, linewidth=0.8, linestyle="--")
            axes.annotate(
                name,
                (1, level),
                (0, 5),
                ("axes fraction", "data"),
                "offset points",
                ha="right",
                color=GREEN,
                fontsize=8,
            )
        axes.set(yscale="log", xlabel="updates", ylabel="mean squared error", title=f"T = {length}")
    columns[0].legend(frameon=False)
    return figure


def _rates() -> str:
    rates = ", ".join(f"{kind} {RATES[kind]:g}" for kind in KINDS)
    return (
        f"Adam's rate: {rates}; of {', '.join(f'{rate:g}' for rate in GRID)} each is the one with which a network of "
        f"its kind (seed {SEED}) solved the problem earliest at T = {LENGTHS[0]}, or else made the least error. On the "
        f"way an error is measured on {LOOKED_AT:,} sequences; at the end, and where it seems solved, on {SEQUENCES:,}."
    )


def _about(networks: int, budget: Budget, options: str) -> str:
    fewer = [] if networks == NETWORKS else [f"networks of each kind {networks} in place of {NETWORKS}"]
    fewer += [] if budget.updates == UPDATES else [f"updates {budget.updates:,} in place of {UPDATES:,}"]
    less = f"**Less than the criteria ask for: {', '.join(fewer)}.** " if fewer else ""
    return (
        "Le, Jaitly & Hinton, “A simple way to initialize recurrent networks of rectified linear units”, arXiv "
        "1504.00941 (2015). Of T numbers two are marked; their sum is to be said at the end. 100 units, batches of "
        f"{BATCH}, gradients clipped to norm 1. Of each kind {networks} learn from at most {budget.updates:,} batches "
        "that are new each time; one has solved the problem, and stops, where its error is at most 1/60. "
        f"{less}The paper descends plainly, for up to millions of updates, on 100,000 sequences, with the best of a "
        "grid of rates, clippings and forget biases, and shows one network of each kind. The criteria "
        "were written before any network was trained; what an untrained network meets does not hold. "
        f"{written(NAME, options)}"
    )
