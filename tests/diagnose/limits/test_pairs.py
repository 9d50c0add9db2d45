"""Counts of pairs of symbols: against counting by hand, and on texts of one kind and of two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import planted
from unrolled.data.documents import Documents
from unrolled.diagnose.limits.pairs import PRIOR, pair_losses, shift
from unrolled.diagnose.limits.samples import COUNTABLE, Sample


@given(st.integers(0, 2**32 - 1))
def test_by_hand(seed):
    random = np.random.default_rng(seed)
    read, came = random.integers(0, 3, (2, 5, 2))
    found = pair_losses((read, came), (read, came), 3)
    for place in np.ndindex(5, 2):
        x, y = read[place], came[place]
        single = (sum(c == y for c in came.flat) + 1) / (10 + 3)
        pairs = sum(a == x and c == y for a, c in zip(read.flat, came.flat, strict=True))
        after = sum(a == x for a in read.flat)
        assert found[place] == pytest.approx(-np.log((pairs + 3 * PRIOR * single) / (after + 3 * PRIOR)))


def sample(text):
    return Sample.of(Documents(np.array([ord(each) - ord("a") for each in text])))


def test_texts_of_one_kind_and_of_two():
    here, there = (sample(planted.markov(30_000, seed)) for seed in (1, 2))
    found = shift(here, there, 8)
    assert abs(found.nats) < 4 * found.error
    reversed_ = sample(planted.markov(30_000, 2)[::-1].translate(str.maketrans("abcdefgh", "hgfedcba")))
    assert shift(here, reversed_, 8).surely(0.1)


def test_too_many_symbols_to_count():
    here = sample(planted.markov(3_000))
    assert shift(here, here, COUNTABLE + 1) is None
