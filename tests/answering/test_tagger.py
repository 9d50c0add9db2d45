"""Tags: for each word of a sentence, whatever sentences stand beside it."""

import pytest
import torch

from unrolled.answering import Lexicon, Tagger, TaggerDescription
from unrolled.answering.answerer import UNKNOWN
from unrolled.errors import DataError

SENTENCES = [("le", "chat", "dort"), (), ("un",), ("le", "zèbre", "dort", "."), ("le", "")]


def tagger() -> Tagger:
    torch.manual_seed(0)
    lexicon = Lexicon.of([("le", "chat", "."), ("le", "chien", "dort", "dort")])
    assert Lexicon.from_json(lexicon.to_json()) == lexicon
    sizes = (len(lexicon.letters), len(lexicon.words), 3, 6)
    description = TaggerDescription("gru", *sizes, embedding=4, dropout=0.5, dtype="float64")
    assert TaggerDescription.from_json(description.to_json()) == description
    return Tagger(description.build().eval(), lexicon, ["D", "N", "V"])


def test_each_sentence_has_its_own_tags():
    model = tagger()
    together = list(model.answers(SENTENCES))
    for sentence, found in zip(SENTENCES, together, strict=True):
        (alone,) = model.answers([sentence])
        assert found.tags == alone.tags
        assert len(found.tags) == len(found.probabilities) == len(sentence)
        assert found.probabilities == pytest.approx(alone.probabilities, abs=1e-12)
        assert all(1 / 3 <= p <= 1 for p in found.probabilities)
    assert [each.tags for each in model.answers(SENTENCES * 30)] == [each.tags for each in together] * 30


def test_words_that_training_met_twice():
    lexicon = Lexicon.of([("le", "chat", "."), ("le", "chien", "dort", "dort")])
    assert lexicon.words == (UNKNOWN, "dort", "le")
    words, letters = lexicon.encode(("le", "zoo"))
    assert words.tolist() == [2, 0]
    spelled = [[lexicon.letters.symbols[i] for i in word] for word in letters]
    assert spelled == [["l", "e"], [UNKNOWN, "o", "o"]]  # no z in training


@pytest.mark.parametrize("words", [None, [], [3], "le"])
def test_a_damaged_lexicon(words):
    data = {**Lexicon.of([("a", "a")]).to_json(), "words": words}
    with pytest.raises(DataError, match="words"):
        Lexicon.from_json(data)
