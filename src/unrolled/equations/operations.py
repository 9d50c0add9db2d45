"""The elementwise operations, one entry each: value, derivative, spelling.

``value(xp, a, …)`` computes with the array functions of ``xp`` (``calculus.arrays`` for numpy, ``engine.arrays`` for
torch); ``derivative(node, a, …)`` gives one expression per argument, in terms of the result wherever that is shorter
(tanh′ = 1 − tanh²), because results are what the reverse pass saves. Where a function has a kink the derivative is
the one that torch takes: 0 for relu and abs at 0, one half each for a tie of max and min, 1 at the edges of clip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unrolled.equations.expression import Expression, number


@dataclass(frozen=True)
class Operation:
    """One elementwise operation; ``spellings`` are the function names that mean it, the first one is printed."""

    name: str
    arity: int
    value: Callable[..., Any]
    derivative: Callable[..., tuple[Expression, ...]]
    spellings: tuple[str, ...] = ()
    latex: str = ""
    constants: int = 0  # how many of the function's arguments are numbers fixed in the node


def _unary(op: str, argument: Expression) -> Expression:
    return Expression(op, (argument,))


def _share(node: Expression, one: Expression, other: Expression) -> tuple[Expression, ...]:
    """max and min: 1 for the argument that won, ½ each for a tie."""
    sign = 1 if node.op == "max" else -1
    won = Expression("heaviside", (sign * (one - other),))
    return won, 1 - won


_ENTRIES = (
    Operation("neg", 1, lambda xp, a: -a, lambda n, a: (number(-1),)),
    Operation("add", 2, lambda xp, a, b: a + b, lambda n, a, b: (number(1), number(1))),
    Operation("sub", 2, lambda xp, a, b: a - b, lambda n, a, b: (number(1), number(-1))),
    Operation("mul", 2, lambda xp, a, b: a * b, lambda n, a, b: (b, a)),
    Operation("scale", 2, lambda xp, a, b: a * b, lambda n, a, b: (b, a)),
    Operation("div", 2, lambda xp, a, b: a / b, lambda n, a, b: (1 / b, -(n / b))),
    Operation("pow", 1, lambda xp, a, p: xp.pow(a, p), lambda n, a: (n.data[0] * a ** (n.data[0] - 1),)),
    Operation("tanh", 1, lambda xp, a: xp.tanh(a), lambda n, a: (1 - n**2,), ("tanh",), r"\tanh"),
    Operation(
        "sigmoid", 1, lambda xp, a: xp.sigmoid(a), lambda n, a: (n * (1 - n),), ("σ", "sigmoid", "logistic"), r"\sigma"
    ),
    Operation("relu", 1, lambda xp, a: xp.relu(a), lambda n, a: (_unary("positive", n),), ("relu",)),
    Operation("exp", 1, lambda xp, a: xp.exp(a), lambda n, a: (n,), ("exp",), r"\exp"),
    Operation("log", 1, lambda xp, a: xp.log(a), lambda n, a: (1 / a,), ("log", "ln"), r"\log"),
    Operation("abs", 1, lambda xp, a: xp.abs(a), lambda n, a: (_unary("sign", a),), ("abs",)),
    Operation("sqrt", 1, lambda xp, a: xp.sqrt(a), lambda n, a: (0.5 / n,), ("sqrt",), r"\sqrt"),
    Operation("softplus", 1, lambda xp, a: xp.softplus(a), lambda n, a: (_unary("sigmoid", a),), ("softplus",)),
    Operation("sin", 1, lambda xp, a: xp.sin(a), lambda n, a: (_unary("cos", a),), ("sin",), r"\sin"),
    Operation("cos", 1, lambda xp, a: xp.cos(a), lambda n, a: (-_unary("sin", a),), ("cos",), r"\cos"),
    Operation("max", 2, lambda xp, a, b: xp.maximum(a, b), _share, ("max",), r"\max"),
    Operation("min", 2, lambda xp, a, b: xp.minimum(a, b), _share, ("min",), r"\min"),
    Operation(
        "clip",
        1,
        lambda xp, a, low, high: xp.clip(a, low, high),
        lambda n, a: (Expression("within", (a,), n.data),),
        ("clip",),
        constants=2,
    ),
    # what only derivatives use; each is flat, so that its own derivative is 0
    Operation("sign", 1, lambda xp, a: xp.sign(a), lambda n, a: (number(0),), ("sign",)),
    Operation("positive", 1, lambda xp, a: xp.positive(a), lambda n, a: (number(0),), ("positive",)),
    Operation("heaviside", 1, lambda xp, a: xp.heaviside(a), lambda n, a: (number(0),), ("heaviside",)),
    Operation(
        "within",
        1,
        lambda xp, a, low, high: xp.within(a, low, high),
        lambda n, a: (number(0),),
        ("within",),
        constants=2,
    ),
)

ELEMENTWISE: dict[str, Operation] = {entry.name: entry for entry in _ENTRIES}

# functions of whole vectors: name → (number of arguments, is the result a scalar)
VECTOR_FUNCTIONS: dict[str, tuple[int, bool]] = {
    "softmax": (1, False),
    "layernorm": (1, False),
    "dot": (2, True),
    "sum": (1, True),
    "mean": (1, True),
}

# every spelling that may stand before a bracket → operation; ``identity`` is its argument
FUNCTIONS: dict[str, str] = {
    **{spelling: entry.name for entry in _ENTRIES for spelling in entry.spellings},
    **{name: name for name in VECTOR_FUNCTIONS},
    "identity": "identity",
}
LAYERNORM_EPSILON = 1e-5
