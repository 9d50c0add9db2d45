"""All that is measured before anything is said of what limits a model."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from unrolled.checkpoint import RunDirectory, load
from unrolled.checkpoint.model import ModelDescription
from unrolled.data.corpora import Corpus
from unrolled.data.documents import Documents
from unrolled.data.tokens import LongCorpus
from unrolled.diagnose.horizon import BACK, influence_horizon, places
from unrolled.diagnose.limits.lags import LagGain, Predicted, best_lag
from unrolled.diagnose.limits.pairs import shift
from unrolled.diagnose.limits.past import Past
from unrolled.diagnose.limits.probes import Gauge, Probes, probe
from unrolled.diagnose.limits.samples import COUNTABLE, WARM_UP, Mean, mean_of
from unrolled.errors import ConfigurationError, DataError
from unrolled.nn import Recurrent
from unrolled.training.config import TrainConfig
from unrolled.training.evaluation import within
from unrolled.training.material import own_text

FEWEST, MOST = 150, 600  # updates of a probe, which makes half as many as its run did
LEAST = 500  # symbols that must be held out


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained model, how it was trained, and both parts of its text."""

    layer: Recurrent
    description: ModelDescription
    config: TrainConfig
    training: Documents
    held_out: Documents
    past: Past

    @classmethod
    def of(cls, run: Path | str, text: Corpus | LongCorpus | None = None) -> Subject:
        """What a run trained, and its own text, where that was not read already.

        Raises:
            ConfigurationError: it is no language model; CheckpointError, DataError: it or its text cannot be read.
        """
        directory = RunDirectory.open(run)
        if directory.task != "language":
            raise ConfigurationError(
                f"{run} was trained for the task {directory.task}; what limits a model is measured on those that read "
                "a running text, which unrolled train TEXT makes"
            )
        model = load(run)
        config, corpus = own_text(directory, text)
        training, held_out = (
            corpus.documents(part, model.vocabulary, config.documents) for part in ("training", "validation")
        )
        description = ModelDescription.from_json(directory.read("config")["model"])
        past = Past.of(directory.history(), config.clip if config.clipping == "norm" else None)
        return cls(model.layer, description, config, training, held_out, past)


@dataclass(frozen=True)
class Evidence:
    """Losses in nats a symbol. ``gap``: held-out text less training text; ``shift``: the same for counts of pairs of
    symbols, None where these cannot be counted. ``horizon``: steps after which an input is hardly felt, None where
    that is more than ``seen``. ``lag``: what the symbol at a distance that the model does not reach tells of the next
    one, None where that cannot be asked, for which ``silence`` says why. ``online``: the run carried its gradient
    forwards, so that it was cut nowhere; the probes go ``back`` even so."""

    symbols: int
    units: int
    rate: float
    back: int
    training: Mean
    held_out: Mean
    gap: Mean
    shift: Mean | None
    horizon: int | None
    seen: int
    lag: LagGain | None
    silence: str
    probes: Probes
    past: Past
    online: bool = False

    @property
    def reach(self) -> int:
        """The largest lag that the model can have learnt to use: no further than its gradient flowed or an input is
        felt."""
        return _reach(self.online, self.back, self.horizon, self.seen)


def gather(of: Subject, updates: int | None = None) -> Generator[float, None, Evidence]:
    """Measure, yielding the share done: passes over samples of the text, and seven to nine trainings of so many
    ``updates`` (None: half as many as the run made, at least 150 and at most 600).

    Raises:
        DataError: too little text is held out for anything to be said, or the loss is not finite; ConfigurationError:
        the equations have no state.
    """
    updates = min(MOST, max(FEWEST, of.past.updates // 2)) if updates is None else updates
    if updates < 1:
        raise ConfigurationError(f"--updates is {updates}; a probe trains for at least 1")
    if len(of.held_out) < LEAST:
        raise DataError(
            f"only {len(of.held_out):,} symbols were held out, too few to tell luck from skill: {LEAST} are needed, "
            f"that is a text of some {20 * LEAST:,}"
        )
    gauge = Gauge.of(of.training, of.held_out)
    training, held_out = map(mean_of, gauge.losses(of.layer))
    if not (math.isfinite(training.nats) and math.isfinite(held_out.nats)):
        raise DataError(
            "the loss of this model is not finite, so that nothing can be compared with it: its training has failed; "
            "train again with a smaller --learning-rate or --clip"
        )
    horizon = (yield from within(influence_horizon(of.layer, places(of.layer, of.held_out.ids)), 0.0, 0.1)).steps
    back = of.config.truncation.back
    online = of.config.gradient != "bptt"
    reach = _reach(online, back, horizon, BACK)
    lag, silence = yield from within(_lag(of, gauge, reach), 0.1, 0.2)
    probes = yield from within(probe(of.layer, of.description, of.config, of.training, gauge, updates), 0.2, 1.0)
    return Evidence(
        len(of.training), of.description.hidden, of.config.learning_rate, back, training, held_out,
        held_out + -training, shift(gauge.training, gauge.held_out, of.description.vocabulary), horizon, BACK, lag,
        silence, probes, of.past, online,
    )  # fmt: skip


def _reach(online: bool, back: int, horizon: int | None, seen: int) -> int:
    """See ``Evidence``; of an input that is felt for longer than was looked only this is known."""
    if online:
        return seen if horizon is None else horizon
    return back if horizon is None else min(back, horizon)


def _lag(of: Subject, gauge: Gauge, reach: int) -> Generator[float, None, tuple[LagGain | None, str]]:
    """What symbols beyond the model's reach tell of the next one; else why that was not asked."""
    if of.description.vocabulary > COUNTABLE:
        return None, f"pairs of {of.description.vocabulary:,} symbols are too many to be counted"
    if reach >= WARM_UP:
        return None, f"it is asked of at most {WARM_UP} steps back, and the model may reach {reach}"
    known, other = (Predicted.of(of.layer, sample) for sample in (gauge.training, gauge.held_out))
    found = yield from best_lag(known, other, range(reach + 1, WARM_UP + 1))
    return found, "" if found else f"the text is too short to look further back than {reach} steps"
