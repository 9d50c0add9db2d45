"""The most probable texts that a model can write after a prompt.

Shapes: log-probabilities (V + 1,) of V symbols and, last, the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigurationError
from unrolled.generation.allowed import Allowed
from unrolled.generation.beam import Hypothesis, Numbers, beam_search
from unrolled.generation.ending import Ending, Until, allowed_texts
from unrolled.generation.state import GenerationState
from unrolled.generation.tokens import beginning
from unrolled.generation.writer import State, Writer, finite, open_writer

if TYPE_CHECKING:
    from unrolled.checkpoint.model import TrainedModel
    from unrolled.data.vocabulary import Ids, Unknown


@dataclass(frozen=True)
class Continuation(Hypothesis):
    """A hypothesis as text; ``ended`` is False where the length cut it."""

    text: str


def best(
    run: TrainedModel | Writer | Path | str,
    prompt: str = "",
    *,
    length: int | None = None,
    beams: int = 4,
    length_penalty: float = 0.0,
    until: Until = None,
    allowed: Sequence[str] | None = None,
    unknown: Unknown = "error",
    precision: str | None = None,
) -> list[Continuation]:
    """The most probable continuations of ``prompt`` that a beam search finds, at most ``beams``, the best first.

    A model has no symbol for the end: a text ends after ``length`` symbols, or where ``until`` or ``allowed`` say so,
    as in ``generate``, with probability 1; only with ``allowed`` may the length be left out. For the score and the
    ``length_penalty``, which matters where texts are of several lengths, see ``beam_search``.

    Raises:
        UnknownSymbolError: the model cannot read the prompt, or write an allowed text.
        ConfigurationError: an option is out of range.
    """
    found = open_writer(run, precision)
    strings = allowed_texts(found.vocabulary, allowed, until, length)
    if length is None:
        if strings is None:
            raise ConfigurationError("the search needs a length: the most symbols that a text may have")
        length = strings.lengths()[-1]
    if length < 0:
        raise ConfigurationError(f"the length is {length}; it must be 0 or more")
    branches = _Branches(found, beginning(found, prompt, unknown), length, Ending(until), strings)
    return [branches.continuation(each) for each in beam_search(branches, beams, length + 1, length_penalty, strings)]


@dataclass(frozen=True)
class _Written:
    """What was written so far, and what the model has read of it."""

    recurrent: State
    count: int = 0
    window: str = ""  # see Ending.after
    pending: bytes = b""


class _Branches:
    """A writer as beam search sees it: the end comes where it must, and with ``allowed`` where it may."""

    def __init__(
        self, found: Writer, first: GenerationState, length: int, ending: Ending, allowed: Allowed | None
    ) -> None:
        self.found, self.first, self.length, self.ending = found, first, length, ending
        self.allowed = allowed
        self.ended = np.append(np.full(len(found.vocabulary), -np.inf), 0.0)

    def begin(self) -> tuple[_Written, Numbers]:
        """See ``Branches``."""
        if self.length == 0:
            return _Written(None), self.ended
        [following] = self._read([self.first.recurrent], [self.first.unread])
        return _Written(following[0]), following[1]

    def step(self, states: Sequence[_Written], symbols: Sequence[int]) -> list[tuple[_Written, Numbers]]:
        """See ``Branches``; what has ended is not read."""
        stepped = [self._after(state, symbol) for state, symbol in zip(states, symbols, strict=True)]
        going = [n for n, (state, ended) in enumerate(stepped) if not (ended or state.count == self.length)]
        read = self._read([states[n].recurrent for n in going], [np.array([symbols[n]]) for n in going])
        found = [(state, self.ended) for state, _ in stepped]
        for n, (recurrent, following) in zip(going, read, strict=True):
            state = stepped[n][0]
            found[n] = _Written(recurrent, state.count, state.window, state.pending), following
        return found

    def continuation(self, found: Hypothesis) -> Continuation:
        """A hypothesis as text."""
        state, ended = _Written(None), self.allowed is not None
        for symbol in found.symbols:
            state, told = self._after(state, symbol)
            ended = ended or told
        text = self.found.vocabulary.decode(found.symbols)
        return Continuation(found.symbols, found.log_probability, found.score, ended, text)

    def _after(self, state: _Written, symbol: int) -> tuple[_Written, bool]:
        """What has been written with one more symbol, and whether it ends the text."""
        piece, pending = self.found.vocabulary.decode_next(symbol, state.pending)
        window, ended = self.ending.after(state.window, piece)
        return _Written(state.recurrent, state.count + 1, window, pending), ended

    def _read(self, states: Sequence[State], unread: Sequence[Ids]) -> list[tuple[State, Numbers]]:
        if not unread:
            return []
        read, logits = finite(self.found.read(states, unread))
        return list(zip(read, map(self._following, logits), strict=True))

    def _following(self, logits: NDArray[np.floating]) -> Numbers:
        """The logarithm of the softmax, and of the probability of the end."""
        shifted = logits.astype(np.float64) - logits.max()
        return np.append(shifted - np.log(np.exp(shifted).sum()), -np.inf if self.allowed is None else 0.0)
