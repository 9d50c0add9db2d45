"""Products of numbers that are rounded, to bf16 or to 8 bits, under each instruction set."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from by_core import LENGTHS, Numbers, arrays, program
from stepwise import cell
from unrolled.equations.library import load
from unrolled.native import execution
from unrolled.native.core import QUARTERS, Core
from unrolled.nn import Recurrent, language_model
from unrolled.program.adjoint import adjoint_of
from unrolled.program.compile import compile_system
from unrolled.program.instructions import Program
from unrolled.runtime import Model, Sampling

# rows, what is summed, results: around a tile, a panel, and what is multiplied at once
SIZES = [(1, 1, 1), (2, 3, 5), (15, 33, 17), (16, 32, 16), (31, 64, 65), (100, 513, 70), (3, 1100, 130), (1100, 40, 33)]


@cache
def linear(k: int, n: int) -> Program:
    return compile_system(load(f"x : {k}\ny : {n}\ny_t = W x_t"), {}, precision="bf16")


def rounded(array: np.ndarray) -> np.ndarray:
    """To the nearest bf16, as float64."""
    return torch.from_numpy(array).bfloat16().double().numpy()


def near(found: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """left right, up to what a sum of floats loses."""
    bound = left.shape[1] * 2.0**-23 * (np.abs(left) @ np.abs(right)) + 1e-30
    assert (np.abs(found - left @ right) <= bound).all()


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_a_product_and_its_gradients(core: Core, sizes: tuple[int, int, int]) -> None:
    rows, k, n = sizes
    random = np.random.default_rng(sum(sizes))
    x, matrix, g = (random.standard_normal(shape).astype(np.float32) for shape in ((rows, k), (n, k), (rows, n)))
    p = linear(k, n)
    run = execution.forward(core, 2, p, [x], [], [matrix], [rows])
    near(run.outputs[0], rounded(x), rounded(matrix).T)
    adjoint = adjoint_of(p, (True,), (True,))
    (dx,), _, (dw,) = execution.backward(core, 2, p, adjoint, [x], [matrix], [x], [g], [], [rows])
    assert dx is not None
    assert dw is not None
    near(dx, rounded(g), rounded(matrix))
    near(dw, rounded(g).T, rounded(x))


def test_numbers_are_rounded_as_torch_rounds_them(core: Core) -> None:
    one = np.array([1.0], np.float32)
    steps = one + np.arange(33, dtype=np.float32) * 2.0**-9  # among them ties, down and up
    wild = np.array([0.0, 1e-3, 3.3e38, np.inf, np.nan, 65504.0], np.float32)
    for numbers in (steps, -steps, wild, -wild):
        x = numbers[:, None]
        found = execution.forward(core, 1, linear(1, 1), [x], [], [one[:, None]], [len(x)]).outputs[0]
        np.testing.assert_array_equal(found, rounded(x))


def test_what_is_no_number_stays_in_its_row(core: Core) -> None:
    x, matrix = np.ones((40, 70), np.float32), np.ones((33, 70), np.float32)
    x[17, 69] = np.nan
    found = execution.forward(core, 2, linear(70, 33), [x], [], [matrix], [40]).outputs[0]
    assert np.isnan(found[17]).all()
    assert (np.delete(found, 17, 0) == 70).all()


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("name", ["elman", "torch_rnn", "gru", "lstm", "minimal_gated"])
def test_cells(core: Core, name: str, lengths: tuple[int, ...]) -> None:
    """The reference rounds too. A last bit may round a number to its other neighbour, 2⁻⁸ away."""
    made = program(cell(name))
    half = Program.from_dict({**made.to_dict(), "precision": "bf16"})
    numbers = Numbers(half, lengths, torch.float32)
    expected = numbers.by_reference()
    for found, wanted in zip(numbers.by_core(core, 2), expected, strict=True):
        if found is not None and wanted is not None:
            assert np.linalg.norm(found - wanted.numpy()) <= 2.0**-8 * max(float(wanted.norm()), 1e-3)


@pytest.mark.parametrize(
    ("name", "h", "lengths"), [("lstm", 33, (9, 7, 7, 3, 0)), ("torch_rnn", 256, (4,)), ("gru", 384, (4, 4))]
)
def test_no_bit_depends_on_threads(core: Core, name: str, h: int, lengths: tuple[int, ...]) -> None:
    made = compile_system(load(name, outputs=("h",)), {"x": 5, "h": h}, precision="bf16")
    numbers = Numbers(made, lengths, torch.float32, scale=0.05)
    numbers.by_reference()
    one, *others = (numbers.by_core(core, threads) for threads in (1, 2, 3))
    for other in others:
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True) if a is not None)


def test_a_row_is_the_same_alone_and_beside_others(core: Core) -> None:
    lstm = compile_system(load("lstm"), {"x": 40, "h": 20}, precision="bf16")
    numbers = Numbers(lstm, (4,) * 37, torch.float32)
    inputs, initial, parameters = map(arrays, (numbers.inputs, numbers.initial, numbers.parameters))
    together = execution.forward(core, 2, lstm, inputs, initial, parameters, [37] * 4)
    for row in range(37):
        own = [each.reshape(4, 37, -1)[:, row] for each in inputs], [each[row : row + 1] for each in initial]
        alone = execution.forward(core, 1, lstm, *own, parameters, [1] * 4)
        for a, b in zip(alone.final, together.final, strict=True):
            assert np.array_equal(a[0], b[row])


def to_eight_bits(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers row by row, and what one of them is worth."""
    largest = np.abs(array).max(-1, keepdims=True)
    inverse = np.divide(np.float32(127), largest, where=largest > 0, out=np.zeros_like(largest))
    return np.rint(array * inverse).astype(np.int64), (largest / np.float32(127)).astype(np.float64)


# the last: whether a number times 127 / largest may fall on the other side of a half, which moves a sum by one weight
@pytest.mark.parametrize("sizes", [(1, 2, 1, 0), (5, 27, 2, 0), (67, 65, 3, 0), (300, 130, 30, 1)], ids=str)
def test_eight_bits(core: Core, sizes: tuple[int, int, int, int]) -> None:
    """One step of h = relu(U x + W h), o = V h + c from a state that is given."""
    hidden, symbols, batch, halves = sizes
    torch.manual_seed(hidden)
    made = language_model("h_t = relu(U x_t + W h_{t-1})\ny_t = V h_t + c", symbols, hidden)
    parameters = {name: p.detach().numpy() for name, p in made.named_parameters()}
    model = Model(made.programs(), parameters, core, 2, "int8")
    random = np.random.default_rng(hidden)
    states = [random.standard_normal(each.shape).astype(np.float32) for each in model.start(batch)]
    ids = random.integers(0, symbols, (1, batch))
    h, logits = model.write(tuple(states), ids, 0).states
    rounded_w, w = to_eight_bits(parameters["W"])
    rounded_h, scale = to_eight_bits(states[0])
    expected = np.maximum((rounded_h @ rounded_w.T) * scale * w.T + parameters["U"].T[ids[0]], 0)
    assert np.abs(h - expected).max() <= 1e-5 + halves * (scale * 127 * w.T).max()
    rounded_v, v = to_eight_bits(parameters["V"])
    rounded_h, scale = to_eight_bits(h)
    expected = (rounded_h @ rounded_v.T) * scale * v.T + parameters["c"]
    assert np.abs(logits - expected).max() <= 1e-5 + halves * (scale * 127 * v.T).max()


def test_what_eight_bits_cannot_hold(core: Core) -> None:
    how = core.how(np.dtype(np.float32), 1)
    assert core.packed_size(how, 1 << 16, 3, QUARTERS) > 0
    assert core.packed_size(how, (1 << 16) + 1, 3, QUARTERS) < 0  # a sum might overflow
    assert core.packed_size(core.how(np.dtype(np.float64), 1), 4, 4, QUARTERS) < 0


TEXT = "the sea, the sky, the sand and the ship that sails; " * 8


@cache
def trained(precision: str) -> tuple[Recurrent, float]:
    """A network that has learnt a text, and its loss, in nats per character."""
    torch.manual_seed(0)
    alphabet = sorted(set(TEXT))
    ids = torch.tensor([alphabet.index(c) for c in TEXT])
    model = language_model("gru", len(alphabet), 48, precision=precision)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        loss = cross_entropy(model, ids)
        loss.backward()
        optimiser.step()
    return model, cross_entropy(model, ids).item()


def cross_entropy(model: Recurrent, ids: Tensor) -> Tensor:
    logits, _ = model.logits(ids[:-1, None])
    return nn.functional.cross_entropy(logits[:, 0], ids[1:])


def test_training_in_bf16_learns_as_much() -> None:
    untrained = np.log(len(set(TEXT)))
    assert trained("fp32")[1] < 0.2 * untrained
    assert abs(trained("bf16")[1] - trained("fp32")[1]) < 0.02


@pytest.mark.parametrize(("precision", "bound"), [("bf16", 0.005), ("int8", 0.02)])
def test_a_trained_network_loses_little(core: Core, precision: str, bound: float) -> None:
    """Its loss on its text, in nats per character."""
    network, loss = trained("fp32")
    parameters = {name: p.detach().numpy() for name, p in network.named_parameters()}
    model = Model(network.programs(), parameters, core, 1, precision)
    alphabet = sorted(set(TEXT))
    states, total = model.start(1), 0.0
    for here, after in pairwise(TEXT):
        states = model.write(states, np.array([[alphabet.index(here)]]), 0, Sampling()).states
        logits = states[-1][0].astype(np.float64)
        total += np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[alphabet.index(after)]
    assert abs(total / (len(TEXT) - 1) - loss) < bound
