"""(a) Exclusive-Or in time: of every three bits the third is the XOR of the two before it.

Shapes: bits (T,), of 0 and 1; a network reads bit t and answers bit t + 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unrolled.diagnose.plots import BLUE, GREY, ORANGE, panels
from unrolled.nn import Recurrent
from unrolled.reproduce.bench import Bench
from unrolled.reproduce.claims import Criterion
from unrolled.reproduce.elman1990.criteria import XOR_RULE, XOR_THIRD
from unrolled.reproduce.elman1990.experiment import Design, Networks, middle, rows, trained
from unrolled.reproduce.elman1990.network import Array, Sizes, run
from unrolled.reproduce.elman1990.online import Rule
from unrolled.reproduce.elman1990.today import Windows
from unrolled.reproduce.report import Picture, Row, Section

BITS, CYCLE, CYCLES = 3000, 12, 1200
DESIGN = Design("xor", Sizes(1, 2, 1), passes=600, rule=Rule(0.1), windows=Windows(0.01, lanes=10, steps=30))


def bits(count: int, seed: int) -> Array:
    """A stream of ``count`` bits: two at random, then their XOR, and so on.

    >>> bits(6, 0).tolist()
    [1.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    """
    pairs = np.random.Generator(np.random.PCG64(seed)).integers(0, 2, (-(-count // 3), 2))
    return np.column_stack([pairs, pairs[:, 0] ^ pairs[:, 1]]).ravel()[:count].astype(np.float64)


def section(bench: Bench) -> Section:
    """Train and test all networks."""
    stream = bits(bench.count(BITS), seed=1)[:, None]
    networks = trained(DESIGN, stream[:-1], stream[1:], bench)
    test = bits(CYCLE * bench.count(CYCLES) + 3, seed=2)
    found = rows(networks, lambda layer: measure(layer, test))
    for name, group in (("as in 1990", networks.then), ("as today", networks.today)):
        errors = [_by_place(layer, test) for layer in group]
        third, rest = (float(np.median([each[here].mean() for each in errors])) for here in (_THIRD, ~_THIRD))
        found.append(
            Row(f"RMS error at every third bit, and at the others; trained {name}", f"{third:.3f}, {rest:.3f}")
        )
    picture = Picture("xor", "RMS error over 12 bits, averaged over 1,200 cycles", lambda: draw(networks, test))
    text = (
        f"1-2-1 units and 2 of context, {BITS:,} bits. {DESIGN.said}; {len(networks.then)} networks. Nobody tells "
        "which bits are XORs: of networks that do not count to three, the best apply the rule everywhere and answer "
        "1/3 or 2/3, which makes an error of 0.333 at every third bit and 0.527 at the others. Those that know a part "
        "of the rule that is linearly separable (0 after 11, say) make 0.451 and 0.509."
    )
    return Section("(a) Exclusive-Or in time", [], found, text, [picture])


def measure(layer: Recurrent, test: Array) -> Mapping[Criterion, float]:
    """The numbers of the criteria, on other bits."""
    by_place, by_pair = _by_place(layer, test), _by_pair(layer, test)
    same, different = [by_pair[0, 0], by_pair[1, 1]], [by_pair[0, 1], by_pair[1, 0]]
    return {
        XOR_THIRD: float(by_place[~_THIRD].min() - by_place[_THIRD].max()),
        XOR_RULE: min(different) - max(same),
    }


_THIRD = np.arange(CYCLE) % 3 == 2  # the places of a cycle that can be predicted


def _by_place(layer: Recurrent, test: Array) -> Array:
    """RMS error of predicting each of the 12 bits of a cycle; what precedes the first whole cycle is only read."""
    y, _ = run(layer, test[:-1, None])
    wrong = (y[2:, 0] - test[3:]) ** 2
    return np.sqrt(wrong.reshape(-1, CYCLE).mean(0))


def _by_pair(layer: Recurrent, test: Array) -> dict[tuple[int, int], float]:
    """The mean output after each pair of bits."""
    y, _ = run(layer, test[:, None])
    pairs = test[:-1] * 2 + test[1:]
    return {(i, j): float(y[1:, 0][pairs == 2 * i + j].mean()) for i in (0, 1) for j in (0, 1)}


def draw(networks: Networks, test: Array) -> Any:
    """Figure 3: the error over 12 bits, of the middle network of each training."""
    figure, axes = panels(1)
    figure.set_size_inches(6.4, 3.2)
    groups = (networks.untrained, networks.then, networks.today)
    labels = ("not trained", "trained as in 1990", "trained as today")
    for label, group, color in zip(labels, groups, (GREY, BLUE, ORANGE), strict=True):
        layer = middle(group, lambda each: measure(each, test)[XOR_THIRD])
        axes.plot(range(1, CYCLE + 1), _by_place(layer, test), "o-", color=color, markersize=4, label=label)
    axes.set_xticks(range(1, CYCLE + 1), [f"{i}\nXOR" if i % 3 == 0 else str(i) for i in range(1, CYCLE + 1)])
    axes.set(xlabel="bit that is predicted", ylabel="RMS error", ylim=(0, 0.6))
    figure.legend(loc="outside right center", frameon=False)
    return figure
