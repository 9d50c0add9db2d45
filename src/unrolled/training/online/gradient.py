"""``OnlineGradient``: the gradient of every step at that step, without looking back.

Shapes. x_t (B, size) or int64 ids (B,) of B lanes; what the loss reads (B, size); the states as ``Recurrent`` gives
them; the influence as (B, G, r, c) blocks of ∂s_t/∂θ.

Sources: Williams & Zipser 1989, "A learning algorithm for continually running fully recurrent neural networks"; Menick
et al. 2021, "Practical real time recurrent learning with a sparse approximation".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unrolled.equations.expression import BEFORE, NOW, Expression, symbol
from unrolled.errors import ConfigurationError, DataError
from unrolled.nn.recurrent import Recurrent
from unrolled.training.online.boundary import Boundary
from unrolled.training.online.composite import composite
from unrolled.training.online.influence import Entries, Influence
from unrolled.training.online.jacobian import step_of
from unrolled.training.online.matrices import Matrices
from unrolled.training.online.values import Values, parameter_leaves

Loss = Callable[[Any], Tensor]


@dataclass(frozen=True)
class OnlineState:
    """Where B lanes are: the ``states`` of the layer, and how the parameters have influenced them, ∂s_t/∂θ."""

    states: dict[str, Tensor]
    influence: tuple[Tensor, ...]

    @property
    def rows(self) -> Tensor:
        """The influence as one tensor (B, entries)."""
        state = next(iter(self.states.values()))
        none = state.new_zeros(state.shape[-2], 0)  # where nothing that is learnt has an influence
        return torch.cat([none, *(each.flatten(1) for each in self.influence)], 1)


@dataclass(frozen=True)
class OnlineStep:
    """What came out of a step: ``output`` as ``layer.logits`` gives it, the ``loss`` and its ``gradients`` by the name
    of the parameter (None and none where no loss was given), and the ``state`` for the next step."""

    output: Any
    loss: Tensor | None
    gradients: dict[str, Tensor]
    state: OnlineState


class OnlineGradient:
    """Real-time recurrent learning: what the parameters did to the states is carried forwards, S_t = J_t S_{t-1} + I_t.

    Args:
        layer: a ``Recurrent`` that reads forwards: of any equations, of any number of levels, with an embedding or
            without. Which of its parameters are learnt, and on which device, is seen once, here; their values at each
            step, so that they may move meanwhile.
        order: None for all of S (RTRL), so that the gradient is that of backpropagation through all steps; n for
            SnAp-n, which keeps the entries where a parameter influences a state within n steps, and drops the others.
            SnAp-1 is exact where each unit only sees itself (``h_t = a ⊙ h_{t-1} + …``); where every unit sees all
            others, as in a dense Elman network, SnAp-2 is RTRL.

    With N states and P parameters RTRL keeps N · P numbers for each lane and takes N² · P products a step; SnAp-1 of
    a dense recurrence keeps about P.

    Raises:
        ConfigurationError: the layer reads backwards too, drops units, rounds its products, has no state or nothing to
            learn, or answers in another way than step by step; or the order is not at least 1.

    >>> layer = Recurrent("h_t = tanh(U x_t + W h_{t-1}); y_t = softmax(V h_t)", x=3, h=4, y=2)
    >>> online = OnlineGradient(layer)
    >>> online.entries, OnlineGradient(layer, order=1).entries
    (112, 28)
    >>> state = online.start(lanes=5)
    >>> for x in torch.randn(7, 5, 3):
    ...     step = online.step(x, state, lambda logits: (logits**2).mean())
    ...     state = step.state
    >>> step.output.shape, step.gradients["W"].shape
    (torch.Size([5, 2]), torch.Size([4, 4]))
    """

    def __init__(self, layer: Recurrent, order: int | None = None) -> None:
        _refuse(layer, order)
        self.layer, self.order = layer, order
        whole = composite(layer)
        self._system, self._outputs, self._step = whole.system, whole.outputs, step_of(whole.system)
        self._boundary = Boundary(whole, self._step)
        self._learnt = {name: each for name, each in layer.named_parameters() if each.requires_grad}
        shapes = {name: tuple(each.shape) for name, each in self._learnt.items() if name in self._system.parameters}
        self._influence = Influence(self._step, shapes, order, next(layer.parameters()).device)
        states = self._system.states
        self._forward = whole.needed(symbol(name, NOW) for name in states)
        self._readout = whole.needed(whole.outputs.values(), known=states)

    @property
    def entries(self) -> int:
        """How many numbers of ∂s_t/∂θ are kept for each lane."""
        return self._influence.entries

    def start(self, lanes: int) -> OnlineState:
        """Before the first step: the first states of the equations, on which at most a parameter has an influence."""
        first, like = dict(self._system.initial), self._like
        states = {}
        for name in self._system.states:
            value, begin = first.get(name), like.new_zeros(1)
            if value is not None:
                learnt = value.op == "symbol"
                begin = self.layer.get_parameter(value.data[0]).detach() if learnt else begin + value.data[0]
            states[name] = begin.expand(lanes, self._step.size(name)).clone()
        return OnlineState(self._boundary.joined(states), self._influence.start(lanes, like))

    def state_of(self, states: Mapping[str, Tensor], rows: Tensor) -> OnlineState:
        """The state with these ``states`` and the influence ``rows`` (B, entries), as it was kept somewhere.

        Raises:
            DataError: there are not so many entries.
        """
        if rows.dim() != 2 or rows.shape[1] != self.entries:
            raise DataError(f"An influence of the shape {tuple(rows.shape)} is not (B, {self.entries}).")
        blocks = self._influence.blocks
        parts = zip(rows.split([block.entries for block in blocks], 1), blocks, strict=True)
        shaped = (part.reshape(len(rows), block.groups, block.height, block.width) for part, block in parts)
        return OnlineState(dict(states), tuple(shaped))

    def step(
        self, x: Tensor | Mapping[str, Tensor], state: OnlineState, loss: Loss | None = None,
        begins: Tensor | None = None,
    ) -> OnlineStep:  # fmt: skip
        """Read ``x`` (a dict by name where there are several inputs) from a ``state``.

        Args:
            x: (B, size), or int64 ids (B,).
            state: what ``start`` or the step before gave; it is not changed.
            loss: what is to become small, one number, from the output of ``layer.logits`` (a dict where there are
                several). Its gradient counts all that the parameters have done since ``start``.
            begins: (B,) bool, the lanes that start anew with this step.

        Raises:
            DataError: the shapes do not fit, or the loss is not one number.
        """
        inputs, lanes = self._boundary.inputs(x, self._like)
        if begins is not None:
            state = self._begun(state, begins, lanes)
        before = self._boundary.apart(state.states, lanes)
        with torch.no_grad():
            values = self._values(_now(inputs) | _before(before), self._forward)
            after = {name: values(symbol(name, NOW)).expand(lanes, -1).contiguous() for name in before}
            influence = self._influence.next(state.influence, Matrices(values))
        following = OnlineState(self._boundary.joined(after), influence)
        with torch.set_grad_enabled(loss is not None):
            # the loss as a function of the states on both sides of the step, whatever these came from
            ends = [{name: each.detach().requires_grad_() for name, each in side.items()} for side in (before, after)]
            output = self._read(_now(inputs | ends[1]) | _before(ends[0]), lanes)
            value = None if loss is None else loss(output)
        if value is None:
            return OnlineStep(output, None, {}, following)
        gradients = self._gradients(value, list(zip(ends, (state.influence, influence), strict=True)))
        return OnlineStep(output, value.detach(), gradients, following)

    @property
    def _like(self) -> Tensor:
        return next(self.layer.parameters()).detach()

    def _values(self, leaves: dict[Expression, Tensor], names: Iterable[str]) -> Values:
        parameters = {name: self.layer.get_parameter(name) for name in self._system.parameters}
        return Values(self._step, leaves | parameter_leaves(parameters), names, self._like)

    def _read(self, leaves: dict[Expression, Tensor], lanes: int) -> Any:
        """The outputs as ``layer.logits`` gives them."""
        values = self._values(leaves, self._readout)
        outputs = {name: values(root).expand(lanes, -1) for name, root in self._outputs.items()}
        return outputs if len(outputs) != 1 else next(iter(outputs.values()))

    def _gradients(self, loss: Tensor, ends: list[tuple[dict[str, Tensor], Entries]]) -> dict[str, Tensor]:
        """What the loss sees of the parameters themselves, and through the states, each with its influence."""
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            raise DataError("The loss of a step is a tensor of one number, such as the mean over the lanes.")
        wanted = [*self._learnt.values(), *(each for states, _ in ends for each in states.values())]
        if not loss.requires_grad:
            return {name: torch.zeros_like(each) for name, each in self._learnt.items()}
        found = torch.autograd.grad(loss.reshape(()), wanted, allow_unused=True, materialize_grads=True)
        gradients, rest = dict(zip(self._learnt, found, strict=False)), iter(found[len(self._learnt) :])
        for states, influence in ends:
            received = {name: next(rest) for name in states}
            for name, part in self._influence.gradients(influence, received).items():
                gradients[name] = gradients[name] + part
        return gradients

    def _begun(self, state: OnlineState, begins: Tensor, lanes: int) -> OnlineState:
        """Lanes that begin have their first states, and no influence but on these."""
        if begins.shape != (lanes,) or begins.dtype != torch.bool:
            raise DataError(
                f"begins is {begins.dtype} {tuple(begins.shape)}; it is bool ({lanes},), one for each lane."
            )
        first = self.start(lanes)
        states = {name: torch.where(begins[:, None], first.states[name], each) for name, each in state.states.items()}
        pairs = zip(first.influence, state.influence, strict=True)
        return OnlineState(states, tuple(torch.where(begins[:, None, None, None], *pair) for pair in pairs))


def _now(sequences: Mapping[str, Tensor]) -> dict[Expression, Tensor]:
    return {symbol(name, NOW): each for name, each in sequences.items()}


def _before(states: Mapping[str, Tensor]) -> dict[Expression, Tensor]:
    return {symbol(name, BEFORE): each for name, each in states.items()}


def _refuse(layer: Recurrent, order: int | None) -> None:
    """Say what cannot be learnt online, and what can."""
    reason = None
    if type(layer) is not Recurrent:
        reason = f"a {type(layer).__name__} does not answer at each step; give an nn.Recurrent"
    elif layer.bidirectional:
        reason = "a bidirectional layer answers when all has been read; give one that reads forwards"
    elif layer.dropout:
        reason = f"dropout (here {layer.dropout}) is not part of the equations; give a layer without it"
    elif layer.precision != "fp32":
        reason = f"the derivatives are those of exact products, and precision={layer.precision!r} rounds them"
    elif not any(each.system.states for each in layer.network.layers):
        reason = "the equations have no state, and so nothing to remember; call backward() on the loss of each step"
    elif not layer.network.layers[0].system.inputs:
        reason = "the equations read no input; give them one"
    elif not any(each.requires_grad for each in layer.parameters()):
        reason = "no parameter of the layer is learnt: requires_grad is False for all"
    elif order is not None and order < 1:
        reason = f"the order is {order}; SnAp-n has n of at least 1, and None is RTRL"
    if reason is not None:
        raise ConfigurationError(f"There is no online gradient here: {reason}.")
