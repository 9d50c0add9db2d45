"""Masks against the sentence that defines them, said of every string."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.errors import ConfigurationError
from unrolled.generation import Allowed

SYMBOLS = 3
strings = st.lists(st.integers(0, SYMBOLS - 1), max_size=5).map(tuple)


def by_definition(allowed, prefix, remaining):
    """For each string that begins so and has the right length: what it goes on with."""
    found = [False] * (SYMBOLS + 1)
    for string in allowed:
        if string[: len(prefix)] == prefix and remaining in (None, len(string) - len(prefix)):
            rest = string[len(prefix) :]
            found[rest[0] if rest else SYMBOLS] = True
    return found


@given(allowed=st.lists(strings, min_size=1, max_size=8), prefix=strings, remaining=st.none() | st.integers(0, 6))
def test_what_may_come(allowed, prefix, remaining):
    mask = Allowed(allowed).mask(prefix, SYMBOLS, remaining)
    assert mask.dtype == bool
    assert mask.tolist() == by_definition(allowed, prefix, remaining)


@given(allowed=st.lists(strings, min_size=1, max_size=8))
def test_following_a_mask_writes_all_strings_and_no_others(allowed):
    made, found, open_ = Allowed(allowed), set(), [()]
    while open_:
        prefix = open_.pop()
        mask = made.mask(prefix, SYMBOLS)
        assert mask.any()
        found |= {prefix} if mask[-1] else set()
        open_ += [(*prefix, symbol) for symbol in range(SYMBOLS) if mask[symbol]]
    assert found == set(allowed)
    assert made.lengths() == tuple(sorted({len(string) for string in allowed}))


@given(allowed=st.lists(strings, min_size=1, max_size=8))
def test_a_string_that_begins_another(allowed):
    pairs = {(a, b) for a in allowed for b in allowed if a != b and b[: len(a)] == a}
    found = Allowed(allowed).nested()
    assert found in pairs if pairs else found is None


def test_duplicates_count_once_and_ids_may_be_of_numpy():
    import numpy as np

    made = Allowed([np.array([0, 1]), [0, 1], (2,)])
    assert made.strings == ((0, 1), (2,))
    assert made == Allowed([[0, 1], [2]])
    assert made.mask(np.array([0]), 3).tolist() == [False, True, False, False]


def test_many_strings():
    numbers = [[int(digit) for digit in f"{number:05}"] for number in range(0, 100000, 7)]
    made = Allowed(numbers)
    assert made.mask([9, 9, 9, 9], 10).nonzero()[0].tolist() == [n for n in range(10) if (99990 + n) % 7 == 0]
    assert made.mask([9, 9, 9, 9], 10, remaining=2).sum() == 0
    assert made.lengths() == (5,)


@pytest.mark.parametrize(("given_", "reason"), [([], "no string is allowed"), ([[0], [1, -1]], "below 0")])
def test_what_is_refused(given_, reason):
    with pytest.raises(ConfigurationError, match=reason):
        Allowed(given_)


def test_a_symbol_that_does_not_exist():
    with pytest.raises(ConfigurationError, match="the id 3, and there are 3 symbols"):
        Allowed([[0, 3]]).mask([], 3)
