"""The loss of one update of a language model: some steps of all lanes, the last of which have losses.

Shapes: inputs and targets (T, B) int64, begins (T, B) bool, logits (T, B, V); a state (B, n), or (layers, B, n).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unrolled.data.lanes import Stretch
from unrolled.data.truncation import Window
from unrolled.nn import Recurrent
from unrolled.training.bounded import bounded_loss
from unrolled.training.budget import Budget, Plan, need_of
from unrolled.training.reading import State, read


class Source(Protocol):
    """``Lanes``, or what was recorded of them."""

    batch: int

    def stretch(self, begin: int, end: int) -> Stretch:
        """The steps from ``begin`` to ``end`` of all lanes."""


def window_loss(
    layer: Recurrent, source: Source, window: Window, state: State | None, budget: Budget | None
) -> tuple[Tensor, State | None]:
    """The mean loss, read from a ``state``, and the state at which the following window begins."""
    device = next(layer.parameters()).device
    if budget is not None:
        return _bounded(layer, source, window, state, plan_of(layer, source.batch, window, budget))
    parts, reached = [], state
    for begin, end in stretches(window):
        stretch = source.stretch(begin, end)
        logits, state = read(layer, torch.from_numpy(stretch.inputs).to(device), state, stretch.begins)
        parts.append(logits)
        reached = state if end == window.following else reached
    wanted = torch.from_numpy(source.stretch(window.losses, window.end).targets).to(device)
    logits = (torch.cat(parts) if len(parts) > 1 else parts[0])[window.losses - window.begin :]
    return functional.cross_entropy(logits.flatten(0, 1), wanted.flatten()), reached


def stretches(window: Window, plan: Plan | None = None) -> list[tuple[int, int]]:
    """What is read at once: the steps up to the following window and those behind it, or the segments of a plan."""
    if plan is None:
        cuts = sorted({window.begin, window.following, window.end})
    else:
        cuts = [*range(window.begin, window.end, plan.length), window.end]
    return list(pairwise(cuts))


def plan_of(layer: Recurrent, lanes: int, window: Window, budget: Budget) -> Plan:
    """How a window is divided so that it fits a budget."""
    return budget.plan(window.end - window.begin, need_of(layer, lanes))


def _bounded(
    layer: Recurrent, source: Source, window: Window, state: State | None, plan: Plan
) -> tuple[Tensor, State]:  # fmt: skip
    """Segment by segment, so that nothing is there for all steps."""
    device, count = next(layer.parameters()).device, (window.end - window.begin) * source.batch
    segments = stretches(window, plan)

    def segment(number: int, state: State | None) -> tuple[Tensor, State]:
        stretch = source.stretch(*segments[number])
        ids, wanted = (torch.from_numpy(each).to(device) for each in (stretch.inputs, stretch.targets))
        logits, after = read(layer, ids, state, stretch.begins)
        nats = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum")
        return nats / count, after

    return bounded_loss(segment, len(segments), state, list(layer.parameters()), plan.slots)


class RecordedWindow:
    """A window as arrays of a file, and the lanes of which nothing else is known."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.window = Window(*(int(place) for place in arrays["window"]))
        self.inputs, self.targets, self.begins = arrays["inputs"], arrays["targets"], arrays.get("begins")
        self.batch = self.inputs.shape[1]

    @staticmethod
    def arrays(source: Source, window: Window) -> dict[str, NDArray[Any]]:
        """What ``RecordedWindow`` takes."""
        stretch = source.stretch(window.begin, window.end)
        found = {"inputs": stretch.inputs, "targets": stretch.targets}
        found["window"] = np.array([window.begin, window.losses, window.end, window.following], np.int64)
        return found | ({} if stretch.begins is None else {"begins": stretch.begins})

    def stretch(self, begin: int, end: int) -> Stretch:
        """See ``Source``."""
        part = slice(begin - self.window.begin, end - self.window.begin)
        return Stretch(self.inputs[part], self.targets[part], None if self.begins is None else self.begins[part])
