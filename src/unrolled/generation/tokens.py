"""Text from a trained model, one symbol after the other.

Shapes: ids (T, 1) int64, logits (T, 1, V); the state is the layer's own, for one sequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.checkpoint.model import TrainedModel, load
from unrolled.errors import ConfigurationError, UnrolledError
from unrolled.generation.draw import draw
from unrolled.generation.sampler import Sampler

if TYPE_CHECKING:
    from unrolled.data.vocabulary import Ids, Unknown
    from unrolled.nn import Recurrent


@dataclass(frozen=True, eq=False)
class GenerationState:
    """All that the next token depends on, besides the model and the options.

    ``recurrent`` has read everything but ``unread``; ``position`` counts the tokens drawn so far; ``pending`` are the
    bytes of a character that has not ended.
    """

    recurrent: dict[str, Tensor] | None
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
) -> Iterator[Token]:
    """Yield ``length`` tokens (None: without end) that continue ``prompt``.

    ``run`` is a run directory or what ``load`` returned. The text depends on (model, prompt, options, seed, stream)
    only. ``state``, from a token, continues there and takes no prompt. Raises UnknownSymbolError for a prompt that the
    model cannot read, ConfigurationError for options outside their range.
    """
    model = run if isinstance(run, TrainedModel) else load(run)
    sampler = Sampler(temperature, top_k, top_p)
    if length is not None and length < 0:
        raise ConfigurationError(f"the length is {length}; it must be 0 or more")
    draw(seed, stream, 0)  # refuses a seed out of range here, not at the first token
    if state is None:
        state = _beginning(model, prompt, unknown)
    elif prompt:
        raise ConfigurationError("a state continues its own text; give either a prompt or a state")
    return _tokens(model, sampler, state, seed, stream, length)


def _tokens(
    model: TrainedModel, sampler: Sampler, state: GenerationState, seed: int, stream: int, length: int | None
) -> Iterator[Token]:
    last = None if length is None else state.position + length
    while last is None or state.position < last:
        logits, recurrent = _read(model.layer, state)
        symbol, probability = sampler.choose(logits, draw(seed, stream, state.position))
        text, pending = model.vocabulary.decode_next(symbol, state.pending)
        state = GenerationState(recurrent, np.array([symbol], dtype=np.int64), state.position + 1, pending)
        yield Token(symbol, text, probability, state)


def _beginning(model: TrainedModel, prompt: str, unknown: Unknown) -> GenerationState:
    ids = model.vocabulary.encode(prompt, unknown, "the prompt")
    # without a prompt the network still has to read something first
    return GenerationState(None, ids if len(ids) else np.array([model.vocabulary.start], dtype=np.int64))


def _read(layer: Recurrent, state: GenerationState) -> tuple[NDArray[Any], dict[str, Tensor]]:
    """The logits (V,) after everything unread, and the state there; the layer's mode is left as it was."""
    device = next(layer.parameters()).device
    training = layer.training
    layer.eval()
    try:
        with torch.no_grad():
            logits, recurrent = layer.logits(torch.from_numpy(state.unread)[:, None].to(device), state.recurrent)
    finally:
        layer.train(training)
    last = logits[-1, 0].double().cpu().numpy()
    if not np.isfinite(last).all():
        raise UnrolledError(
            "the model's logits are not finite, so that it cannot write; train it again from before that"
        )
    return last, recurrent
