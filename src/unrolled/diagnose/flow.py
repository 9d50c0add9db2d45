"""How the gradient flows back through a network: ‖∂L/∂h_t‖ and what each step adds to the gradient of each parameter.

Two losses are compared: that of the last step alone (many-to-one), and the sum of the losses at all steps
(many-to-many). ∂L/∂h_t is the whole derivative: with respect to a vector that is added to the state h at step t, all
that follows from it included. The gradient of a parameter is the sum, over the steps, of that of its use at each step.

Shapes: x (T, B, n) or ids (T, B); targets (T, B) or (T, B, K), of a network with one answer (B,) or (B, K).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vjp, vmap
from torch.nn import functional

from unrolled.diagnose.opened import Opened, Piece, ids_among, named
from unrolled.diagnose.plain import plain
from unrolled.engine import reference
from unrolled.equations.expression import BEFORE, NOW, Expression, substitute, symbol
from unrolled.equations.system import System
from unrolled.errors import DataError
from unrolled.nn import ManyToOne, Recurrent
from unrolled.nn.direction import run_direction
from unrolled.nn.recurrent import beside
from unrolled.nn.sequences import Batch, Data

LANES, STEPS = 8, 100  # of a text, that do for a trained run
ENTRIES = 1 << 23  # of the gradients that are held at a time
ONE, MANY = "many-to-one", "many-to-many"


@dataclass(frozen=True)
class Flow:
    """Of one loss, step by step, the mean over the lanes: ``states`` the norm of ∂L/∂h_t of each state of each layer,
    ``parameters`` the norm of what the step adds to the gradient of each parameter."""

    states: Mapping[str, tuple[float, ...]]
    parameters: Mapping[str, tuple[float, ...]]

    def reach(self, share: float = 0.01) -> dict[str, int]:
        """Of each state, how many steps before the last ∂L/∂h_t still has at least this share of its largest norm."""
        return {name: _reach(norms, share * max(norms)) for name, norms in self.states.items()}


def _reach(norms: Sequence[float], least: float) -> int:
    """How many steps before the last one the first norm stands that is not too small; 0 where all are zero."""
    return next((len(norms) - 1 - t for t, norm in enumerate(norms) if norm >= least and norm > 0), 0)


@dataclass(frozen=True)
class GradientFlow:
    """The flow of each loss, by its name: "many-to-one", "many-to-many"."""

    losses: Mapping[str, Flow]
    steps: int
    lanes: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is not finite is None."""
        found: dict[str, Any] = plain(asdict(self))
        return found


def gradient_flow(
    layer: Recurrent, inputs: Data | Mapping[str, Data], targets: Tensor | None = None
) -> Generator[float, None, GradientFlow]:
    """Measure on inputs (T, B, n), ids (T, B) or one lane of these, yielding the share done; exact, in float64.

    Targets are classes (int64) for a cross-entropy, or numbers for ½ ‖o − target‖²; without any, inputs that are ids
    are predicted from those before them. A network that answers once has the loss many-to-one only.

    Raises:
        ConfigurationError: the layer has no state; DataError: targets are missing or do not fit.
    """
    if targets is None:
        inputs, targets = _shifted(inputs)
    opened = Opened(layer)
    batch = opened.batch(inputs)
    run = _Run(opened, batch)
    losses = _losses(run.answer, targets, once=isinstance(layer, ManyToOne))
    found: dict[str, Flow] = {}
    for number, (name, loss) in enumerate(losses.items()):
        states: dict[str, tuple[float, ...]] = {}
        parameters: dict[str, tuple[float, ...]] = {}
        for done, (trace, adjoints) in enumerate(run.adjoints(loss), 1):
            for state, whole in zip(trace.piece.system.states, adjoints.whole, strict=True):
                states[named(state, trace.piece)] = _over_lanes(whole.norm(dim=-1), batch)
            for parameter, norms in _contributions(trace, adjoints).items():
                parameters[parameter] = _over_lanes(norms, batch)
            yield (number + done / len(run.traces)) / len(losses)
        found[name] = Flow(states, parameters)
    return GradientFlow(found, batch.steps, batch.batch)


class _Trace(NamedTuple):
    """What a piece read and made at each row; ``carried`` and ``added`` are the zeros that disturb each of its states,
    as it comes in and as it is made."""

    piece: Piece
    logits: bool  # are its outputs the arguments of the softmax at the end?
    inputs: list[Tensor]
    before: list[Tensor]  # the states that each row begins with
    outputs: tuple[Tensor, ...] = ()
    final: tuple[Tensor, ...] = ()
    carried: tuple[Tensor, ...] = ()
    added: tuple[Tensor, ...] = ()


class _Adjoints(NamedTuple):
    """∂L/∂ of the outputs of a row, of the states as the next row reads them, and of the states in every way."""

    outputs: list[Tensor]
    following: list[Tensor]
    whole: list[Tensor]


class _Run:
    """A forward run through which torch can go back to every state at every step."""

    def __init__(self, opened: Opened, batch: Batch) -> None:
        self.batch = batch
        self.traces: list[_Trace] = []
        results = self._levels(opened)
        if isinstance(opened.layer, ManyToOne):
            final = [dict(zip(trace.piece.system.states, trace.final, strict=True)) for trace in self.traces]
            answers = opened.layer._emit(results, final, batch, logits=True)
        else:
            if opened.head is not None:
                results = self._read_out(opened.head, results)
            answers = {name: batch.give_back(value) for name, value in results.items()}
        if len(answers) != 1:
            raise DataError(f"A loss needs one output; this layer has {', '.join(answers)}.")
        (self.answer,) = answers.values()

    def _levels(self, opened: Opened) -> dict[str, Tensor]:
        """What the top hands up, by name."""
        states = iter(opened.states(self.batch))
        sequences, results = dict(self.batch.data), dict[str, Tensor]()
        for depth, level in enumerate(opened.levels):
            if depth:
                sequences = {level[0].system.inputs[0]: beside(list(results.values()))}
            ends = depth == len(opened.levels) - 1 and opened.head is None
            traces = [self._trace(piece, ends, sequences, next(states)) for piece in level]
            self.traces += traces
            columns = zip(*(trace.outputs for trace in traces), strict=True)
            results = {
                name: beside(list(column))
                for name, column in zip(level[0].system.outputs, columns, strict=True)
            }  # fmt: skip
        return results

    def _trace(
        self, piece: Piece, logits: bool, sequences: Mapping[str, Tensor], states: Mapping[str, Tensor]
    ) -> _Trace:
        inputs = [sequences[name] for name in piece.system.inputs]
        first = piece.first(self.batch.batch)
        before = [_before(states[n], f, piece) for n, f in zip(piece.system.states, first, strict=True)]
        carried, added = (tuple(torch.zeros_like(b, requires_grad=True) for b in before) for _ in range(2))
        program = piece.program(ids_among(sequences), logits=logits, system=disturbed(piece.system, logits))
        outputs, final = run_direction(
            program, [*inputs, *carried, *added], first, piece.tensors, self.batch, piece.backward
        )  # fmt: skip
        return _Trace(piece, logits, inputs, before, outputs, final, carried, added)

    def _read_out(self, head: Piece, results: Mapping[str, Tensor]) -> dict[str, Tensor]:
        inputs = [results[name] for name in head.system.inputs]
        outputs = reference.forward(head.program(logits=True), inputs, (), head.tensors, self.batch.batch_sizes).outputs
        self.traces.append(_Trace(head, True, [each.detach() for each in inputs], [], outputs))
        return dict(zip(head.system.outputs, outputs, strict=True))

    def adjoints(self, loss: Tensor) -> list[tuple[_Trace, _Adjoints]]:
        """Of each trace, by one pass back from the loss."""
        wanted = [t for trace in self.traces for t in (*trace.outputs, *trace.final, *trace.carried, *trace.added)]
        gradients = torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True)
        found = iter([torch.zeros_like(t) if g is None else g for t, g in zip(wanted, gradients, strict=True)])
        pairs = []
        for trace in self.traces:
            outputs, final, carried, added = (
                [next(found) for _ in group] for group in (trace.outputs, trace.final, trace.carried, trace.added)
            )
            following = [_following(c, f, trace.piece, self.batch) for c, f in zip(carried, final, strict=True)]
            pairs.append((trace, _Adjoints(outputs, following, added)))
        return pairs


def disturbed(system: System, logits: bool) -> System:
    """``system`` with two more inputs for each state: one is added to it as it comes in, one as it is made.

    With ``logits`` an output that is a softmax is its argument, and so not what is disturbed.
    """
    states = system.states
    came = {symbol(name, BEFORE): symbol(name, BEFORE) + symbol(f"{name} carried", NOW) for name in states}
    equations = {name: substitute(right, came) for name, right in system.equations}
    shapes, outputs = dict(system.shapes), list(system.outputs)
    for name in states:
        argument = _argument(equations, name)
        if logits and name in outputs and argument is not None:
            equations[f"{name} logits"] = argument
            outputs[outputs.index(name)] = f"{name} logits"
    for name in states:
        equations[name] += symbol(f"{name} added", NOW)
    for name in list(system.shapes):
        shapes |= {f"{name} {what}": system.shapes[name] for what in ("carried", "added", "logits")}
    names = [f"{name} {how}" for how in ("carried", "added") for name in states]
    return replace(
        system, equations=tuple(equations.items()), inputs=(*system.inputs, *names), outputs=tuple(outputs),
        shapes=shapes,
    )  # fmt: skip


def _argument(equations: Mapping[str, Expression], name: str) -> Expression | None:
    """Of the softmax that a sequence is, or is another name of; None if it is another function."""
    right = equations[name]
    while right.op == "symbol" and right.data[1] == NOW and right.data[0] in equations:
        right = equations[right.data[0]]
    return right.args[0] if right.op == "softmax" else None


def _before(after: Tensor, first: Tensor, piece: Piece) -> Tensor:
    """The state before each step in the direction of the piece, as rows, from that after each (T, B, n)."""
    parts = [after[1:], first[None]] if piece.backward else [first[None], after[:-1]]
    return torch.cat(parts).flatten(0, 1)


def _following(carried: Tensor, final: Tensor, piece: Piece, batch: Batch) -> Tensor:
    """What flows back into each row from the next, in the direction of the piece."""
    steps = carried.reshape(batch.steps, batch.batch, -1)
    parts = [final[None], steps[:-1]] if piece.backward else [steps[1:], final[None]]
    return torch.cat(parts).flatten(0, 1)


def _contributions(trace: _Trace, adjoints: _Adjoints) -> dict[str, Tensor]:
    """For each parameter, the norm of what each row adds to its gradient."""
    piece = trace.piece
    if not piece.tensors:
        return {}
    ids = [n for n, v in zip(piece.system.inputs, trace.inputs, strict=True) if v.dtype == torch.int64]
    program = piece.program(ids, logits=trace.logits)

    def norms(inputs: list[Tensor], before: list[Tensor], seeds: list[Tensor]) -> list[Tensor]:
        def row(*parameters: Tensor) -> tuple[Tensor, ...]:
            result = reference.forward(
                program, [each[None] for each in inputs], [each[None] for each in before], parameters, (1,)
            )
            return (*result.outputs, *result.final)

        pull = vjp(row, *piece.tensors)[1]
        return [gradient.norm() for gradient in pull(tuple(seed[None] for seed in seeds))]

    at_once = max(1, ENTRIES // max(1, sum(each.numel() for each in piece.tensors)))
    found = vmap(norms, chunk_size=at_once)(trace.inputs, trace.before, [*adjoints.outputs, *adjoints.following])
    return dict(zip(piece.names, found, strict=True))


def _over_lanes(norms: Tensor, batch: Batch) -> tuple[float, ...]:
    return tuple(norms.reshape(batch.steps, batch.batch).mean(1).tolist())


def _shifted(inputs: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(inputs, Tensor) or inputs.dtype != torch.int64 or len(inputs) < 2:
        raise DataError("Only ids (T, B), T at least 2, are predicted from those before them: give targets.")
    return inputs[:-1], inputs[1:]


def _losses(answer: Tensor, targets: Tensor, once: bool) -> dict[str, Tensor]:
    """The losses by name, each summed over the lanes, which know nothing of each other."""
    classes = targets.dtype == torch.int64
    fits = answer.shape[:-1] if classes else answer.shape
    if targets.shape != fits:
        raise DataError(
            f"The targets have the shape {tuple(targets.shape)}; an answer is {tuple(answer.shape)}, so that classes "
            f"(int64) are {tuple(answer.shape[:-1])}, and numbers {tuple(answer.shape)}."
        )
    targets = targets.cpu()
    if not classes:
        errors = ((answer - targets) ** 2).sum(-1) / 2
    elif 0 <= int(targets.min()) <= int(targets.max()) < answer.shape[-1]:
        errors = functional.cross_entropy(answer.reshape(-1, answer.shape[-1]), targets.flatten(), reduction="none")
        errors = errors.reshape(fits)
    else:
        raise DataError(f"The targets are {targets.min()} to {targets.max()}; there are {answer.shape[-1]} classes.")
    return {ONE: errors.sum()} if once else {ONE: errors[-1].sum(), MANY: errors.sum()}
