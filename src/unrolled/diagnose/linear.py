"""The linear network h_t = W h_{t-1}: what eigenvalues and singular values of W say about W^t, and what they do not.

W = Q Λ Q⁻¹ gives W^t = Q Λᵗ Q⁻¹; only where W is symmetric is Q⁻¹ = Qᵀ, and a defective W has no such Q at all. Then
the Schur form W = Z T Zᴴ, with Z unitary and T triangular, gives Z Tᵗ Zᴴ. Eigenvalues decide how ‖W^t‖ ends, not how
it begins: σ_max(W) bounds one step, and a W that is not normal may grow for long before it shrinks (Trefethen & Embree
2005, chapter 14).

Shapes: W (n, n), h (n,), states (steps + 1, n).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.diagnose.plain import plain
from unrolled.errors import DataError

Array = NDArray[np.float64]
Method = Literal["symmetric", "eigenvectors", "Schur form"]

WORST_CONDITION = 1e6  # of eigenvectors: with a worse one Q Λᵗ Q⁻¹ loses more than half of the digits


@dataclass(frozen=True)
class LinearReport:
    """What W does to a state in the end (``eigenvalues``), at once (``singular_values``) and in between (``growth``).

    Eigenvalues and singular values begin with the largest; ``growth`` is ‖W^t‖₂ for t = 0, 1, …; ``departure`` from
    normality is ‖T − diag T‖_F / ‖W‖_F of the Schur form, 0 where W is normal (Henrici 1962); ``condition`` that of
    the eigenvectors, ∞ where there are too few; ``method`` is the form that gives W^t with all its digits.
    """

    eigenvalues: tuple[complex, ...]
    singular_values: tuple[float, ...]
    growth: tuple[float, ...]
    departure: float
    condition: float
    method: Method

    @property
    def radius(self) -> float:
        """ρ, the largest |λ|: ‖W^t‖^(1/t) → ρ."""
        return abs(self.eigenvalues[0])

    @property
    def peak(self) -> tuple[int, float]:
        """The step at which ‖W^t‖ is largest, and how large; the last step where it grows for ever."""
        step = int(np.argmax(self.growth))
        return step, self.growth[step]

    def to_dict(self) -> dict[str, Any]:
        """Plain data; an eigenvalue is its real and its imaginary part, what is not finite is None."""
        found: dict[str, Any] = plain(
            {
                "eigenvalues": [[each.real, each.imag] for each in self.eigenvalues],
                "singular_values": self.singular_values,
                "growth": self.growth,
                "departure": self.departure,
                "condition": self.condition,
                "method": self.method,
                "radius": self.radius,
                "peak": self.peak,
            }
        )
        return found


def linear_report(W: ArrayLike, steps: int = 50) -> LinearReport:
    """What W^t does to a state, for t up to ``steps``.

    Raises:
        DataError: W is no square matrix of finite real numbers.

    >>> report = linear_report([[0.9, 5.0], [0.0, 0.8]])
    >>> round(report.radius, 6), report.peak[0], round(report.peak[1], 1)
    (0.9, 6, 13.5)
    """
    matrix = _square(W)
    eigenvalues = np.linalg.eigvals(matrix)
    scale = float(np.abs(matrix).max()) or 1.0
    whole = float(((matrix / scale) ** 2).sum())  # = ‖T‖_F², on whose diagonal the eigenvalues stand
    diagonal = float((np.abs(eigenvalues / scale) ** 2).sum())
    departure = math.sqrt(max(0.0, 1 - diagonal / whole)) if whole else 0.0
    growth, product = [1.0], np.eye(len(matrix))
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            product = matrix @ product
            growth.append(float(np.linalg.norm(product, 2)) if np.isfinite(product).all() else math.inf)
    return LinearReport(
        tuple(complex(each) for each in eigenvalues[np.argsort(-np.abs(eigenvalues), kind="stable")]),
        tuple(np.linalg.svd(matrix, compute_uv=False).tolist()), tuple(growth), departure, *_method(matrix),
    )  # fmt: skip


def power(W: ArrayLike, step: int) -> Array:
    """W^t by the decomposition that keeps its digits: Q Λᵗ Qᵀ, Q Λᵗ Q⁻¹, or Z Tᵗ Zᴴ.

    >>> power([[0.5, 1.0], [0.0, 0.5]], 3)  # a Jordan block, which has one eigenvector
    array([[0.125, 0.75 ],
           [0.   , 0.125]])
    """
    if step < 0:
        raise DataError(f"W^t is asked for t = {step}; t is 0 or a later step.")
    outer, form, inverse = _decomposed(_square(W))
    found: Array = np.real(outer @ np.linalg.matrix_power(form, step) @ inverse)
    return found


def linear_states(W: ArrayLike, first: ArrayLike, steps: int) -> Array:
    """h_0, h_1 = W h_0, … up to h_steps, each a sum of powers of eigenvalues (of a defective W, with polynomials)."""
    outer, form, inverse = _decomposed(_square(W))
    coordinates = [inverse @ np.asarray(first, dtype=np.float64)]
    for _ in range(steps):
        coordinates.append(form @ coordinates[-1])
    found: Array = np.real(np.stack(coordinates) @ outer.T)
    return found


def _decomposed(matrix: Array) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(Q, Λ, Qᵀ), (Q, Λ, Q⁻¹) or (Z, T, Zᴴ), whose product is the matrix."""
    _, method = _method(matrix)
    if method == "symmetric":
        values, vectors = np.linalg.eigh(matrix)
        return vectors, np.diag(values), vectors.T
    if method == "eigenvectors":
        values, vectors = np.linalg.eig(matrix)
        return vectors, np.diag(values), np.linalg.inv(vectors)
    form, unitary = schur(matrix)
    return unitary, form, unitary.conj().T


def one_unit(w: float, steps: int) -> Array:
    """w^t for t = 0 … steps: all that one unit can do."""
    return np.asarray(w, dtype=np.float64) ** np.arange(steps + 1)


def surely_vanishes(W: ArrayLike, slope: float = 1.0) -> bool:
    """Does the gradient of h_t = φ(W h_{t-1} + …) vanish whatever the data are, because σ_max(W) · sup |φ′| < 1?

    ``slope`` is sup |φ′|: 1 of tanh, relu and the identity, ¼ of σ. Where the answer is no it may vanish all the same.
    """
    return bool(np.linalg.norm(_square(W), 2) * slope < 1)


def transient_example(radius: float = 0.9, factor: float = 30.0) -> Array:
    """A matrix [[ρ, a], [0, ρ]] of spectral radius ρ < 1 whose powers first grow: max_t ‖W^t‖₂ is ``factor``.

    >>> report = linear_report(transient_example(0.9, 30))
    >>> round(report.radius, 9), round(report.peak[1], 9)
    (0.9, 30.0)
    """
    if not (0 < radius < 1 < factor):
        raise DataError(f"The radius is {radius} and the factor {factor}; give one between 0 and 1, and one above 1.")
    t = np.arange(10 + math.ceil(10 / -math.log(radius)))

    def peak(a: float) -> float:
        powers = np.zeros((len(t), 2, 2))  # [[ρᵗ, a t ρᵗ⁻¹], [0, ρᵗ]]
        powers[:, 0, 0] = powers[:, 1, 1] = radius**t
        powers[:, 0, 1] = a * t * radius ** (t - 1.0)
        return float(np.linalg.norm(powers, 2, axis=(1, 2)).max())

    low, high = 0.0, factor  # one step already grows by more than a
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if peak(middle) < factor else (low, middle)
    return np.array([[radius, high], [0.0, radius]])


def _square(W: ArrayLike) -> Array:
    matrix = np.asarray(W, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size or not np.isfinite(matrix).all():
        raise DataError(f"W has the shape {matrix.shape}; it must be a square matrix of finite numbers.")
    return matrix


def _method(matrix: Array) -> tuple[float, Method]:
    """The condition of the eigenvectors, and which form gives powers with all their digits."""
    if np.array_equal(matrix, matrix.T):
        return 1.0, "symmetric"
    condition = float(np.linalg.cond(np.linalg.eig(matrix)[1]))
    condition = condition if condition < 1 / np.finfo(float).eps else math.inf
    return condition, "eigenvectors" if condition < WORST_CONDITION else "Schur form"


def schur(W: ArrayLike) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """T and Z of W = Z T Zᴴ, T upper triangular with the eigenvalues on its diagonal, Z unitary.

    The QR algorithm with Wilkinson's shifts (Golub & Van Loan 2013, chapter 7): W needs no full set of eigenvectors.
    """
    form = _square(W).astype(np.complex128)
    unitary = np.eye(len(form), dtype=np.complex128)
    small = np.finfo(float).eps * float(np.linalg.norm(form))
    last, tried = len(form) - 1, 0
    while last > 0:
        if np.linalg.norm(form[last, :last]) <= small:
            form[last, :last] = 0
            last, tried = last - 1, 0
            continue
        tried += 1
        shift = _shift(form[last - 1 : last + 1, last - 1 : last + 1])
        if tried % 10 == 0:  # a shift out of the way, for what turns in circles
            shift += np.abs(form[last, last - 1])
        block = slice(0, last + 1)
        q, r = np.linalg.qr(form[block, block] - shift * np.eye(last + 1))
        form[block, block] = r @ q + shift * np.eye(last + 1)
        form[block, last + 1 :] = q.conj().T @ form[block, last + 1 :]
        unitary[:, block] = unitary[:, block] @ q
    return np.triu(form), unitary


def _shift(corner: NDArray[np.complex128]) -> complex:
    """The eigenvalue of the last 2×2 block that is nearer to its last entry."""
    values = np.linalg.eigvals(corner)
    return complex(values[np.argmin(np.abs(values - corner[1, 1]))])
