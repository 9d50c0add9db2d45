"""The equations evaluated in numpy: against loops written by hand, against torch's layers, against the torch loop."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from torch import nn

from recurrences import Example, recurrences
from stepwise import case, cell
from unrolled.calculus.evaluate import evaluate, run
from unrolled.equations.elaboration import system
from unrolled.equations.expression import Expression, number, symbol
from unrolled.equations.library import load
from unrolled.errors import SizeError

T, X, H = 6, 3, 4


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)


def numbers(name: str, random: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Parameters and an input for a library cell."""
    s = load(name)
    shapes = s.resolve({size: {"x": X, "h": H}.get(size, 2) for size in s.free_sizes})
    return {p: random.normal(size=shapes[p]) for p in s.parameters}, random.normal(size=(T, X))


# ── by hand ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_elman_by_hand(random: np.random.Generator) -> None:
    p, x = numbers("elman", random)
    h = first = random.normal(size=H)
    found = run(load("elman"), p, {"x": x}, {"h": first}, T)
    for t in range(T):
        h = np.tanh(p["U"] @ x[t] + p["W"] @ h)
        e = np.exp(p["V"] @ h)
        close(found["h"][t], h)
        close(found["y"][t], e / e.sum())


def test_gru_by_hand(random: np.random.Generator) -> None:
    p, x = numbers("gru", random)
    h = first = random.normal(size=H)
    found = run(load("gru"), p, {"x": x}, {"h": first}, T)
    for t in range(T):
        r = sigmoid(p["W_ir"] @ x[t] + p["b_ir"] + p["W_hr"] @ h + p["b_hr"])
        z = sigmoid(p["W_iz"] @ x[t] + p["b_iz"] + p["W_hz"] @ h + p["b_hz"])
        n = np.tanh(p["W_in"] @ x[t] + p["b_in"] + r * (p["W_hn"] @ h + p["b_hn"]))
        h = (1 - z) * n + z * h
        close(found["h"][t], h)


def test_lstm_by_hand(random: np.random.Generator) -> None:
    p, x = numbers("lstm", random)
    h, c = random.normal(size=H), random.normal(size=H)
    found = run(load("lstm"), p, {"x": x}, {"h": h, "c": c}, T)
    for t in range(T):
        i, f, o = (
            sigmoid(p[f"W_i{k}"] @ x[t] + p[f"b_i{k}"] + p[f"W_h{k}"] @ h + p[f"b_h{k}"]) for k in ("i", "f", "o")
        )
        g = np.tanh(p["W_ig"] @ x[t] + p["b_ig"] + p["W_hg"] @ h + p["b_hg"])
        c = f * c + i * g
        h = o * np.tanh(c)
        close(found["c"][t], c)
        close(found["h"][t], h)


def test_the_context_of_jordan_1986_by_hand(random: np.random.Generator) -> None:
    p, x = numbers("jordan1986", random)
    s, y = np.zeros(2), random.normal(size=2)
    found = run(load("jordan1986"), p, {"x": x}, {"s": s, "y": y}, T)
    for t in range(T):
        s = 0.5 * s + y
        h = np.tanh(p["U"] @ x[t] + p["W"] @ s + p["b"])
        e = np.exp(p["V"] @ h + p["c"])
        y = e / e.sum()
        close(found["y"][t], y)


# ── torch's layers ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "layer", "gates"),
    [
        ("torch_rnn", nn.RNN(X, H), [""]),
        ("torch_rnn_relu", nn.RNN(X, H, nonlinearity="relu"), [""]),
        ("gru", nn.GRU(X, H), ["r", "z", "n"]),
        ("lstm", nn.LSTM(X, H), ["i", "f", "g", "o"]),
        ("lstm_projection", nn.LSTM(X, H, proj_size=2), ["i", "f", "g", "o"]),
    ],
)
def test_library_cells_are_torchs_layers(
    name: str, layer: nn.RNNBase, gates: list[str], random: np.random.Generator
) -> None:
    layer = layer.double()
    p: dict[str, np.ndarray] = {}
    for side in ("i", "h"):
        for kind in ("weight", "bias"):
            stacked = getattr(layer, f"{kind}_{side}h_l0").detach().numpy()
            for gate, block in zip(gates, np.split(stacked, len(gates)), strict=True):
                p[f"{'W' if kind == 'weight' else 'b'}_{side}{gate or 'h'}"] = block
    if name == "lstm_projection":
        p["W_hr"] = layer.weight_hr_l0.detach().numpy()
    s = load(name)
    assert set(p) == set(s.parameters)
    x = random.normal(size=(T, X))
    first = {"h": random.normal(size=layer.proj_size or H)} | ({"c": random.normal(size=H)} if "c" in s.states else {})
    state = [torch.from_numpy(first[each])[None] for each in ("h", "c") if each in first]
    expected, _ = layer(torch.from_numpy(x), tuple(state) if len(state) == 2 else state[0])
    close(run(s, p, {"x": x}, first, T)["h"], expected.detach().numpy())


# ── the torch loop ──────────────────────────────────────────────────────────────────────────────────────────────


@given(recurrences(ids=False))
def test_random_recurrences_against_torch(example: Example) -> None:
    given_ = case(example, (3,))
    s, shapes = example.system, example.shapes
    assume(given_.differentiable)
    values = [t.numpy() for t in given_.expected()]
    inputs = {name: t.numpy().reshape(3, *shapes[name]) for name, t in zip(s.inputs, given_.inputs, strict=True)}
    initial = {name: t.numpy()[0].reshape(shapes[name]) for name, t in zip(s.states, given_.initial, strict=True)}
    parameters = {name: t.numpy() for name, t in zip(s.parameters, given_.parameters, strict=True)}
    try:
        found = run(s, parameters, inputs, initial, 3)
    except SizeError as error:  # only where a number is repeated to a size that nothing given has
        assume("no parameter or input tells it" not in str(error))
        raise
    for name, expected in zip(s.outputs, values, strict=False):
        close(found[name].reshape(3, -1), expected)
    for name, expected in zip(s.states, values[len(s.outputs) :], strict=True):
        close(found[name][-1].reshape(1, -1), expected)


def test_nothing_is_run_for_no_step() -> None:
    found = run(load("elman"), *_elman_numbers(), 0)
    assert found["h"].shape[0] == 0


def _elman_numbers() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, np.ndarray]]:
    given_ = case(cell("elman"), (1,))
    p = {name: t.numpy() for name, t in zip(given_.example.system.parameters, given_.parameters, strict=True)}
    return p, {"x": np.zeros((0, 3))}, {"h": np.zeros(4)}


# ── single expressions ──────────────────────────────────────────────────────────────────────────────────────────


def test_softmax_does_not_overflow() -> None:
    a = symbol("a")
    (found,) = evaluate([Expression("softmax", (a,))], {a: np.array([1000.0, 1001.0])})
    close(found, np.array([1, np.e]) / (1 + np.e))


def test_layernorm_by_hand() -> None:
    a, values = symbol("a"), np.array([1.0, 2.0, 4.0])
    (found,) = evaluate([Expression("layernorm", (a,))], {a: values})
    close(found, (values - values.mean()) / np.sqrt(values.var() + 1e-5))


def test_division_by_zero_is_infinite_and_no_exception() -> None:
    with np.errstate(divide="ignore"):
        (found,) = evaluate([number(1) / number(0)], {})
    assert found == np.inf


def test_a_scalar_that_defines_a_vector_is_repeated() -> None:
    s = system("g : vector; h_t = x_t + h_{t-1}; g_t = sum(h_t); y_t = W g_t")
    found = run(s, {"W": np.ones((2, 3))}, {"x": np.ones((1, 2))}, {"h": np.zeros(2)}, 1)
    close(found["g"], np.array([[2.0, 2, 2]]))
    close(found["y"], np.array([[6.0, 6]]))


def test_an_unknown_symbol_is_named() -> None:
    with pytest.raises(KeyError):
        evaluate([symbol("a") + symbol("b")], {symbol("a"): 1.0})
