"""Generation: reproducible, continued exactly, and the same as a loop by hand."""

import numpy as np
import pytest
import torch

from unrolled.checkpoint import TrainedModel
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import ConfigurationError, UnknownSymbolError, UnrolledError
from unrolled.generation import draw, generate
from unrolled.nn import language_model

VOCABULARY = Vocabulary.of("abcdefg\n")


def model(vocabulary=VOCABULARY, cell="gru"):
    torch.manual_seed(3)
    return TrainedModel(
        language_model(cell, vocabulary=len(vocabulary), hidden=6, num_layers=2, dropout=0.5), vocabulary
    )


def text(tokens):
    return "".join(token.text for token in tokens)


def test_as_a_loop_over_the_whole_text_by_hand():
    trained, ids = model(), [0, 1, 2]
    expected = list(VOCABULARY.encode("cab"))
    for position in range(20):
        with torch.no_grad():
            logits = trained.layer.eval().logits(torch.tensor(expected)[:, None])[0][-1, 0].double().numpy()
        p = np.exp(logits / 0.7) / np.exp(logits / 0.7).sum()
        expected.append(int(np.searchsorted(np.cumsum(p), draw(11, 2, position), side="right")))
    trained.layer.train()
    ids = [token.id for token in generate(trained, "cab", length=20, temperature=0.7, seed=11, stream=2)]
    assert ids == expected[3:]
    assert trained.layer.training  # left as it was


def test_a_state_continues_the_same_text():
    whole = list(generate(model(), "abc", length=30, seed=5))
    first = list(generate(model(), "abc", length=12, seed=5))
    rest = list(generate(model(), length=18, seed=5, state=first[-1].state))
    assert [t.id for t in first + rest] == [t.id for t in whole]
    assert [t.state.position for t in whole] == list(range(1, 31))


def test_a_state_can_be_used_twice():
    state = next(iter(generate(model(), "abc", length=1, seed=5))).state
    assert text(generate(model(), length=9, seed=5, state=state)) == text(
        generate(model(), length=9, seed=5, state=state)
    )


def test_without_a_prompt_a_line_begins():
    assert text(generate(model(), length=9, seed=5)) == text(generate(model(), "\n", length=9, seed=5))


def test_without_a_length_it_goes_on():
    tokens = generate(model(), seed=1)
    assert len([next(tokens) for _ in range(50)]) == 50


def test_bytes_are_joined_to_characters():
    vocabulary = Vocabulary.of("", "bytes")
    tokens = list(generate(model(vocabulary), "é", length=400, seed=2))
    joined = "".join(token.text for token in tokens) + tokens[-1].state.pending.decode("utf-8", "replace")
    assert joined == bytes(token.id for token in tokens).decode("utf-8", "replace")


def test_greedy_needs_no_luck():
    assert text(generate(model(), "a", length=9, temperature=0, seed=1)) == text(
        generate(model(), "a", length=9, temperature=0, seed=2)
    )
    assert {t.probability for t in generate(model(), "a", length=9, temperature=0)} == {1.0}


def test_mistakes_are_told_before_the_first_token():
    with pytest.raises(UnknownSymbolError, match="the prompt has 'z'"):
        generate(model(), "abz")
    with pytest.raises(ConfigurationError, match="temperature"):
        generate(model(), temperature=-1)
    with pytest.raises(ConfigurationError, match="length"):
        generate(model(), length=-1)
    with pytest.raises(ConfigurationError, match="seed"):
        generate(model(), seed=-1)
    state = next(iter(generate(model(), length=1))).state
    with pytest.raises(ConfigurationError, match="either a prompt or a state"):
        generate(model(), "a", state=state)


def test_a_model_that_exploded_says_so():
    broken = model()
    with torch.no_grad():
        next(broken.layer.parameters()).fill_(torch.nan)
    with pytest.raises(UnrolledError, match="not finite"):
        list(generate(broken, "a", length=1))
