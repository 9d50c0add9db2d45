"""``EncoderDecoder``: what is written depends on all that was read, and with attention on each of its steps."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from unrolled.errors import ConfigurationError, DataError
from unrolled.nn import EncoderDecoder, ManyToOne, PredictedLength
from writing import ENTERS, F64, STOPS, ids, most_probable, step_by_step

SOURCES = ids([3, 1, 2], [], [0], [2, 2, 0, 3], [])
SEQUENCES = ids([1, 2, 0, 1], [0], [], [2, 2], [])
TANH = "h_t = tanh(U x_t + W h_{t-1} + b)"


def make(cell: str = "gru", **options) -> EncoderDecoder:
    torch.manual_seed(0)
    return EncoderDecoder(cell, **{"reads": 4, "symbols": 3, "hidden": 4, "longest": 5, "dtype": F64, **options})


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize(("enters", "stop"), [*zip(ENTERS, STOPS, strict=True), ("state", "length")])
def test_reading_at_once_is_writing_step_by_step(enters, stop, attention, num_layers) -> None:
    model = make("lstm", enters=enters, stop=stop, attention=attention, num_layers=num_layers)
    expected = [step_by_step(model, [own], each) for own, each in zip(SOURCES, SEQUENCES, strict=True)]
    torch.testing.assert_close(model.nats(SOURCES, SEQUENCES), torch.stack(expected), rtol=1e-12, atol=1e-12)


def states_of(model: EncoderDecoder, source: Tensor, suffix: str) -> list[Tensor]:
    """h_i of one direction of the encoder, with plain operations, h_{-1} first."""
    encoder = model.encoder
    E, U, W, b = (getattr(encoder, name + suffix) for name in "EUWb")
    h = [torch.zeros(4, dtype=F64)]
    for symbol in source:
        h.append(torch.tanh(U @ E[:, symbol] + W @ h[-1] + b))
    return h


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_by_hand(bidirectional: bool, attention: bool) -> None:
    """The encoder's last state starts the decoder; Luong et al. 2015, equations 5 to 8."""
    model = make(TANH, bidirectional=bidirectional, attention=attention)
    decoder, body, start = model.decoder, model.decoder.body, model.decoder.starts["h"]
    found, weights = model.nats(SOURCES, SEQUENCES), model.attention(SOURCES, SEQUENCES) if attention else None
    for number, (source, sequence) in enumerate(zip(SOURCES, SEQUENCES, strict=True)):
        forwards = states_of(model, source, "_l0" if bidirectional else "")
        read, context = forwards[1:], forwards[-1]
        if bidirectional:
            backwards = states_of(model, source.flip(0), "_l0_reverse")
            read = [torch.cat(each) for each in zip(forwards[1:], backwards[:0:-1], strict=True)]
            context = torch.cat([forwards[-1], backwards[-1]])
        s, log_p = start.weight @ context + start.bias, torch.zeros((), dtype=F64)
        for t, (before, after) in enumerate(zip([3, *sequence], [*sequence, 3], strict=True)):
            s = torch.tanh(body.U @ decoder.embedding.weight[before] + body.W @ s + body.b)
            if attention:
                part = decoder.attention
                scores = torch.stack([s @ part.A @ h for h in read]) if len(read) else s.new_zeros(0)
                a = scores.exp() / scores.exp().sum()
                torch.testing.assert_close(weights[number][t], a, rtol=1e-12, atol=1e-12)
                c = sum((weight * h for weight, h in zip(a, read, strict=True)), torch.zeros_like(context))
                o = part.W_s @ torch.tanh(part.W_c @ torch.cat([c, s])) + part.b
            else:
                o = body.V @ s + body.c
            log_p = log_p + functional.log_softmax(o, 0)[after]
        torch.testing.assert_close(found[number], -log_p, rtol=1e-12, atol=1e-12)


@settings(max_examples=40)
@given(
    lengths=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=5),
    stop=st.sampled_from(STOPS), attention=st.booleans(), data=st.data(),
)  # fmt: skip
def test_a_sequence_is_written_as_if_alone(lengths, stop, attention, data) -> None:
    model = make(stop=stop, attention=attention)
    sources = [torch.randint(0, 4, (length,)) for length, _ in lengths]
    sequences = [torch.randint(0, 3, (length,)) for _, length in lengths]
    order = data.draw(st.permutations(range(len(lengths))))
    together = model.nats([sources[b] for b in order], [sequences[b] for b in order])
    alone = torch.cat([model.nats([sources[b]], [sequences[b]]) for b in order])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)
    found = torch.autograd.grad(together.sum(), list(model.parameters()))
    for own, expected in zip(found, torch.autograd.grad(alone.sum(), list(model.parameters())), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("stop", "attention"), [("end", False), ("end", True), ("probability", True), ("length", True)]
)
def test_gradients(stop, attention) -> None:
    """Sources and sequences of several lengths, 0 among them, and both 0 at once."""
    stop = PredictedLength(4, width=2, context=4) if stop == "length" else stop
    model = make(stop=stop, attention=attention, hidden=2, enters="both")
    names = [name for name, _ in model.named_parameters()]

    class Nats(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self) -> Tensor:
            return self.model.nats(SOURCES, SEQUENCES)

    def nats(*parameters: Tensor) -> Tensor:
        given = {f"model.{name}": p for name, p in zip(names, parameters, strict=True)}
        return torch.func.functional_call(Nats(), given, ())

    assert torch.autograd.gradcheck(nats, tuple(p.detach().requires_grad_() for p in model.parameters()))


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("stop", STOPS)
def test_nothing_to_read_or_to_write(stop, attention) -> None:
    model, none = make(stop=stop, attention=attention), torch.zeros(0, dtype=torch.int64)
    nats = model.nats([none, none], [none, none])
    assert nats.isfinite().all()
    assert all(
        each.isfinite().all() for each in torch.autograd.grad(nats.sum(), list(model.decoder.starts.parameters()))
    )
    assert model.nats([], []).shape == (0,)
    state, outcomes = model.begin([], none if stop == "length" else None)
    assert outcomes.shape == model.step(state, none)[1].shape == (0, 4)


@pytest.mark.parametrize("stop", STOPS)
def test_streams_are_left_out_and_taken_twice(stop) -> None:
    """What an attention looks at stays with its stream."""
    model, lengths = make(stop=stop, attention=True), torch.tensor([3, 2, 5, 4, 2])
    given = lengths if stop == "length" else None
    state, _ = model.begin(SOURCES, given)
    state, outcomes = model.step(model.select(state, torch.tensor([3, 1, 3])), torch.tensor([0, 1, 2]))
    for place, (b, symbol) in enumerate([(3, 0), (1, 1), (3, 2)]):
        alone, _ = model.begin([SOURCES[b]], None if given is None else given[b : b + 1])
        torch.testing.assert_close(outcomes[place], model.step(alone, torch.tensor([symbol]))[1][0])


def test_what_the_attention_looked_at() -> None:
    model = make(attention=True, stop="length")
    weights = model.attention(SOURCES, SEQUENCES)
    assert [each.shape for each in weights] == [(5, 3), (2, 0), (1, 1), (3, 4), (1, 0)]
    for each, source in zip(weights, SOURCES, strict=True):
        torch.testing.assert_close(each.sum(1), torch.full((len(each),), float(len(source) > 0), dtype=F64))
    assert model.attention([], []) == []


@pytest.mark.parametrize("attention", [False, True])
def test_it_learns_to_turn_sequences_round(attention: bool) -> None:
    """All that go from 0 to 3 symbols out of 3."""
    sources = ids(*(list(each) for n in range(4) for each in product(range(3), repeat=n)))
    expected = [each.flip(0) for each in sources]
    model = make(reads=3, hidden=16, attention=attention, dtype=torch.float32)
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(150):
        optimiser.zero_grad()
        (model.nats(sources, expected).sum() / model.outcomes(expected).sum()).backward()
        optimiser.step()
    assert most_probable(model, sources) == [each.tolist() for each in expected]


def test_another_recurrence_reads() -> None:
    model = make("lstm", encoder=TANH, bidirectional=False, embedding=7, num_layers=2)
    assert set(model.decoder.starts) == {"c", "h"}
    assert model.encoder.E_l0.shape == (7, 4)
    assert model.encoder.U_l0.shape == (4, 7)
    assert model.decoder.embedding.weight.shape == (4, 7)
    assert model.programs() == {"encoder": model.encoder.programs(), "decoder": model.decoder.body.programs()}
    assert model.nats(SOURCES, SEQUENCES).isfinite().all()


@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_states_that_a_read_out_reads_are_looked_at_and_compared(num_layers: int) -> None:
    """Not the last state k, but h and s side by side."""
    cell = """
        h_t = tanh(U x_t + W h_{t-1} + R k_{t-1})
        s_t = tanh(P h_t + Q s_{t-1})
        k_t = tanh(M s_t + N k_{t-1})
        y_t = V h_t + G s_t
    """
    model = make(cell, attention=True, num_layers=num_layers)
    assert model.decoder.attention.A.shape == (8, 16)
    expected = [step_by_step(model, [own], each) for own, each in zip(SOURCES, SEQUENCES, strict=True)]
    torch.testing.assert_close(model.nats(SOURCES, SEQUENCES), torch.stack(expected), rtol=1e-12, atol=1e-12)
    bare = ManyToOne(cell, num_layers, readout=False, embedding=4, x=4, h=4, s=4, k=4, dtype=F64)
    whole = ManyToOne(cell, num_layers, embedding=4, x=4, h=4, s=4, k=4, y=4, dtype=F64)
    whole.load_state_dict({**bare.state_dict(), "V": torch.eye(4), "G": 2 * torch.eye(4)})
    answers, steps = bare.with_steps(SOURCES[0])
    torch.testing.assert_close(whole(SOURCES[0])[0], answers[:4] + 2 * answers[4:])
    torch.testing.assert_close(steps[-1], answers)


def test_options_reach_both_recurrences() -> None:
    exact, half = (make(dtype=torch.float32, attention=True, precision=each) for each in ("fp32", "bf16"))
    half.load_state_dict(exact.state_dict())
    assert half.encoder.precision == half.decoder.body.precision == "bf16"
    assert 0 < (exact.nats(SOURCES, SEQUENCES) - half.nats(SOURCES, SEQUENCES)).abs().max() < 0.05
    assert {p.device.type for p in make(device="meta", attention=True).parameters()} == {"meta"}


@pytest.mark.parametrize("attention", [False, True])
def test_dropout_is_for_training(attention: bool) -> None:
    model = make(dropout=0.5, attention=attention)
    assert not torch.equal(model.nats(SOURCES, SEQUENCES), model.nats(SOURCES, SEQUENCES))
    model.eval()
    plain = make(attention=attention)
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(model.nats(SOURCES, SEQUENCES), plain.nats(SOURCES, SEQUENCES), rtol=0, atol=0)


def test_what_is_refused_and_why() -> None:
    with pytest.raises(ConfigurationError, match="no attention whose weights one could see: make it with one"):
        make().attention(SOURCES, SEQUENCES)
    with pytest.raises(DataError, match="sources hold the id 4; there are 4 symbols, 0 to 3"):
        make().nats(ids([4]), ids([0]))
    with pytest.raises(DataError, match="sequences hold the id 3; there are 3 symbols, 0 to 2"):
        make().nats(ids([3]), ids([3]))
    with pytest.raises(DataError, match="5 contexts, but 4 sequences"):
        make().nats(SOURCES, SEQUENCES[:4])
    with pytest.raises(ConfigurationError, match="'first'; the context can enter"):
        make(enters="first")
    with pytest.raises(DataError, match="draws the length first"):
        make(stop="length").begin(SOURCES)
