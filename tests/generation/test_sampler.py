"""The choice of a symbol against the cumulative distribution by hand, and against numpy's own choice."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.errors import ConfigurationError
from unrolled.generation.sampler import Sampler

LOGITS = np.log([0.1, 0.4, 0.2, 0.3])
logits_lists = st.lists(st.floats(-50, 50), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("u", "index"), [(0, 0), (0.0999, 0), (0.1001, 1), (0.4999, 1), (0.5001, 2), (0.7001, 3), (0.9999, 3)]
)
def test_by_hand(u, index):
    choice, probability = Sampler().choose(LOGITS, u)
    assert choice == index
    assert math.isclose(probability, [0.1, 0.4, 0.2, 0.3][index])


@given(logits=logits_lists, temperature=st.floats(0.1, 10), seed=st.integers(0, 1000))
def test_as_numpy_chooses(logits, temperature, seed):
    p = [math.exp((x - max(logits)) / temperature) for x in logits]
    p = [x / math.fsum(p) for x in p]
    expected = np.random.Generator(np.random.PCG64(seed)).choice(len(p), p=p)
    u = np.random.Generator(np.random.PCG64(seed)).random()  # numpy's choice makes one such draw, too
    cumulative = np.cumsum(p)
    if np.abs(cumulative - u).min() < 1e-12:
        return  # on an edge, where the last bit decides
    assert Sampler(temperature).choose(np.array(logits), u)[0] == expected


@given(logits=logits_lists, u=st.floats(0, 1, exclude_max=True), k=st.integers(1, 9), p=st.floats(0.01, 1))
def test_top_k_and_top_p_keep_the_most_probable(logits, u, k, p):
    every = Sampler().probabilities(np.array(logits))
    kept = Sampler(top_k=k).probabilities(np.array(logits))
    assert np.count_nonzero(kept) <= k
    assert kept[kept == 0].size == 0 or every[kept == 0].max() <= every[kept > 0].min()
    kept = Sampler(top_p=p).probabilities(np.array(logits))
    assert every[kept > 0].sum() >= p - 1e-9
    smallest = every[kept > 0].min()
    assert every[kept > 0].sum() - smallest < p + 1e-9  # one fewer would not do
    choice, probability = Sampler(top_p=p).choose(np.array(logits), u)
    assert kept[choice] > 0
    assert probability == kept[choice]


def test_greedy_takes_the_first_of_the_largest():
    assert Sampler(0).choose(np.array([1.0, 3.0, 3.0]), 0.99) == (1, 1.0)


def test_large_logits_do_not_overflow():
    assert Sampler().choose(np.array([1e4, -1e4]), 0.5) == (0, 1.0)


def test_a_draw_next_to_one_never_leaves_the_symbols():
    # the last two have probability exactly zero
    assert Sampler().choose(np.array([0.0, 0.0, 0.0, -1e4, -1e4]), 1 - 2**-53)[0] == 2


@pytest.mark.parametrize(
    "options", [{"temperature": -1}, {"temperature": math.nan}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.5}]
)
def test_out_of_range(options):
    with pytest.raises(ConfigurationError):
        Sampler(**options)
