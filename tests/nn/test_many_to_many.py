"""``ManyToMany``, and words that are read letter by letter below it."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.nn import ManyToMany, ManyToOne, Recurrent, WordsAndLetters

F64 = torch.float64


def test_an_answer_beside_each_step() -> None:
    layer = ManyToMany("gru", bidirectional=True, x=3, h=4, o=2, dtype=F64)
    states = Recurrent("gru", bidirectional=True, x=3, h=4, dtype=F64)
    states.load_state_dict({name: p for name, p in layer.state_dict().items() if name in states.state_dict()})
    x = torch.randn(5, 2, 3, dtype=F64)
    torch.testing.assert_close(layer(x, lengths=[5, 2])[0][:2], states(x, lengths=[5, 2])[0][:2] @ layer.V.T + layer.c)


def make() -> WordsAndLetters:
    torch.manual_seed(0)
    letters = ManyToOne("gru", bidirectional=True, readout=False, embedding=3, x=6, h=3, dtype=F64)
    sentence = ManyToMany("lstm", bidirectional=True, x=4 + 6, h=5, y=3, dtype=F64)
    return WordsAndLetters(words=7, width=4, letters=letters, sentence=sentence)


SENTENCES: list[tuple[list[int], list[list[int]]]] = [
    ([1, 2, 6], [[0, 1], [5], [2, 3, 4, 4]]),
    ([], []),
    ([3], [[]]),  # a word without a letter
    ([2, 2], [[5], [1, 1, 1]]),
]


def logits(layer: WordsAndLetters, sentences: list[tuple[list[int], list[list[int]]]]) -> list[Tensor]:
    words = [torch.tensor(each, dtype=torch.int64) for each, _ in sentences]
    return layer.logits(words, [[torch.tensor(w, dtype=torch.int64) for w in letters] for _, letters in sentences])


def test_by_hand() -> None:
    layer = make()
    for (words, letters), found in zip(SENTENCES, logits(layer, SENTENCES), strict=True):
        rows = [
            torch.cat([layer.words.weight[word], layer.letters(torch.tensor(own, dtype=torch.int64))[0]])
            for word, own in zip(words, letters, strict=True)
        ]
        assert found.shape == (len(words), 3)
        if rows:
            torch.testing.assert_close(found, layer.sentence.logits(torch.stack(rows))[0], rtol=1e-12, atol=1e-12)


def test_a_sentence_is_read_as_if_alone() -> None:
    layer = make()
    for each, found in zip(SENTENCES, logits(layer, SENTENCES), strict=True):
        (alone,) = logits(layer, [each])
        torch.testing.assert_close(found, alone, rtol=1e-12, atol=1e-12)
    assert [len(each) for each in logits(layer, [([], []), ([], [])])] == [0, 0]
    assert logits(layer, []) == []


def test_everything_learns() -> None:
    layer = make()
    torch.cat(logits(layer, SENTENCES)).sin().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())
