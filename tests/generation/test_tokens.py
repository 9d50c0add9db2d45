"""Generation: reproducible, continued exactly, and the same as a loop by hand."""

import numpy as np
import pytest
import torch

from unrolled.checkpoint import TrainedModel
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import ConfigurationError, UnknownSymbolError, UnrolledError
from unrolled.generation import GenerationState, draw, generate
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


def test_a_stop_string_ends_the_text_with_the_token_that_completes_it():
    free = text(generate(model(), "abc", length=200, seed=6))
    for stop in (free[17:19], free[40:43], free[0], "zz"):
        place = free.find(stop)
        expected = free if place < 0 else free[: place + len(stop)]
        assert text(generate(model(), "abc", length=200, seed=6, until=stop)) == expected
    several = text(generate(model(), "abc", length=200, seed=6, until=["zz", free[50:54], free[30:34]]))
    assert several == free[: min(free.find(free[30:34]) + 4, free.find(free[50:54]) + 4)]


def test_the_prompt_ends_nothing():
    free = text(generate(model(), "abc", length=20, seed=6))
    assert "abc" not in free
    assert text(generate(model(), "abc", length=20, seed=6, until=["abc", "c" + free[0]])) == free


def test_a_function_of_the_text_so_far_may_end_it():
    free = text(generate(model(), "abc", length=50, seed=6))
    seen = []
    found = text(
        generate(model(), "abc", length=50, seed=6, until=lambda so_far: seen.append(so_far) or len(so_far) == 9)
    )
    assert found == free[:9]
    assert seen == [free[:n] for n in range(1, 10)]


def test_a_stop_string_of_words_and_of_bytes():
    words = model(Vocabulary.of("the cat sat. the dog ran.", "words"))
    found = list(generate(words, "the", length=300, seed=1, until="at"))
    assert "at" in found[-1].text  # the whole word is written
    assert not any("at" in token.text for token in found[:-1])
    bytes_ = model(Vocabulary.of("", "bytes"))
    found = text(generate(bytes_, "a", length=3000, seed=2, until="\ufffda"))
    assert found.endswith("\ufffda")


ALLOWED = ["cab", "ba", "dada", "bed", "a\n"]


@pytest.mark.parametrize(
    "options", [{}, {"temperature": 0.0}, {"top_k": 2}, {"top_p": 0.5}, {"temperature": 3.0}], ids=str
)
def test_one_of_the_allowed_texts_is_written(options):
    trained, found = model(), set()
    for stream in range(20):
        written = text(generate(trained, "abc", seed=1, stream=stream, allowed=ALLOWED, **options))
        assert written in ALLOWED
        found.add(written)
    assert len(found) == 1 if options.get("temperature") == 0.0 else len(found) > 1


def test_an_allowed_text_by_hand():
    """Of each symbol those that can still complete a text, by the same draws as without."""
    trained, written = model(), ""
    found = list(generate(trained, "cab", seed=11, stream=2, temperature=0.7, allowed=ALLOWED))
    for position, token in enumerate(found):
        with torch.no_grad():
            ids = torch.from_numpy(VOCABULARY.encode("cab" + written))
            logits = trained.layer.eval().logits(ids[:, None])[0][-1, 0].double().numpy()
        may = sorted({each[len(written)] for each in ALLOWED if each.startswith(written)}, key=VOCABULARY.symbols.index)
        p = np.exp(logits[VOCABULARY.encode("".join(may))] / 0.7)
        place = int(np.searchsorted(np.cumsum(p / p.sum()), draw(11, 2, position), side="right"))
        assert token.text == may[place]
        assert token.probability == pytest.approx((p / p.sum())[place])
        written += token.text
    assert written in ALLOWED


def test_where_all_is_allowed_the_text_is_the_same_as_without():
    every = [a + b + c for a in VOCABULARY.symbols for b in VOCABULARY.symbols for c in VOCABULARY.symbols]
    for seed in range(5):
        assert text(generate(model(), "abc", seed=seed, allowed=every)) == text(
            generate(model(), "abc", seed=seed, length=3)
        )


def test_a_state_goes_on_after_an_allowed_text():
    trained = model()
    first = list(generate(trained, "abc", seed=1, allowed=ALLOWED))
    rest = text(generate(trained, length=9, seed=1, state=first[-1].state))
    again = GenerationState(
        None, VOCABULARY.encode("abc" + text(first)), first[-1].state.origin, first[-1].state.position
    )
    assert text(generate(trained, length=9, seed=1, state=again)) == rest


def test_ends_that_do_not_go_together():
    with pytest.raises(ConfigurationError, match="either"):
        generate(model(), allowed=["a"], until="a")
    with pytest.raises(ConfigurationError, match="is empty"):
        generate(model(), until="")
    with pytest.raises(ConfigurationError, match="'a' begins the allowed text 'ab'"):
        generate(model(), allowed=["ab", "a"])
    with pytest.raises(UnknownSymbolError, match="'az'"):
        generate(model(), allowed=["az"])
