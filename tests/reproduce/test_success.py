"""Success rates against scipy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact

from unrolled.diagnose.plots import panels
from unrolled.reproduce.claims import Criterion
from unrolled.reproduce.judging import judged, judged_each
from unrolled.reproduce.success import Rate, draw_rates, fewer_by_chance, sign_test

RATES = st.integers(1, 60).flatmap(lambda n: st.builds(Rate, st.integers(0, n), st.just(n)))


@given(RATES)
def test_the_interval_is_wilsons(rate):
    expected = binomtest(rate.successes, rate.tries).proportion_ci(0.95, "wilson")
    assert rate.interval == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert Rate.of([True] * rate.successes + [False] * (rate.tries - rate.successes)) == rate


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_sign_test_is_a_binomial_test(won, lost):
    expected = binomtest(won, won + lost, alternative="greater").pvalue if won + lost else 1.0
    assert sign_test(won, lost) == pytest.approx(expected, rel=1e-10)


@given(RATES, RATES)
def test_fishers_exact_test(few, many):
    table = [[each.successes, each.tries - each.successes] for each in (few, many)]
    assert fewer_by_chance(few, many) == pytest.approx(fisher_exact(table, "less").pvalue, rel=1e-9)


def test_the_picture_has_the_rates_and_their_intervals():
    _, axes = panels(1)
    draw_rates(axes, [5, 10], [Rate(10, 10), Rate(4, 10)], "label", "black")
    (container,) = axes.containers
    line, _, (bars,) = container
    assert line.get_xydata().tolist() == [[5, 1.0], [10, 0.4]]
    for segment, successes in zip(bars.get_segments(), (10, 4), strict=True):
        interval = binomtest(successes, 10).proportion_ci(0.95, "wilson")
        assert segment[:, 1].tolist() == pytest.approx([interval.low, interval.high])


def test_what_the_untrained_meet_does_not_hold():
    criterion = Criterion("", "what", "said", "", "", above=1)
    assert judged(criterion, 2, 1).holds
    assert not judged(criterion, 2, 1.5).holds
    assert not judged(criterion, 1, 0).holds
    row = judged(criterion, 2, float("nan"), " of 3")
    assert (row.holds, row.measured, row.wanted, row.published) == (True, "2 of 3; untrained none", "> 1", "said")
    never = judged(criterion, float("inf"), 0)
    assert (never.holds, never.measured) == (False, "infinite; untrained 0")
    assert judged_each(criterion, [2, 2, 0], [1, 1, 1]).holds
    assert not judged_each(criterion, [2, 2, 0], [1, 2, 1]).holds
    assert not judged_each(criterion, [2, 0], [1, 1]).holds
