"""Expressions evaluated in numpy: the plainest meaning of the equations, in float64 or complex128."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from unrolled.calculus import arrays
from unrolled.calculus.arrays import Array
from unrolled.equations.expression import BEFORE, NOW, Expression, symbol, walk
from unrolled.equations.operations import ELEMENTWISE, LAYERNORM_EPSILON
from unrolled.equations.sizes import Size, Unifier
from unrolled.equations.system import System
from unrolled.errors import SizeError


def _softmax(a: Array) -> Array:
    e = np.exp(a - a.real.max())
    return np.asarray(e / e.sum())


def _layernorm(a: Array) -> Array:
    centred = a - a.mean()
    return np.asarray(centred / np.sqrt((centred**2).mean() + LAYERNORM_EPSILON))


def _matmul(a: Any, b: Any) -> Any:
    """A product; a number multiplies, and a column before a row is their outer product."""
    a, b = np.asarray(a), np.asarray(b)
    if not (a.ndim and b.ndim):
        return a * b
    return a[:, None] @ b if a.ndim == 1 and b.ndim == 2 else a @ b


_VECTOR: dict[str, Callable[..., Any]] = {
    "matmul": _matmul,
    "transpose": lambda a: a[None, :] if a.ndim == 1 else a.T,
    "outer": lambda a, b: np.outer(a, b),
    "concat": lambda *parts: np.concatenate([np.atleast_1d(part) for part in parts]),
    "softmax": lambda a: _softmax(np.atleast_1d(a)).reshape(np.shape(a)),
    "layernorm": _layernorm,
    "dot": lambda a, b: (a * b).sum(),
    "sum": lambda a: a.sum(),
    "mean": lambda a: a.mean(),
    "slice": lambda a, low, high: a[low:high],
    "expand": lambda a, size: np.broadcast_to(np.atleast_1d(a), (size,)),
    "zeros": lambda size: np.zeros(size),
    # matrices of derivatives; a size is a number by the time that they are evaluated
    "diag": lambda a: np.diag(np.atleast_1d(a)),
    "column": lambda a: np.reshape(a, (-1, 1)),
    "eye": lambda size: np.eye(size),
    "kron_right": lambda v, rows: np.kron(np.atleast_1d(v)[None, :], np.eye(rows)),
    "kron_left": lambda v, rows: np.kron(np.eye(rows), np.atleast_1d(v)[None, :]),
    "ones_row": lambda size: np.ones((1, size)),
    "ones_column": lambda size: np.ones((size, 1)),
    "mean_row": lambda size: np.full((1, size), 1 / size),
    "stack": lambda *parts: np.concatenate(_same_width(parts)),
    "zero": lambda rows, columns=1: np.zeros((rows, columns)),
}


def _same_width(parts: Iterable[Array]) -> list[Array]:
    """Blocks of rows; one of zeros takes the width of the others."""
    blocks = [np.atleast_2d(part) for part in parts]
    width = max(block.shape[1] for block in blocks)
    return [np.broadcast_to(b, (b.shape[0], width)) if b.shape[1] == 1 and not b.any() else b for b in blocks]


def evaluate(
    roots: Iterable[Expression], values: Mapping[Expression, Any], sizes: Callable[[Size], int] | None = None
) -> list[Any]:
    """The value of each root, from the values of the symbols: a vector has shape (n,), a matrix (m, n).

    ``sizes`` gives the sizes that stand in the expression as unknowns.
    """
    roots = list(roots)
    found: dict[Expression, Any] = {}
    for node in walk(roots, values):
        if node in values:
            found[node] = values[node]
            continue
        if node.op == "number":
            found[node] = np.float64(node.data[0])
            continue
        args = [found[argument] for argument in node.args]
        data = [sizes(value) if sizes and isinstance(value, Size) else value for value in node.data]
        if node.op in ELEMENTWISE:
            found[node] = ELEMENTWISE[node.op].value(arrays, *args, *data)
        elif node.op == "symbol":
            raise KeyError(node)
        else:
            found[node] = _VECTOR[node.op](*args, *data)
    return [found[root] for root in roots]


def run(
    system: System, parameters: Mapping[str, Any], inputs: Mapping[str, Array], initial: Mapping[str, Any], steps: int
) -> dict[str, Array]:
    """Every sequence of ``system`` over time, step by step: inputs and results have shape (T, n) (one sequence)."""
    fixed = {symbol(name): value for name, value in {**dict(system.constants), **parameters}.items()}
    names = system.in_order()
    state = {name: initial[name] for name in system.states}
    rows: dict[str, list[Any]] = {name: [] for name in names}
    for t in range(steps):
        values = fixed | {symbol(name, NOW): array[t] for name, array in inputs.items()}
        values |= {symbol(name, BEFORE): value for name, value in state.items()}
        for name in names:
            (value,) = evaluate([system.definitions[name]], values)
            if system.shapes[name] and not np.ndim(value):  # a scalar that defines a vector
                known = {**{n: a[t] for n, a in inputs.items()}, **initial, **parameters}
                value = np.full(_size(system, name, known), value)
            values[symbol(name, NOW)] = value
            rows[name].append(value)
        state = {name: values[symbol(name, NOW)] for name in state}
    return {name: np.array(row) for name, row in rows.items()}


def _size(system: System, name: str, values: Mapping[str, Any]) -> int:
    """The size of a sequence, told by what is known."""
    unifier = Unifier({})
    for known, value in values.items():
        for size, number in zip(system.shapes[known], np.shape(value), strict=True):
            unifier.unify(size, Size(number))
    size = unifier.resolve(system.sizes[name])
    if size.terms:
        raise SizeError(f"The size of {name} does not follow from the numbers given: no parameter or input tells it.")
    return size.constant
