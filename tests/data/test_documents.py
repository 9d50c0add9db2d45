"""Documents against splitting the whole text and cutting each document by hand."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.documents import begins_at, blocks, read_documents, vocabulary_of
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import UnknownSymbolError

TEXTS = st.text("ab .\n\u3000é", max_size=40)
SEPARATORS = st.sampled_from(["", "a", "aa", "aba", ". ", "\n\n", " ", "é", "b ", " ."])
KINDS = st.sampled_from(["characters", "bytes", "words"])


def by_hand(text, separator, kind):
    """The symbols of each document."""
    documents, begin = [], 0
    while begin < len(text):
        place = text.find(separator, begin) if separator else -1
        end = len(text) if place < 0 else place + len(separator)
        document = text[begin:end]
        if kind == "words":
            found = re.findall(r" ?\w+| ?[^\w\s]|\s", document)
        else:
            found = [chr(byte) for byte in document.encode()] if kind == "bytes" else list(document)
        documents.append(found)
        begin = end
    return documents


@given(text=TEXTS, separator=SEPARATORS, kind=KINDS, unknown=st.sampled_from(["error", "skip", "replace"]))
def test_symbols_and_starts(text, separator, kind, unknown):
    expected = by_hand(text, separator, kind)
    vocabulary = vocabulary_of(["", text] if text else ["a"], separator, kind)
    if unknown != "error" and len(vocabulary) > 1 and kind != "bytes":
        vocabulary = Vocabulary(kind, vocabulary.symbols[::2])
        stand_in = {"skip": [], "replace": [vocabulary.symbols[vocabulary.replacement]]}[unknown]
        known = set(vocabulary.symbols)
        expected = [[s for own in each for s in ([own] if own in known else stand_in)] for each in expected]
    found = read_documents(text, separator, vocabulary, unknown)
    flat = [symbol for each in expected for symbol in each]
    assert [vocabulary.symbols[i] for i in found.ids] == flat
    if not separator:
        assert found.starts is None
        return
    begins = np.cumsum([0, *map(len, expected)])
    assert found.starts.tolist() == sorted({int(b) for b in begins if b < len(flat)})


def joined(found, separator, kind):
    """The documents that blocks make up, whose symbols are found in each by itself."""
    documents = []
    for block, begins in found:
        own = by_hand(block, separator, kind)
        if begins:
            documents += own
        else:
            documents[-1] += own[0]
            documents += own[1:]
    return documents


@given(text=TEXTS, separator=SEPARATORS, kind=KINDS, cuts=st.lists(st.integers(0, 40), max_size=12))
def test_blocks_cut_no_symbol_and_no_separator(text, separator, kind, cuts):
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    assert joined(blocks(pieces, separator, kind), separator, kind) == by_hand(text, separator, kind)


@pytest.mark.parametrize("kind", ["characters", "bytes", "words"])
@pytest.mark.parametrize("separator", ["", "a", "aa", "aba", "aab", ". ", "\n\n", " ", "b ", " .", " a ", "a  "])
def test_blocks_of_every_short_text_that_comes_letter_by_letter(separator, kind):
    for size in range(7):
        for letters in itertools.product(sorted({*separator, "b"}), repeat=size):
            text = "".join(letters)
            assert joined(blocks(letters, separator, kind), separator, kind) == by_hand(text, separator, kind), text


def test_a_block_keeps_back_little():
    for kind, separator, most in (
        ("characters", "", 0),
        ("characters", "###", 2),
        ("words", "", 11),
        ("words", "##", 12),
    ):
        read, taken = 0, 0
        stream = (piece for piece in ["some words\n"] * 50)

        def counted(stream=stream):
            nonlocal read
            for piece in stream:
                read += len(piece)
                yield piece

        for block, _ in blocks(counted(), separator, kind):
            taken += len(block)
            assert read - taken <= most


@given(st.sets(st.integers(0, 20)), st.lists(st.lists(st.integers(0, 25), min_size=3, max_size=3), max_size=4))
def test_where_documents_begin(starts, places):
    places = np.array(places, np.int64).reshape(-1, 3)
    found = begins_at(np.array(sorted(starts), np.int64), places)
    assert found.shape == places.shape
    assert found.tolist() == [[place in starts for place in row] for row in places.tolist()]


def test_words_of_texts_and_documents_do_not_run_into_each_other():
    assert vocabulary_of(["an extra", "ordinary"], "", "words").symbols == (" extra", "an", "ordinary")
    assert vocabulary_of(["one. two"], ". ", "words").symbols == (" ", ".", "one", "two")
    assert vocabulary_of(["one. two"], "", "words").symbols == (" two", ".", "one")


def test_an_unknown_symbol_is_named_with_its_place():
    with pytest.raises(UnknownSymbolError, match=r"the text has 'c' .* at line 2, column 1"):
        read_documents("ab.\ncb", ".", Vocabulary.of("ab.\n"))
    with pytest.raises(UnknownSymbolError, match=r"document 2 of it has 'five' at line 2, column 1"):
        read_documents("one.\nfive", ".", Vocabulary.of("one.\n", "words"), where="it")
