"""Texts from a trained model, one symbol after the other.

Shapes: a mask (V + 1,) over V symbols and, last, the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unrolled.errors import ConfigurationError
from unrolled.generation.allowed import Allowed
from unrolled.generation.draw import draw
from unrolled.generation.ending import Ending, Until, allowed_texts
from unrolled.generation.sampler import Sampler
from unrolled.generation.state import GenerationState
from unrolled.generation.writer import Drawn, State, Writer, finite, open_writer

if TYPE_CHECKING:
    from unrolled.checkpoint.model import TrainedModel
    from unrolled.data.vocabulary import Unknown


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
    run: TrainedModel | Writer | Path | str,
    prompt: str = "",
    *,
    length: int | None = None,
    until: Until = None,
    allowed: Sequence[str] | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    stream: int = 0,
    unknown: Unknown = "error",
    state: GenerationState | None = None,
    precision: str | None = None,
) -> Iterator[Token]:
    """Yield at most ``length`` tokens (None: without end) that continue ``prompt``.

    ``run`` is a run directory, which the native core reads without torch; what ``open_writer`` made of it, so that it
    is not read again; or what ``load`` returned. The text depends on (model, prompt, options, seed, stream) only.

    ``until`` ends it earlier: with the token that completes a string, or one of several, or after which a function of
    the text so far says so. The text is what this call yielded, without the prompt; it includes the string.
    ``allowed`` are the texts that may follow the prompt: of the symbols only those are drawn that can still complete
    one of them, and where one is complete it ends.

    ``state``, from a token of the same model, or loaded from a file, continues there and takes no prompt.
    ``precision`` "bf16" or "int8" rounds what the products of a run multiply, so that a large model writes much
    faster, and perhaps another text (None: as it was trained).

    Raises:
        UnknownSymbolError: the model cannot read the prompt, or write an allowed text.
        ConfigurationError: an option is out of range, or the state belongs to another model.
    """
    found = open_writer(run, precision)
    several = _Several(found, Sampler(temperature, top_k, top_p), seed, length, until, allowed)
    if state is None:
        state = beginning(found, prompt, unknown)
    elif prompt:
        raise ConfigurationError("a state continues its own text; give either a prompt or a state")
    elif reason := state.origin.unlike(found.origin):
        raise ConfigurationError(f"this state belongs to another model: {reason}; go on with the model that it is from")
    return (token for _, token in several.tokens([state], stream))


def generate_many(
    run: TrainedModel | Writer | Path | str,
    prompts: Sequence[str],
    *,
    length: int | None = None,
    until: Until = None,
    allowed: Sequence[str] | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    stream: int = 0,
    unknown: Unknown = "error",
    precision: str | None = None,
) -> Iterator[tuple[int, Token]]:
    """Yield (number of the prompt, token) as the continuations of all prompts are written, side by side: of each text
    that has not ended the first token, then of each the second, and so on.

    The text of prompt i is the one that ``generate`` writes with ``stream=stream + i``, whatever runs beside it. The
    options are those of ``generate``, for each text; a layer in memory writes one text after the other. To collect the
    texts, begin with ``texts = [""] * len(prompts)`` and let the loop do ``texts[number] += token.text``.

    Raises:
        UnknownSymbolError: the model cannot read a prompt, or write an allowed text.
        ConfigurationError: an option is out of range.
    """
    if isinstance(prompts, str):
        raise ConfigurationError(f"prompts is the text {prompts!r}; give a list of texts, or use generate")
    found = open_writer(run, precision)
    several = _Several(found, Sampler(temperature, top_k, top_p), seed, length, until, allowed)
    states = [beginning(found, prompt, unknown, f"the prompt {prompt[:40]!r}") for prompt in prompts]
    return several.tokens(states, stream)


def beginning(found: Writer, prompt: str, unknown: Unknown, where: str = "the prompt") -> GenerationState:
    """The state in which a prompt is to be read."""
    ids = found.vocabulary.encode(prompt, unknown, where)
    # without a prompt the network still has to read something first
    return GenerationState(None, ids if len(ids) else np.array([found.vocabulary.start], dtype=np.int64), found.origin)


@dataclass
class _Text:
    """A text that is being written: its number, where it stands, and what tells that it has ended."""

    number: int
    stream: int
    state: GenerationState
    ended: bool
    window: str = ""  # see Ending.after
    ids: list[int] = field(default_factory=list)  # only where texts are allowed


class _Stretch:
    """Several symbols of a text, drawn at once after the state ``before``."""

    def __init__(self, before: GenerationState, after: State, drawn: Drawn) -> None:
        self.before, self.after, self.drawn = before, after, drawn
        self.read = len(before.unread)
        self.ids = np.concatenate([before.unread, np.array([symbol for symbol, _ in drawn], np.int64)])

    def state(self, n: int, pending: bytes) -> GenerationState:
        """The state after n of them: within the stretch the one before it, with more that is unread."""
        last = n == len(self.drawn)
        recurrent, unread = (self.after, self.ids[-1:]) if last else (self.before.recurrent, self.ids[: self.read + n])
        return GenerationState(recurrent, unread, self.before.origin, self.before.position + n, pending)


class _Several:
    """Texts that are written side by side, and what they have in common."""

    def __init__(
        self, found: Writer, sampler: Sampler, seed: int, length: int | None, until: Until,
        allowed: Sequence[str] | None,
    ) -> None:  # fmt: skip
        if length is not None and length < 0:
            raise ConfigurationError(f"the length is {length}; it must be 0 or more")
        self.found, self.sampler, self.seed, self.length = found, sampler, seed, length
        self.ending = Ending(until)
        self.allowed: Allowed | None = allowed_texts(found.vocabulary, allowed, until, length)

    def tokens(self, states: Sequence[GenerationState], stream: int) -> Iterator[tuple[int, Token]]:
        """See ``generate_many``; a seed or stream out of range is refused here, not at the first token."""
        for each in (stream, stream + max(0, len(states) - 1)):
            draw(self.seed, each, 0)
        complete = self.allowed is not None and () in self.allowed.strings  # then it is the only one
        return self._tokens([_Text(n, stream + n, state, complete) for n, state in enumerate(states)])

    def _tokens(self, texts: list[_Text]) -> Iterator[tuple[int, Token]]:
        left, count = self.length, 1  # the first one at once, then more and more of them together
        while (texts := [text for text in texts if not text.ended]) and left != 0:
            count = min(count, self.found.most, count if left is None else left)
            states, drawn = self._drawn(texts, count) if self.allowed is None else self._chosen(texts, self.allowed)
            stretches = [_Stretch(text.state, *own) for text, *own in zip(texts, states, drawn, strict=True)]
            count = len(drawn[0])
            for n in range(1, count + 1):
                for text, stretch in zip(texts, stretches, strict=True):
                    if not text.ended:
                        yield text.number, self._token(text, n, stretch)
            left = None if left is None else left - count
            count *= 2

    def _drawn(self, texts: list[_Text], count: int) -> tuple[list[State], list[Drawn]]:
        """The writer draws."""
        states = [text.state for text in texts]
        return finite(
            self.found.write(
                [state.recurrent for state in states], [state.unread for state in states], count, self.sampler,
                self.seed, [text.stream for text in texts], [state.position for state in states],
            )
        )  # fmt: skip

    def _chosen(self, texts: list[_Text], allowed: Allowed) -> tuple[list[State], list[Drawn]]:
        """One symbol of each, by the same numbers, from the logits and what is allowed."""
        states, logits = finite(
            self.found.read([text.state.recurrent for text in texts], [text.state.unread for text in texts])
        )
        drawn = []
        for text, each in zip(texts, logits, strict=True):
            u = draw(self.seed, text.stream, text.state.position)
            drawn.append([self.sampler.choose(each, u, allowed.mask(text.ids, len(each))[:-1])])
        return states, drawn

    def _token(self, text: _Text, n: int, stretch: _Stretch) -> Token:
        """The n-th token of a stretch, and where it leaves the text."""
        symbol, probability = stretch.drawn[n - 1]
        piece, pending = self.found.vocabulary.decode_next(symbol, text.state.pending)
        text.state = stretch.state(n, pending)
        if self.allowed is not None:
            text.ids.append(symbol)
            text.ended = bool(self.allowed.mask(text.ids, len(self.found.vocabulary))[-1])
        elif self.ending.until is not None:
            text.window, text.ended = self.ending.after(text.window, piece)
        return Token(symbol, piece, probability, text.state)
