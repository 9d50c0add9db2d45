"""``OneToMany``: what is written depends on the context, and on what was written before."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from unrolled.errors import ConfigurationError, DataError
from unrolled.nn import OneToMany, PredictedLength
from unrolled.nn.attention import Memory
from writing import ENTERS, F64, STOPS, ids, most_probable, step_by_step

SEQUENCES = ids([1, 2, 0, 3], [], [4], [2, 2])


def make(cell: str = "lstm", **options) -> OneToMany:
    torch.manual_seed(0)
    return OneToMany(cell, **{"context": 3, "symbols": 5, "hidden": 4, "longest": 5, "dtype": F64, **options})


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=F64)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("enters", ENTERS)
@pytest.mark.parametrize("stop", STOPS)
def test_reading_at_once_is_writing_step_by_step(stop, enters, num_layers) -> None:
    model, context = make(stop=stop, enters=enters, num_layers=num_layers), randn(4, 3)
    expected = [step_by_step(model, own[None], each) for own, each in zip(context, SEQUENCES, strict=True)]
    torch.testing.assert_close(model.nats(context, SEQUENCES), torch.stack(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("stop", STOPS)
def test_by_hand(stop: str) -> None:
    """h_t = tanh(U [e ; C ; r] + W h + b), h_{-1} = A C + a, o = V h + c."""
    model = make("h_t = tanh(U x_t + W h_{t-1} + b)", enters="both", stop=stop)
    context, body, start, sequence = randn(1, 3), model.body, model.starts["h"], [1, 2, 0, 3]
    h = start.weight @ context[0] + start.bias
    log_p = torch.zeros((), dtype=F64)
    if stop == "length":
        below, _, above = model.stop.length
        scores = above.weight @ torch.tanh(below.weight @ context[0] + below.bias) + above.bias
        log_p = log_p + functional.log_softmax(scores, 0)[4]
    for t, (before, after) in enumerate(zip([5, *sequence], [*sequence, 5], strict=True)):
        told = [model.stop.remaining.weight[4 - t]] if stop == "length" else []
        x = torch.cat([model.embedding.weight[before], context[0], *told])
        h = torch.tanh(body.U @ x + body.W @ h + body.b)
        o = body.V @ h + body.c
        if stop == "end":
            log_p = log_p + functional.log_softmax(o, 0)[after]
        elif stop == "probability":
            goes_on = torch.log(1 - torch.sigmoid(o[5])) + functional.log_softmax(o[:5], 0)
            log_p = log_p + (torch.log(torch.sigmoid(o[5])) if after == 5 else goes_on[after])
        elif after < 5:
            log_p = log_p + functional.log_softmax(o, 0)[after]
    torch.testing.assert_close(model.nats(context, ids(sequence))[0], -log_p, rtol=1e-12, atol=1e-12)


@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=5), stop=st.sampled_from(STOPS),
    enters=st.sampled_from(ENTERS), data=st.data(),
)  # fmt: skip
def test_a_sequence_is_written_as_if_alone(lengths, stop, enters, data) -> None:
    """Neither neighbours nor their order count; and so it is with the gradient."""
    model = make("gru", stop=stop, enters=enters)
    sequences, context = [torch.randint(0, 5, (length,)) for length in lengths], randn(len(lengths), 3).requires_grad_()
    order = data.draw(st.permutations(range(len(lengths))))
    together = model.nats(context[order], [sequences[b] for b in order])
    (gradient,) = torch.autograd.grad(together.sum(), context)
    for place, b in enumerate(order):
        own = context[b : b + 1].detach().requires_grad_()
        (alone,) = model.nats(own, [sequences[b]])
        torch.testing.assert_close(together[place], alone, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(gradient[b], torch.autograd.grad(alone, own)[0][0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("stop", STOPS)
def test_no_sequence_at_all(stop: str) -> None:
    model = make(stop=stop, num_layers=2)
    assert model.nats(randn(0, 3), []).shape == (0,)
    assert model.outcomes([]).shape == (0,)
    none = torch.zeros(0, dtype=torch.int64)
    state, outcomes = model.begin(randn(0, 3), none if stop == "length" else None)
    assert outcomes.shape == model.step(state, none)[1].shape == (0, 6)


def test_outcomes_are_symbols_and_ends() -> None:
    assert make().outcomes(SEQUENCES).tolist() == [5, 1, 2, 3]


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("stop", STOPS)
def test_streams_are_left_out_and_taken_twice(stop, num_layers) -> None:
    """So that what ended leaves the batch, and beams split; the rows that stay go on as if nothing had happened."""
    model, context = make(stop=stop, num_layers=num_layers, enters="both"), randn(3, 3)
    lengths = torch.tensor([3, 0, 4]) if stop == "length" else None
    state, _ = model.begin(context, lengths)
    state, _ = model.step(state, torch.tensor([4, 5, 1]))  # the second has ended, and is carried along for one step
    state, outcomes = model.step(model.select(state, torch.tensor([2, 0, 2])), torch.tensor([0, 3, 2]))
    for place, (b, symbols) in enumerate([(2, [1, 0]), (0, [4, 3]), (2, [1, 2])]):
        alone, expected = model.begin(context[b : b + 1], lengths if lengths is None else lengths[b : b + 1])
        for symbol in symbols:
            alone, expected = model.step(alone, torch.tensor([symbol]))
        torch.testing.assert_close(outcomes[place], expected[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("stop", "enters"), [*((stop, "both") for stop in STOPS), ("end", "state"), ("end", "every")])
def test_gradients(stop, enters) -> None:
    stop = PredictedLength(4, width=2, context=3) if stop == "length" else stop
    model = make("gru", stop=stop, enters=enters, hidden=3)
    names = [name for name, _ in model.named_parameters()]

    class Nats(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, context: Tensor) -> Tensor:
            return self.model.nats(context, SEQUENCES)

    def nats(context: Tensor, *parameters: Tensor) -> Tensor:
        given = {f"model.{name}": p for name, p in zip(names, parameters, strict=True)}
        return torch.func.functional_call(Nats(), given, (context,))

    context = randn(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(nats, (context, *(p.detach().requires_grad_() for p in model.parameters())))


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("enters", ENTERS)
def test_it_learns_a_word_for_each_context(enters, stop) -> None:
    model, words = make("gru", enters=enters, stop=stop, hidden=8), [[0, 1, 2, 4], [0, 2, 1, 3, 4], []]
    context, optimiser = torch.eye(3, dtype=F64), torch.optim.Adam(model.parameters(), 0.05)
    for _ in range(120):
        optimiser.zero_grad()
        loss = model.nats(context, ids(*words)).sum() / model.outcomes(ids(*words)).sum()
        loss.backward()
        optimiser.step()
    drawn = model.length_log_probabilities(context)
    assert most_probable(model, context, None if drawn is None else drawn.argmax(-1)) == words


def test_equations_with_a_read_out_of_their_own() -> None:
    """A softmax at their end is taken off, and an output that feeds back is a state like others."""
    for cell in ("elman", "jordan", "irnn"):
        model, context = make(cell, enters="both", stop="probability"), randn(4, 3)
        expected = [step_by_step(model, own[None], each) for own, each in zip(context, SEQUENCES, strict=True)]
        torch.testing.assert_close(model.nats(context, SEQUENCES), torch.stack(expected), rtol=1e-12, atol=1e-12)


def test_options_reach_the_recurrence() -> None:
    """bf16 rounds what is multiplied: near float32, and not it."""
    context, exact, half = torch.randn(4, 3), make(dtype=torch.float32), make(dtype=torch.float32, precision="bf16")
    half.load_state_dict(exact.state_dict())
    difference = (exact.nats(context, SEQUENCES) - half.nats(context, SEQUENCES)).abs().max()
    assert 0 < difference < 0.05
    assert {p.device.type for p in make(device="meta", stop="length").parameters()} == {"meta"}


def test_compiled_programs() -> None:
    model = make(num_layers=2)
    assert model.programs() == {"decoder": model.body.programs()}
    assert len(model.programs()["decoder"]["parts"]) == 3


def test_what_is_refused_and_why() -> None:
    with pytest.raises(ConfigurationError, match="symbols behind it do not exist yet"):
        make(bidirectional=True)
    with pytest.raises(ConfigurationError, match="backward out"):
        make(backward="gru")
    with pytest.raises(ConfigurationError, match="'first'; the context can enter as state, every or both"):
        make(enters="first")
    with pytest.raises(ConfigurationError, match='let it enter at "every" step'):
        make("y_t = V x_t")
    assert make("y_t = V x_t", enters="every").nats(randn(4, 3), SEQUENCES).isfinite().all()
    with pytest.raises(DataError, match="3 contexts, but 4 sequences"):
        make().nats(randn(3, 3), SEQUENCES)
    with pytest.raises(DataError, match="3 contexts, but 4 lengths"):
        make(stop="length").begin(randn(3, 3), torch.tensor([0, 1, 2, 3]))
    with pytest.raises(DataError, match=r"shape \(4, 2\); here it is \(B, 3\)"):
        make().nats(randn(4, 2), SEQUENCES)
    with pytest.raises(DataError, match="hold the id 5; there are 5 symbols, 0 to 4"):
        make().nats(randn(1, 3), ids([0, 5]))
    with pytest.raises(DataError, match="hold the id -1"):
        make().nats(randn(1, 3), ids([0, -1]))
    with pytest.raises(DataError, match=r"Number 1 of the sequences is \(2,\) torch.float32"):
        make().nats(randn(2, 3), [*ids([0]), torch.zeros(2)])
    with pytest.raises(DataError, match="looks at a memory at each step: give it one"):
        make(memory=2).nats(randn(4, 3), SEQUENCES)
    with pytest.raises(ConfigurationError, match="no attention whose weights"):
        make().weights(randn(1, 3), ids([0]), Memory(randn(1, 2, 2), torch.ones(1, 2, dtype=torch.bool)))
