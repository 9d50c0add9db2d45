"""Tags: for each word of a sentence, whatever sentences stand beside it."""

import pytest
import torch

from unrolled.answering import Answerer, AnswererDescription, Classes, Words, reading_of
from unrolled.data.lexicon import Lexicon

SENTENCES = [("le", "chat", "dort"), (), ("un",), ("le", "zèbre", "dort", "."), ("le", "")]


def tagger() -> Answerer:
    torch.manual_seed(0)
    words = Words(Lexicon.of([("le", "chat", "."), ("le", "chien", "dort", "dort")]))
    assert reading_of(words.to_json()) == words
    description = AnswererDescription(
        "gru", len(words.lexicon.letters), 3, 6, aligned=True, words=len(words.lexicon.words), bidirectional=True,
        embedding=4, dropout=0.5, dtype="float64",
    )  # fmt: skip
    assert AnswererDescription.from_json(description.to_json()) == description
    return Answerer(description.build().eval(), words, Classes(("D", "N", "V")), aligned=True)


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
