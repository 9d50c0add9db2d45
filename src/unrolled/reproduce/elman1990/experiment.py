"""An experiment: networks before training, trained as in 1990 and as today, and the rows that say which criteria they
meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unrolled.nn import Recurrent
from unrolled.reproduce.bench import Bench
from unrolled.reproduce.claims import Criterion
from unrolled.reproduce.elman1990.criteria import NETWORKS
from unrolled.reproduce.elman1990.network import Array, Sizes, new_network
from unrolled.reproduce.elman1990.online import Rule, learn_online
from unrolled.reproduce.elman1990.today import Windows, learn_through_time
from unrolled.reproduce.judging import judged_each, most_meet, summary
from unrolled.reproduce.report import Row

QUICK_NETWORKS, QUICK_PASSES = 2, 2
Measured = Mapping[Criterion, float]


@dataclass(frozen=True)
class Design:
    """A network of the paper: its sizes, how often it reads the patterns, and how it learns, then and today."""

    part: str
    sizes: Sizes
    passes: int
    rule: Rule
    windows: Windows

    @property
    def said(self) -> str:
        """How it learns, as the beginning of a sentence."""
        windows = self.windows
        lanes = "one lane" if windows.lanes == 1 else f"{windows.lanes} lanes"
        return (
            f"{self.passes} passes, as in 1990 with the rate {self.rule.rate}, as today with Adam's rate "
            f"{windows.rate} in {lanes}, windows of {windows.steps} steps"
        )


@dataclass(frozen=True)
class Networks:
    """The same networks before training, trained as in 1990, and trained as today."""

    untrained: Sequence[Recurrent]
    then: Sequence[Recurrent]
    today: Sequence[Recurrent]


def trained(design: Design, x: Array, d: Array, bench: Bench) -> Networks:
    """All networks of a part; they read x (T, I) and are to answer d (T, O)."""
    count = QUICK_NETWORKS if bench.quick else NETWORKS[design.part]
    passes = QUICK_PASSES if bench.quick else design.passes
    untrained = [new_network(design.sizes, seed) for seed in range(count)]
    bench.say(f"{design.part}: {count} networks learn as in 1990")
    then = learn_online(untrained, x, d, passes, design.rule)
    today = []
    for number, layer in enumerate(untrained):
        bench.say(f"{design.part}: network {number + 1} of {count} learns as today")
        today.append(learn_through_time(layer, x, d, passes, design.windows))
    return Networks(untrained, then, today)


def rows(networks: Networks, measure: Callable[[Recurrent], Measured]) -> list[Row]:
    """Two rows for each criterion: trained as in 1990, with what the untrained do, and trained as today."""
    before, then, today = (
        [measure(layer) for layer in group] for group in (networks.untrained, networks.then, networks.today)
    )
    found = []
    for criterion in then[0]:
        untrained, old, new = ([each[criterion] for each in group] for group in (before, then, today))
        found.append(judged_each(criterion, old, untrained))
        holds = most_meet(criterion, new, untrained)
        found.append(Row("… trained as today", summary(criterion, new), criterion.wanted, holds))
    return found


def middle(networks: Sequence[Recurrent], measure: Callable[[Recurrent], float]) -> Recurrent:
    """The network that stands in the middle, for a picture."""
    order = np.argsort([measure(layer) for layer in networks])
    return networks[int(order[len(order) // 2])]
