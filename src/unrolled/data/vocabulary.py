"""A vocabulary turns text into ids and back: characters, bytes or words.

Shapes: ids (N,) int64. Bytes that are no UTF-8 travel inside strings as lone surrogates (``surrogateescape``).
"""

from __future__ import annotations

import codecs
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigurationError, DataError, UnknownSymbolError

Ids = NDArray[np.int64]
Kind = Literal["characters", "bytes", "words"]
Unknown = Literal["error", "skip", "replace"]

UNKNOWN = "\ufffd"  # stands for every symbol that training did not meet, or met only once

# Every character is in exactly one of the three alternatives, so that the pieces join to the text again.
WORD = re.compile(r" ?\w+| ?[^\w\s]|\s")


@dataclass(frozen=True)
class Vocabulary:
    """The symbols that a model knows; a symbol's id is its place in ``symbols``.

    Characters and words are sorted by code point; the 256 bytes stand in their own order.
    """

    kind: Kind
    symbols: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise DataError(f"a vocabulary of {self.kind!r} does not exist; the kinds are {', '.join(get_args(Kind))}")
        if not self.symbols:
            raise DataError("a vocabulary needs at least one symbol: the text is empty")
        if self.kind != "bytes" and any(a >= b for a, b in zip(self.symbols, self.symbols[1:], strict=False)):
            raise DataError("the symbols of a vocabulary must be distinct and sorted by code point")

    @classmethod
    def of(cls, text: str, kind: Kind = "characters") -> Vocabulary:
        """The vocabulary of a text; for bytes it is the same 256 whatever the text."""
        if kind == "bytes":
            return cls(kind, tuple(map(chr, range(256))))
        return cls(kind, tuple(sorted(set(WORD.findall(text) if kind == "words" else text))))

    @classmethod
    def frequent(cls, texts: Iterable[str], kind: Kind = "characters") -> Vocabulary:
        """The symbols that occur in ``texts`` at least twice, and one that stands for all others.

        >>> Vocabulary.frequent(["aab", "bc"]).symbols
        ('a', 'b', '�')
        """
        if kind == "bytes":
            return cls.of("", "bytes")
        counts = Counter[str]()
        for text in texts:
            counts.update(WORD.findall(text) if kind == "words" else text)
        often = {symbol for symbol, count in counts.items() if count > 1}
        return cls(kind, tuple(sorted(often | {UNKNOWN})))

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def unit(self) -> str:
        """What one symbol is: "character", "byte" or "word"."""
        return self.kind.removesuffix("s")

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {symbol: index for index, symbol in enumerate(self.symbols)}

    @cached_property
    def _code_points(self) -> NDArray[np.uint32]:
        return np.array([ord(symbol) for symbol in self.symbols], dtype=np.uint32)

    @cached_property
    def replacement(self) -> int:
        """The id that stands in for unknown symbols: that of U+FFFD, ``?`` or a space, else the first."""
        return next((self._ids[symbol] for symbol in (UNKNOWN, "?", " ?", " ") if symbol in self._ids), 0)

    @cached_property
    def start(self) -> int:
        """The id that is read first where there is no prompt: the line break, else a space, else the first symbol."""
        return next((self._ids[symbol] for symbol in ("\n", " ") if symbol in self._ids), 0)

    def encode(self, text: str, unknown: Unknown = "error", where: str = "the text") -> Ids:
        """The ids (N,) of a text.

        ``unknown`` says what happens to symbols outside the vocabulary: "error" raises UnknownSymbolError naming the
        first one, its line and its column in ``where``; "skip" leaves them out; "replace" reads ``replacement``.
        """
        if unknown not in get_args(Unknown):
            raise ConfigurationError(f"unknown={unknown!r} does not exist; write error, skip or replace")
        if self.kind == "bytes":
            return np.frombuffer(_utf8(text, where), dtype=np.uint8).astype(np.int64)
        ids = self._lookup(text)
        missing = ids < 0
        if unknown == "skip":
            return ids[~missing]
        if missing.any():
            if unknown == "error":
                raise self._complaint(text, missing, where)
            ids[missing] = self.replacement
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids; bytes that are no UTF-8 become U+FFFD."""
        if self.kind == "bytes":
            return bytes(int(i) for i in ids).decode("utf-8", "replace")
        return "".join(self.symbols[int(i)] for i in ids)

    def decode_next(self, symbol: int, pending: bytes = b"") -> tuple[str, bytes]:
        """The text that one more id completes, and the bytes that still wait for their character to end."""
        if self.kind != "bytes":
            return self.symbols[symbol], b""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        decoder.setstate((pending, 0))
        return decoder.decode(bytes([symbol])), decoder.getstate()[0]

    def to_json(self) -> dict[str, Any]:
        """Plain data for a JSON file; the symbols of the bytes go without saying."""
        return {"kind": self.kind} if self.kind == "bytes" else {"kind": self.kind, "symbols": list(self.symbols)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary that ``to_json`` wrote; raises DataError for anything else."""
        kind, symbols = data.get("kind"), data.get("symbols", [])
        if kind == "bytes":
            return cls.of("", "bytes")
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) and symbol for symbol in symbols):
            raise DataError('a vocabulary file needs a list of strings under "symbols"')
        if kind == "characters" and any(len(symbol) != 1 for symbol in symbols):
            raise DataError("a vocabulary of characters holds a symbol that is not one character")
        return cls(kind, tuple(symbols))  # type: ignore[arg-type]  # __post_init__ checks the kind

    def _lookup(self, text: str) -> Ids:
        """Ids, with -1 for unknown symbols; characters by binary search, since texts have millions of them."""
        if self.kind == "words":
            return np.fromiter((self._ids.get(word, -1) for word in WORD.findall(text)), dtype=np.int64)
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        ids = np.searchsorted(self._code_points, points).astype(np.int64)
        ids[ids == len(self)] = 0
        ids[self._code_points[ids] != points] = -1
        return ids

    def _complaint(self, text: str, missing: NDArray[np.bool_], where: str) -> UnknownSymbolError:
        first, places = int(np.argmax(missing)), int(missing.sum())
        start, symbol = _piece(text, first, self.kind)
        line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
        more = f" (the first of {places:,} unknown symbols)" if places > 1 else ""
        return UnknownSymbolError(
            f"{where} has {describe(symbol)} at line {line}, column {column}, which the model never saw in training"
            f"{more}; leave such symbols out with --unknown skip, or read them as "
            f"{self.symbols[self.replacement]!r} with --unknown replace"
        )


def describe(symbol: str) -> str:
    """A symbol for people: ``'€' (EURO SIGN, U+20AC)``; a word is only quoted."""
    if len(symbol) != 1:
        return repr(symbol)
    return f"{symbol!r} ({unicodedata.name(symbol, 'no name')}, U+{ord(symbol):04X})"


def _piece(text: str, index: int, kind: Kind) -> tuple[int, str]:
    """Where the symbol number ``index`` starts in the text, and the symbol."""
    if kind != "words":
        return index, text[index]
    match = next(itertools.islice(WORD.finditer(text), index, None))
    return match.start(), match.group()


def _utf8(text: str, where: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where} holds half of a surrogate pair at character {error.start + 1}, which is no text"
        ) from None
