"""The smallest network that writes."""

import math

import pytest
import torch

from unrolled.errors import ConfigurationError
from unrolled.training.hello import END, hello


def test_it_writes_what_it_learnt():
    found = hello()
    assert found.written == "hello"
    assert [step.reads for step in found.steps] == [END, "h", "e", "l", "l", "o"]
    assert [step.drawn for step in found.steps] == ["h", "e", "l", "l", "o", END]
    assert list(found.steps[0].probabilities) == ["e", "h", "l", "o", END]
    assert all(math.isclose(sum(step.probabilities.values()), 1) for step in found.steps)
    # what is drawn after the right beginning is right with these probabilities, so that their product is the word's
    product = math.prod(step.probabilities[step.drawn] for step in found.steps)
    assert found.learnt == pytest.approx(product, rel=1e-4)
    assert found.learnt > 0.9


def test_it_tells_the_two_l_apart():
    found = hello()
    [(i, j, apart)] = found.told_apart()
    assert (i, j) == (3, 4)
    first, second = (found.steps[k].state for k in (i, j))
    assert apart == pytest.approx(torch.dist(torch.tensor(first), torch.tensor(second)).item() / (2 * 8**0.5))
    assert apart > 0.1


def test_an_untrained_network_does_not_know_it():
    assert hello(updates=0).learnt < 0.01


@pytest.mark.parametrize("word", ["a", "banana", "zzzz", "été"])
def test_other_words(word):
    assert hello(word, updates=400).written == word


def test_a_seed_says_what_is_written():
    before = torch.get_rng_state()
    assert hello(seed=5, updates=20) == hello(seed=5, updates=20)
    assert hello(seed=5, updates=20) != hello(seed=6, updates=20)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("word", ["", "x" * 41])
def test_a_word_is_not_empty_and_not_long(word):
    with pytest.raises(ConfigurationError, match="give one of 1 to 40"):
        hello(word)


def test_updates_are_not_fewer_than_none():
    with pytest.raises(ConfigurationError, match="-1 updates"):
        hello(updates=-1)
