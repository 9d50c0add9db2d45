"""Words and letters as numbers, and what stands for those that training never met."""

import pytest

from unrolled.data.lexicon import Lexicon
from unrolled.data.vocabulary import UNKNOWN
from unrolled.errors import DataError

LEXICON = Lexicon.of([("le", "chat", "."), ("le", "chien", "dort", "dort")])


def test_words_that_training_met_twice():
    assert LEXICON.words == (UNKNOWN, "dort", "le")
    words, letters = LEXICON.encode(("le", "zoo"))
    assert words.tolist() == [2, 0]
    spelled = [[LEXICON.letters.symbols[i] for i in word] for word in letters]
    assert spelled == [["l", "e"], [UNKNOWN, "o", "o"]]  # no z in training
    assert Lexicon.from_json(LEXICON.to_json()) == LEXICON


@pytest.mark.parametrize("words", [None, [], [3], "le"])
def test_a_damaged_lexicon(words):
    with pytest.raises(DataError, match="words"):
        Lexicon.from_json({**LEXICON.to_json(), "words": words})
