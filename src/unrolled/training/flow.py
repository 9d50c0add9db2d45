"""How the gradient of a window comes about: back through its steps, or forwards with the states and without an end.

Shapes: inputs and targets (T, B) int64, begins (T, B) bool; a state (B, n), or (layers, B, n); beside the states the
influence of the parameters on them, all entries of a lane in one row (B, E).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from unrolled.checkpoint.tensors import restore_state
from unrolled.data.truncation import Window
from unrolled.errors import ConfigurationError
from unrolled.nn import Recurrent
from unrolled.training.config import TrainConfig
from unrolled.training.finding import Finding, first_of
from unrolled.training.online import OnlineGradient, OnlineState, OnlineStep
from unrolled.training.reading import State
from unrolled.training.trace import Trace, trace
from unrolled.training.window import RecordedWindow, Source, window_loss

INFLUENCE = "influence/entries"  # beside the states in what is carried; no state has a name with a stroke
LARGEST = 2e9  # bytes of the influence


class Flow(ABC):
    """For the windows of a language model."""

    layer: Recurrent

    @abstractmethod
    def loss(self, source: Source, window: Window, state: State | None) -> tuple[Tensor, State | None]:
        """The mean loss, read from a carried ``state``, and what is carried to the following window."""

    @abstractmethod
    def trace(self, batch: Mapping[str, NDArray[Any]], random: Mapping[str, Tensor]) -> Trace:
        """See ``trace``."""


def flow_of(layer: Recurrent, config: TrainConfig, lanes: int) -> Flow:
    """The one that a configuration names, for so many lanes.

    Raises:
        ConfigurationError: the influence of the parameters is too large to be carried.
    """
    if config.gradient == "bptt":
        return _Backwards(layer, config)
    online = OnlineGradient(layer, config.order)
    _check_size(online, config, lanes)
    return _Forwards(online)


class _Backwards(Flow):
    """Truncated backpropagation through time."""

    def __init__(self, layer: Recurrent, config: TrainConfig) -> None:
        self.layer, self.budget = layer, config.budget

    def loss(self, source: Source, window: Window, state: State | None) -> tuple[Tensor, State | None]:
        return window_loss(self.layer, source, window, state, self.budget)

    def trace(self, batch: Mapping[str, NDArray[Any]], random: Mapping[str, Tensor]) -> Trace:
        return trace(self.layer, batch, self.budget, random)


class _Forwards(Flow):
    """Real-time recurrent learning: nothing is cut at the ends of windows, where the parameters move."""

    def __init__(self, online: OnlineGradient) -> None:
        self.online, self.layer = online, online.layer

    def loss(self, source: Source, window: Window, state: State | None) -> tuple[Tensor, State | None]:
        now = self._taken(state, source.batch)
        total: Tensor | None = None
        gradients: dict[str, Tensor] = {}
        for step in self._steps(source, window, now):
            assert step.loss is not None
            now, total = step.state, step.loss if total is None else total + step.loss
            gradients = {name: gradients[name] + each if gradients else each for name, each in step.gradients.items()}
        parameters = [self.layer.get_parameter(name) for name in gradients]
        loss: Tensor = _Known.apply(total, len(parameters), *gradients.values(), *parameters)
        return loss, now.states | {INFLUENCE: now.rows}

    def trace(self, batch: Mapping[str, NDArray[Any]], random: Mapping[str, Tensor]) -> Trace:
        """The gradients of the states are those within the window."""
        found = trace(self.layer, batch, None, random)
        return found if found.first is not None else replace(found, first=self._first(batch))

    def _first(self, batch: Mapping[str, NDArray[Any]]) -> Finding | None:
        """What is not finite first where states and losses are."""
        recorded = RecordedWindow(batch)
        now = self._taken(restore_state(batch, next(self.layer.parameters()).device), recorded.batch)
        found = first_of("influence", [("", each) for each in now.influence])
        for t, step in enumerate(self._steps(recorded, recorded.window, now)):
            found = found or first_of("influence", [("", each) for each in step.state.influence], t)
            found = found or first_of("gradient", step.gradients.items(), t)
        return found or Finding("norm")

    def _steps(self, source: Source, window: Window, now: OnlineState) -> Iterator[OnlineStep]:
        """Each step of a window, with its share in the mean loss."""
        device, stretch = next(self.layer.parameters()).device, source.stretch(window.begin, window.end)
        inputs, targets = (torch.from_numpy(each).to(device) for each in (stretch.inputs, stretch.targets))
        for t, (x, wanted) in enumerate(zip(inputs, targets, strict=True)):
            begins = None if stretch.begins is None else stretch.begins[t]
            anew = torch.from_numpy(begins).to(device) if begins is not None and begins.any() else None
            step = self.online.step(x, now, partial(_share, wanted, targets.numel()), anew)
            yield step
            now = step.state

    def _taken(self, state: State | None, lanes: int) -> OnlineState:
        if state is None:
            return self.online.start(lanes)
        return self.online.state_of({n: each for n, each in state.items() if n != INFLUENCE}, state[INFLUENCE])


class _Known(torch.autograd.Function):
    """A loss whose gradients have been computed with it."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, count: int, *tensors: Tensor) -> Tensor:
        ctx.gradients = tensors[:count]
        return loss.clone()

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator,unused-ignore]  # torch does not say what it returns
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        return (None, None, *(None for _ in ctx.gradients), *(gradient * each for each in ctx.gradients))


def _share(wanted: Tensor, count: int, logits: Tensor) -> Tensor:
    """What a step adds to the mean over ``count`` losses."""
    return functional.cross_entropy(logits, wanted, reduction="sum") / count


def _check_size(online: OnlineGradient, config: TrainConfig, lanes: int) -> None:
    size = next(online.layer.parameters()).element_size() * lanes
    if online.entries * size <= LARGEST:
        return
    remedy = "make --hidden, --layers or --batch smaller"
    sparse = OnlineGradient(online.layer, 1).entries
    if sparse * size <= LARGEST:
        remedy += f", or write --gradient snap-1, which keeps {sparse * size / 1e6:,.0f} MB"
    raise ConfigurationError(
        f"--gradient {config.gradient} carries how each parameter has influenced each state: {online.entries:,} "
        f"numbers in each of {lanes} lanes, {online.entries * size / 1e6:,.0f} MB, and more than "
        f"{LARGEST / 1e6:,.0f} MB are refused; {remedy}"
    )
