"""What the report measures of a run: as ``unrolled diagnose`` does, or less where the network is large.

The work grows with the square or the cube of the number of units, so that a large network is measured at fewer places,
or not at all; each such limit stands on the page.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unrolled.checkpoint import TrainedModel
from unrolled.data.documents import Symbols
from unrolled.diagnose import flow, horizon, jacobians, lyapunov
from unrolled.diagnose.flow import gradient_flow
from unrolled.diagnose.horizon import influence_horizon
from unrolled.diagnose.jacobians import PRODUCTS, jacobian_report
from unrolled.diagnose.lyapunov import lyapunov_spectrum
from unrolled.diagnose.opened import Opened
from unrolled.diagnose.report.change import follow_change
from unrolled.diagnose.state_space import state_space
from unrolled.diagnose.states import READ
from unrolled.diagnose.step import StepMap
from unrolled.diagnose.stretches import stretches
from unrolled.diagnose.token_tree import token_tree
from unrolled.diagnose.units import find_trackers
from unrolled.errors import ConfigurationError, DataError
from unrolled.training.evaluation import within

Measuring = Generator[float, None, Any]

ALL_EXPONENTS, LEADING = 256, 32  # components of the state, up to which all exponents are measured; else so many
JACOBIANS = 512  # components of the state, up to which whole Jacobians are multiplied
PARAMETERS, SHORTEST = 500_000, 4_000  # parameters up to which READ symbols are read; the fewest that are


@dataclass(frozen=True)
class Part:
    """One measurement and about how many seconds it takes of a hundred."""

    measure: Callable[[TrainedModel, Symbols], Measuring]
    weight: float


def measured(model: TrainedModel, ids: Symbols) -> Generator[float, None, Mapping[str, Any]]:
    """Each measurement by its name, yielding the share done; in place of one that cannot be made of this network or
    text, the error that says why."""
    found: dict[str, Any] = {}
    total, done = sum(part.weight for part in PARTS.values()), 0.0
    for name, part in PARTS.items():
        try:
            begin, end = done / total, (done + part.weight) / total
            found[name] = yield from within(part.measure(model, ids), begin, end)
        except (ConfigurationError, DataError) as error:
            found[name] = error
        done += part.weight
    return found


def read(model: TrainedModel, ids: Symbols) -> Symbols:
    """The symbols along which hidden states are looked at."""
    parameters = sum(each.numel() for each in model.layer.parameters())
    return ids[: max(SHORTEST, min(READ, READ * PARAMETERS // parameters))]


def _lanes(ids: Symbols, most: int, steps: int) -> Tensor:
    """As many stretches of the text as it has, up to ``most``."""
    return stretches(ids, max(1, min(most, len(ids) // steps)), steps)


def _horizon(model: TrainedModel, ids: Symbols) -> Measuring:
    return influence_horizon(model.layer, horizon.places(model.layer, ids))


def _flow(model: TrainedModel, ids: Symbols) -> Measuring:
    return gradient_flow(model.layer, _lanes(ids, flow.LANES, flow.STEPS + 1))


def _jacobians(model: TrainedModel, ids: Symbols) -> Measuring:
    size = StepMap(model.layer).size
    if size > JACOBIANS:
        raise DataError(
            f"The state has {size:,} components, and products of Jacobians of more than {JACOBIANS} take long: "
            "unrolled diagnose RUN --jacobians measures them."
        )
    return jacobian_report(model.layer, _lanes(ids, jacobians.LANES, jacobians.WARM_UP + PRODUCTS))


def _lyapunov(model: TrainedModel, ids: Symbols) -> Measuring:
    count = None if StepMap(model.layer).size <= ALL_EXPONENTS else LEADING
    text = _lanes(ids, lyapunov.LANES, lyapunov.WARM_UP + lyapunov.STEPS)
    return lyapunov_spectrum(model.layer, text, count=count)


def _hidden(measure: Callable[[TrainedModel, Symbols], Measuring]) -> Callable[[TrainedModel, Symbols], Measuring]:
    """Of a network that carries a state, along the symbols that are read."""

    def of(model: TrainedModel, ids: Symbols) -> Measuring:
        Opened(model.layer)  # refuses one without a state before anything is read
        return measure(model, read(model, ids))

    return of


PARTS: Mapping[str, Part] = {
    "horizon": Part(_horizon, 50),
    "flow": Part(_flow, 4),
    "jacobians": Part(_jacobians, 6),
    "lyapunov": Part(_lyapunov, 15),
    "units": Part(_hidden(find_trackers), 13),
    "states": Part(_hidden(state_space), 6),
    "tokens": Part(_hidden(token_tree), 3),
    "what-if": Part(_hidden(follow_change), 3),
}
