"""``OneToMany``: what is written depends on the context, and on what was written before."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from unrolled.errors import ConfigurationError
from unrolled.nn import OneToMany

F64 = torch.float64
ENTERS = ["state", "every", "both"]
SEQUENCES = [torch.tensor(each, dtype=torch.int64) for each in ([1, 2, 0, 3], [], [4], [2, 2])]


def make(cell: str = "lstm", **options) -> OneToMany:
    torch.manual_seed(0)
    return OneToMany(cell, context=3, symbols=5, hidden=4, dtype=F64, **options)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("enters", ENTERS)
def test_reading_at_once_is_writing_step_by_step(enters, num_layers) -> None:
    model, context = make(enters=enters, num_layers=num_layers), torch.randn(4, 3, dtype=F64)
    for own, sequence, found in zip(context, SEQUENCES, model.logits(context, SEQUENCES), strict=True):
        assert found.shape == (len(sequence), 5)
        before, state = None, None
        for symbol, scores in zip(sequence, found, strict=True):
            expected, state = model.step(own[None], before, state)
            torch.testing.assert_close(scores, expected[0], rtol=1e-12, atol=1e-12)
            before = symbol[None]


def test_by_hand() -> None:
    """h_t = tanh(U [e; C] + W h + b), h_{-1} = A C + a, o = V h + c."""
    model = make("h_t = tanh(U x_t + W h_{t-1} + b)", enters="both")
    context, body, start = torch.randn(1, 3, dtype=F64), model.body, model.starts["h"]
    h = start.weight @ context[0] + start.bias
    for before, scores in zip([5, 1, 2, 0], model.logits(context, SEQUENCES[:1])[0], strict=True):
        x = torch.cat([model.embedding.weight[before], context[0]])
        h = torch.tanh(body.U @ x + body.W @ h + body.b)
        torch.testing.assert_close(scores, body.V @ h + body.c, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("enters", ENTERS)
def test_a_sequence_is_written_as_if_alone(enters) -> None:
    model, context = make(enters=enters), torch.randn(4, 3, dtype=F64)
    together = model.logits(context, SEQUENCES)
    for b in range(4):
        (alone,) = model.logits(context[b : b + 1], [SEQUENCES[b]])
        torch.testing.assert_close(together[b], alone, rtol=1e-12, atol=1e-12)
    assert model.logits(context[:0], []) == []


@pytest.mark.parametrize("enters", ENTERS)
def test_gradients(enters) -> None:
    model = make("gru", enters=enters)
    names = [name for name, _ in model.named_parameters()]

    class Scores(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, context: Tensor) -> Tensor:
            return torch.cat(self.model.logits(context, SEQUENCES))

    def scores(context: Tensor, *parameters: Tensor) -> Tensor:
        given = {f"model.{name}": p for name, p in zip(names, parameters, strict=True)}
        return torch.func.functional_call(Scores(), given, (context,))

    context = torch.randn(4, 3, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(scores, (context, *(p.detach().requires_grad_() for p in model.parameters())))


@pytest.mark.parametrize("enters", ENTERS)
def test_it_learns_a_word_for_each_context(enters) -> None:
    model = make("gru", enters=enters)
    words = [torch.tensor(each) for each in ([0, 1, 2, 4], [0, 2, 1, 3, 4], [3, 3, 4])]  # 4 is the end
    optimiser = torch.optim.Adam(model.parameters(), 0.05)
    for _ in range(120):
        optimiser.zero_grad()
        functional.cross_entropy(torch.cat(model.logits(torch.eye(3, dtype=F64), words)), torch.cat(words)).backward()
        optimiser.step()
    context, before, state, written = torch.eye(3, dtype=F64), None, None, []
    for _ in range(5):
        scores, state = model.step(context, before, state)
        before = scores.argmax(-1)
        written.append(before)
    for word, found in zip(words, torch.stack(written, 1), strict=True):
        assert found[: len(word)].tolist() == word.tolist()


def test_what_is_refused_and_why() -> None:
    with pytest.raises(ConfigurationError, match="symbols behind it do not exist yet"):
        make(bidirectional=True)
    with pytest.raises(ConfigurationError, match="'first'; the context can enter as state, every or both"):
        make(enters="first")
