"""Answers: for each text its own, whatever stands beside it."""

import torch

from unrolled.answering import Answerer, AnswererDescription, Classes, Texts
from unrolled.answering.answerer import SIDE_BY_SIDE
from unrolled.data.vocabulary import UNKNOWN, Vocabulary

TEXTS = ["abab", "", "ba", "aaaaaaaaab", "zzz", "b"]


def answerer(**options) -> Answerer:
    torch.manual_seed(0)
    vocabulary = Vocabulary.frequent(["aab", "bc"], "characters")
    description = AnswererDescription(
        "gru", len(vocabulary), 3, 5, **{"bidirectional": True, "pooling": "mean", "embedding": 4, **options}
    )
    assert AnswererDescription.from_json(description.to_json()) == description
    return Answerer(description.build().eval(), Texts(vocabulary), Classes(("one", "two", "three")))


def test_each_text_has_its_own_answer():
    model = answerer(dtype="float64")
    together = list(model.answers(TEXTS))
    for text, answer in zip(TEXTS, together, strict=True):
        (alone,) = model.answers([text])
        assert alone.label == answer.label
        for label, probability in alone.probabilities.items():
            assert abs(answer.probabilities[label] - probability) < 1e-12
        assert abs(sum(answer.probabilities.values()) - 1) < 1e-12
        assert max(answer.probabilities, key=answer.probabilities.__getitem__) == answer.label
        assert next(iter(answer.to_dict()["probabilities"])) == answer.label


def test_more_texts_than_are_answered_at_once():
    model = answerer()
    texts = [TEXTS[i % len(TEXTS)] for i in range(SIDE_BY_SIDE + 7)]
    assert [answer.label for answer in model.answers(texts)] == [next(model.answers([text])).label for text in texts]
    assert list(model.answers([])) == []


def test_symbols_that_training_met_twice():
    vocabulary = Vocabulary.frequent(["aab", "bc"], "characters")
    assert vocabulary.symbols == ("a", "b", UNKNOWN)
    assert vocabulary.encode("cz", "replace").tolist() == [2, 2]
    assert Vocabulary.frequent(["the sea the sky the"], "words").symbols == (" the", UNKNOWN)
    assert len(Vocabulary.frequent([], "bytes")) == 256
