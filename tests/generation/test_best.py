"""The most probable texts against the list of all texts, whose probabilities torch computes."""

import itertools
import math

import numpy as np
import pytest
import torch

from unrolled.errors import ConfigurationError, UnrolledError
from unrolled.generation import best, generate, load

SYMBOLS = "abc"


def log_p(model, prompt, text):
    """The sum over the symbols of a text, read from the beginning as a whole."""
    vocabulary, layer = model.vocabulary, model.layer
    first = vocabulary.encode(prompt) if prompt else np.array([vocabulary.start])
    ids = torch.from_numpy(np.concatenate([first, vocabulary.encode(text)]))
    with torch.no_grad():
        found = torch.log_softmax(layer.logits(ids[:-1, None])[0].double(), -1)[:, 0]
    return float(sum(found[len(first) - 1 + n, symbol] for n, symbol in enumerate(vocabulary.encode(text))))


def every_text(length, ends=lambda text: False):
    """Each text of that length, or up to where it ends."""
    for n in range(length + 1):
        for symbols in itertools.product(SYMBOLS, repeat=n):
            text = "".join(symbols)
            before = any(ends(text[:m]) for m in range(n))
            if not before and (n == length or ends(text)):
                yield text


def ranked(model, prompt, texts, alpha=0.0):
    scores = {text: log_p(model, prompt, text) / ((5 + len(text) + 1) / 6) ** alpha for text in texts}
    return sorted(scores.items(), key=lambda item: -item[1])


def check(found, expected):
    assert [each.text for each in found] == [text for text, _ in expected[: len(found)]]
    assert [each.score for each in found] == pytest.approx([score for _, score in expected[: len(found)]], abs=1e-5)


@pytest.mark.parametrize("prompt", ["", "b", "abcab"])
def test_of_all_texts_of_a_length(opened, runs, prompt):
    found = best(opened("tiny"), prompt, length=4, beams=3**4)
    expected = ranked(load(runs["tiny"]), prompt, every_text(4))
    assert len(found) == 3**4
    check(found, expected)
    assert not any(each.ended for each in found)
    assert [each.log_probability for each in found] == [each.score for each in found]


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
@pytest.mark.parametrize(
    "until", ["b", ["ca", "bb"], lambda text: text.count("a") == 2], ids=["string", "strings", "function"]
)
def test_of_all_texts_that_end(opened, runs, until, alpha):
    strings = until if isinstance(until, list) else [until]
    ends = until if callable(until) else lambda text: any(each in text for each in strings)
    expected = ranked(load(runs["tiny"]), "c", every_text(4, ends), alpha)
    found = best(opened("tiny"), "c", length=4, beams=3**5, length_penalty=alpha, until=until)
    assert len(found) == len(expected)
    check(found, expected)
    assert [each.ended for each in found] == [ends(each.text) for each in found]


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_of_allowed_texts(opened, runs, alpha):
    allowed = ["ab", "b", "cccc", "caab", "cab"]
    found = best(opened("tiny"), "a", allowed=allowed, beams=50, length_penalty=alpha)
    check(found, ranked(load(runs["tiny"]), "a", allowed, alpha))
    assert sorted(each.text for each in found) == sorted(allowed)
    assert all(each.ended for each in found)


def test_one_beam_is_greedy(opened):
    [found] = best(opened("characters"), "the", length=40, beams=1)
    assert found.text == "".join(
        token.text for token in generate(opened("characters"), "the", length=40, temperature=0)
    )


def test_both_writers_find_the_same(native):
    found = [best(model, "the", length=12, beams=5) for model in (native["characters"], load(native["characters"]))]
    assert [each.text for each in found[0]] == [each.text for each in found[1]]
    assert [each.score for each in found[0]] == pytest.approx([each.score for each in found[1]], rel=1e-4)


def test_characters_of_several_bytes(opened):
    found = best(opened("bytes"), "the", allowed=["é", "ü!", "日本"], beams=3)
    assert {each.text for each in found} == {"é", "ü!", "日本"}


def test_a_text_of_no_symbols(opened):
    [found] = best(opened("tiny"), "a", length=0)
    assert (found.text, found.log_probability, found.ended) == ("", 0.0, False)
    [found] = best(opened("tiny"), "a", allowed=[""])
    assert (found.text, found.log_probability, found.ended) == ("", 0.0, True)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "needs a length"),
        ({"until": "a"}, "needs a length"),
        ({"length": -1}, "the length is -1"),
        ({"length": 3, "beams": 0}, "width of the beam is 0"),
        ({"length": 3, "length_penalty": math.inf}, "length penalty is inf"),
        ({"length": 3, "until": "a", "allowed": ["b"]}, "either"),
        ({"allowed": ["a", "ab"]}, "'a' begins the allowed text 'ab'"),
    ],
)
def test_what_is_refused(runs, options, reason):
    with pytest.raises(ConfigurationError, match=reason):
        best(runs["tiny"], "a", **options)


def test_a_model_that_exploded_says_so(runs):
    model = load(runs["tiny"])
    with torch.no_grad():
        next(model.layer.parameters()).fill_(torch.nan)
    with pytest.raises(UnrolledError, match="not finite"):
        best(model, "a", length=2)
