"""The array functions that the operation table asks for, in numpy; they accept complex numbers (for complex steps)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

tanh, exp, log, sin, cos, sqrt = np.tanh, np.exp, np.log, np.sin, np.cos, np.sqrt


def sigmoid(a: Array) -> Array:
    a = np.asarray(a)
    e = np.exp(np.where(a.real < 0, a, -a))  # never overflows
    return np.asarray(np.where(a.real < 0, e, 1) / (1 + e))


def softplus(a: Array) -> Array:
    a = np.asarray(a)
    return np.where(a.real > 0, a, 0) + np.log1p(np.exp(np.where(a.real > 0, -a, a)))


def relu(a: Array) -> Array:
    return np.where(np.asarray(a).real <= 0, 0, a)


def abs(a: Array) -> Array:
    real = np.asarray(a).real  # flat at its kink for a complex step, as its derivative says
    return np.where(real == 0, 0, np.where(real < 0, -a, a))


def pow(a: Array, exponent: float) -> Array:
    whole = exponent == int(exponent) and exponent >= 0
    return np.asarray(np.asarray(a) ** (int(exponent) if whole else exponent))


def maximum(a: Array, b: Array) -> Array:
    return _chosen(np.isnan(a) | (np.asarray(a).real > np.asarray(b).real), a, b)


def minimum(a: Array, b: Array) -> Array:
    return _chosen(np.isnan(a) | (np.asarray(a).real < np.asarray(b).real), a, b)


def _chosen(first: Array, a: Array, b: Array) -> Array:
    """a or b; of a tie, half of each, which matters for a complex step only."""
    tie = np.asarray(a).real == np.asarray(b).real
    return np.where(tie, 0.5 * np.asarray(a) + 0.5 * np.asarray(b), np.where(first, a, b))


def clip(a: Array, low: float, high: float) -> Array:
    return np.where(np.asarray(a).real < low, low, np.where(np.asarray(a).real > high, high, a))


def sign(a: Array) -> Array:
    return np.asarray(np.sign(np.asarray(a).real))


def positive(a: Array) -> Array:
    """1 above 0, else 0."""
    return np.where(np.asarray(a).real <= 0, 0.0, 1.0)


def heaviside(a: Array) -> Array:
    """1 above 0, ½ at 0, 0 below."""
    return np.asarray(0.5 * (np.sign(np.asarray(a).real) + 1))


def within(a: Array, low: float, high: float) -> Array:
    """1 from ``low`` to ``high``, both included, else 0."""
    real = np.asarray(a).real
    return np.asarray((real >= low) & (real <= high), float)
