"""What a trained network would gain from more training, from more units, and from a gradient that flows further back.

Each is tried: a copy is trained further for some updates, and losses are measured before and after at the same places.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import torch

from unrolled.checkpoint.model import ModelDescription
from unrolled.data.documents import Documents
from unrolled.diagnose.limits.further import Plan, trained
from unrolled.diagnose.limits.samples import Losses, Mean, Sample, mean_of
from unrolled.diagnose.limits.widening import grown, widened
from unrolled.nn import Recurrent
from unrolled.training.config import TrainConfig
from unrolled.training.evaluation import within

FACTORS = (0.1, 1.0, 10.0)  # of the run's learning rate
USUAL, NEAR = 0.002, 3.0  # a rate that suits most networks here, tried where none of those is so near
LONGER, LEAST_LONGER = 4, 50  # times as many steps back, and at least so many
SEED = 7

Both = tuple[Losses, Losses]  # of training text, and of held-out text


@dataclass(frozen=True)
class Gain:
    """What a change takes off the loss of training text and of held-out text."""

    training: Mean
    held_out: Mean

    def surely(self, more: float) -> bool:
        """Is it surely more than that on held-out text, and surely a gain on training text? Less of what was learnt by
        heart is no gain."""
        return self.held_out.surely(more) and self.training.surely(0.0)


@dataclass(frozen=True)
class Further:
    """What training on at a ``rate`` brings."""

    rate: float
    gain: Gain


@dataclass(frozen=True)
class Probes:
    """``further``: the same network trained on, with several rates, of which ``best`` did best on training text.
    ``wider``: with ``units`` instead, at the rate that is best for these; ``longer``: with a gradient that flows
    ``back`` so many steps; what these take off the losses beyond what the same network does at its best rate and with
    as many updates. None: that could not be tried."""

    updates: int
    further: tuple[Further, ...]
    wider: Gain | None
    units: int
    longer: Gain | None
    back: int

    @property
    def best(self) -> Further:
        """What took most off the loss of the training text."""
        return _best(self.further)


@dataclass(frozen=True, eq=False)
class Gauge:
    """The places at which losses are measured, in training text and in held-out text."""

    training: Sample
    held_out: Sample

    @classmethod
    def of(cls, training: Documents, held_out: Documents) -> Gauge:
        """Spread over both parts of a text."""
        return cls(Sample.of(training), Sample.of(held_out))

    def losses(self, layer: Recurrent) -> Both:
        """Those of a network."""
        return self.training.losses(layer), self.held_out.losses(layer)


def gain(before: Both, after: Both) -> Gain:
    """How much less the losses are, place by place."""
    return Gain(*(mean_of(one - other) for one, other in zip(before, after, strict=True)))


def probe(
    layer: Recurrent, description: ModelDescription, config: TrainConfig, text: Documents, gauge: Gauge, updates: int
) -> Generator[float, None, Probes]:
    """Try all of them on the training ``text``, yielding the share done."""
    rates, plan = rates_near(config.learning_rate), Plan.of(config, updates)
    trials, done = 2 * len(rates) + 1, 0

    def train(start: Recurrent, how: Plan) -> Generator[float, None, Both]:
        nonlocal done
        found = yield from within(trained(start, text, config, how), done / trials, (done + 1) / trials)
        done += 1
        return gauge.losses(found)

    before, after = gauge.losses(layer), dict[float, Both]()
    for rate in rates:
        after[rate] = yield from train(layer, replace(plan, rate=rate))
    further = tuple(Further(rate, gain(before, losses)) for rate, losses in after.items())
    best = _best(further).rate
    plan = replace(plan, rate=best)
    wider = longer = None
    if (larger := _larger(layer, description, config)) is not None:
        gains = []
        for rate in rates:  # a larger network may need another one
            gains.append(gain(after[best], (yield from train(larger, replace(plan, rate=rate)))))
        wider = max(gains, key=lambda each: each.training.nats)
    back = max(LONGER * config.truncation.back, LEAST_LONGER)
    longer_plan = plan.longer(back)
    if longer_plan is not None and _fits(text, longer_plan):
        longer = gain(after[best], (yield from train(layer, longer_plan)))
    return Probes(updates, further, wider, grown(description.hidden), longer, back)


def rates_near(rate: float) -> tuple[float, ...]:
    """The learning rates that are tried for a run that had one.

    >>> rates_near(1e-3), rates_near(1e-5)
    ((0.0001, 0.001, 0.01), (1e-06, 1e-05, 0.0001, 0.002))
    """
    found = [float(f"{factor * rate:.6g}") for factor in FACTORS]
    near = any(max(each / USUAL, USUAL / each) <= NEAR for each in found)
    return tuple(found if near else [*found, USUAL])


def _best(further: Sequence[Further]) -> Further:
    return max(further, key=lambda each: each.gain.training.nats)


def _larger(layer: Recurrent, description: ModelDescription, config: TrainConfig) -> Recurrent | None:
    with torch.random.fork_rng():  # its new units are drawn
        torch.manual_seed(SEED)
        return widened(layer, description, config)


def _fits(text: Documents, plan: Plan) -> bool:
    return len(text) > plan.lanes * plan.truncation.back
