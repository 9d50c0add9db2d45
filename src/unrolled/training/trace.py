"""One update step by step: where a state, a loss or a gradient first is not finite.

The equations are run as the reference runs them, a step at a time, and gone through backwards with torch's autograd, a
step at a time too, so that even a long window takes little memory.

Shapes: ids (T, B); states (B, n) of each layer; losses (B,) of one step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unrolled.checkpoint.format import plain
from unrolled.checkpoint.tensors import restore_state
from unrolled.nn import Recurrent
from unrolled.training.budget import Budget
from unrolled.training.cells import Cells, States
from unrolled.training.finding import Finding, first_of
from unrolled.training.masks import masks_of
from unrolled.training.window import RecordedWindow, plan_of, stretches


@dataclass(frozen=True)
class Largest:
    """The largest of a number in each lane, or the first that is not finite, and its lane."""

    value: float
    lane: int

    @classmethod
    def of(cls, values: Tensor) -> Largest:
        """Of (B,) values."""
        values = values.detach()
        ranks = values.double().nan_to_num(nan=math.inf)
        lane = int(ranks.argmax())
        return cls(float(values[lane]), lane)


@dataclass(frozen=True)
class TracedStep:
    """A step of the window, from 0: its loss (None where it has none), the norm of the state after it, and that of the
    gradient of the whole loss with respect to this state, each of the lane where it is largest."""

    step: int
    loss: Largest | None
    state: Largest
    gradient: Largest


@dataclass(frozen=True)
class Trace:
    """All steps, and what ``first`` was not finite; None if nothing. ``states`` are the names of what is carried."""

    states: tuple[str, ...]
    steps: tuple[TracedStep, ...]
    first: Finding | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, in which what is not finite is a text, as JSON knows no such number."""
        first = None if self.first is None else self.first.to_dict()
        found: dict[str, Any] = plain({"states": list(self.states), "steps": [asdict(each) for each in self.steps]})
        return found | {"first": first}


def trace(
    layer: Recurrent, batch: Mapping[str, NDArray[Any]], budget: Budget | None, random: Mapping[str, Tensor]
) -> Trace:
    """Go through a recorded batch of a language model; ``random`` are torch's generators as they were before it."""
    device = next(layer.parameters()).device
    recorded, state = RecordedWindow(batch), restore_state(batch, device)
    window = recorded.window
    plan = None if budget is None else plan_of(layer, recorded.batch, window, budget)
    masks = masks_of(layer, recorded, stretches(window, plan), random, anew=state is None)
    cells = Cells(layer, masks)
    walk = _Walk(cells, recorded, cells.start(state, recorded.batch), anew=state is None)
    found = first_of("weight", layer.named_parameters()) or first_of("carried", walk.named(walk.before[0]))
    found = walk.backward(walk.forward(found))
    states = dict.fromkeys(name for cell in cells.layers for name in cell.states)
    return Trace(tuple(states), tuple(walk.steps), found)


class _Walk:
    """Forwards and backwards through a window; ``before[t]`` are the states before step t."""

    def __init__(self, cells: Cells, recorded: RecordedWindow, states: States, anew: bool) -> None:
        self.cells, self.recorded, self.anew = cells, recorded, anew
        self.device = next(cells.layer.parameters()).device
        self.before = [states]
        window = recorded.window
        self.length, self.losses = window.end - window.begin, window.losses - window.begin
        self.count = (self.length - self.losses) * recorded.batch
        self.steps: list[TracedStep] = []

    def named(self, states: Sequence[Tensor]) -> list[tuple[str, Tensor]]:
        """The states, each with its name."""
        return list(zip(self.cells.names, states, strict=True))

    def forward(self, found: Finding | None) -> Finding | None:
        """Run all steps, and say what is not finite first; ``found`` is what was so before."""
        total = 0.0
        with torch.no_grad():
            for t in range(self.length):
                logits, losses, states = self._step(t, self.before[t])
                self.before.append(states)
                counted = [] if losses is None else [("", losses)]
                found = found or first_of("state", self.named(states), t) or first_of("logits", [("", logits)], t)
                found = found or first_of("loss", counted, t)
                total += 0.0 if losses is None else float(losses.sum()) / self.count
        return found or (Finding("loss") if not math.isfinite(total) else None)

    def backward(self, found: Finding | None) -> Finding | None:
        """Go back through all steps; ``found`` is what was not finite before."""
        parameters = dict(self.cells.layer.named_parameters())
        totals = {name: torch.zeros_like(each) for name, each in parameters.items()}
        carried = [torch.zeros_like(state) for state in self.before[-1]]
        for t in reversed(range(self.length)):
            reached, carried, own = self._back(t, carried, list(parameters.values()))
            found = found or first_of("gradient of state", self.named(reached), t)
            for (name, total), each in zip(totals.items(), own, strict=True):
                if each is not None:
                    found = found or first_of("gradient", [(name, each)], t)
                    total += each
        self.steps.reverse()
        norm = torch.nn.utils.get_total_norm(list(totals.values()))
        found = found or first_of("gradient", totals.items())
        return found or (None if math.isfinite(norm) else Finding("norm"))

    def _back(
        self, t: int, carried: Sequence[Tensor], parameters: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor | None]]:
        """The gradients of the states after step t and before it, and what the step adds to those of parameters;
        ``carried`` is the gradient of the losses behind step t."""
        before = [state.detach().requires_grad_() for state in self.before[t]]
        with torch.enable_grad():
            _, losses, after = self._step(t, before)
            results = list(zip(after, carried, strict=True))
            if losses is not None:
                results.append((losses, torch.full_like(losses, 1 / self.count)))
        found = _pulled_back(results, [*after, *before, *parameters])
        own, count = found[len(after) + len(before) :], len(after)
        reached, earlier = _or_zero(after, found[:count]), _or_zero(before, found[count : count + len(before)])
        loss = None if losses is None else Largest.of(losses)
        self.steps.append(TracedStep(t, loss, self._largest(after), self._largest(reached)))
        return reached, earlier, own

    def _largest(self, tensors: Sequence[Tensor]) -> Largest:
        """Of the norms of all that belongs to a lane."""
        none = torch.zeros(self.recorded.batch, 1, dtype=torch.float64, device=self.device)
        whole = torch.cat([none, *(each.detach().double() for each in tensors)], -1)
        largest = whole.abs().amax(-1, keepdim=True)
        scale = torch.where(largest.isfinite() & (largest > 0), largest, 1.0)  # squares alone may be too large
        return Largest.of((whole / scale).norm(dim=-1) * scale[:, 0])

    def _step(self, t: int, before: States) -> tuple[Tensor, Tensor | None, States]:
        """The logits, the loss of each lane where it counts, and the states after step t."""
        recorded = self.recorded
        begins = np.zeros(recorded.batch, np.bool_) if recorded.begins is None else recorded.begins[t]
        arrays = (recorded.inputs[t], recorded.targets[t], begins | (self.anew and t == 0))
        ids, targets, anew = (torch.from_numpy(each).to(self.device) for each in arrays)
        logits, after = self.cells.step(t, ids, before, anew)
        counted = t >= self.losses
        return logits, functional.cross_entropy(logits, targets, reduction="none") if counted else None, after


def _pulled_back(results: Iterable[tuple[Tensor, Tensor]], wrt: Sequence[Tensor]) -> list[Tensor | None]:
    """From the gradients of some results those of what they are made of; None where nothing flows."""
    live = [(result, gradient) for result, gradient in results if result.requires_grad]
    wanted = [each for each in wrt if each.requires_grad]
    if not live:
        return [None] * len(wrt)
    found = iter(torch.autograd.grad([r for r, _ in live], wanted, [g for _, g in live], allow_unused=True))
    return [next(found) if each.requires_grad else None for each in wrt]


def _or_zero(tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor]:
    pairs = zip(tensors, gradients, strict=True)
    return [torch.zeros_like(each) if gradient is None else gradient for each, gradient in pairs]
