"""When a text has ended: a string occurs in it, or it is one of those that may be written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import ConfigurationError, UnknownSymbolError
from unrolled.generation.allowed import Allowed

Until = str | Sequence[str] | Callable[[str], bool] | None


@dataclass(frozen=True)
class Ending:
    """``until``: strings that end a text, or a function that is asked after each token, with the text so far.

    Raises:
        ConfigurationError: a string is empty.
    """

    until: Until = None
    strings: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        until = () if self.until is None or callable(self.until) else self.until
        strings = (until,) if isinstance(until, str) else tuple(until)
        if "" in strings:
            raise ConfigurationError("a string that ends the text is empty, and every text contains it; leave it out")
        object.__setattr__(self, "strings", strings)

    def after(self, before: str, piece: str) -> tuple[str, bool]:
        """Go on by ``piece``: what is to be remembered for the next time as ``before``, and whether the text ends."""
        text = before + piece
        if callable(self.until):
            return text, bool(self.until(text))
        kept = max(map(len, self.strings), default=1) - 1  # of a string that has not ended
        return text[len(text) - kept :] if len(text) > kept else text, any(string in text for string in self.strings)


def allowed_texts(
    vocabulary: Vocabulary, texts: Sequence[str] | None, until: Until, length: int | None
) -> Allowed | None:
    """The texts that may be written, as ids.

    Raises:
        UnknownSymbolError: the model cannot write one of them.
        ConfigurationError: there is none, one is longer than ``length``, or one begins another: a model has no symbol
            for the end.
    """
    if texts is None:
        return None
    if isinstance(texts, str):
        raise ConfigurationError(f"allowed is the text {texts!r}; give a list of texts, [{texts!r}]")
    if until is not None:
        raise ConfigurationError("an allowed text ends where it is complete; give either allowed texts or until")
    allowed = Allowed([_encoded(vocabulary, text) for text in texts])
    if pair := allowed.nested():
        first, second = (vocabulary.decode(ids) for ids in pair)
        raise ConfigurationError(
            f"the allowed text {first!r} begins the allowed text {second!r}, and nothing tells where it ends: let all "
            "of them end in the same symbol, such as a line break, or leave one out"
        )
    longest = max(allowed.strings, key=len)
    if length is not None and len(longest) > length:
        raise ConfigurationError(
            f"the allowed text {vocabulary.decode(longest)!r} has {len(longest)} symbols, and the length is {length}; "
            "give a larger length, or none"
        )
    return allowed


def _encoded(vocabulary: Vocabulary, text: str) -> list[int]:
    try:
        return vocabulary.encode(text).tolist()
    except UnknownSymbolError:
        raise UnknownSymbolError(
            f"the allowed text {text!r} holds a symbol that the model never saw in training and cannot write"
        ) from None
