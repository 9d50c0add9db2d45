"""Text from a trained model, one symbol after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled.errors import ConfigurationError, UnrolledError
from unrolled.generation.draw import draw
from unrolled.generation.sampler import Sampler
from unrolled.generation.writer import Writer, symbols, writer

if TYPE_CHECKING:
    from unrolled.checkpoint.model import TrainedModel
    from unrolled.data.vocabulary import Ids, Unknown


@dataclass(frozen=True, eq=False)
class GenerationState:
    """All that the next token depends on, besides the model and the options.

    ``recurrent`` has read everything but ``unread``; ``position`` counts the tokens drawn so far; ``pending`` are the
    bytes of a character that has not ended.
    """

    recurrent: Any | None
    unread: Ids
    position: int = 0
    pending: bytes = b""


@dataclass(frozen=True)
class Token:
    """One symbol: its id, the text it completes (empty inside a character of several bytes), the probability with
    which it was drawn, and the state to go on from.
    """

    id: int
    text: str
    probability: float
    state: GenerationState = field(repr=False, compare=False)


def generate(
    run: TrainedModel | Path | str,
    prompt: str = "",
    *,
    length: int | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    stream: int = 0,
    unknown: Unknown = "error",
    state: GenerationState | None = None,
    precision: str | None = None,
) -> Iterator[Token]:
    """Yield ``length`` tokens (None: without end) that continue ``prompt``.

    ``run`` is a run directory, which the native core reads without torch, or what ``load`` returned. The text depends
    on (model, prompt, options, seed, stream) only. ``state``, from a token of the same kind of ``run``, continues there
    and takes no prompt. ``precision`` "bf16" or "int8" rounds what the products of a run multiply, so that a
    large model writes much faster, and perhaps another text (None: as it was trained). Raises UnknownSymbolError for a
    prompt that the model cannot read, ConfigurationError for options outside their range.
    """
    found = writer(run, precision)
    sampler = Sampler(temperature, top_k, top_p)
    if length is not None and length < 0:
        raise ConfigurationError(f"the length is {length}; it must be 0 or more")
    draw(seed, stream, 0)  # refuses a seed out of range here, not at the first token
    if state is None:
        state = _beginning(found, prompt, unknown)
    elif prompt:
        raise ConfigurationError("a state continues its own text; give either a prompt or a state")
    elif state.recurrent is not None and not found.owns(state.recurrent):
        raise ConfigurationError(
            "this state belongs to another model: a state from a run directory continues a run directory, one from a "
            "loaded model a loaded model of the same sizes"
        )
    return _tokens(found, sampler, state, seed, stream, length)


def _tokens(
    found: Writer, sampler: Sampler, state: GenerationState, seed: int, stream: int, length: int | None
) -> Iterator[Token]:
    last = None if length is None else state.position + length
    count = 1  # the first one at once, then more and more of them together
    while last is None or state.position < last:
        count = min(count, found.most, count if last is None else last - state.position)
        written = found.write(state.recurrent, state.unread, count, sampler, seed, stream, state.position)
        if written is None:
            raise UnrolledError(
                "the model's logits are not finite, so that it cannot write; train it again from before that"
            )
        recurrent, drawn = written
        before, pending = state, state.pending
        for n, (symbol, probability) in enumerate(drawn, 1):
            text, pending = found.vocabulary.decode_next(symbol, pending)
            # inside a stretch the state is the one before it, with more that is unread
            if n == len(drawn):
                state = GenerationState(recurrent, symbols(drawn[-1:]), before.position + n, pending)
            else:
                unread = np.concatenate([before.unread, symbols(drawn[:n])])
                state = GenerationState(before.recurrent, unread, before.position + n, pending)
            yield Token(symbol, text, probability, state)
        count = 2 * len(drawn)


def _beginning(found: Writer, prompt: str, unknown: Unknown) -> GenerationState:
    ids = found.vocabulary.encode(prompt, unknown, "the prompt")
    # without a prompt the network still has to read something first
    return GenerationState(None, ids if len(ids) else np.array([found.vocabulary.start], dtype=np.int64))
