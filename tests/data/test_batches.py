"""Batches of like lengths: everything once an epoch, always in the same order, with little padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.batches import Batches


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 9), st.integers(0, 5))
def test_every_sequence_once_an_epoch(lengths, batch, epoch):
    batches = Batches(lengths, batch, seed=3)
    found = [batches(epoch, number) for number in range(len(batches))]
    assert sorted(i for each in found for i in each) == list(range(len(lengths)))
    assert all(0 < len(each) <= batch for each in found)
    assert all(np.diff(np.array(lengths)[each]).max(initial=0) <= 0 for each in found)


def test_the_order_belongs_to_seed_and_epoch():
    lengths = np.random.default_rng(0).integers(1, 40, 500).tolist()
    first, again, other = (Batches(lengths, 16, seed) for seed in (1, 1, 2))
    chosen = [(first, 0), (again, 0), (other, 0), (first, 1)]
    order = [[batches(epoch, n).tolist() for n in range(len(batches))] for batches, epoch in chosen]
    assert order[0] == order[1]
    assert order[0] != order[2]
    assert order[0] != order[3]


@pytest.mark.parametrize("count", [3000, 9000])
def test_little_padding(count):
    lengths = np.random.default_rng(1).gamma(4, 5, count).astype(int) + 1
    assert Batches(lengths, 64, seed=0).padding() < 0.1
