"""``ManyToOne``: one answer for a sequence, which depends on nothing but that sequence."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils.rnn import pack_sequence

from unrolled.errors import ConfigurationError
from unrolled.nn import ManyToOne, Recurrent
from unrolled.nn.pooling import POOLINGS

F64 = torch.float64
LENGTHS = [3, 0, 5, 1, 5]
T, B, N = 6, 5, 2
CELLS = ["gru", "h_t = tanh(U x_t + W h_{t-1} + b); y_t = softmax(V h_t + c); h_{-1} = 0.5", "lstm"]


def make(cell: str = "gru", **options) -> ManyToOne:
    torch.manual_seed(0)
    output = {"y": 3} if cell != "gru" else {"o": 3}
    layer = ManyToOne(cell, dtype=F64, **{"x": N, "h": 4, **output, **options})
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return layer


def by_hand(layer: ManyToOne, x: Tensor) -> Tensor:
    """The logits (3,) of one sequence (T, n): its states, one after the other, pooled with plain operations."""
    states = Recurrent(
        layer.network.levels[0][0].system, layer.num_layers, layer.bidirectional, x=N, h=4, dtype=F64,
    )  # fmt: skip
    states.load_state_dict({name: p for name, p in layer.state_dict().items() if name in states.state_dict()})
    h, last = states(x)
    if layer.pooling == "last":
        top = last["h"][-layer.network.directions :] if last["h"].dim() > 1 else last["h"]
        pooled = top.flatten()
    elif not len(x):
        pooled = torch.zeros(4 * layer.network.directions, dtype=F64)
    elif layer.pooling == "mean":
        pooled = sum(h) / len(h)
    elif layer.pooling == "max":
        pooled = h.max(0).values
    else:
        pooled = torch.softmax(h @ layer.pools["h"].w, 0) @ h
    matrix, bias = (getattr(layer, name) for name in layer.network.head.parameters)
    return matrix @ pooled + bias


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", CELLS)
def test_every_pooling_by_hand(cell: str, pooling: str, bidirectional: bool) -> None:
    layer = make(cell, pooling=pooling, bidirectional=bidirectional)
    x = torch.randn(T, B, N, dtype=F64)
    logits, _ = layer.logits(x, lengths=LENGTHS)
    for b, length in enumerate(LENGTHS):
        torch.testing.assert_close(logits[b], by_hand(layer, x[:length, b]), rtol=1e-12, atol=1e-12)
    answers, _ = layer(x, lengths=LENGTHS)
    torch.testing.assert_close(answers, torch.softmax(logits, -1) if "softmax" in cell else logits)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_two_layers_against_torch(pooling: str) -> None:
    layer = make("gru", num_layers=2, bidirectional=True, pooling=pooling)
    torchs = torch.nn.GRU(N, 4, 2, bidirectional=True).double()
    with torch.no_grad():
        for level, suffix in [(level, s) for level in (0, 1) for s in ("", "_reverse")]:
            for ours, theirs in {"W_i": "weight_ih", "W_h": "weight_hh", "b_i": "bias_ih", "b_h": "bias_hh"}.items():
                blocks = [getattr(layer, f"{ours}{gate}_l{level}{suffix}") for gate in "rzn"]
                getattr(torchs, f"{theirs}_l{level}{suffix}").copy_(torch.cat(blocks))
    x = torch.randn(T, B, N, dtype=F64)
    h, h_n = torchs(x)
    pooled = {
        "last": lambda: torch.cat([h_n[2], h_n[3]], -1),
        "mean": lambda: h.mean(0),
        "max": lambda: h.amax(0),
        "attention": lambda: (torch.softmax(h @ layer.pools["h"].w, 0)[..., None] * h).sum(0),
    }[pooling]()
    torch.testing.assert_close(layer(x)[0], pooled @ layer.V.T + layer.c)


@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=5),
    padding=st.sampled_from([0.0, float("nan"), float("inf"), -1e300]),
    pooling=st.sampled_from(POOLINGS), bidirectional=st.booleans(), data=st.data(),
)  # fmt: skip
def test_an_answer_depends_on_its_sequence_alone(lengths, padding, pooling, bidirectional, data) -> None:
    """Neither on neighbours, nor on their order, nor on what stands beyond its end; and so does its gradient."""
    layer = make(pooling=pooling, bidirectional=bidirectional)
    x = torch.randn(4, len(lengths), N, dtype=F64)
    order = data.draw(st.permutations(range(len(lengths))))
    padded = torch.full((5, len(lengths), N), padding, dtype=F64)
    for b, length in enumerate(lengths):
        padded[:length, b] = x[:length, b]
    moved = padded[:, order].requires_grad_()
    answers, _ = layer.logits(moved, lengths=[lengths[b] for b in order])
    for place, b in enumerate(order):
        own = x[: lengths[b], b].clone().requires_grad_()
        alone, _ = layer.logits(own)
        torch.testing.assert_close(answers[place], alone, rtol=1e-12, atol=1e-12)
        (found,) = torch.autograd.grad(answers[place].sum(), moved, retain_graph=True)
        (expected,) = torch.autograd.grad(alone.sum(), own) if lengths[b] else (own,)
        torch.testing.assert_close(found[: lengths[b], place], expected, rtol=1e-10, atol=1e-12)
        found[: lengths[b], place] = 0
        assert not found.any()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_form_of_input(pooling: str) -> None:
    layer = make(pooling=pooling)
    x = torch.randn(T, B, N, dtype=F64)
    lengths = [3, 2, 5, 1, 5]
    expected, state = layer(x, lengths=lengths)
    pieces = [x[:length, b] for b, length in enumerate(lengths)]
    for given_ in (pieces, pack_sequence(pieces, enforce_sorted=False), {"x": pieces}):
        torch.testing.assert_close(layer(given_)[0], expected)
    torch.testing.assert_close(layer(x[:, 2], {"h": torch.zeros(4, dtype=F64)})[0].shape, expected[2].shape)
    assert layer(x[:3, :0])[0].shape == (0, 3)
    assert state["h"].shape == (B, 4)


def test_ids_and_an_embedding() -> None:
    layer = ManyToOne("gru", pooling="max", embedding=3, x=7, h=4, o=2)
    ids = torch.tensor([[1, 2], [3, 0], [6, 6]])
    one_hot = torch.nn.functional.one_hot(ids, 7).float()
    torch.testing.assert_close(layer(ids)[0], layer(one_hot)[0])


def test_without_a_readout_the_answer_is_the_vector() -> None:
    """So that words are read letter by letter below a layer that reads words."""
    letters = ManyToOne("gru", bidirectional=True, readout=False, x=5, h=4)
    answer, state = letters(torch.randn(3, 2, 5))
    torch.testing.assert_close(answer, torch.cat(list(state["h"]), -1))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradients(pooling: str) -> None:
    layer = make("gru", pooling=pooling, bidirectional=True)
    names = [name for name, _ in layer.named_parameters()]
    x = torch.randn(3, 3, N, dtype=F64, requires_grad=True)

    def answer(x: Tensor, *parameters: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x, None, [3, 0, 2]))[0]

    assert torch.autograd.gradcheck(answer, (x, *(p.detach().requires_grad_() for p in layer.parameters())))


def test_attention_weighs_the_steps() -> None:
    layer = make(pooling="attention")
    weights = layer.attention(torch.randn(T, B, N, dtype=F64), lengths=LENGTHS)
    assert weights.shape == (T, B)
    for b, length in enumerate(LENGTHS):
        assert not weights[length:, b].any()
        torch.testing.assert_close(weights[:, b].sum().item(), 1.0 if length else 0.0)
    with pytest.raises(ConfigurationError, match='"last"'):
        make().attention(torch.randn(T, B, N, dtype=F64))


def test_a_pooling_that_does_not_exist() -> None:
    with pytest.raises(ConfigurationError, match="'first'; it can be last, mean, max, attention"):
        make(pooling="first")
