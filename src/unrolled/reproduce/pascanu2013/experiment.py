"""An experiment: which setting of a grid succeeds most at one length, and what it does at all lengths with
clipping and without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean, median
from typing import Any

from unrolled.diagnose.plots import BLUE, GREEN, ORANGE, panels
from unrolled.reproduce.bench import Bench
from unrolled.reproduce.judging import judged
from unrolled.reproduce.pascanu2013.criteria import FALLS, HELPS, LENGTHS, MORE, SOLVED, WRONG
from unrolled.reproduce.pascanu2013.learning import Budget, Outcome, Setting, learn
from unrolled.reproduce.report import Row
from unrolled.reproduce.success import Rate, draw_rates, sign_test

RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
SHORTEST, LONGEST = min(LENGTHS), max(LENGTHS)
PILOT_SEED = 100  # the first of the pilot; no network that is judged has one of its seeds
Pilot = Mapping[Setting, Sequence[Outcome]]
Arm = Mapping[int, Sequence[Outcome]]  # by length, in the order of the seeds


@dataclass(frozen=True)
class Found:
    """The pilots at the length ``at``, with clipping and without it; the setting of both arms; what the networks did
    with clipping, without it, and without it at the rate that is best for that (None: it is the same, or no rate of
    the pilot succeeded).

    Where no setting succeeded with clipping, there is no pilot without it.
    """

    at: int
    pilots: tuple[Pilot, Pilot]
    setting: Setting
    clipped: Arm
    plain: Arm
    own: Arm | None


def with_and_without(bench: Bench, starts: Sequence[str], at: int, networks: int, pilots: int, budget: Budget) -> Found:
    """Choose among ``starts`` and rates at the length ``at`` with ``pilots`` networks each, and train ``networks`` at
    each length."""

    def pilot(clipped: bool) -> Pilot:
        return {each: _learn(bench, at, each, PILOT_SEED, pilots, budget) for each in grid(starts, clipped)}

    def arm(setting: Setting) -> Arm:
        return {length: _learn(bench, length, setting, 0, networks, budget) for length in LENGTHS}

    with_it = pilot(clipped=True)
    without = pilot(clipped=False) if _some(with_it) else {}
    setting = best(with_it)
    alone = replace(setting, clipped=False)
    own = best(without) if _some(without) else alone
    return Found(at, (with_it, without), setting, arm(setting), arm(alone), None if own == alone else arm(own))


def _some(pilot: Pilot) -> bool:
    """Did any network succeed?"""
    return any(each.succeeded for outcomes in pilot.values() for each in outcomes)


def grid(starts: Sequence[str], clipped: bool) -> list[Setting]:
    """Every start with every rate."""
    return [Setting(start, rate, clipped=clipped) for start in starts for rate in RATES]


def best(pilot: Pilot) -> Setting:
    """The setting with which most succeed; of several the one with which they do so earliest; where none succeeds the
    one that misclassifies least."""

    def order(setting: Setting) -> tuple[float, float, float]:
        outcomes = pilot[setting]
        solved = [each.solved for each in outcomes if each.solved is not None]
        return -len(solved), median(solved) if solved else 0, mean(each.wrong for each in outcomes)

    return min(pilot, key=order)


def _learn(bench: Bench, length: int, setting: Setting, seed: int, count: int, budget: Budget) -> list[Outcome]:
    outcomes = []
    for number in range(count):
        clipped = "with" if setting.clipped else "without"
        bench.say(f"T = {length}, {setting}, {clipped} clipping, network {number + 1} of {count}")
        outcomes.append(learn(length, setting, seed + number, budget))
    return outcomes


def judgements(found: Found) -> list[Row]:
    """A row for each criterion."""
    clipped, plain = ({length: rate(each) for length, each in arm.items()} for arm in (found.clipped, found.plain))
    before = {length: _untrained(each) for length, each in found.clipped.items()}  # the same in both arms
    won, lost = decided(found.clipped, found.plain)
    more = f", {won} pairs won, {lost} lost"
    return [
        judged(SOLVED, clipped[SHORTEST].share, before[SHORTEST].share),
        judged(HELPS, sign_test(won, lost), sign_test(0, 0), more),
        judged(MORE, gain(clipped, plain), gain(before, before)),
        judged(FALLS, plain[SHORTEST].share - plain[LONGEST].share, before[SHORTEST].share - before[LONGEST].share),
    ]


def rate(outcomes: Sequence[Outcome]) -> Rate:
    """How many succeeded."""
    return Rate.of([each.succeeded for each in outcomes])


def decided(clipped: Arm, plain: Arm) -> tuple[int, int]:
    """Of the pairs of one length and seed in which just one arm succeeds: those that clipping wins, and loses."""
    pairs = [
        (a.succeeded, b.succeeded) for length in clipped for a, b in zip(clipped[length], plain[length], strict=True)
    ]
    return pairs.count((True, False)), pairs.count((False, True))


def gain(clipped: Mapping[int, Rate], plain: Mapping[int, Rate]) -> float:
    """The largest gain in success rate at the longer lengths, less that at the shortest."""
    gains = {length: clipped[length].share - plain[length].share for length in clipped}
    return max(each for length, each in gains.items() if length != SHORTEST) - gains[SHORTEST]


def _untrained(outcomes: Sequence[Outcome]) -> Rate:
    return Rate.of([each.untrained < WRONG for each in outcomes])


def told(found: Found) -> list[Row]:
    """A row for each length."""
    rows = []
    for length in LENGTHS:
        said = f"with clipping {_said(found.clipped[length])}; without {_said(found.plain[length])}"
        if found.own is not None:
            said += f"; without, at the rate best for it, {_said(found.own[length])}"
        rows.append(Row(f"T = {length}", said))
    return rows


def _said(outcomes: Sequence[Outcome]) -> str:
    solved = [each.solved for each in outcomes if each.solved is not None]
    when = f", after {median(solved):,.0f} updates" if solved else ""
    wrong = median(each.wrong for each in outcomes)
    return f"{rate(outcomes)}{when}" if solved else f"{rate(outcomes)}, {wrong:.0%} wrong"


def chosen(found: Found) -> str:
    """How the settings were chosen, as sentences."""
    with_it, without = found.pilots
    count = len(next(iter(with_it.values())))
    seeds = f"seed {PILOT_SEED}" if count == 1 else f"seeds {PILOT_SEED} to {PILOT_SEED + count - 1}"
    return (
        f"Chosen at T = {found.at} on other networks, {count} with each setting ({seeds}): with clipping "
        f"{_choice(with_it)}; without it {_choice(without) if without else 'not tried then'}."
    )


def _choice(pilot: Pilot) -> str:
    if not _some(pilot):
        return f"none of {len(pilot)} settings succeeded, and {best(pilot)} misclassified least"
    counts: dict[str, list[str]] = {}
    for setting, outcomes in pilot.items():
        counts.setdefault(setting.start, []).append(str(rate(outcomes).successes))
    each = "; ".join(f"{start} {', '.join(successes)}" for start, successes in counts.items())
    rates = ", ".join(f"{rate:g}" for rate in RATES)
    return f"{best(pilot)} (successes at the rates {rates}: {each})"


def draw(found: Found) -> Any:
    """The success rates against the length."""
    figure, axes = panels(1)
    arms: list[tuple[Arm, str, str, int]] = [(found.clipped, "clipped to norm 1", BLUE, -2)]
    arms.append((found.plain, "not clipped", ORANGE, 2))
    if found.own is not None:
        arms.append((found.own, "not clipped, at its best rate", GREEN, 0))
    for arm, label, color, shift in arms:  # shifted so that no bar hides another
        draw_rates(
            axes, [length + shift for length in LENGTHS], [rate(arm[length]) for length in LENGTHS], label, color
        )
    axes.set_xticks(LENGTHS)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure
