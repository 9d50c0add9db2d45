"""The derivative of each elementwise operation: by complex step, by mpmath, and at kinks as torch takes it."""

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stepwise import MEANINGS
from unrolled.calculus import arrays
from unrolled.calculus.evaluate import evaluate
from unrolled.equations.expression import Expression, symbol
from unrolled.equations.operations import ELEMENTWISE, Operation

FLAT = ("sign", "positive", "heaviside", "within")
DATA = {
    "pow": [(2.0,), (3.0,), (0.5,), (-1.5,), (-2.0,), (1.0,), (0.0,)],
    "clip": [(-0.5, 1.0)],
    "within": [(-0.5, 1.0)],
}
KINKS = {"relu": 0.0, "abs": 0.0, "sign": 0.0, "positive": 0.0, "heaviside": 0.0}
CASES = [
    pytest.param(entry, data, id=" ".join([name, *map(str, data)]))
    for name, entry in ELEMENTWISE.items()
    for data in DATA.get(name, [()])
]
SYMBOLS = symbol("a"), symbol("b")


def derivatives(entry: Operation, data: tuple[float, ...], *points: float) -> list[float]:
    """∂/∂ each argument, from the table, as numbers."""
    args = SYMBOLS[: entry.arity]
    node = Expression(entry.name, args, data)
    found = evaluate(entry.derivative(node, *args), dict(zip(args, map(np.asarray, points), strict=True)))
    return [float(each) for each in found]


def away_from_kinks(entry: Operation, points: list[float]) -> bool:
    if entry.name in ("max", "min"):
        return abs(points[0] - points[1]) > 1e-3
    if entry.name in ("clip", "within"):
        return min(abs(points[0] + 0.5), abs(points[0] - 1)) > 1e-3
    return abs(points[0] - KINKS.get(entry.name, math.inf)) > 1e-3


def domain(entry: Operation, data: tuple[float, ...]) -> st.SearchStrategy[float]:
    if entry.name in ("log", "sqrt", "pow"):
        return st.floats(0.1, 4)
    return st.floats(-4, 4).filter(lambda x: abs(x) > 0.1) if entry.name == "div" else st.floats(-4, 4)


@pytest.mark.parametrize(("entry", "data"), CASES)
@given(draw=st.data())
def test_the_complex_step(entry: Operation, data: tuple[float, ...], draw: st.DataObject) -> None:
    points = [draw.draw(domain(entry, data)) for _ in range(entry.arity)]
    if not away_from_kinks(entry, points):
        return
    for place, found in enumerate(derivatives(entry, data, *points)):
        shifted = [np.asarray(complex(p, 1e-30 * (i == place))) for i, p in enumerate(points)]
        expected = 0.0 if entry.name in FLAT else np.imag(entry.value(arrays, *shifted, *data)) / 1e-30
        assert found == pytest.approx(float(expected), rel=1e-12, abs=1e-14)


SMOOTH = {
    "neg": lambda a: -a,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "scale": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, p: a**p,
    "tanh": mpmath.tanh,
    "sigmoid": lambda a: 1 / (1 + mpmath.exp(-a)),
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sqrt": mpmath.sqrt,
    "softplus": lambda a: mpmath.log(1 + mpmath.exp(a)),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "relu": lambda a: a if a > 0 else mpmath.mpf(0),
    "abs": lambda a: a if a > 0 else -a,
    "max": lambda a, b: a if a > b else b,
    "min": lambda a, b: a if a < b else b,
    "clip": lambda a, low, high: min(max(a, low), high),
    **dict.fromkeys(FLAT, lambda a, *data: mpmath.mpf(0)),
}


@pytest.mark.parametrize(("entry", "data"), CASES)
def test_mpmath(entry: Operation, data: tuple[float, ...]) -> None:
    """A central difference with fifty digits."""
    for points in ((0.7, 1.3), (2.1, 0.4), (1.7, 1.2)):
        own = points[: entry.arity]
        for place, found in enumerate(derivatives(entry, data, *own)):
            with mpmath.workdps(50):
                exact = tuple(map(mpmath.mpf, own))
                order = tuple(int(i == place) for i in range(entry.arity))
                slope = mpmath.diff(lambda *a: SMOOTH[entry.name](*a, *data), exact, order)
            assert found == pytest.approx(float(slope), rel=1e-13, abs=1e-15)


@pytest.mark.parametrize(
    ("name", "data", "points"),
    [
        ("relu", (), (0.0,)),
        ("relu", (), (-0.0,)),
        ("abs", (), (0.0,)),
        ("max", (), (0.7, 0.7)),
        ("min", (), (0.7, 0.7)),
        ("max", (), (0.0, -0.0)),
        ("clip", (-0.5, 1.0), (-0.5,)),
        ("clip", (-0.5, 1.0), (1.0,)),
        ("sign", (), (0.0,)),
        ("pow", (0.0,), (0.0,)),
        ("pow", (1.0,), (0.0,)),
        ("pow", (2.0,), (0.0,)),
        ("pow", (0.5,), (0.0,)),
        ("sqrt", (), (0.0,)),
        ("log", (), (0.0,)),
        ("div", (), (1.0, 0.0)),
        ("tanh", (), (40.0,)),
        ("sigmoid", (), (-800.0,)),
        ("softplus", (), (30.0,)),
        ("softplus", (), (-800.0,)),
        ("exp", (), (710.0,)),
    ],
)
def test_at_a_kink_and_at_the_end_of_the_range_as_torch(
    name: str, data: tuple[float, ...], points: tuple[float, ...]
) -> None:
    tensors = [torch.tensor(p, dtype=torch.float64, requires_grad=True) for p in points]
    result = MEANINGS[name](*tensors, *data)
    expected = torch.autograd.grad(result, tensors) if result.requires_grad else [torch.tensor(0.0)]
    with np.errstate(all="ignore"):
        found = derivatives(ELEMENTWISE[name], data, *points)
    np.testing.assert_allclose(found, [float(e) for e in expected], rtol=1e-14, atol=0)


def test_the_table_says_how_many_arguments_each_operation_takes() -> None:
    for name, entry in ELEMENTWISE.items():
        args = SYMBOLS[: entry.arity]
        node = Expression(name, args, tuple(DATA.get(name, [()])[0]))
        assert len(entry.derivative(node, *args)) == entry.arity
        assert entry.name == name
