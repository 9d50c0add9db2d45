"""``Recurrent``: what it computes, against the equations evaluated step by step in numpy and against torch's layers."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import by_hand
from derivatives import two_derivatives
from unrolled.equations.library import CELLS, load
from unrolled.errors import ConfigurationError, DataError, SizeError
from unrolled.nn import Recurrent
from unrolled.recurrence import Recurrence

F64 = torch.float64
ELMAN = "h_t = tanh(U x_t + W h_{t-1}); y_t = softmax(V h_t)"
T, B, N = 5, 3, 2


def elman(**options) -> Recurrent:
    return Recurrent(ELMAN, x=N, h=4, y=3, dtype=F64, **options)


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=F64)


def same(found, expected) -> None:
    found = {k: v.detach() for k, v in found.items()} if isinstance(found, dict) else found.detach()
    if isinstance(expected, dict):
        expected = {name: torch.as_tensor(np.ascontiguousarray(value)) for name, value in expected.items()}
    else:
        expected = torch.as_tensor(np.ascontiguousarray(expected))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


# ── what the equations say ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cell", CELLS)
def test_every_library_cell_against_numpy(cell):
    system = load(cell)
    sizes = {"x": N} | dict.fromkeys(set(system.free_sizes) - {"x"}, 4)
    layer = Recurrent(cell, sizes=sizes, dtype=F64)
    x = randn(T, B, N)
    first = {name: randn(B, 4) for name in system.states}
    outputs, state = layer(x, first)
    expected = by_hand.batch(system, by_hand.numbers(layer), x, first)
    same(state, {name: expected[name][-1] for name in system.states})
    if len(layer.system.outputs) == 1:
        same(outputs, expected[layer.system.outputs[0]])
    else:  # no read-out: the layer returns its last state
        assert not layer.system.outputs
        same(outputs, expected[system.states[-1]])


def test_torchs_rnn_in_other_letters():
    layer = Recurrent("h_t = tanh(U x_t + W h_{t-1} + b)", x=N, h=4, dtype=F64)
    theirs = nn.RNN(N, 4, dtype=F64)
    with torch.no_grad():
        layer.U.copy_(theirs.weight_ih_l0)
        layer.W.copy_(theirs.weight_hh_l0)
        layer.b.copy_(theirs.bias_ih_l0 + theirs.bias_hh_l0)
    x, h = randn(T, B, N), randn(B, 4)
    expected = two_derivatives(theirs, (x, h), lambda x, h: (lambda y, s: (y, s[0]))(*theirs(x, h[None])))
    found = two_derivatives(layer, (x, h), lambda x, h: (lambda y, s: (y, s["h"]))(*layer(x, {"h": h})))
    torch.testing.assert_close(found[0], expected[0], rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(found[1], expected[1][:-1], rtol=1e-12, atol=1e-13)  # torch has a second bias


def test_one_hot_ids_are_a_look_up():
    layer = elman()
    ids = torch.tensor([[0, 1, 1], [1, 0, 1]])
    dense = nn.functional.one_hot(ids, N).to(F64)
    for call in (layer, layer.logits):
        torch.testing.assert_close(call(ids), call(dense), rtol=1e-13, atol=1e-14)
    one = layer(ids[:, 1])[0]
    assert one.shape == (2, 3)
    same(one, layer(ids)[0][:, 1].detach())


def test_logits_are_the_argument_of_the_last_softmax():
    layer = elman()
    x = randn(T, B, N)
    probabilities, state = layer(x)
    logits, same_state = layer.logits(x)
    h = by_hand.batch(layer.system, by_hand.numbers(layer), x)["h"]
    same(logits, h @ layer.V.detach().numpy().T)
    same(probabilities, torch.softmax(logits, -1).detach())
    same(state, {"h": same_state["h"].detach()})


def test_logits_of_a_softmax_that_feeds_back():
    layer = Recurrent("jordan", x=N, h=4, y=3, dtype=F64)
    x = randn(T, B, N)
    expected = by_hand.batch(layer.system, by_hand.numbers(layer), x)
    logits, state = layer.logits(x)
    same(torch.softmax(logits, -1), expected["y"])
    same(state, {"y": expected["y"][-1]})


@pytest.mark.parametrize("cell", ["jordan", "jordan1986", "output_feedback"])
@pytest.mark.parametrize("options", [{"num_layers": 3}, {"num_layers": 2, "bidirectional": True}])
def test_a_softmax_that_the_layer_above_reads_is_a_softmax(cell, options):
    layer = Recurrent(cell, x=N, h=4, y=3, dtype=F64, **options)
    x = randn(T, B, N)
    expected, after = layer(x)
    logits, state = layer.logits(x)
    top = torch.cat([torch.softmax(part, -1) for part in logits.split(3, -1)], -1)
    same(top, expected.detach())
    same(state, {name: value.detach() for name, value in after.items()})


def test_logits_without_a_softmax_are_the_output():
    layer = Recurrent("vanilla", x=N, h=4, o=3, dtype=F64)
    x = randn(T, B, N)
    same(layer.logits(x)[0], layer(x)[0].detach())


def test_several_outputs_are_a_dict():
    recurrence = Recurrence("h_t = tanh(U x_t + W h_{t-1}); y_t = V h_t; z_t = σ(A y_t + B x_t)", outputs=["y", "z"])
    layer = Recurrent(recurrence, x=N, h=4, y=3, z=2, dtype=F64)
    x = randn(T, B, N)
    outputs, _ = layer(x)
    expected = by_hand.batch(layer.system, by_hand.numbers(layer), x)
    assert list(outputs) == ["y", "z"]
    same(outputs, {name: expected[name] for name in ("y", "z")})


def test_several_inputs_are_a_dict():
    layer = Recurrent("h_t = tanh(U x_t + A u_t + W h_{t-1}); y_t = V h_t + u_t", x=N, u=3, h=4, dtype=F64)
    x, u = randn(T, B, N), randn(T, B, 3)
    y, _ = layer({"u": u, "x": x})
    for b in range(B):
        expected = by_hand.one(layer.system, by_hand.numbers(layer), {"x": x[:, b], "u": u[:, b]})
        same(y[:, b], expected["y"])


def test_an_input_of_the_dict_may_be_ids():
    layer = Recurrent("h_t = tanh(U x_t + W h_{t-1})", x=N, h=4, dtype=F64)
    ids = torch.tensor([[0, 1], [1, 1]])
    same(layer({"x": ids})[0], layer(ids)[0].detach())


# ── states ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", [{}, {"num_layers": 2}])
def test_carrying_the_state_is_one_long_run(options):
    layer = elman(**options)
    x = randn(7, B, N)
    whole, last = layer(x)
    y1, state = layer(x[:3])
    y2, state = layer(x[3:4], state)
    y3, state = layer(x[4:], state)
    same(torch.cat([y1, y2, y3]), whole.detach())
    same(state, {"h": last["h"].detach()})
    # and a call does not change the layer
    same(layer(x)[0], whole.detach())


def test_a_learned_first_state():
    layer = Recurrent("h_t = tanh(U x_t + W h_{t-1}); h_{-1} = h0", x=N, h=4, dtype=F64)
    assert layer.h0.shape == (4,)
    x = randn(T, B, N).requires_grad_()
    first = {"h": layer.h0.detach().expand(B, 4)}
    same(layer(x)[0], by_hand.batch(layer.system, by_hand.numbers(layer), x, first)["h"])
    # as a function of h0 it is the same as of a first state given for each sequence, summed over them
    given = layer.h0.detach().expand(B, 4).clone().requires_grad_()
    (expected,) = torch.autograd.grad(layer(x, {"h": given})[0].sin().sum(), given)
    (found,) = torch.autograd.grad(layer(x)[0].sin().sum(), layer.h0)
    assert found.abs().min() > 1e-3
    same(found, expected.sum(0))


def test_a_first_state_that_is_a_number():
    layer = Recurrent("h_t = tanh(U x_t + W h_{t-1}); h_{-1} = 0.5", x=N, h=4, dtype=F64)
    x = randn(T, B, N)
    first = {"h": torch.full((B, 4), 0.5, dtype=F64)}
    same(layer(x)[0], by_hand.batch(layer.system, by_hand.numbers(layer), x, first)["h"])


def test_what_is_missing_in_the_state_starts_from_zero():
    layer = Recurrent("lstm", x=N, h=4, dtype=F64)
    x, c = randn(T, B, N), randn(B, 4)
    same(layer(x, {"c": c})[0], layer(x, {"c": c, "h": torch.zeros(B, 4, dtype=F64)})[0].detach())
    assert not torch.allclose(layer(x, {"c": c})[0], layer(x)[0])


# ── stacks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stack_against_a_loop():
    layer = elman(num_layers=3)
    assert sorted(name for name, _ in layer.named_parameters()) == ["U_l0", "U_l1", "U_l2", "V", "W_l0", "W_l1", "W_l2"]
    x, first = randn(T, B, N), randn(3, B, 4)
    y, state = layer(x, {"h": first})
    below, last = x, []
    core = load("h_t = tanh(U x_t + W h_{t-1})")
    for level in range(3):
        parameters = by_hand.numbers(layer, f"_l{level}")
        below = torch.as_tensor(by_hand.batch(core, parameters, below, {"h": first[level]})["h"])
        last.append(below[-1])
    same(y, torch.softmax(below @ layer.V.detach().T, -1))
    same(state, {"h": torch.stack(last)})


def test_two_directions_against_a_reversed_run():
    layer = elman(bidirectional=True, num_layers=2)
    assert layer.V.shape == (3, 8)
    assert layer.U_l1_reverse.shape == (4, 8)
    x, first = randn(T, B, N), randn(4, B, 4)
    y, state = layer(x, {"h": first})
    core = load("h_t = tanh(U x_t + W h_{t-1})")
    below, last = x, []
    for level in range(2):
        both = []
        for backward, suffix in enumerate(("", "_reverse")):
            parameters = by_hand.numbers(layer, f"_l{level}{suffix}")
            h = by_hand.batch(core, parameters, below, {"h": first[2 * level + backward]}, bool(backward))["h"]
            both.append(h)
            last.append(h[0 if backward else -1])
        below = torch.as_tensor(np.concatenate(both, -1))
    same(y, torch.softmax(below @ layer.V.detach().T, -1))
    same(state, {"h": np.stack(last)})


def test_upward_says_what_goes_up():
    up_c = Recurrent("lstm", num_layers=2, x=N, h=4, upward=["c"], dtype=F64)
    lstm = load("lstm")
    x = randn(T, B, N)
    below = torch.as_tensor(by_hand.batch(lstm, by_hand.numbers(up_c, "_l0"), x)["c"])
    _, state = up_c(x)
    same(state["h"][1], by_hand.batch(lstm, by_hand.numbers(up_c, "_l1"), below)["h"][-1])


def test_an_embedding_below():
    layer = Recurrent("h_t = tanh(U x_t + W h_{t-1})", num_layers=2, x=5, h=4, embedding=3, dtype=F64)
    assert layer.E_l0.shape == (3, 5)
    assert layer.U_l0.shape == (4, 3)
    assert layer.U_l1.shape == (4, 4)
    ids = torch.tensor([[0, 4], [2, 2], [1, 3]])
    plain = Recurrent("h_t = tanh(U x_t + W h_{t-1})", num_layers=2, x=3, h=4, dtype=F64)
    plain.load_state_dict({name: value for name, value in layer.state_dict().items() if name != "E_l0"})
    same(layer(ids)[0], plain(layer.E_l0.detach().T[ids])[0].detach())


@pytest.mark.parametrize("num_layers", [1, 2])
def test_dropout_scales_or_drops_what_goes_up(num_layers):
    layer = Recurrent("h_t = U x_t + W h_{t-1}; y_t = V h_t", num_layers, x=6, h=6, y=6, dropout=0.25, dtype=F64)
    with torch.no_grad():
        for name, value in layer.named_parameters():
            value.copy_(torch.zeros(6, 6) if name.startswith("W") else torch.eye(6))
    x = torch.ones(40, 5, 6, dtype=F64)
    y, state = layer(x)
    # each component passes num_layers times (into the next layer, and into the read-out)
    assert y.unique().tolist() == pytest.approx([0, (4 / 3) ** num_layers])
    kept = (y != 0).double().mean().item()
    assert kept == pytest.approx(0.75**num_layers, abs=0.05)  # 1200 draws: three standard deviations are 0.043
    assert torch.equal(state["h"].reshape(num_layers, 5, 6)[0], x[-1])  # the lowest state itself is not dropped
    same(layer.eval()(x)[0], x)


# ── storage and construction ─────────────────────────────────────────────────────────────────────────────────────


def test_pickle_and_copy():
    layer = Recurrent("gru", num_layers=2, bidirectional=True, x=N, h=4, dtype=F64)
    x = randn(T, B, N)
    expected = layer(x)[0].detach()
    copies = pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)
    for each in copies:
        same(each(x)[0], expected)
        assert str(each.system) == str(layer.system)
        assert each.logits(torch.zeros(2, B, dtype=torch.int64))[0].shape == (2, B, 8)
    with torch.no_grad():
        next(copies[1].parameters()).zero_()
    same(layer(x)[0], expected)


def test_state_dict():
    layer, other = elman(), elman()
    assert {name: tuple(value.shape) for name, value in layer.state_dict().items()} == {
        "U": (4, 2), "W": (4, 4), "V": (3, 4),
    }  # fmt: skip
    x = randn(T, B, N)
    assert not torch.allclose(layer(x)[0], other(x)[0])
    other.load_state_dict(layer.state_dict())
    same(other(x)[0], layer(x)[0].detach())


def test_first_parameters_are_within_one_over_root_h():
    layer = Recurrent("vanilla", x=300, h=100, o=50)
    for parameter in layer.parameters():
        assert parameter.abs().max() <= 0.1
        assert parameter.abs().max() > 0.09  # uniform, and not smaller


def test_dtypes():
    layer = Recurrent("gru", x=N, h=4)
    assert layer(torch.zeros(T, B, N))[0].dtype == torch.float32
    assert layer.double()(randn(T, B, N))[0].dtype == F64
    assert layer(torch.zeros(T, B, dtype=torch.int64))[0].dtype == F64


def test_repr_shows_equations_and_sizes():
    assert repr(elman()) == (
        "Recurrent(\n  h_t = tanh(U x_t + W h_{t-1}); y_t = softmax(V h_t)\n  x=2, h=4, y=3, num_layers=1\n)"
    )


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": 2, "h": 4}, SizeError, "y=…"),
        ({"x": 2, "h": 4, "y": 3, "z": 1}, SizeError, "no size 'z'"),
        ({"x": 2, "h": 0, "y": 3}, SizeError, "h = 0"),
        ({"x": 2, "h": 4, "y": 3, "num_layers": 0}, ConfigurationError, "num_layers = 0"),
        ({"x": 2, "h": 4, "y": 3, "dropout": 1.5}, ConfigurationError, r"dropout = 1\.5"),
    ],
)
def test_errors_of_the_constructor(arguments, error, message):
    with pytest.raises(error, match=message):
        Recurrent(ELMAN, **arguments)


def test_a_parameter_that_torch_has_a_use_for():
    with pytest.raises(ConfigurationError, match="'T_destination'"):
        Recurrent("h_t = T_destination x_t + h_{t-1}", x=2, h=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(T, B, 3),), "size 3.*expects 2"),
        ((torch.zeros(T, B, 1, N),), "4 dimensions"),
        ((torch.zeros(N),), "1 dimensions"),
        ((torch.zeros(T, B, N), {"c": torch.zeros(B, 4)}), "dict with keys among h; got c"),
        ((torch.zeros(T, B, N), torch.zeros(B, 4)), "dict with keys among h; got a Tensor"),
        ((torch.zeros(T, B, N), {"h": torch.zeros(4)}), r"shape \(4,\) does not fit"),
        ((torch.zeros(T, B, N), {"h": torch.zeros(B, 5)}), r"\(3, 5\).*\(3, 4\)"),
        ((torch.zeros(T, B, N), {"h": torch.zeros(B + 1, 4)}), r"\(4, 4\) does not fit the input, which has 3"),
        (({"u": torch.zeros(T, B, N)},), "reads x, but the dict gives u"),
        (([],), "list of sequences is empty"),
        (([torch.zeros(3, N), torch.zeros(2, 3)],), r"got \(3, 2\) torch.float32, \(2, 3\)"),
        (([torch.zeros(3, N), torch.zeros(N)],), r"got \(3, 2\) torch.float32, \(2,\)"),
        (([[0, 1], [1]],), "is a list. Give a tensor, or a list of tensors"),
        ((np.zeros((T, B, N)),), "is a ndarray"),
        ((torch.zeros(T, B, dtype=torch.int32),), "symbols are int64 ids"),
    ],
)
def test_errors_of_a_call(arguments, message):
    layer = Recurrent(ELMAN, x=N, h=4, y=3)
    with pytest.raises(DataError, match=message):
        layer(*arguments)


def test_a_stack_asks_for_all_its_states():
    layer = Recurrent(ELMAN, num_layers=2, x=N, h=4, y=3)
    with pytest.raises(DataError, match=r"\(3, 4\).*with 2 layers and directions it is \(2, B, 4\)"):
        layer(torch.zeros(T, B, N), {"h": torch.zeros(B, 4)})


def test_two_inputs_need_a_dict():
    layer = Recurrent("h_t = tanh(U x_t + A u_t + W h_{t-1})", x=2, u=3, h=4)
    with pytest.raises(DataError, match="reads 2 inputs: give a dict with the keys x, u"):
        layer(torch.zeros(T, B, 2))
    with pytest.raises(DataError, match="side by side"):
        layer({"x": torch.zeros(T, B, 2), "u": torch.zeros(T + 1, B, 3)})


def test_equations_without_an_input():
    with pytest.raises(DataError, match="number of steps is unknown"):
        Recurrent("h_t = tanh(W h_{t-1} + b)", h=4)({})
