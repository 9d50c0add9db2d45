"""The array functions of the operation table, in numpy and in torch, against torch's own at every kind of number."""

import cmath
import math

import mpmath
import numpy as np
import pytest
import torch

from stepwise import MEANINGS
from unrolled.calculus import arrays
from unrolled.engine import arrays as torch_arrays
from unrolled.equations.operations import ELEMENTWISE, FUNCTIONS, Operation

NAN, INF = math.nan, math.inf
POINTS = [
    -INF,
    -750.0,
    -40.0,
    -3.0,
    -1.0,
    -0.3,
    -1e-300,
    -0.0,
    0.0,
    1e-300,
    0.25,
    0.3,
    1.0,
    2.5,
    19.0,
    25.0,
    750.0,
    INF,
]
DATA = {
    "pow": [(2.0,), (3.0,), (0.5,), (-1.0,), (-0.5,), (0.0,), (1.0,)],
    "clip": [(-0.3, 1.0)],
    "within": [(-0.3, 1.0)],
}
CASES = [
    pytest.param(entry, data, id=" ".join([name, *map(str, data)]))
    for name, entry in ELEMENTWISE.items()
    for data in DATA.get(name, [()])
]


def grid(entry: Operation) -> list[np.ndarray]:
    """Every point, or every pair of points."""
    points = np.array(POINTS)
    return [points] if entry.arity == 1 else [each.ravel() for each in np.meshgrid(points, points)]


@pytest.mark.parametrize(("entry", "data"), CASES)
def test_numpy_and_torch_compute_what_torch_does(entry: Operation, data: tuple[float, ...]) -> None:
    args = grid(entry)
    if data == (-0.5,):  # of −0 and −∞ C and torch, which takes 1/√a, disagree
        args = [args[0][len(POINTS) // 2 :]]
    expected = MEANINGS[entry.name](*map(torch.from_numpy, args), *data).numpy()
    with np.errstate(all="ignore"):
        ours = np.asarray(entry.value(arrays, *args, *data))
    in_torch = entry.value(torch_arrays, *map(torch.from_numpy, args), *data).numpy()
    for found in (ours, in_torch):
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=4e-16 if entry.name in ("neg", "abs", "relu") else 1e-14)


@pytest.mark.parametrize(("entry", "data"), CASES)
def test_what_is_not_a_number_stays_one(entry: Operation, data: tuple[float, ...]) -> None:
    """As in torch; the flat functions, which only derivatives use, may say what they like."""
    if entry.name in ("sign", "positive", "heaviside", "within") or data == (0.0,):
        pytest.skip("a step function, or a power that is 1 everywhere")
    for place in range(entry.arity):
        args = [np.array([0.5])] * entry.arity
        args[place] = np.array([NAN])
        assert np.isnan(entry.value(arrays, *args, *data)).all()
        assert entry.value(torch_arrays, *map(torch.from_numpy, args), *data).isnan().all()
        assert MEANINGS[entry.name](*map(torch.from_numpy, args), *data).isnan().all()


def test_a_constant_operand_may_be_a_number() -> None:
    a = torch.tensor([-1.0, 0.0, 2.0])
    for name in ("max", "min", "add", "sub", "mul", "div"):
        for pair in ((a, 0.5), (0.5, a)):
            found = ELEMENTWISE[name].value(torch_arrays, *pair)
            as_tensors = [each if isinstance(each, torch.Tensor) else torch.full_like(a, each) for each in pair]
            assert torch.equal(found, MEANINGS[name](*as_tensors))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("entry", "data"), CASES)
def test_torch_keeps_the_precision(entry: Operation, data: tuple[float, ...], dtype: torch.dtype) -> None:
    args = [torch.tensor([0.5], dtype=dtype)] * entry.arity
    assert entry.value(torch_arrays, *args, *data).dtype == dtype


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "exp", "log", "sqrt", "sin", "cos"])
def test_smooth_functions_to_the_last_digits(name: str) -> None:
    """Against mpmath with 50 digits, also where a careless formula overflows or cancels."""
    exact = {
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
        "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
    }.get(name) or getattr(mpmath, name)
    points = [p for p in POINTS if math.isfinite(p) and abs(p) < 700 and (p > 0 or name not in ("log", "sqrt"))]
    with mpmath.workdps(400 if name in ("sigmoid", "softplus") else 50):
        expected = [float(exact(mpmath.mpf(p))) for p in points]
    found = ELEMENTWISE[name].value(arrays, np.array(points))
    np.testing.assert_allclose(found, expected, rtol=4e-15)
    in_torch = ELEMENTWISE[name].value(torch_arrays, torch.tensor(points, dtype=torch.float64))
    np.testing.assert_allclose(in_torch.numpy(), expected, rtol=4e-15)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softplus", "exp", "log", "sqrt", "sin", "cos", "relu", "abs"])
def test_complex_numbers_near_the_real_line(name: str) -> None:
    """What a complex step feeds: the analytic continuation on either side of a kink."""
    exact = {
        "sigmoid": lambda z: 1 / (1 + cmath.exp(-z)),
        "softplus": lambda z: cmath.log(1 + cmath.exp(z)),
        "relu": lambda z: z if z.real > 0 else 0,
        "abs": lambda z: z if z.real > 0 else -z,
    }.get(name) or getattr(cmath, name)
    for point in (-2.0, -0.5, 0.25, 3.0):
        if name in ("log", "sqrt") and point < 0:
            continue
        z = complex(point, 1e-3)
        assert cmath.isclose(complex(ELEMENTWISE[name].value(arrays, np.array(z))), exact(z), rel_tol=1e-14)


def test_every_spelling_means_an_operation_that_exists() -> None:
    assert FUNCTIONS["σ"] == FUNCTIONS["sigmoid"] == FUNCTIONS["logistic"] == "sigmoid"
    assert FUNCTIONS["ln"] == FUNCTIONS["log"] == "log"
    spelled = [spelling for entry in ELEMENTWISE.values() for spelling in entry.spellings]
    assert len(set(spelled)) == len(spelled), "a spelling with two meanings"
