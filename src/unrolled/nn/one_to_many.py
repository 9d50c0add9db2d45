"""``OneToMany``: a context in, a sequence of symbols out.

Shapes. A context (B, c); the symbols of one sequence (T,) int64; logits (T, V) of one sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from unrolled.equations.extension import with_readout
from unrolled.equations.system import System
from unrolled.errors import ConfigurationError
from unrolled.nn.language import sizes_of
from unrolled.nn.many_to_many import ManyToMany
from unrolled.nn.recurrent import State, as_system
from unrolled.recurrence import Recurrence

Enters = Literal["state", "every", "both"]


class OneToMany(nn.Module):
    """A recurrence that writes a sequence about a context C: p(w_1 … w_T | C) = Π_t p(w_t | w_1 … w_{t-1}, C).

    It reads, at each step, the symbol before; at the first one a beginning that is learnt.

    Args:
        recurrence: as for ``Recurrent``; where it has no read-out it is o = V h + c.
        context, symbols, hidden: sizes of C, of the alphabet V, and of all else.
        enters: C makes the first "state" (each state is a linear map of it), is read beside the symbol at "every" step,
            or "both".
        embedding: size of the vector that stands for a symbol (``hidden`` unless given).
        num_layers, dropout, ``**options``: as for ``Recurrent``.

    Raises:
        ConfigurationError: there is no such way to enter, or it shall run backwards too.

    >>> names = OneToMany("gru", context=18, symbols=60, hidden=32)
    >>> scores = names.logits(torch.eye(18)[:2], [torch.tensor([3, 1, 4]), torch.tensor([], dtype=torch.int64)])
    >>> [each.shape for each in scores]
    [torch.Size([3, 60]), torch.Size([0, 60])]
    """

    def __init__(
        self, recurrence: Recurrence | System | str, context: int, symbols: int, hidden: int, *,
        enters: Enters = "state", embedding: int | None = None, num_layers: int = 1, dropout: float = 0.0,
        bidirectional: bool = False, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        if bidirectional:
            raise ConfigurationError(
                "What writes cannot read backwards: at each step the symbols behind it do not exist yet. Leave "
                "bidirectional out; an encoder, which reads something that is there, may have it."
            )
        if enters not in ("state", "every", "both"):
            raise ConfigurationError(f"enters is {enters!r}; the context can enter as state, every or both.")
        self.enters, self.symbols, self.num_layers = enters, symbols, num_layers
        width = embedding or hidden
        system = with_readout(as_system(recurrence))
        read = width + (context if enters != "state" else 0)
        sizes = sizes_of(system, read, symbols, hidden)
        self.body = ManyToMany(system, num_layers, dropout=dropout, sizes=sizes, **options)
        like = next(self.body.parameters())
        numbers: dict[str, Any] = {"device": like.device, "dtype": like.dtype}
        self.embedding = nn.Embedding(symbols + 1, width, **numbers)  # the last row is the beginning
        self.starts = nn.ModuleDict()
        if enters != "every":
            shapes = system.resolve(sizes)
            for name in system.states:
                self.starts[name] = nn.Linear(context, num_layers * shapes[name][0], **numbers)

    def start(self, context: Tensor) -> State:
        """The states before the first step."""
        batch, found = len(context), dict[str, Tensor]()
        for name, linear in self.starts.items():
            state: Tensor = linear(context)
            layers = state.reshape(batch, self.num_layers, -1).transpose(0, 1)
            found[name] = layers if self.num_layers > 1 else layers[0]
        return found

    def logits(self, context: Tensor, sequences: Sequence[Tensor]) -> list[Tensor]:
        """The scores of each symbol of each sequence, given those before it: what a cross-entropy with them takes."""
        if not sequences:
            return []
        read = [self._read(self._before(each), own) for each, own in zip(sequences, context, strict=True)]
        found: list[Tensor] = self.body.logits(read, self.start(context))[0]
        return found

    def step(self, context: Tensor, before: Tensor | None, state: State | None) -> tuple[Tensor, State]:
        """One step of writing: the scores (B, V) after the symbols ``before`` (B,), or at the beginning; the state."""
        if before is None:
            before = torch.full((len(context),), self.symbols, device=context.device)
        x = self.embedding(before)
        x = torch.cat([x, context], -1) if self.enters != "state" else x
        scores, state = self.body.logits(x[None], self.start(context) if state is None else state)
        return scores[0], state

    def _before(self, sequence: Tensor) -> Tensor:
        """The symbol before each one."""
        return torch.cat([sequence.new_full((min(1, len(sequence)),), self.symbols), sequence[:-1]])

    def _read(self, before: Tensor, context: Tensor) -> Tensor:
        x: Tensor = self.embedding(before)
        return torch.cat([x, context.expand(len(x), -1)], -1) if self.enters != "state" else x
