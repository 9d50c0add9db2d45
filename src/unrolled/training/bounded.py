"""Backpropagation through long times in bounded memory: few states are saved, the others computed again.

Recurrence, read-out and loss of a segment are computed together, so that nothing is ever there for all steps but what
was given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unrolled.training.revolve import Action, schedule

State = dict[str, Tensor]
Segment = Callable[[int, State | None], tuple[Tensor, State]]  # number and state before → loss and state after


def bounded_loss(
    segment: Segment, count: int, state: State | None, parameters: Sequence[Tensor], slots: int
) -> tuple[Tensor, State]:  # fmt: skip
    """The sum of the losses of ``count`` segments, at least one, and the state after the last one, which is detached.

    The loss has the gradient of the ``parameters`` and of ``state``, exactly: to the bit the same for every number of
    ``slots``, the states that are saved at a time. Computing it runs each segment forwards once here; going backwards
    once more with its gradient, besides ``revolve.advances(count, slots)`` times less the first sweep. Random numbers
    (dropout) are drawn again as they were.

    Raises:
        ConfigurationError: there is no slot.
    """
    names = tuple(state) if state is not None else ()
    chain = _Chain(segment, count, names, tuple(parameters), slots)
    given = [] if state is None else [state[name] for name in names]
    loss, *last = _Bounded.apply(chain, *given, *parameters)
    return loss, dict(zip(chain.names, last, strict=True))


@dataclass(frozen=True)
class _Moment:
    """All that the segments from here on depend on, besides the parameters."""

    state: State | None
    random: tuple[Tensor, ...]


class _Chain:
    """The segments as the schedule goes through them."""

    def __init__(
        self, segment: Segment, count: int, names: tuple[str, ...], parameters: tuple[Tensor, ...], slots: int
    ) -> None:  # fmt: skip
        self.segment, self.count, self.names, self.parameters = segment, count, names, parameters
        self.actions = schedule(count, slots)
        self.saved: dict[int, _Moment] = {}
        self.at, self.state = 0, None  # type: int, State | None

    def forward(self, state: State | None) -> tuple[Tensor, State]:
        """The losses, saving what the way back needs first."""
        self.state = state
        total: Tensor | None = None
        for action in self.actions:
            if action.kind == "reverse":  # the last segment, with which the way back begins
                before = _Moment(self.state, _random())
                total = self._advance(self.count, total)
                break
            total = self._act(action, total)
        assert total is not None
        assert self.state is not None
        last, self.state, self.at = self.state, before.state, self.count - 1
        self.first = before
        self.names = tuple(last)
        return total, last

    def backward(self, gradient: Tensor) -> tuple[State, list[Tensor]]:
        """The gradients of the state and of the parameters."""
        after = _random()
        _set_random(self.first.random)
        totals = [torch.zeros_like(parameter) for parameter in self.parameters]
        carried = self._reverse(self.count - 1, gradient, {}, totals)
        for action in self.actions:
            if action.kind == "reverse":
                carried = self._reverse(action.to, gradient, carried, totals)
            else:
                self._act(action, None)
        _set_random(after)
        return carried, totals

    def _act(self, action: Action, total: Tensor | None) -> Tensor | None:
        if action.kind == "advance":
            return self._advance(action.to, total)
        if action.kind == "save":
            self.saved[action.to] = _Moment(self.state, _random())
        elif action.kind == "free":
            del self.saved[action.to]
        else:
            moment = self.saved[action.to]
            self.at, self.state = action.to, moment.state
            _set_random(moment.random)
        return total

    def _advance(self, to: int, total: Tensor | None) -> Tensor | None:
        with torch.no_grad():
            while self.at < to:
                loss, self.state = self.segment(self.at, self.state)
                total = loss if total is None else total + loss
                self.at += 1
        return total

    def _reverse(self, number: int, gradient: Tensor, carried: State, totals: list[Tensor]) -> State:
        """Add the gradients of one segment; ``carried`` is that of the state after it, and what is returned of that
        before it."""
        with torch.enable_grad():
            state = None if self.state is None else {n: s.detach().requires_grad_() for n, s in self.state.items()}
            loss, after = self.segment(number, state)
            outputs = [loss, *(after[name] for name in carried)]
            inputs = [*([] if state is None else state.values()), *self.parameters]
            found = torch.autograd.grad(outputs, inputs, [gradient, *carried.values()], allow_unused=True)
        own = len(found) - len(self.parameters)
        for total, each in zip(totals, found[own:], strict=True):
            if each is not None:
                total += each
        if state is None:
            return {}
        pairs = zip(state.items(), found[:own], strict=True)
        return {name: torch.zeros_like(value) if each is None else each for (name, value), each in pairs}


class _Bounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, chain: _Chain, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.chain = chain
        ctx.states = chain.names
        state = dict(zip(chain.names, tensors, strict=False)) if chain.names else None
        loss, last = chain.forward(state)
        ctx.mark_non_differentiable(*last.values())
        return (loss, *last.values())

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator,unused-ignore]  # torch does not say what it returns
    def backward(ctx: Any, gradient: Tensor, *ignored: Tensor) -> tuple[Any, ...]:
        states, parameters = ctx.chain.backward(gradient)
        return (None, *(states[name] for name in ctx.states), *parameters)


def _random() -> tuple[Tensor, ...]:
    """The states of torch's generators."""
    cuda = (torch.cuda.get_rng_state(),) if torch.cuda.is_initialized() else ()
    return (torch.get_rng_state(), *cuda)


def _set_random(states: tuple[Tensor, ...]) -> None:
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state(states[1])
