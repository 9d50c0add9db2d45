"""BPTT(k1, k2) against its definition."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.truncation import Truncation
from unrolled.errors import ConfigurationError


@given(every=st.integers(1, 9), more=st.integers(0, 20), updates=st.integers(1, 12))
def test_windows_follow_each_other(every, more, updates):
    truncation = Truncation(every, every + more)
    windows = [truncation.window(index) for index in range(updates)]
    # each step has a loss in exactly one window
    assert [step for w in windows for step in range(w.losses, w.end)] == list(range(updates * every))
    for window, following in pairwise(windows):
        assert window.following == following.begin
        assert window.begin <= window.following <= window.end
    for window in windows:  # as far back as it may, or to the beginning
        assert window.end - window.begin == min(window.end, truncation.back)


@pytest.mark.parametrize(("every", "back"), [(0, 3), (4, 3), (-1, -1)])
def test_what_is_no_truncation(every, back):
    with pytest.raises(ConfigurationError, match="1 ≤ k1 ≤ k2"):
        Truncation(every, back)
