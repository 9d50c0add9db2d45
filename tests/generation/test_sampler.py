"""The choice of a symbol against the cumulative distribution by hand, and against numpy's own choice."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.errors import ConfigurationError, UnrolledError
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


# what may come: logits, some of them -inf, which are equal or far apart, and a mask that leaves something
impossible = st.lists(st.integers(-36, 36).map(lambda n: n / 4) | st.just(-math.inf), min_size=1, max_size=7)
masked = impossible.flatmap(
    lambda logits: st.tuples(st.just(logits), st.lists(st.booleans(), min_size=len(logits), max_size=len(logits)))
).filter(lambda pair: any(allowed and logit > -math.inf for logit, allowed in zip(*pair, strict=True)))


def among(pair, temperature, k, p):
    """The distribution in words: of what is allowed and possible keep k, of these what is needed for p, and divide."""
    left = [i for i, (logit, allowed) in enumerate(zip(*pair, strict=True)) if allowed and logit > -math.inf]
    left.sort(key=lambda i: (-pair[0][i], i))
    if temperature == 0:
        return {left[0]: 1.0}
    weights = {i: math.exp((pair[0][i] - pair[0][left[0]]) / temperature) for i in left}
    total, kept, sum_ = math.fsum(weights.values()), [], 0.0
    for i in left[:k]:
        kept.append(i)
        sum_ += weights[i] / total
        if p is not None and sum_ >= p:
            break
    rest = math.fsum(weights[i] for i in kept)
    return {i: weights[i] / rest for i in kept}


@given(
    pair=masked,
    temperature=st.just(0.0) | st.floats(0.2, 5),
    k=st.none() | st.integers(1, 8),
    p=st.none() | st.floats(0.05, 0.95),
    u=st.floats(0, 1, exclude_max=True),
)
def test_a_mask_with_every_way_to_choose(pair, temperature, k, p, u):
    sampler, logits, mask = Sampler(temperature, k, p), np.array(pair[0]), np.array(pair[1])
    expected = [among(pair, temperature, k, q) for q in ([None] if p is None else [p - 1e-9, p + 1e-9])]
    found = sampler.probabilities(logits, mask)
    assert found.sum() == pytest.approx(1)
    assert (found[~mask | (logits == -math.inf)] == 0).all()
    # on the edge of p the last bit decides
    assert any(found == pytest.approx([each.get(i, 0.0) for i in range(len(logits))], abs=1e-9) for each in expected)
    choice, probability = sampler.choose(logits, u, mask)
    assert mask[choice]
    assert probability == found[choice] > 0


@given(pair=masked, temperature=st.floats(0.2, 5), u=st.floats(0, 1, exclude_max=True))
def test_a_mask_leaves_the_others_out(pair, temperature, u):
    """Masked, it chooses what it chooses from the others alone."""
    logits, mask = np.array(pair[0]), np.array(pair[1])
    alone = Sampler(temperature, 3).choose(logits[mask], u)
    found = Sampler(temperature, 3).choose(logits, u, mask)
    assert found == (np.flatnonzero(mask)[alone[0]], pytest.approx(alone[1]))


def test_a_mask_that_allows_all_changes_nothing():
    logits = np.random.default_rng(0).normal(size=50)
    sampler = Sampler(0.7, 20, 0.9)
    assert np.array_equal(sampler.probabilities(logits, np.ones(50, bool)), sampler.probabilities(logits))


def test_a_temperature_next_to_zero():
    assert Sampler(1e-310).probabilities(np.array([1.0, 2.0, -np.inf])).tolist() == [0, 1, 0]


@pytest.mark.parametrize("temperature", [0, 1])
@pytest.mark.parametrize(
    ("logits", "mask", "error"),
    [
        ([0.0, 1.0], [False, False], ConfigurationError),
        ([-math.inf, -math.inf], None, ConfigurationError),
        ([-math.inf, 1.0], [True, False], ConfigurationError),
        ([0.0, 1.0], [True], ConfigurationError),
        ([math.nan, 1.0], None, UnrolledError),
        ([math.inf, 1.0], [False, True], UnrolledError),
    ],
)
def test_nothing_to_draw_from(logits, mask, error, temperature):
    with pytest.raises(error):
        Sampler(temperature).choose(np.array(logits), 0.5, None if mask is None else np.array(mask))
