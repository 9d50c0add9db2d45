"""Beam search against the list of all strings, over small random Markov models."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.errors import ConfigurationError, UnrolledError
from unrolled.generation import Allowed, beam_search


class Markov:
    """What comes depends on the symbol before; row V is for the beginning, column V for the end. A state is the string
    so far, so that states that were mixed up would show."""

    def __init__(self, table):
        with np.errstate(divide="ignore"):
            self.table = np.log(np.array(table, float))
        self.stepped = 0

    def begin(self):
        return (), self.table[-1]

    def step(self, states, symbols):
        assert len(states) == len(symbols) > 0
        self.stepped += 1
        return [((*state, symbol), self.table[symbol]) for state, symbol in zip(states, symbols, strict=True)]

    def outcomes(self, most):
        """Each string with its log-probability, how many symbols count, and whether it ended."""
        end = len(self.table) - 1
        for n in range(most + 1):
            for string in itertools.product(range(end), repeat=n):
                log_p, before = 0.0, end
                for symbol in string:
                    log_p, before = log_p + self.table[before][symbol], symbol
                if n < most:
                    yield string, log_p + self.table[before][end], n + 1, True
                else:
                    yield string, log_p, n, False


def exhaustive(model, most, alpha, allowed=None):
    found = [
        (-(log_p / ((5 + n) / 6) ** alpha), string, log_p, ended)
        for string, log_p, n, ended in model.outcomes(most)
        if log_p > -math.inf and (allowed is None or (ended and string in allowed))
    ]
    return sorted(found)


def as_tuples(found):
    return [(-each.score, each.symbols, each.log_probability, each.ended) for each in found]


def table(symbols, seed):
    """Random rows, some of whose outcomes are impossible or equally probable."""
    random = np.random.default_rng(seed)
    rows = random.integers(0, 4, (symbols + 1, symbols + 1)) * random.choice(
        [1.0, 1.0, 0.3], (symbols + 1, symbols + 1)
    )
    rows[:, random.integers(symbols + 1)] += 1
    return rows / rows.sum(1, keepdims=True)


tables = st.builds(table, st.integers(1, 3), st.integers(0, 10**6))


@given(rows=tables, most=st.integers(1, 4), alpha=st.sampled_from([0.0, 0.6, 1.0]))
@settings(max_examples=150)
def test_a_wide_beam_finds_what_the_list_of_all_strings_begins_with(rows, most, alpha):
    expected = exhaustive(Markov(rows), most, alpha)
    assert as_tuples(beam_search(Markov(rows), 4**4, most, alpha)) == expected


@given(rows=tables, alpha=st.sampled_from([0.0, 0.6, 1.0]), width=st.integers(1, 5))
@settings(max_examples=150)
def test_stopping_early_changes_nothing(rows, alpha, width):
    """The same beam that goes on to the end, written as a loop over lists."""
    model, end, most = Markov(rows), len(rows) - 1, 6
    beam, done = [((), 0.0)], []
    for n in range(1, most + 1):
        every = [
            (-(log_p + model.table[string[-1] if string else end][symbol]), (*string, symbol))
            for string, log_p in beam
            for symbol in range(end + 1)
        ]
        beam = []
        for negative, (*string, symbol) in sorted(each for each in every if each[0] < math.inf)[:width]:
            score = negative / ((5 + n) / 6) ** alpha
            if symbol == end:
                done.append((score, tuple(string), -negative, True))
            elif n == most:
                done.append((score, (*string, symbol), -negative, False))
            else:
                beam.append(((*string, symbol), -negative))
    assert as_tuples(beam_search(Markov(rows), width, most, alpha)) == sorted(done)[:width]


@given(
    rows=tables,
    strings=st.lists(st.lists(st.integers(0, 2), max_size=3).map(tuple), min_size=1, max_size=5),
    alpha=st.sampled_from([0.0, 0.6, 1.0]),
)
@settings(max_examples=150)
def test_only_what_is_allowed(rows, strings, alpha):
    model = Markov(rows)
    strings = [string for string in strings if max(string, default=0) < len(rows) - 1] or [()]
    found = as_tuples(beam_search(model, 4**4, 4, alpha, Allowed(strings)))
    assert found == exhaustive(model, 4, alpha, set(strings))


@given(rows=tables)
def test_a_beam_of_width_one_is_greedy(rows):
    end, string, log_p = len(rows) - 1, [], 0.0
    with np.errstate(divide="ignore"):
        logs = np.log(rows)
    while len(string) < 7:
        following = logs[string[-1] if string else end]
        symbol = int(np.argmax(following))
        log_p += following[symbol]
        if symbol == end:
            break
        string.append(symbol)
    [found] = beam_search(Markov(rows), 1, 7)
    assert (found.symbols, found.log_probability) == (tuple(string), log_p)


def test_greedy_is_misled_where_a_beam_is_not():
    # 0 is more probable at first, but leads nowhere in particular: 0.6 · 0.4 < 0.4 · 1
    rows = [[0.3, 0.3, 0.4], [0, 0, 1], [0.6, 0.4, 0]]
    assert beam_search(Markov(rows), 1)[0].symbols == (0,)
    assert beam_search(Markov(rows), 2)[0].symbols == (1,)


def test_a_penalty_by_hand():
    """After 0 nothing but 1 and the end; alone 0.5 against 0.5 · 0.9 · 0.9."""
    rows = [[0, 1, 0, 0], [0, 0, 0.9, 0.1], [0, 0, 0, 1], [0.49, 0, 0, 0.51]]
    free, with_penalty = (beam_search(Markov(rows), 3, 5, alpha) for alpha in (0.0, 1.0))
    assert (free[0].symbols, free[0].score) == ((), math.log(0.51))
    assert with_penalty[0].symbols == (0, 1, 2)
    assert with_penalty[0].score == pytest.approx(math.log(0.49 * 0.9) / ((5 + 4) / 6))
    assert with_penalty[0].log_probability == pytest.approx(math.log(0.49 * 0.9))


def test_of_equals_the_smaller_symbol_comes_first():
    model = Markov(np.full((4, 4), 0.25))
    assert [each.symbols for each in beam_search(model, 64, 3)[:5]] == [(), (0,), (1,), (2,), (0, 0)]
    # of the twelve strings of two symbols, all equal, a beam of four keeps the first: 00, 01, 02, and 0 with its end
    assert [each.symbols for each in beam_search(model, 4, 3)] == [(), (0,), (0, 0), (0, 0, 0)]


def test_it_stops_when_nothing_better_can_come():
    rows = [[0.5, 0.5], [0.01, 0.99]]
    model = Markov(rows)
    assert beam_search(model, 1, 1000)[0].symbols == ()
    assert model.stepped == 0
    # 0.99, 0.005, 0.0025, … : after two steps the second best has ended, and the rest is less probable
    assert [each.symbols for each in beam_search(model, 2, 1000)] == [(), (0,)]
    assert model.stepped == 2
    # where length is rewarded a longer one may still win, and the search must go on
    patient = Markov(rows)
    beam_search(patient, 2, 1000, 1.0)
    assert patient.stepped > 2


def test_what_is_cut_has_not_ended():
    found = beam_search(Markov([[0.9, 0.1], [1, 0]]), 1, 5)
    assert (found[0].symbols, found[0].ended) == ((0,) * 5, False)


def test_where_nothing_is_possible_nothing_is_found():
    assert beam_search(Markov([[1, 0], [1, 0]]), 3, 5, allowed=Allowed([[0, 0]])) == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"width": 0}, "width of the beam is 0"),
        ({"most": 0}, "most symbols of a hypothesis is 0"),
        ({"length_penalty": -0.1}, "length penalty is -0.1"),
        ({"length_penalty": math.nan}, "length penalty is nan"),
        ({"most": 2, "allowed": Allowed([[0], [0, 0]])}, "give at least 3"),
        ({"allowed": Allowed([[1]])}, "the id 1, and there are 1 symbols"),
    ],
)
def test_what_is_refused(options, reason):
    with pytest.raises(ConfigurationError, match=reason):
        beam_search(Markov([[0.5, 0.5], [0.5, 0.5]]), **options)


def test_a_model_that_exploded_says_so():
    model = Markov([[0.5, 0.5], [0.5, 0.5]])
    model.table[0] = np.nan
    with pytest.raises(UnrolledError, match="after 1 symbols a log-probability is not a number"):
        beam_search(model)
