"""``Recurrent`` on sequences of different lengths: each as if alone, whatever stands beside it and behind it."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

import by_hand
from unrolled.equations.library import load
from unrolled.errors import DataError
from unrolled.nn import Recurrent

F64 = torch.float64
LENGTHS = [3, 0, 5, 1, 5]
T, B, N = 6, 5, 2  # the last step is padding for everyone
KINDS = [
    pytest.param(("h_t = tanh(U x_t + W h_{t-1}); y_t = softmax(V h_t)", {}), id="elman"),
    pytest.param(("lstm; y_t = V h_t", {"num_layers": 2, "bidirectional": True}), id="two LSTMs each way"),
    pytest.param(("y : output; h_t = tanh(U x_t + W y_{t-1}); y_t = softmax(V h_t); y_{-1} = 0.5", {}), id="feedback"),
]


@pytest.fixture(params=KINDS)
def layer(request) -> Recurrent:
    text, options = request.param
    lstm = str(load("lstm"))
    return Recurrent(text.replace("lstm", lstm), x=N, h=4, y=3, dtype=F64, **options)


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=F64)


def same(found, expected) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


def alone(layer: Recurrent, x: torch.Tensor, b: int, state=None):
    """Sequence b of the batch x by itself, unbatched, and its state with a place for the batch."""
    given = None if state is None else {name: value[..., b, :] for name, value in state.items()}
    return layer(x[: LENGTHS[b], b], given)


def first_state(layer: Recurrent, batch: int = B):
    """A state of random numbers in the shape in which the layer returns it."""
    return {name: torch.randn_like(value) for name, value in layer(randn(1, batch, N))[1].items()}


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("kind", [list, torch.tensor, lambda n: torch.tensor(n, dtype=torch.int32)])
def test_lengths(layer, given, kind):
    x = randn(T, B, N)
    state = first_state(layer) if given else None
    outputs, final = layer(x, state, lengths=kind(LENGTHS))
    assert outputs.shape == (T, B, 3)
    for b, length in enumerate(LENGTHS):
        expected, last = alone(layer, x, b, state)
        same(outputs[:length, b], expected)
        assert not outputs[length:, b].any()
        same({name: value[..., b, :] for name, value in final.items()}, last)
        if length == 0 and given:
            same(last, {name: value[..., b, :] for name, value in state.items()})


def test_both_directions_end_where_the_sequence_ends():
    layer = Recurrent("h_t = tanh(U x_t + W h_{t-1})", bidirectional=True, x=N, h=4, dtype=F64)
    x = randn(T, B, N)
    h, state = layer(x, lengths=LENGTHS)
    core = load("h_t = tanh(U x_t + W h_{t-1})")
    for b, length in enumerate(LENGTHS):
        for backward, suffix in enumerate(("_l0", "_l0_reverse")):
            if length:
                parameters = by_hand.numbers(layer, suffix)
                expected = by_hand.one(core, parameters, {"x": x[:length, b]}, None, bool(backward))["h"]
                expected = torch.as_tensor(expected.copy())
                same(h[:length, b, 4 * backward : 4 * backward + 4].detach(), expected)
                same(state["h"][backward, b].detach(), expected[0 if backward else -1])


@pytest.mark.parametrize("padding", [float("nan"), float("inf")])
def test_padding_is_not_looked_at(layer, padding):
    clean = randn(T, B, N)
    dirty = clean.clone()
    for b, length in enumerate(LENGTHS):
        dirty[length:, b] = padding
        clean[length:, b] = 0
    results = []
    for x in (clean, dirty):
        x.requires_grad_()
        outputs, state = layer(x, lengths=LENGTHS)
        loss = outputs.sin().sum() + sum(value.sin().sum() for value in state.values())
        results.append((outputs, state, torch.autograd.grad(loss, [x, *layer.parameters()])))
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=0)
    for b, length in enumerate(LENGTHS):
        assert not results[1][2][0][length:, b].any()


def test_neighbours_do_not_matter(layer):
    x, other = randn(T, B, N), randn(T, B, N)
    other[:, 2] = x[:, 2]
    one, two = layer(x, lengths=LENGTHS), layer(other, lengths=[6, 2, 5, 6, 0])
    same(one[0][:, 2], two[0][:, 2])
    same({name: v[..., 2, :] for name, v in one[1].items()}, {name: v[..., 2, :] for name, v in two[1].items()})
    assert not torch.allclose(one[0][:, 0], two[0][:, 0])


def test_the_order_does_not_matter(layer):
    x, order = randn(T, B, N), torch.tensor([3, 0, 4, 2, 1])
    state = first_state(layer)
    outputs, final = layer(x, state, lengths=LENGTHS)
    permuted = {name: value[..., order, :] for name, value in state.items()}
    found, last = layer(x[:, order], permuted, lengths=[LENGTHS[b] for b in order])
    same(found, outputs[:, order])
    same(last, {name: value[..., order, :] for name, value in final.items()})


def test_a_list(layer):
    x = randn(T, B, N)
    state = first_state(layer)
    sequences = [x[:length, b] for b, length in enumerate(LENGTHS)]
    outputs, final = layer(sequences, state)
    assert [len(each) for each in outputs] == LENGTHS
    expected, last = layer(x, state, lengths=LENGTHS)
    for b, length in enumerate(LENGTHS):
        same(outputs[b], expected[:length, b])
    same(final, last)


def test_a_list_of_ids(layer):
    sequences = [torch.tensor([1, 0, 1]), torch.tensor([0]), torch.tensor([], dtype=torch.int64)]
    outputs, _ = layer(sequences)
    for ids, output in zip(sequences, outputs, strict=True):
        same(output, layer(ids)[0])


@pytest.mark.parametrize("enforce_sorted", [False, True])
def test_a_packed_sequence(layer, enforce_sorted):
    lengths = [5, 3, 3, 1] if enforce_sorted else [3, 1, 5, 3]
    x = randn(5, 4, N)
    state = first_state(layer, 4)
    packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=enforce_sorted)
    outputs, final = layer(packed, state)
    assert isinstance(outputs, PackedSequence)
    expected, last = layer(x, state, lengths=lengths)
    same(pad_packed_sequence(outputs)[0], expected)
    same(final, last)


def test_packed_ids(layer):
    sequences = [torch.tensor([1, 0, 1]), torch.tensor([0])]
    outputs, _ = layer(pack_sequence(sequences))
    padded, lengths = pad_packed_sequence(outputs)
    assert lengths.tolist() == [3, 1]
    same(padded[:, 0], layer(sequences[0])[0])


def test_one_sequence_with_its_length(layer):
    x = randn(T, N)
    outputs, final = layer(x, lengths=[4])
    expected, last = layer(x[:4])
    same(outputs[:4], expected)
    assert outputs.shape == (T, 3)
    assert not outputs[4:].any()
    same(final, last)


def test_a_dict_with_lengths():
    layer = Recurrent("h_t = tanh(U x_t + A u_t + W h_{t-1})", x=N, u=1, h=4, dtype=F64)
    x, u = randn(T, B, N), randn(T, B, 1)
    h, _ = layer({"x": x, "u": u}, lengths=LENGTHS)
    for b, length in enumerate(LENGTHS):
        same(h[:length, b], layer({"x": x[:length, b], "u": u[:length, b]})[0])


@pytest.mark.parametrize(("steps", "batch"), [(0, 3), (5, 0), (0, 0), (1, 1), (1, 3)])
def test_empty_and_small(layer, steps, batch):
    state = first_state(layer, batch)
    x = randn(steps, batch, N).requires_grad_()
    outputs, final = layer(x, state)
    assert outputs.shape == (steps, batch, 3)
    if steps == 0:
        same(final, state)
    assert {name: value.shape for name, value in final.items()} == {n: v.shape for n, v in state.items()}
    total = outputs.sin().sum() + sum(value.sin().sum() for value in final.values())
    gradients = torch.autograd.grad(total, [x, *layer.parameters()], allow_unused=True)
    assert gradients[0].shape == x.shape
    if steps * batch == 0:
        assert not any(g is not None and g.any() for g in gradients)
    else:
        assert gradients[0].any()


def test_only_sequences_of_length_zero(layer):
    state = first_state(layer)
    outputs, final = layer(randn(T, B, N), state, lengths=[0] * B)
    assert outputs.shape == (T, B, 3)
    assert not outputs.any()
    same(final, state)


@pytest.mark.parametrize("lengths", [[3, 0, 7, 1, 5], [3, -1, 5, 1, 5], [3, 5], 5], ids=str)
def test_wrong_lengths(layer, lengths):
    with pytest.raises(DataError, match="whole numbers from 0 to T = 6"):
        layer(randn(T, B, N), lengths=lengths)


def test_fractions_are_no_lengths(layer):
    with pytest.raises(DataError, match="whole numbers"):
        layer(randn(T, B, N), lengths=[1.5, 2, 3, 4, 5])


def test_a_packed_sequence_knows_its_lengths(layer):
    with pytest.raises(DataError, match="leave lengths out"):
        layer(pack_sequence([randn(3, N)]), lengths=[3])
