"""Expressions evaluated in numpy: the plainest meaning of the equations, in float64 or complex128."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from unrolled.calculus import arrays
from unrolled.calculus.arrays import Array
from unrolled.equations.expression import BEFORE, NOW, Expression, symbol, walk
from unrolled.equations.operations import ELEMENTWISE, LAYERNORM_EPSILON
from unrolled.equations.system import System


def _softmax(a: Array) -> Array:
    e = np.exp(a - a.real.max())
    return np.asarray(e / e.sum())


def _layernorm(a: Array) -> Array:
    centred = a - a.mean()
    return np.asarray(centred / np.sqrt((centred**2).mean() + LAYERNORM_EPSILON))


_VECTOR: dict[str, Callable[..., Any]] = {
    "matmul": lambda a, b: a @ b,
    "transpose": lambda a: a.T,
    "outer": lambda a, b: np.outer(a, b),
    "concat": lambda *parts: np.concatenate([np.atleast_1d(part) for part in parts]),
    "softmax": _softmax,
    "layernorm": _layernorm,
    "dot": lambda a, b: (a * b).sum(),
    "sum": lambda a: a.sum(),
    "mean": lambda a: a.mean(),
}


def evaluate(roots: Iterable[Expression], values: Mapping[Expression, Any]) -> list[Any]:
    """The value of each root, from the values of the symbols: a vector has shape (n,), a matrix (m, n)."""
    roots = list(roots)
    found: dict[Expression, Any] = dict(values)
    for node in walk(roots, frozenset(values)):
        if node in found:
            continue
        if node.op == "number":
            found[node] = node.data[0]
            continue
        args = [found[argument] for argument in node.args]
        if node.op in ELEMENTWISE:
            found[node] = ELEMENTWISE[node.op].value(arrays, *args, *node.data)
        else:
            found[node] = _VECTOR[node.op](*args)
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
            (values[symbol(name, NOW)],) = evaluate([system.definitions[name]], values)
            rows[name].append(values[symbol(name, NOW)])
        state = {name: values[symbol(name, NOW)] for name in state}
    return {name: np.array(row) for name, row in rows.items()}
