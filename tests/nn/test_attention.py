"""``GlobalAttention`` by the formulas of Luong et al. 2015, sequence by sequence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unrolled.nn.attention import GlobalAttention, Memory

F64 = torch.float64
LENGTHS = [3, 0, 1, 5]
B, T, S, N, M = 4, 2, 5, 3, 6


class Answers(torch.nn.Module):
    """o_t from the states and the rows of a memory, as a function that gradcheck can call."""

    def __init__(self, attention: GlobalAttention, there: Tensor) -> None:
        super().__init__()
        self.attention, self.there = attention, there

    def forward(self, states: Tensor, rows: Tensor) -> Tensor:
        memory = Memory(rows * self.there[..., None], self.there)
        return self.attention.answers(self.attention.contexts(states, memory), states)


def memory() -> Memory:
    there = torch.arange(S) < torch.tensor(LENGTHS)[:, None]
    return Memory(torch.randn(B, S, M, dtype=F64) * there[..., None], there)


def by_hand(attention: GlobalAttention, s: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """a (S,) and o of one state (N,) over the rows (S, M) that there are."""
    scores = torch.stack([s @ attention.A @ h for h in rows]) if len(rows) else s.new_zeros(0)
    a = scores.exp() / scores.exp().sum()
    c = sum((weight * h for weight, h in zip(a, rows, strict=True)), s.new_zeros(M))
    return a, attention.W_s @ torch.tanh(attention.W_c @ torch.cat([c, s])) + attention.b


def test_by_hand() -> None:
    attention, states, given = GlobalAttention(N, M, 2, dtype=F64), torch.randn(B, T, N, dtype=F64), memory()
    weights, answers = attention.weights(states, given), Answers(attention, given.there)(states, given.rows)
    for b, length in enumerate(LENGTHS):
        for t in range(T):
            a, o = by_hand(attention, states[b, t], given.rows[b, :length])
            torch.testing.assert_close(weights[b, t, :length], a, rtol=1e-12, atol=1e-14)
            torch.testing.assert_close(answers[b, t], o, rtol=1e-12, atol=1e-14)
        assert not weights[b, :, length:].any()


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_gradients(size: float) -> None:
    """Also where the scores are so great that one row counts alone, and where there is no row."""
    given = memory()
    answers = Answers(GlobalAttention(N, M, 2, dtype=F64), given.there)
    names = [name for name, _ in answers.named_parameters()]

    def call(states: Tensor, rows: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(answers, dict(zip(names, parameters, strict=True)), (states, rows))

    states = (size * torch.randn(B, T, N, dtype=F64)).requires_grad_()
    inputs = (states, given.rows.requires_grad_(), *(p.detach().requires_grad_() for p in answers.parameters()))
    assert all(each.isfinite().all() for each in torch.autograd.grad(call(*inputs).sum(), inputs))
    if size == 1:
        assert torch.autograd.gradcheck(call, inputs)


def test_a_memory_without_rows_at_all() -> None:
    attention, states = GlobalAttention(N, M, 2, dtype=F64), torch.randn(B, T, N, dtype=F64)
    nothing = Memory(torch.zeros(B, 0, M, dtype=F64), torch.zeros(B, 0, dtype=torch.bool))
    assert attention.weights(states, nothing).shape == (B, T, 0)
    assert not attention.contexts(states, nothing).any()


def test_some_memories() -> None:
    given = memory()
    some = given.select(torch.tensor([3, 0, 3]))
    assert some.there.sum(1).tolist() == [5, 3, 5]
    torch.testing.assert_close(some.rows[2], given.rows[3], rtol=0, atol=0)


def test_dropout_drops_in_training_alone() -> None:
    attention = GlobalAttention(N, M, 2, dropout=0.5, dtype=F64)
    c, s = torch.randn(50, M, dtype=F64), torch.randn(50, N, dtype=F64)
    assert not torch.equal(attention.answers(c, s), attention.answers(c, s))
    attention.eval()
    plain = torch.tanh(torch.cat([c, s], 1) @ attention.W_c.T) @ attention.W_s.T + attention.b
    torch.testing.assert_close(attention.answers(c, s), plain)
