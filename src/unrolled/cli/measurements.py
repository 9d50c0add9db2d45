"""``unrolled diagnose``: each measurement, how it is made of a run, printed and drawn."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.checkpoint import RunDirectory, load
from unrolled.cli import dynamics, from_user, hidden_states, limits
from unrolled.data.corpora import read_text
from unrolled.diagnose import dynamics_plots, flow, horizon, jacobians, lyapunov, plots, state_plots
from unrolled.diagnose.flow import gradient_flow
from unrolled.diagnose.horizon import InfluenceHorizon, influence_horizon
from unrolled.diagnose.jacobians import jacobian_report
from unrolled.diagnose.limits import summarise
from unrolled.diagnose.limits.plot import limits_plot
from unrolled.diagnose.lyapunov import lyapunov_spectrum
from unrolled.diagnose.state_space import state_space
from unrolled.diagnose.states import READ, activation
from unrolled.diagnose.stretches import stretches
from unrolled.diagnose.token_tree import token_tree
from unrolled.diagnose.truncation import truncation_bias
from unrolled.diagnose.units import find_trackers
from unrolled.diagnose.what_if import STEPS, what_if
from unrolled.errors import ConfigurationError
from unrolled.training.material import own_text

if TYPE_CHECKING:
    from unrolled.checkpoint.model import TrainedModel
    from unrolled.data.corpora import Corpus
    from unrolled.data.documents import Symbols
    from unrolled.data.tokens import LongCorpus

Measuring = Generator[float, None, Any]
SHOWN = 2_000  # symbols over which one unit is shown


@dataclass(frozen=True, eq=False)
class Subject:
    """A run that is measured, and the text on which; its ``own`` where that is it."""

    name: str
    model: TrainedModel
    ids: Symbols
    own: Corpus | LongCorpus | None = None


@dataclass(frozen=True)
class Options:
    """What the user chose; None: each measurement has a value of its own."""

    back: tuple[int, ...] | None = None
    lanes: int | None = None
    batches: int | None = None
    steps: int | None = None
    against: tuple[Subject, ...] = ()
    unit: str = ""
    change: tuple[int, str] = (0, "")
    updates: int | None = None


@dataclass(frozen=True)
class Measurement:
    """How one thing is measured (yielding the share done), printed, and drawn."""

    measure: Callable[[Subject, Options], Measuring]
    show: Callable[[Any], None]
    plot: Callable[[Any], Any]


@dataclass(frozen=True)
class Horizons:
    """The influence horizon of each run, by its name."""

    runs: Mapping[str, InfluenceHorizon]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {name: report.to_dict() for name, report in self.runs.items()}


def subject(run: Path, text: str | None) -> Subject:
    """The model of a run, and a text, or what it held out of its own.

    Raises:
        ConfigurationError: the model reads no running text; CheckpointError, DataError: something cannot be read.
    """
    directory = RunDirectory.open(run)
    task = directory.task
    if task != "language":
        raise ConfigurationError(
            f"{run} was trained for the task {task}, and these measurements follow a running text, which such a model "
            "does not read. In Python, unrolled.diagnose.gradient_flow(layer, x, targets) measures every layer, "
            "bidirectional ones too; lyapunov_spectrum, jacobian_report and influence_horizon measure those that read "
            "forwards only; layer is unrolled.answering.load_answerer(run).layer."
        )
    model = load(run)
    if text is None:
        config, corpus = own_text(directory)
        return Subject(str(run), model, corpus.documents("validation", model.vocabulary, config.documents).ids, corpus)
    part = read_text(from_user(text), raw=model.vocabulary.kind == "bytes")
    return Subject(str(run), model, model.vocabulary.encode(part, where="the text"))


def _limits(of: Subject, options: Options) -> Measuring:
    return summarise(of.name, updates=options.updates, text=of.own)


def _truncation(of: Subject, options: Options) -> Measuring:
    chosen = {"back": options.back, "lanes": options.lanes, "batches": options.batches}
    given: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    return truncation_bias(of.model.layer, of.ids, **given)


def _flow(of: Subject, options: Options) -> Measuring:
    return gradient_flow(
        of.model.layer, stretches(of.ids, options.lanes or flow.LANES, (options.steps or flow.STEPS) + 1)
    )


def _lyapunov(of: Subject, options: Options) -> Measuring:
    steps = lyapunov.WARM_UP + (options.steps or lyapunov.STEPS)
    return lyapunov_spectrum(of.model.layer, stretches(of.ids, options.lanes or lyapunov.LANES, steps))


def _jacobians(of: Subject, options: Options) -> Measuring:
    steps = options.steps or jacobians.PRODUCTS
    text = stretches(of.ids, options.lanes or jacobians.LANES, jacobians.WARM_UP + steps)
    return jacobian_report(of.model.layer, text, steps=steps)


def _horizon(of: Subject, options: Options) -> Measuring:
    back, found = options.steps or horizon.BACK, {}
    runs = (of, *options.against)
    for number, each in enumerate(runs):
        text = stretches(each.ids, options.lanes or horizon.LANES, horizon.WARM_UP + 2 * back)
        shares = influence_horizon(each.model.layer, text, back=back)
        while True:
            try:
                yield (number + next(shares)) / len(runs)
            except StopIteration as end:
                found[each.name] = end.value
                break
    return Horizons(found)


def _unit(of: Subject, options: Options) -> Measuring:
    yield 0.0
    return activation(of.model, of.ids[:SHOWN], options.unit)


def _what_if(of: Subject, options: Options) -> Measuring:
    return what_if(of.model, of.ids, *options.change, steps=options.steps or STEPS)


MEASUREMENTS: Mapping[str, Measurement] = {
    "limits": Measurement(_limits, limits.show_limits, limits_plot),
    "truncation": Measurement(_truncation, dynamics.show_truncation, plots.truncation_plot),
    "flow": Measurement(_flow, dynamics.show_flow, dynamics_plots.flow_plot),
    "jacobians": Measurement(_jacobians, dynamics.show_jacobians, dynamics_plots.jacobian_plot),
    "lyapunov": Measurement(_lyapunov, dynamics.show_lyapunov, dynamics_plots.lyapunov_plot),
    "horizon": Measurement(
        _horizon, lambda found: dynamics.show_horizon(found.runs), lambda found: dynamics_plots.horizon_plot(found.runs)
    ),
    "states": Measurement(
        lambda of, _: state_space(of.model, of.ids[:READ]), hidden_states.show_states, state_plots.trajectory_plot
    ),
    "tokens": Measurement(
        lambda of, _: token_tree(of.model, of.ids[:READ]), hidden_states.show_tokens, state_plots.dendrogram_plot
    ),
    "units": Measurement(
        lambda of, _: find_trackers(of.model, of.ids[:READ]), hidden_states.show_units, state_plots.trackers_plot
    ),
    "unit": Measurement(_unit, hidden_states.show_activation, state_plots.activation_plot),
    "what-if": Measurement(_what_if, hidden_states.show_what_if, state_plots.what_if_plot),
}
