"""Labelled examples, column by column: choosing, splitting, and what is there twice."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.table import Table, split, without_duplicates
from unrolled.errors import ConfigurationError, DataError


def test_a_table_by_hand():
    table = Table({"text": ("Abe", "Wu", "Ito"), "score": (1.0, 2.0, 3.0)}, ("line 2", "line 3", "line 4"))
    assert len(table) == 3
    assert table.column("score") == (1.0, 2.0, 3.0)
    chosen = table.select(i for i in np.array([2, 0]))
    assert chosen == Table({"text": ("Ito", "Abe"), "score": (3.0, 1.0)}, ("line 4", "line 2"))
    assert len(table.select([])) == 0


def test_an_unknown_column_gets_a_suggestion():
    table = Table({"text": (), "Label": ()}, ())
    with pytest.raises(DataError, match=r"no column 'labels'; did you mean 'Label'\? The columns are text, Label"):
        table.column("labels")
    with pytest.raises(DataError, match="no column 'xyz'; the columns are text, Label"):
        table.column("xyz")


def test_columns_of_different_lengths_are_no_table():
    with pytest.raises(DataError, match="'label' has 1 values for 2 examples"):
        Table({"text": ("a", "b"), "label": ("x",)}, ("1", "2"))


def numbered(texts, labels=None):
    columns = {"text": tuple(texts), "label": tuple(labels or texts)}
    return Table(columns, tuple(f"line {i}" for i in range(len(texts))))


@given(size=st.integers(2, 60), share=st.floats(0.01, 0.99), seed=st.integers(0, 2**40))
def test_a_split_is_of_the_size_and_loses_nothing(size, share, seed):
    table = numbered([str(i) for i in range(size)])
    training, held_out = split(table, share, seed)
    assert len(held_out) == min(max(round(share * size), 1), size - 1)
    assert sorted(training.where + held_out.where) == sorted(table.where)
    for part in (training, held_out):
        assert list(part.where) == sorted(part.where, key=lambda place: int(place.split()[1]))
        assert part.column("text") == tuple(place.split()[1] for place in part.where)
    assert split(table, share, seed) == (training, held_out)


def test_a_split_depends_on_the_seed_and_every_example_can_be_held_out():
    table = numbered([str(i) for i in range(10)])
    held_out = [split(table, 0.2, seed)[1].column("text") for seed in range(100)]
    assert set(itertools.chain(*held_out)) == set(table.column("text"))
    assert len(set(held_out)) > 30  # of 45 pairs


@given(texts=st.lists(st.integers(0, 9), min_size=2, max_size=60), share=st.floats(0.01, 0.99), seed=st.integers(0, 9))
def test_what_is_equal_stays_together(texts, share, seed):
    table = numbered([str(i) for i in texts], [str(i) for i in range(len(texts))])
    if len(set(texts)) == 1:
        with pytest.raises(DataError, match="with the same text cannot be split"):
            split(table, share, seed, by="text")
        return
    training, held_out = split(table, share, seed, by="text")
    assert len(training) > 0
    assert len(held_out) > 0
    assert not set(training.column("text")) & set(held_out.column("text"))
    assert sorted(training.column("label") + held_out.column("label")) == sorted(table.column("label"))


def test_groups_come_near_the_share():
    table = numbered([str(i // 3) for i in range(300)])
    assert [len(split(table, 0.1, seed, by="text")[1]) for seed in range(5)] == [30] * 5
    two = numbered(["a"] * 10 + ["b"] * 10)  # neither is near 0.1
    assert {split(two, 0.1, seed, by="text")[1].column("text")[0] for seed in range(20)} == {"a", "b"}


def test_frames_can_be_what_is_equal():
    frames = (np.zeros((2, 1)), np.array([[-0.0], [0.0]]), np.zeros(2), np.zeros((2, 1), np.float32))
    table = Table({"frames": frames}, ("1", "2", "3", "4"))
    for seed in range(10):
        assert split(table, 0.5, seed, by="frames")[0].where in (("1", "2"), ("3", "4"))
    assert without_duplicates(table).where == ("1", "3", "4")


def test_a_split_that_cannot_be():
    with pytest.raises(DataError, match="1 example cannot be split into two parts; give more"):
        split(numbered(["a"]), 0.5, 0)
    with pytest.raises(DataError, match="no column 'language'"):
        split(numbered(["a", "b"]), 0.5, 0, by="language")
    for share, seed in ((0, 0), (1, 0), (float("nan"), 0), (0.5, -1)):
        with pytest.raises(ConfigurationError, match="a share is between 0 and 1, a seed from 0"):
            split(numbered(["a", "b"]), share, seed)


def test_duplicates_are_equal_in_all_columns():
    table = numbered(["Abe", "Abe", "Wu", "Abe", "Wu"], ["ja", "en", "zh", "ja", "zh"])
    assert without_duplicates(table).where == ("line 0", "line 1", "line 2")
