"""The core's elementwise functions: float32 against float64, float64 against mpmath, over all exponents."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unrolled.calculus import arrays
from unrolled.equations.operations import ELEMENTWISE
from unrolled.errors import BackendError
from unrolled.native.core import Core

Exact = Callable[[mpmath.mpf], mpmath.mpf]
EXACT: dict[str, Exact] = {
    "tanh": mpmath.tanh,
    "exp": mpmath.exp,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}
DOUBLE: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "tanh": np.tanh, "exp": np.exp, "sigmoid": arrays.sigmoid, "softplus": arrays.softplus,
}  # fmt: skip
BOUND = 2.0  # units in the last place


def every_exponent(dtype: type, mantissas: int) -> NDArray[np.floating]:
    """``mantissas`` numbers of each sign and exponent, denormal ones included, and both zeros."""
    random = np.random.default_rng(0)
    bits, exponents = (np.uint32, 256) if dtype is np.float32 else (np.uint64, 2048)
    width = np.finfo(dtype).nmant
    mantissa = random.integers(0, 2**width, (2, exponents, mantissas), dtype=bits)
    sign = np.array([0, 1], bits).reshape(2, 1, 1) << bits(8 * dtype().itemsize - 1)
    exponent = np.arange(exponents, dtype=bits).reshape(1, -1, 1) << bits(width)
    found = (sign | exponent | mantissa).view(dtype).ravel()
    return np.concatenate([found[np.isfinite(found)], np.array([0.0, -0.0], dtype)])


def where_it_bends(dtype: type, count: int) -> NDArray[np.floating]:
    """Numbers in the range in which these functions are neither 0, 1 nor their argument."""
    random = np.random.default_rng(1)
    wide = random.uniform(-110 if dtype is np.float32 else -760, 90 if dtype is np.float32 else 710, count)
    return np.concatenate([random.uniform(-10, 10, count), random.uniform(-1, 1, count), wide]).astype(dtype)


def errors(found: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.floating]:
    """|found − wanted| in units of the last place of ``found``'s dtype at ``wanted``; inf where only one is finite."""
    rounded = wanted.astype(found.dtype)
    same = rounded == found
    with np.errstate(all="ignore"):
        error = np.abs(found - wanted) / np.spacing(np.abs(rounded))
    return np.where(same, np.minimum(np.nan_to_num(error), 0.5), np.where(np.isfinite(found), error, np.inf))


@pytest.mark.parametrize("name", EXACT)
def test_float32(core: Core, name: str) -> None:
    x = np.concatenate([every_exponent(np.float32, 400), where_it_bends(np.float32, 100_000)])
    with np.errstate(all="ignore"):
        wanted = DOUBLE[name](x.astype(np.float64))
        assert errors(core.apply(name, x), wanted).max() <= BOUND


@pytest.mark.parametrize("name", EXACT)
def test_float64(core: Core, name: str) -> None:
    x = np.concatenate([every_exponent(np.float64, 1), where_it_bends(np.float64, 1_000)])
    found = core.apply(name, x)
    with mpmath.workprec(1200):
        for value, result in zip(x, found, strict=True):
            # beyond these, the result is one that float64 cannot tell from a limit
            exact = EXACT[name](mpmath.mpf(float(min(max(value, -2000.0), 2000.0) if name != "softplus" else value)))
            if exact > np.finfo(np.float64).max:
                assert result == np.inf, value
                continue
            unit = np.spacing(abs(np.float64(exact)))
            assert abs(mpmath.mpf(float(result)) - exact) <= BOUND * mpmath.mpf(float(unit)), value


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits_and_what_is_no_number(core: Core, dtype: type) -> None:
    x = np.array([-np.inf, np.inf, np.nan, 0.0], dtype)
    for name, limits in {"tanh": (-1, 1, 0), "sigmoid": (0, 1, 0.5), "exp": (0, np.inf, 1)}.items():
        assert np.array_equal(core.apply(name, x), np.array([*limits[:2], np.nan, limits[2]], dtype), equal_nan=True)
    assert np.array_equal(core.apply("softplus", x[:3]), np.array([0, np.inf, np.nan], dtype), equal_nan=True)
    assert np.signbit(core.apply("tanh", np.array([-0.0], dtype))).all()
    for name in set(core.functions):
        assert np.isnan(core.apply(name, np.array([np.nan], dtype), 0.5, 1.0)).all() == (name not in NOT_NAN), name


# what has only the values 0 and 1 says 1 or 0 for no number, as numpy's definition does
NOT_NAN = {"positive", "within"}


def test_every_function_of_the_table_is_there(core: Core) -> None:
    unary = {name for name, entry in ELEMENTWISE.items() if entry.arity == 1}
    assert set(core.functions) == unary | {"copy"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_as_the_table_defines_it(core: Core, dtype: type, data: st.DataObject) -> None:
    width = 8 * dtype().itemsize
    numbers = st.floats(-50, 50, width=width) | st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0])
    x = np.array(data.draw(st.lists(numbers, max_size=70)), dtype)
    name = data.draw(st.sampled_from([name for name in core.functions if name != "copy"]))
    constants = {"pow": (2.0,), "clip": (-1.0, 2.0), "within": (-1.0, 2.0)}.get(name, ())
    with np.errstate(all="ignore"):
        wanted = np.asarray(ELEMENTWISE[name].value(arrays, x.astype(np.float64), *constants))
    found = core.apply(name, x, *constants)
    assert found.dtype == dtype
    assert found.shape == x.shape
    np.testing.assert_allclose(found, wanted.astype(dtype), rtol=4 * np.finfo(dtype).eps, atol=0)


@given(place=st.integers(0, 40), size=st.integers(1, 41))
def test_a_value_does_not_depend_on_its_place(core: Core, place: int, size: int) -> None:
    x = np.linspace(-3, 3, 41).astype(np.float32)
    row = np.roll(x, place)[:size]
    for name in EXACT:
        assert np.array_equal(core.apply(name, row), np.roll(core.apply(name, x), place)[:size])


def test_what_is_refused(core: Core) -> None:
    with pytest.raises(BackendError, match="there is no such function"):
        core.apply("tahn", np.zeros(3))
    with pytest.raises(BackendError, match="not with int64"):
        core.apply("tanh", np.zeros(3, np.int64))
