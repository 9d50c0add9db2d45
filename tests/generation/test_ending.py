"""Ends of a text, told piece by piece, against the whole text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import ConfigurationError, UnknownSymbolError
from unrolled.generation.ending import Ending, allowed_texts

pieces = st.lists(st.text("ab", max_size=3), max_size=12)
stops = st.lists(st.text("ab", min_size=1, max_size=4), max_size=3)


def told(ending, given_):
    """After which piece the text ends; None if it does not."""
    window = ""
    for place, piece in enumerate(given_):
        window, ended = ending.after(window, piece)
        if ended:
            return place
    return None


def by_whole_text(holds, given_):
    return next((n for n in range(len(given_)) if holds("".join(given_[: n + 1]))), None)


@given(given_=pieces, strings=stops)
def test_with_the_piece_that_completes_a_string(given_, strings):
    assert told(Ending(strings), given_) == by_whole_text(lambda text: any(s in text for s in strings), given_)


@given(given_=pieces)
def test_a_function_sees_the_whole_text(given_):
    assert told(Ending(lambda text: text.count("a") > 3), given_) == by_whole_text(
        lambda text: text.count("a") > 3, given_
    )


@given(given_=pieces)
def test_one_string_and_none(given_):
    assert told(Ending("ab"), given_) == told(Ending(["ab"]), given_)
    assert told(Ending(), given_) is None


def test_an_empty_string_ends_nothing():
    with pytest.raises(ConfigurationError, match="is empty"):
        Ending(["a", ""])


def test_allowed_texts_become_ids():
    words = Vocabulary.of("the cat sat", "words")
    found = allowed_texts(words, ["the cat", "the sat"], None, None)
    assert {words.decode(string) for string in found.strings} == {"the cat", "the sat"}
    assert allowed_texts(words, None, "a", 3) is None


@pytest.mark.parametrize(
    ("texts", "until", "length", "reason"),
    [
        ([], None, None, "no string is allowed"),
        ("ab", None, None, r"\['ab'\]"),
        (["ab"], "a", None, "either"),
        (["abc", "b", "ab"], None, None, "'ab' begins the allowed text 'abc'"),
        (["", "b"], None, None, "'' begins the allowed text 'b'"),
        (["b", "cab"], None, 2, "'cab' has 3 symbols, and the length is 2"),
    ],
)
def test_allowed_texts_that_cannot_be(texts, until, length, reason):
    with pytest.raises(ConfigurationError, match=reason):
        allowed_texts(Vocabulary.of("abc"), texts, until, length)


def test_an_allowed_text_that_the_model_cannot_write():
    with pytest.raises(UnknownSymbolError, match="'ax' holds a symbol"):
        allowed_texts(Vocabulary.of("abc"), ["b", "ax"], None, None)


def test_a_word_that_begins_another_word_is_another_symbol():
    words = Vocabulary.of("a cat, a cats", "words")
    assert len(allowed_texts(words, [" cat", " cats"], None, None).strings) == 2
