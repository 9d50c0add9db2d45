"""``OneToMany``: a context in, a sequence of symbols out.

Shapes. A context (B, c); the symbols of one sequence (T_i,) int64; outcomes of a step (B, V + 1), the end last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from unrolled.equations.extension import read_states, with_readout
from unrolled.equations.system import System
from unrolled.errors import ConfigurationError, DataError
from unrolled.nn.attention import GlobalAttention, Memory
from unrolled.nn.language import sizes_of
from unrolled.nn.many_to_one import without_readout
from unrolled.nn.recurrent import Recurrent, as_system, beside
from unrolled.nn.stopping import Stop, stop_of
from unrolled.nn.teacher_forcing import Steps
from unrolled.recurrence import Recurrence

Enters = Literal["state", "every", "both"]


@dataclass(frozen=True)
class State:
    """Where each of B streams is that are being written: all that the next step needs.

    ``states`` are those of the recurrence, (B, n) or (layers, B, n); ``remaining`` (B,) is how many symbols are still
    to come, where the length is drawn first; ``memory`` is what an attention looks at.
    """

    context: Tensor
    states: Mapping[str, Tensor]
    remaining: Tensor | None = None
    memory: Memory | None = None


class OneToMany(nn.Module):
    """A recurrence that writes a sequence about a context C: p(w_1 … w_n | C), over sequences of every length.

    It reads, at each step, the symbol before; at the first one a beginning that is learnt.

    Args:
        recurrence: as for ``Recurrent``; where it has no read-out it is o = V h + c.
        context, symbols, hidden: sizes of C, of the alphabet V, and of all else.
        enters: C makes the first "state" (each state is a linear map of it, whatever first value the equations give),
            is read beside the symbol at "every" step, or "both".
        stop: how it knows when to stop: "end", a symbol; "probability", at each step; "length", which is drawn first,
            up to ``longest``; or a ``Stop``.
        memory: size of the rows of a memory that an attention looks at at each step (None: there is none); the
            read-out is then the attention's.
        embedding: size of the vector that stands for a symbol (``hidden`` unless given).
        num_layers, dropout, ``**options``: as for ``Recurrent``.

    Raises:
        ConfigurationError: there is no such way to enter or to stop, or it shall run backwards too.

    >>> names = OneToMany("gru", context=18, symbols=60, hidden=32)
    >>> sequences = [torch.tensor([3, 1, 4]), torch.tensor([], dtype=torch.int64)]
    >>> loss = names.nats(torch.eye(18)[:2], sequences).sum() / names.outcomes(sequences).sum()
    >>> state, outcomes = names.begin(torch.eye(18)[:2])
    >>> state, outcomes = names.step(state, outcomes[:, :-1].argmax(-1))
    >>> outcomes.shape
    torch.Size([2, 61])
    """

    def __init__(
        self, recurrence: Recurrence | System | str, context: int, symbols: int, hidden: int, *,
        enters: Enters = "state", stop: Stop | str = "end", longest: int = 100, memory: int | None = None,
        embedding: int | None = None, num_layers: int = 1, dropout: float = 0.0, bidirectional: bool = False,
        **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        if bidirectional or options.get("backward") is not None:
            raise ConfigurationError(
                "What writes cannot read backwards: at each step the symbols behind it do not exist yet. Leave "
                "bidirectional and backward out; an encoder, which reads something that is there, may have it."
            )
        if enters not in ("state", "every", "both"):
            raise ConfigurationError(f"enters is {enters!r}; the context can enter as state, every or both.")
        self.enters, self.context, self.symbols, self.num_layers = enters, context, symbols, num_layers
        stop = stop_of(stop, longest, context) if isinstance(stop, str) else stop
        if stop.context not in (None, context):
            raise ConfigurationError(f"The stop reads contexts of the size {stop.context}; here it is {context}.")
        width, scores = embedding or hidden, symbols + stop.extra
        read = width + (context if enters != "state" else 0) + stop.width
        self.body = _body(as_system(recurrence), read, None if memory else scores, hidden, num_layers, dropout, options)
        like = next(self.body.parameters())
        numbers: dict[str, Any] = {"device": like.device, "dtype": like.dtype}
        self.stop = stop.to(**numbers)
        self.embedding = nn.Embedding(symbols + 1, width, **numbers)  # the last row is the beginning
        top = sum(self.body.top_sizes().values())
        self.attention = GlobalAttention(top, memory, scores, dropout, **numbers) if memory else None
        self.starts = nn.ModuleDict()
        if enters != "every":
            for name, size in self._state_sizes().items():
                self.starts[name] = nn.Linear(context, num_layers * size, **numbers)

    def _state_sizes(self) -> dict[str, int]:
        system = self.body.system
        if not system.states and self.enters == "state":
            raise ConfigurationError(
                'These equations have no state that the context could make: let it enter at "every" step.'
            )
        shapes = system.resolve(self.body.sizes)
        return {name: (shapes[name] or (1,))[0] for name in system.states}

    def nats(self, context: Tensor, sequences: Sequence[Tensor], memory: Memory | None = None) -> Tensor:
        """−log p(w_1 … w_n | C) of each whole sequence, its end included: (B,).

        Raises:
            DataError: there are not as many sequences as contexts; one has an id that is no symbol, or is longer than
                the longest that can be drawn.
        """
        self._check(context, len(sequences), "sequences")
        if not sequences:
            return context.new_zeros(0)
        steps = Steps.of(sequences, self.symbols)
        drawn = self.stop.lengths(context)
        if drawn is not None:
            self._check_lengths(steps.lengths)
        scores = self._rows(context, steps)
        if self.attention is not None:
            looked = self.attention.contexts(steps.dense(scores), _given(memory))
            scores = self.attention.answers(steps.rows(looked), scores)
        found = self.stop.outcomes(scores, steps.remaining).gather(1, steps.wanted[:, None])
        total = steps.sums(found[:, 0])
        return -total if drawn is None else -total - drawn.gather(1, steps.lengths[:, None])[:, 0]

    def weights(self, context: Tensor, sequences: Sequence[Tensor], memory: Memory) -> list[Tensor]:
        """How much each row of the memory counts at each step of each sequence and at its end: (T_i + 1, S)."""
        self._check(context, len(sequences), "sequences")
        if self.attention is None:
            raise ConfigurationError("This model has no attention whose weights one could see.")
        if not sequences:
            return []
        steps = Steps.of(sequences, self.symbols)
        weights = self.attention.weights(steps.dense(self._rows(context, steps)), memory)
        return [own[: len(each) + 1] for own, each in zip(weights, sequences, strict=True)]

    @staticmethod
    def outcomes(sequences: Sequence[Tensor]) -> Tensor:
        """How many outcomes ``nats`` counts in each sequence (B,): its symbols, and its end or its length."""
        return torch.tensor([each.numel() + 1 for each in sequences], dtype=torch.int64)

    @property
    def longest(self) -> int | None:
        """The longest sequence, where the length is drawn first; else None."""
        return self.stop.longest

    def length_log_probabilities(self, context: Tensor) -> Tensor | None:
        """Of each length (B, longest + 1); None where the length is not drawn first."""
        return self.stop.lengths(context)

    def begin(
        self, context: Tensor, lengths: Tensor | None = None, memory: Memory | None = None
    ) -> tuple[State, Tensor]:
        """The beginning of B streams, and the log-probabilities (B, V + 1) of the first symbol or the end.

        Where the length is drawn first, ``lengths`` (B,) are those that were drawn.

        Raises:
            DataError: lengths are needed, or of no use, or not among those that can be drawn.
        """
        self._check(context, len(context if lengths is None else lengths), "lengths")
        remaining = None
        if self.stop.longest is not None:
            if lengths is None:
                raise DataError(
                    "This model draws the length first: give begin() the lengths (B,), drawn from "
                    "length_log_probabilities."
                )
            self._check_lengths(lengths)
            remaining = lengths + 1  # the first step, which reads the beginning, takes one off
        elif lengths is not None:
            raise DataError("This model decides at each step whether to stop: leave lengths out.")
        beginning = torch.full((len(context),), self.symbols, device=context.device)
        return self.step(State(context, self._first_states(context), remaining, memory), beginning)

    def step(self, state: State, symbols: Tensor) -> tuple[State, Tensor]:
        """One step on, after the ``symbols`` (B,) int64: the state, and the log-probabilities (B, V + 1).

        A stream that has ended may be carried along with any symbol, even the end; what comes of it means nothing.
        """
        remaining = None if state.remaining is None else state.remaining - 1
        read = self._read(symbols, state.context, remaining)
        found, states = self.body.logits(read[None], state.states)
        scores = _top(found)[0]
        if self.attention is not None:
            looked = self.attention.contexts(scores[:, None], _given(state.memory))
            scores = self.attention.answers(looked[:, 0], scores)
        return State(state.context, states, remaining, state.memory), self.stop.outcomes(scores, remaining)

    @staticmethod
    def select(state: State, indices: Tensor) -> State:
        """The streams ``indices`` (K,) int64 of ``state``, in this order: any may be left out, or taken twice."""
        return State(
            state.context.index_select(0, indices),
            {name: each.index_select(-2, indices) for name, each in state.states.items()},
            None if state.remaining is None else state.remaining.index_select(0, indices),
            None if state.memory is None else state.memory.select(indices),
        )

    def programs(self) -> dict[str, Any]:
        """The compiled programs of the decoder, as ``Recurrent.programs`` gives them."""
        return {"decoder": self.body.programs()}

    def _rows(self, context: Tensor, steps: Steps) -> Tensor:
        """At each of the steps (N, n) the scores, or the states that an attention reads."""
        read = self._read(steps.before, context.index_select(0, steps.sequence), steps.remaining)
        found, _ = self.body.logits(steps.packed(read), self._first_states(context))
        return _top(found)

    def _read(self, before: Tensor, context: Tensor, remaining: Tensor | None) -> Tensor:
        parts = [self.embedding(before)]
        if self.enters != "state":
            parts.append(context)
        if self.stop.width and remaining is not None:
            parts.append(self.stop.beside(remaining))
        return beside(parts)

    def _first_states(self, context: Tensor) -> dict[str, Tensor]:
        made = {name: linear(context) for name, linear in self.starts.items()}
        if self.num_layers == 1:
            return made
        return {name: torch.stack(state.chunk(self.num_layers, -1)) for name, state in made.items()}

    def _check(self, context: Tensor, count: int, what: str) -> None:
        if context.dim() != 2 or context.shape[1] != self.context:
            raise DataError(f"The context has the shape {tuple(context.shape)}; here it is (B, {self.context}).")
        if len(context) != count:
            raise DataError(f"There are {len(context)} contexts, but {count} {what}: give one of each.")

    def _check_lengths(self, lengths: Tensor) -> None:
        longest = self.stop.longest
        assert longest is not None
        wrong = lengths[(lengths < 0) | (lengths > longest)]
        if len(wrong):
            raise DataError(
                f"A sequence of {int(wrong[0])} symbols: this model draws lengths from 0 to {longest}. Leave it out, "
                "or make the model with a greater longest."
            )


def _body(
    system: System, read: int, scores: int | None, hidden: int, num_layers: int, dropout: float, options: dict[str, Any]
) -> Recurrent:
    """The recurrence with its read-out; without ``scores`` only the states that this would read."""
    if scores is None:
        options = {"upward": read_states(system) if system.states else None, **options}
    system = with_readout(system) if scores is not None else without_readout(system)
    return Recurrent(system, num_layers, dropout=dropout, sizes=sizes_of(system, read, scores, hidden), **options)


def _top(found: Any) -> Tensor:
    """What the top hands up, packed or not, side by side where it is several."""
    several = list(found.values()) if isinstance(found, dict) else [found]
    return beside([each if isinstance(each, Tensor) else each.data for each in several])


def _given(memory: Memory | None) -> Memory:
    if memory is None:
        raise DataError("This model looks at a memory at each step: give it one.")
    return memory
