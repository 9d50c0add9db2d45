"""Powers of a matrix by its decompositions, against plain products, and what eigenvalues alone do not tell."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from unrolled.diagnose.linear import (
    linear_report,
    linear_states,
    one_unit,
    power,
    schur,
    surely_vanishes,
    transient_example,
)  # fmt: skip
from unrolled.errors import DataError

RANDOM = np.random.default_rng(0)
TURN = np.array([[math.cos(0.7), -math.sin(0.7)], [math.sin(0.7), math.cos(0.7)]])


def jordan(value: float, size: int) -> np.ndarray:
    """A defective matrix that is not triangular: a Jordan block seen from other axes."""
    axes = np.eye(size) + 0.3 * RANDOM.standard_normal((size, size))
    return axes @ (value * np.eye(size) + np.diag(np.ones(size - 1), 1)) @ np.linalg.inv(axes)


MATRICES = {
    "one": [[-1.2]],
    "zero": np.zeros((3, 3)),
    "symmetric": (lambda a: a + a.T)(RANDOM.standard_normal((5, 5)) / 4),
    "rotation": 0.9 * TURN,
    "random": RANDOM.standard_normal((7, 7)) / 2,
    "permutation": np.roll(np.eye(4), 1, 0),
    "Jordan block": [[0.9, 1.0, 0.0], [0.0, 0.9, 1.0], [0.0, 0.0, 0.9]],
    "defective": jordan(0.8, 4),
    "nilpotent": np.diag(np.ones(4), 1),
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("step", [0, 1, 2, 13])
def test_powers(name, step):
    W = np.asarray(MATRICES[name], dtype=float)
    expected = np.linalg.matrix_power(W, step)
    assert power(W, step) == pytest.approx(expected, rel=1e-10, abs=1e-10 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("name", MATRICES)
def test_states(name):
    W = np.asarray(MATRICES[name], dtype=float)
    h = RANDOM.standard_normal(len(W))
    found = linear_states(W, h, 20)
    for state in found:
        assert state == pytest.approx(h, rel=1e-9, abs=1e-9)
        h = W @ h


@pytest.mark.parametrize("name", MATRICES)
def test_the_schur_form(name):
    W = np.asarray(MATRICES[name], dtype=float)
    form, unitary = schur(W)
    assert unitary @ form @ unitary.conj().T == pytest.approx(W, abs=1e-13)
    assert unitary @ unitary.conj().T == pytest.approx(np.eye(len(W)), abs=1e-13)
    assert not np.tril(form, -1).any()


@given(st.integers(1, 6), st.integers(0, 10_000))
def test_any_schur_form(size, seed):
    W = np.random.default_rng(seed).standard_normal((size, size))
    form, unitary = schur(W)
    assert np.abs(unitary @ form @ unitary.conj().T - W).max() < 1e-12
    expected = np.sort_complex(np.linalg.eigvals(W))
    assert np.abs(np.poly(np.diag(form)) - np.poly(expected)).max() < 1e-10


@pytest.mark.parametrize(("name", "method"), [
    ("symmetric", "symmetric"), ("random", "eigenvectors"), ("rotation", "eigenvectors"),
    ("Jordan block", "Schur form"), ("defective", "Schur form"),
])  # fmt: skip
def test_which_decomposition(name, method):
    assert linear_report(MATRICES[name]).method == method


@pytest.mark.parametrize("name", MATRICES)
def test_a_report(name):
    W = np.asarray(MATRICES[name], dtype=float)
    report = linear_report(W, steps=9)
    triangular = linalg.schur(W, output="complex")[0]
    size = np.linalg.norm(W) or 1
    assert report.departure == pytest.approx(np.linalg.norm(np.triu(triangular, 1)) / size, abs=1e-6)
    assert report.singular_values == pytest.approx(np.sqrt(np.linalg.eigvalsh(W.T @ W).clip(0))[::-1], abs=1e-7)
    assert np.poly(report.eigenvalues) == pytest.approx(np.poly(np.diag(triangular)), abs=1e-9)
    assert report.radius == pytest.approx(abs(np.diag(triangular)).max(), abs=1e-3)  # that of a defective one is rough
    assert list(map(abs, report.eigenvalues)) == sorted(map(abs, report.eigenvalues), reverse=True)
    growth = [linalg.svdvals(np.linalg.matrix_power(W, t))[0] for t in range(10)]
    assert report.growth == pytest.approx(growth, rel=1e-10)
    assert report.peak == (int(np.argmax(growth)), pytest.approx(max(growth)))
    json.dumps(report.to_dict(), allow_nan=False)


def test_growth_without_end():
    report = linear_report([[1e200]], steps=3)
    assert report.growth == (1.0, 1e200, math.inf, math.inf)
    assert report.to_dict()["growth"] == [1.0, 1e200, None, None]


@pytest.mark.parametrize(("radius", "factor"), [(0.9, 30), (0.5, 2), (0.99, 7)])
def test_a_matrix_that_grows_before_it_shrinks(radius, factor):
    W = transient_example(radius, factor)
    norms = [np.linalg.norm(np.linalg.matrix_power(W, t), 2) for t in range(2000)]
    assert max(norms) == pytest.approx(factor, rel=1e-9)
    assert norms[-1] < 1e-3
    assert W[0, 0] == W[1, 1] == radius
    assert W[1, 0] == 0


def test_one_unit():
    assert one_unit(-0.5, 3).tolist() == [1, -0.5, 0.25, -0.125]


@pytest.mark.parametrize(("W", "slope", "surely"), [
    ([[0.0, 0.99], [0.5, 0.0]], 1, True), ([[0.5, 2.0], [0.0, 0.5]], 1, False), ([[0.5, 2.0], [0.0, 0.5]], 0.25, True),
])  # fmt: skip
def test_what_suffices_for_vanishing(W, slope, surely):
    assert surely_vanishes(W, slope) is surely
    if surely:  # products of D_t W, whatever the slopes are
        product = np.eye(2)
        for _ in range(3000):
            product = np.diag(RANDOM.uniform(-slope, slope, 2)) @ W @ product
        assert np.abs(product).max() < 1e-9


@pytest.mark.parametrize("W", [[1.0, 2.0], [[1.0, 2.0]], [[math.nan]], np.zeros((0, 0))])
def test_what_is_no_square_matrix(W):
    with pytest.raises(DataError, match="square matrix of finite numbers"):
        linear_report(W)


def test_other_mistakes():
    with pytest.raises(DataError, match="t is 0 or a later step"):
        power([[1.0]], -1)
    with pytest.raises(DataError, match="one between 0 and 1, and one above 1"):
        transient_example(1.1, 30)
