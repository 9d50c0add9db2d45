"""``EncoderDecoder``: a sequence of symbols in, another out, of any length.

Shapes. Sources (S_i,) and sequences (T_i,) int64, each from its own alphabet; outcomes of a step (B, V + 1), the end
last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.equations.system import System
from unrolled.errors import ConfigurationError
from unrolled.nn.attention import Memory
from unrolled.nn.language import sizes_of
from unrolled.nn.many_to_one import ManyToOne, without_readout
from unrolled.nn.one_to_many import Enters, OneToMany, State
from unrolled.nn.recurrent import as_system
from unrolled.nn.sequences import flat_ids
from unrolled.nn.stopping import Stop
from unrolled.recurrence import Recurrence


class EncoderDecoder(nn.Module):
    """One recurrence reads a sequence, another writes one: p(w_1 … w_n | v_1 … v_m), over sequences of every length.

    The encoder's last state is the context of the decoder, a ``OneToMany``. With attention the decoder also looks, at
    each step, at the encoder's states of all steps (``GlobalAttention``).

    Args:
        recurrence: of the decoder, and of the encoder unless ``encoder`` is another.
        reads, symbols: how many symbols the sources, and the sequences, are made of.
        hidden: size of all else.
        attention: whether the decoder looks back at the source.
        bidirectional: whether the encoder reads backwards too; its last states are then two.
        backward: another recurrence for that, as for ``Recurrent``.
        embedding: size of the vectors that stand for symbols (``hidden`` unless given).
        enters, stop, longest: as for ``OneToMany``; num_layers, dropout, ``**options``, of both: as for ``Recurrent``.

    Raises:
        ConfigurationError: as ``OneToMany``.

    >>> model = EncoderDecoder("gru", reads=30, symbols=20, hidden=16, attention=True)
    >>> sources, sequences = [torch.tensor([3, 1, 4]), torch.tensor([1])], [torch.tensor([5, 9]), torch.tensor([2])]
    >>> loss = model.nats(sources, sequences).sum() / model.outcomes(sequences).sum()
    >>> [weights.shape for weights in model.attention(sources, sequences)]
    [torch.Size([3, 3]), torch.Size([2, 1])]
    >>> state, outcomes = model.begin(sources)
    >>> state, outcomes = model.step(state, outcomes[:, :-1].argmax(-1))
    >>> outcomes.shape
    torch.Size([2, 21])
    """

    def __init__(
        self, recurrence: Recurrence | System | str, reads: int, symbols: int, hidden: int, *, attention: bool = False,
        encoder: Recurrence | System | str | None = None, bidirectional: bool = True,
        backward: Recurrence | System | str | None = None, enters: Enters = "state",
        stop: Stop | str = "end", longest: int = 100, embedding: int | None = None, num_layers: int = 1,
        dropout: float = 0.0, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        system = as_system(recurrence if encoder is None else encoder)
        self.reads, self.symbols = reads, symbols
        self.encoder = ManyToOne(
            system, num_layers, bidirectional, dropout, readout=False, backward=backward, embedding=embedding or hidden,
            sizes=sizes_of(without_readout(system), reads, None, hidden), **options,
        )  # fmt: skip
        context = sum(self.encoder.top_sizes().values())
        self.decoder = OneToMany(
            recurrence, context, symbols, hidden, enters=enters, stop=stop, longest=longest,
            memory=context if attention else None, embedding=embedding, num_layers=num_layers, dropout=dropout,
            **options,
        )  # fmt: skip

    def nats(self, sources: Sequence[Tensor], sequences: Sequence[Tensor]) -> Tensor:
        """−log p(w_1 … w_n | v_1 … v_m) of each whole sequence, its end included: (B,).

        Raises:
            DataError: there are not as many sequences as sources; one has an id that is no symbol, or is longer than
                the longest that can be drawn.
        """
        context, memory = self._encode(sources)
        return self.decoder.nats(context, sequences, memory)

    def attention(self, sources: Sequence[Tensor], sequences: Sequence[Tensor]) -> list[Tensor]:
        """How much each symbol of the source counts at each step, and at the end, of the sequence: (T_i + 1, S_i).

        Raises:
            ConfigurationError: the model has no attention.
        """
        context, memory = self._encode(sources)
        if memory is None:
            raise ConfigurationError("This model has no attention whose weights one could see: make it with one.")
        weights = self.decoder.weights(context, sequences, memory)
        return [own[:, : len(each)] for own, each in zip(weights, sources, strict=True)]

    @property
    def longest(self) -> int | None:
        """As ``OneToMany.longest``."""
        return self.decoder.longest

    def length_log_probabilities(self, sources: Sequence[Tensor]) -> Tensor | None:
        """Of each length (B, longest + 1); None where the length is not drawn first."""
        return self.decoder.length_log_probabilities(self._encode(sources)[0])

    def begin(self, sources: Sequence[Tensor], lengths: Tensor | None = None) -> tuple[State, Tensor]:
        """The beginning of B streams, as ``OneToMany.begin``."""
        context, memory = self._encode(sources)
        return self.decoder.begin(context, lengths, memory)

    def step(self, state: State, symbols: Tensor) -> tuple[State, Tensor]:
        """One step on, as ``OneToMany.step``."""
        return self.decoder.step(state, symbols)

    select = staticmethod(OneToMany.select)
    outcomes = staticmethod(OneToMany.outcomes)

    def programs(self) -> dict[str, Any]:
        """The compiled programs of the encoder and of the decoder, as ``Recurrent.programs`` gives them."""
        return {"encoder": self.encoder.programs(), **self.decoder.programs()}

    def _encode(self, sources: Sequence[Tensor]) -> tuple[Tensor, Memory | None]:
        """The context (B, c) and, with attention, the memory."""
        flat, lengths = flat_ids(sources, self.reads, "sources")
        there = torch.arange(int(lengths.max()) if sources else 0) < lengths[:, None]
        there = there.to(flat.device)
        ids = flat.new_zeros(there.shape).masked_scatter(there, flat).transpose(0, 1)
        context, steps = self.encoder.with_steps(ids, lengths)
        return context, None if self.decoder.attention is None else Memory(steps.transpose(0, 1), there)
