"""The equations in SymPy and mpmath: with one unit, where every product is one of numbers, and with components.

Only the expressions of a System are read; nothing of ``calculus`` or ``explain`` is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mpmath
import sympy

from unrolled.equations.expression import BEFORE, NOW, Expression, Time, walk
from unrolled.equations.system import System

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "neg": lambda a: -a,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "scale": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, p: a ** sympy.Rational(str(p)),
    "tanh": sympy.tanh,
    "sigmoid": lambda a: 1 / (1 + sympy.exp(-a)),
    "relu": lambda a: sympy.Piecewise((a, a > 0), (0, True)),
    "positive": lambda a: sympy.Piecewise((1, a > 0), (0, True)),
    "exp": sympy.exp,
    "log": sympy.log,
    "sqrt": sympy.sqrt,
    "sin": sympy.sin,
    "cos": sympy.cos,
}
ONE_UNIT = FUNCTIONS | {
    "matmul": lambda a, b: a * b,
    "transpose": lambda a: a,
    "softmax": lambda a: sympy.Integer(1),  # of one number
    "dot": lambda a, b: a * b,
    "sum": lambda a: a,
    "mean": lambda a: a,
}
# numbers of fifty digits instead of symbols
FIFTY_DIGITS = ONE_UNIT | {
    "tanh": mpmath.tanh,
    "sigmoid": lambda a: 1 / (1 + mpmath.exp(-a)),
    "relu": lambda a: max(a, 0),
    "positive": lambda a: mpmath.mpf(a > 0),
    "softmax": lambda a: mpmath.mpf(1),
    "pow": lambda a, p: a**p,
    "exp": mpmath.exp,
}


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` on the components of column vectors."""

    def apply(*args: Any) -> Any:
        vectors = [a for a in args if isinstance(a, sympy.MatrixBase)]
        if not vectors:
            return function(*args)
        rows = range(vectors[0].rows)
        return sympy.Matrix([function(*(a[i] if isinstance(a, sympy.MatrixBase) else a for a in args)) for i in rows])

    return apply


def _softmax(a: Any) -> Any:
    weights = a.applyfunc(sympy.exp)
    return weights / sum(weights)


COMPONENTS = {name: _each(function) for name, function in FUNCTIONS.items()} | {
    "matmul": lambda a, b: a * b,
    "transpose": lambda a: a.T,
    "softmax": _softmax,
    "dot": lambda a, b: (a.T * b)[0],
    "sum": lambda a: sum(a),
    "concat": lambda *parts: sympy.Matrix([entry for part in parts for entry in part]),
}


def value(root: Expression, known: Mapping[tuple[str, Time | None], Any], meanings: Mapping[str, Any]) -> Any:
    """``root`` in SymPy, from what its symbols stand for."""
    found: dict[Expression, Any] = {}
    for node in walk([root]):
        if node.op == "symbol":
            found[node] = known[node.data]
        elif node.op == "number":
            found[node] = sympy.Rational(str(node.data[0]))
        else:
            found[node] = meanings[node.op](*(found[argument] for argument in node.args), *node.data)
    return found[root]


def run(
    system: System, leaves: Mapping[tuple[str, Time | None], Any], steps: int, meanings: Mapping[str, Any]
) -> dict[tuple[str, Time], Any]:
    """Every sequence at every step; ``leaves`` are keyed by name and time, as are the results."""
    fixed = {key: leaf for key, leaf in leaves.items() if key[1] is None}
    found: dict[tuple[str, Time], Any] = {}
    for t in range(steps):
        known = dict(fixed)
        known |= {(name, NOW): leaves[name, Time("", t)] for name in system.inputs}
        for name in system.states:
            known[name, BEFORE] = found[name, Time("", t - 1)] if t else leaves[name, Time("", -1)]
        for name in system.in_order():
            known[name, NOW] = found[name, Time("", t)] = value(system.definitions[name], known, meanings)
    return found
