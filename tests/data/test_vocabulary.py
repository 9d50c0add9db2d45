"""Vocabularies: whatever text goes in comes out again, and what is unknown is named with its place."""

import codecs

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import ConfigurationError, DataError, UnknownSymbolError

KINDS = ("characters", "bytes", "words")
texts = st.text(min_size=1)


@pytest.mark.parametrize("kind", KINDS)
@given(text=texts)
def test_any_text_comes_back(kind, text):
    vocabulary = Vocabulary.of(text, kind)
    ids = vocabulary.encode(text)
    assert ids.dtype == np.int64
    assert vocabulary.decode(ids) == text
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary


@given(text=texts)
def test_characters_are_numbered_by_code_point(text):
    symbols = sorted(set(text))
    assert list(Vocabulary.of(text).encode(text)) == [symbols.index(c) for c in text]


def test_words_keep_the_space_before_them():
    vocabulary = Vocabulary.of("to be, or  not\n", "words")
    ids = vocabulary.encode("to be, or  not\n")
    assert [vocabulary.decode([i]) for i in ids] == ["to", " be", ",", " or", " ", " not", "\n"]


@given(data=st.binary(min_size=1))
def test_bytes_that_are_no_utf8_survive(data):
    text = data.decode("utf-8", "surrogateescape")
    assert bytes(Vocabulary.of(text, "bytes").encode(text).tolist()) == data


@given(data=st.binary(max_size=30))
def test_bytes_decode_one_by_one_as_pythons_incremental_decoder_does(data):
    vocabulary, pending, pieces = Vocabulary.of("", "bytes"), b"", []
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for byte in data:
        text, pending = vocabulary.decode_next(byte, pending)
        assert text == decoder.decode(bytes([byte]))
        pieces.append(text)
    assert "".join(pieces) + pending.decode("utf-8", "replace") == data.decode("utf-8", "replace")


def test_an_unknown_symbol_is_named_with_line_and_column():
    vocabulary = Vocabulary.of("abc\n ?")
    with pytest.raises(
        UnknownSymbolError, match=r"the prompt has '€' \(EURO SIGN, U\+20AC\) at line 2, column 3"
    ) as caught:
        vocabulary.encode("abc\nab€\n€", where="the prompt")
    assert "first of 2 unknown" in str(caught.value)
    with pytest.raises(UnknownSymbolError, match=r"' gnu' at line 2, column 2"):
        Vocabulary.of("a cat\n", "words").encode("a cat\na gnu", "error")


def test_unknown_symbols_are_skipped_or_replaced():
    vocabulary = Vocabulary.of("ab?")
    assert vocabulary.decode(vocabulary.encode("a€b", "skip")) == "ab"
    assert vocabulary.decode(vocabulary.encode("a€b", "replace")) == "a?b"
    assert Vocabulary.of("xyz").decode(Vocabulary.of("xyz").encode("€", "replace")) == "x"
    with pytest.raises(ConfigurationError, match="error, skip or replace"):
        vocabulary.encode("a", "ignore")


def test_a_symbol_beyond_the_last_is_unknown_too():
    assert list(Vocabulary.of("ab").encode("a\U0010ffffb", "skip")) == [0, 1]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "runes", "symbols": ["a"]},
        {"kind": "characters", "symbols": []},
        {"kind": "characters", "symbols": "ab"},
        {"kind": "characters", "symbols": ["ab"]},
        {"kind": "characters", "symbols": ["b", "a"]},
        {"kind": "words", "symbols": ["a", "a"]},
        {"kind": "words", "symbols": ["a", 1]},
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused(data):
    with pytest.raises(DataError):
        Vocabulary.from_json(data)


def test_half_a_surrogate_pair_is_no_byte():
    with pytest.raises(DataError, match="character 2"):
        Vocabulary.of("", "bytes").encode("a\ud83d")
