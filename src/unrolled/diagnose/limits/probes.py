"""What a trained network would gain from more training, from more units, and from a gradient that flows further back.

Each is tried: a copy is trained further for some updates, and losses are measured before and after at the same places.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

import torch

from unrolled.checkpoint.model import ModelDescription
from unrolled.data.documents import Documents
from unrolled.diagnose.limits.further import Plan, trained
from unrolled.diagnose.limits.samples import Losses, Mean, Sample, mean_of
from unrolled.diagnose.limits.widening import grown, widened
from unrolled.nn import Recurrent
from unrolled.training.config import TrainConfig
from unrolled.training.evaluation import part

FACTORS = (0.1, 1.0, 10.0)  # of the run's learning rate
USUAL, NEAR = 0.002, 3.0  # a rate that suits most networks here, tried where none of those is so near
LONGER, LEAST_LONGER = 4, 50  # times as many steps back, and at least so many
SEED = 7


@dataclass(frozen=True)
class Further:
    """What further training with a learning rate takes off the loss, of training text and of held-out text."""

    rate: float
    training: Mean
    held_out: Mean


@dataclass(frozen=True)
class Probes:
    """``further``: the same network trained on, with several rates. ``wider`` with ``units`` instead, and ``longer``
    with a gradient that flows ``back`` so many steps: what these take off the loss of held-out text beyond what the
    same network does at the best of the rates, ``best``, and with as many updates. None: that could not be tried."""

    updates: int
    further: tuple[Further, ...]
    wider: Mean | None
    units: int
    longer: Mean | None
    back: int

    @property
    def best(self) -> Further:
        """What took most off the loss of the training text."""
        return _best(self.further)


@dataclass(frozen=True, eq=False)
class Gauge:
    """The places at which losses are measured, and what they are of a network as it is."""

    training: Sample
    held_out: Sample
    losses: tuple[Losses, Losses]

    @classmethod
    def of(cls, layer: Recurrent, training: Documents, held_out: Documents) -> Gauge:
        """Spread over both parts of a text."""
        samples = Sample.of(training), Sample.of(held_out)
        return cls(*samples, (samples[0].losses(layer), samples[1].losses(layer)))

    def gained(self, layer: Recurrent, rate: float) -> Further:
        """How much less the losses of this network are."""
        samples = self.training, self.held_out
        gains = [mean_of(old - each.losses(layer)) for old, each in zip(self.losses, samples, strict=True)]
        return Further(rate, *gains)


def probe(
    layer: Recurrent, description: ModelDescription, config: TrainConfig, text: Documents, gauge: Gauge, updates: int
) -> Generator[float, None, Probes]:
    """Try all of them on the training ``text``, yielding the share done."""
    rates, plan = rates_near(config.learning_rate), Plan.of(config, updates)
    trials, done = len(rates) + 2, 0

    def train(start: Recurrent, how: Plan) -> Generator[float, None, Recurrent]:
        nonlocal done
        found = yield from part(trained(start, text, config, how), done / trials, (done + 1) / trials)
        done += 1
        return found

    further, networks = [], {}
    for rate in rates:
        networks[rate] = yield from train(layer, replace(plan, rate=rate))
        further.append(gauge.gained(networks[rate], rate))
    plan = replace(plan, rate=_best(further).rate)
    same = gauge.held_out.losses(networks[plan.rate])
    wider = longer = None
    if (larger := _larger(layer, description, config)) is not None:
        wider = mean_of(same - gauge.held_out.losses((yield from train(larger, plan))))
    back = max(LONGER * config.truncation.back, LEAST_LONGER)
    if _fits(text, plan.longer(back)):
        longer = mean_of(same - gauge.held_out.losses((yield from train(layer, plan.longer(back)))))
    return Probes(updates, tuple(further), wider, grown(description.hidden), longer, back)


def rates_near(rate: float) -> tuple[float, ...]:
    """The learning rates that are tried for a run that had one.

    >>> rates_near(1e-3), rates_near(1e-5)
    ((0.0001, 0.001, 0.01), (1e-06, 1e-05, 0.0001, 0.002))
    """
    found = [float(f"{factor * rate:.6g}") for factor in FACTORS]
    near = any(max(each / USUAL, USUAL / each) <= NEAR for each in found)
    return tuple(found if near else [*found, USUAL])


def _best(further: list[Further] | tuple[Further, ...]) -> Further:
    return max(further, key=lambda each: each.training.nats)


def _larger(layer: Recurrent, description: ModelDescription, config: TrainConfig) -> Recurrent | None:
    with torch.random.fork_rng():  # its new units are drawn
        torch.manual_seed(SEED)
        return widened(layer, description, config)


def _fits(text: Documents, plan: Plan) -> bool:
    return len(text) > plan.lanes * plan.truncation.back
