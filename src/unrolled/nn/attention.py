"""Attention over a memory: at each step a network looks at the rows that count now.

Shapes. A memory (B, S, m); states (B, T, n); weights (B, T, S), 0 beyond the end of a memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Memory:
    """Rows (B, S, m), and which of them there are (B, S); those that are not are zero."""

    rows: Tensor
    there: Tensor

    def select(self, indices: Tensor) -> Memory:
        """The memories of some sequences."""
        return Memory(self.rows.index_select(0, indices), self.there.index_select(0, indices))


class GlobalAttention(nn.Module):
    """Luong, Pham & Manning 2015, equations 5 to 8, with the score "general", and a read-out of what it gives.

        a_ti = softmax_i(s_tᵀ A h_i),   c_t = Σ_i a_ti h_i,   s̃_t = tanh(W_c [c_t ; s_t]),   o_t = W_s s̃_t + b

    Of a memory without rows c_t is 0. ``dropout`` drops components of s̃_t in training.

    >>> attention = GlobalAttention(state=4, memory=6, answers=3)
    >>> memory = Memory(torch.zeros(2, 5, 6), torch.tensor([[True] * 5, [False] * 5]))
    >>> attention.weights(torch.zeros(2, 1, 4), memory)[:, 0]
    tensor([[0.2000, 0.2000, 0.2000, 0.2000, 0.2000],
            [0.0000, 0.0000, 0.0000, 0.0000, 0.0000]], grad_fn=<SelectBackward0>)
    """

    def __init__(
        self, state: int, memory: int, answers: int, dropout: float = 0.0, device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dropout = dropout
        numbers: dict[str, Any] = {"device": device, "dtype": dtype}
        self.A = nn.Parameter(torch.empty(state, memory, **numbers))
        self.W_c = nn.Parameter(torch.empty(state, memory + state, **numbers))
        self.W_s = nn.Parameter(torch.empty(answers, state, **numbers))
        self.b = nn.Parameter(torch.empty(answers, **numbers))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(state**-0.5), state**-0.5)

    def weights(self, states: Tensor, memory: Memory) -> Tensor:
        """How much each row of the memory counts at each step (B, T, S)."""
        scores = torch.bmm(states @ self.A, memory.rows.transpose(1, 2))
        there = memory.there[:, None]
        # not −∞: where there is no row at all, softmax would give NaN, in the gradient too
        return functional.softmax(scores.masked_fill(~there, torch.finfo(scores.dtype).min), -1) * there

    def contexts(self, states: Tensor, memory: Memory) -> Tensor:
        """c_t for each of the states (B, T, n): (B, T, m)."""
        return torch.bmm(self.weights(states, memory), memory.rows)

    def answers(self, contexts: Tensor, states: Tensor) -> Tensor:
        """o_t from c_t (…, m) and s_t (…, n)."""
        looked = torch.tanh(functional.linear(torch.cat([contexts, states], -1), self.W_c))
        looked = functional.dropout(looked, self.dropout, self.training) if self.dropout else looked
        return functional.linear(looked, self.W_s, self.b)
