"""How much the state of a recurrent network holds: symbols recalled, and what it learns by heart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from types import MappingProxyType

from unrolled.diagnose.ranks import rank_correlation
from unrolled.reproduce.bench import Bench, one_thread, written
from unrolled.reproduce.capacity import criteria
from unrolled.reproduce.capacity.by_heart import CLASSES, LENGTH, NEW, SET, UPDATES, Learnt, learn
from unrolled.reproduce.capacity.criteria import SYMBOLS
from unrolled.reproduce.capacity.recall import BATCH, TRIES, Recalled, recall
from unrolled.reproduce.report import Report, Row, Section

NAME = "capacity"
SETTINGS: Mapping[str, str] = MappingProxyType({"hidden": "4,8,16,32,64", "seeds": "1,2,3"})
QUICK_UPDATES, QUICK_LONGEST = 60, 2


def reproduce(bench: Bench) -> Report:
    """Recall, and learning by heart."""
    sizes, seeds = bench.numbers("hidden"), bench.numbers("seeds")
    with one_thread():
        sections = [_recall(bench, sizes, seeds), _by_heart(bench, sizes, seeds)]
    about = (
        f"A GRU of H units. What must be measured was written down before. Each number is the median of the seeds "
        f"{', '.join(map(str, seeds))}. {written(NAME)}"
    )
    return Report(NAME, about, sections)


def _recall(bench: Bench, sizes: Sequence[int], seeds: Sequence[int]) -> Section:
    options = {"tries": QUICK_UPDATES, "longest": QUICK_LONGEST} if bench.quick else {}
    found = {hidden: [recall(hidden, seed, **options) for seed in seeds] for hidden in sizes}
    capacities = [median(each.capacity for each in runs) for runs in found.values()]
    untrained = [median(each.untrained for each in runs) for runs in found.values()]
    per_unit = max(capacity / hidden for hidden, capacity in zip(sizes, capacities, strict=True))
    grows, grew = (rank_correlation(sizes, each) for each in (capacities, untrained))
    rows = [_recalled(hidden, runs) for hidden, runs in found.items()]
    rows += [
        Row(
            "rank correlation of the symbols with H",
            f"{grows:.2f}; untrained {grew:.2f}",
            f"≥ {criteria.GROWS_LEAST}",
            grows >= criteria.GROWS_LEAST > grew,
            criteria.GROWS,
        ),
        Row(
            "most symbols per unit",
            f"{per_unit:.2f}, {per_unit * math.log2(SYMBOLS):.1f} bits",
            f"above 0, ≤ {criteria.UNIT_MOST:g}",
            0 < per_unit <= criteria.UNIT_MOST and not any(untrained),
            criteria.UNIT,
        ),
    ]
    text = (
        f"Symbols of {SYMBOLS}, as many as are said again with {criteria.RIGHT:.0%} right, in their order, after the "
        f"last was read. Trained on longer and longer sequences; a length counts if it is learnt within {TRIES:,} "
        f"updates of {BATCH} new sequences."
    )
    return Section("How many symbols a state recalls", [], rows, text)


def _recalled(hidden: int, runs: Sequence[Recalled]) -> Row:
    capacities = [each.capacity for each in runs]
    updates = median(each.updates for each in runs)
    measured = f"{median(capacities):g} symbols ({min(capacities)} to {max(capacities)}), {updates:,.0f} updates"
    return Row(f"H = {hidden}", measured)


def _by_heart(bench: Bench, sizes: Sequence[int], seeds: Sequence[int]) -> Section:
    updates = QUICK_UPDATES if bench.quick else UPDATES
    drawn, ruled = (
        [[learn(hidden, seed, rule, updates) for seed in seeds] for hidden in sizes] for rule in (False, True)
    )
    known, before, new, rule = (
        [median(getattr(each, name) for each in runs) for runs in group]
        for group, name in ((drawn, "known"), (drawn, "untrained"), (drawn, "new"), (ruled, "new"))
    )
    rows = [_learnt(hidden, *runs) for hidden, *runs in zip(sizes, drawn, ruled, strict=True)]
    grows, grew = (rank_correlation(sizes, each) for each in (known, before))
    chance = 1 / CLASSES
    gap, gain = max(abs(each - chance) for each in new), rule[-1] - rule[0]
    start = median(each.untrained for each in ruled[-1]) - median(each.untrained for each in ruled[0])
    learnt = known[-1] - before[-1] > criteria.GAP_MOST
    rows += [
        Row("rank correlation of H with what is learnt by heart", f"{grows:.2f}; untrained {grew:.2f}",
            f"≥ {criteria.BY_HEART_LEAST}", grows >= criteria.BY_HEART_LEAST and learnt, criteria.BY_HEART),
        Row(f"new random classes: largest distance from chance, {chance:g}", f"{gap:.3f}", f"≤ {criteria.GAP_MOST}",
            gap <= criteria.GAP_MOST and learnt, criteria.GAP),
        Row("new sequences with a rule: the largest less the smallest H", f"{gain:+.3f}; untrained {start:+.3f}",
            f"> {criteria.RULE_LEAST:g}", gain > criteria.RULE_LEAST and rule[-1] - chance > criteria.GAP_MOST,
            criteria.RULE),
    ]  # fmt: skip
    text = (
        f"{SET} sequences of {LENGTH} symbols, {CLASSES} classes, {updates} updates with all of them; {NEW:,} new "
        "ones. The rule: which pair of symbols stands most often. A claim counts only where something was learnt."
    )
    return Section("By heart, and by rule", [], rows, text)


def _learnt(hidden: int, drawn: Sequence[Learnt], ruled: Sequence[Learnt]) -> Row:
    numbers = [median(getattr(each, name) for each in runs) for runs in (drawn, ruled) for name in ("known", "new")]
    known, new, rule_known, rule_new = numbers
    return Row(
        f"H = {hidden}",
        f"random classes: {known:.3f} of the set, {new:.3f} of new ones; rule: {rule_known:.3f} of the set, "
        f"{rule_new:.3f} of new ones",
    )
