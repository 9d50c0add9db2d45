"""``Steps``: what is read and wanted at every step, against a loop in Python."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pad_packed_sequence

from unrolled.nn.teacher_forcing import Steps
from writing import ids

SEQUENCES = st.lists(st.lists(st.integers(0, 2), max_size=4), min_size=1, max_size=5)


@given(SEQUENCES)
def test_every_step_of_every_sequence(sequences) -> None:
    steps = Steps.of(ids(*sequences), symbols=3)
    expected = sorted(
        (t, -len(each), b, before, after, len(each) - t)
        for b, each in enumerate(sequences)
        for t, (before, after) in enumerate(zip([3, *each], [*each, 3], strict=True))
    )
    found = (steps.step, steps.sequence, steps.before, steps.wanted, steps.remaining)
    assert [*zip(*(each.tolist() for each in found), strict=True)] == [(t, *rest) for t, _, *rest in expected]
    assert steps.lengths.tolist() == [len(each) for each in sequences]


@given(SEQUENCES)
def test_packed_dense_and_summed(sequences) -> None:
    steps = Steps.of(ids(*sequences), symbols=3)
    rows = torch.randn(sum(len(each) + 1 for each in sequences), 2)
    dense, lengths = pad_packed_sequence(steps.packed(rows), batch_first=True)
    assert lengths.tolist() == [len(each) + 1 for each in sequences]
    torch.testing.assert_close(steps.dense(rows), dense, rtol=0, atol=0)
    torch.testing.assert_close(steps.rows(dense), rows, rtol=0, atol=0)
    torch.testing.assert_close(steps.sums(rows[:, 0]), dense[..., 0].sum(1))


def test_gradients() -> None:
    steps = Steps.of(ids([0, 1], [], [2]), symbols=3)
    rows = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda rows: steps.rows(steps.dense(rows) ** 2), rows)
    assert torch.autograd.gradcheck(lambda rows: steps.sums(rows[:, 0] ** 2), rows)


@pytest.mark.parametrize("sequences", [[[]], [[], []]])
def test_nothing_but_ends(sequences) -> None:
    steps = Steps.of(ids(*sequences), symbols=3)
    assert steps.before.tolist() == steps.wanted.tolist() == [3] * len(sequences)
