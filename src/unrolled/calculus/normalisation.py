"""Layer normalisation by its definition, for rules that have no formula of their own for it."""

from __future__ import annotations

from collections.abc import Iterable

from unrolled.equations.expression import Expression, walk
from unrolled.equations.operations import LAYERNORM_EPSILON


def layernorm_parts(vector: Expression) -> Expression:
    """(a − mean a) / √(mean (a − mean a)² + ε)."""
    centred = vector - Expression("mean", (vector,))
    variance = Expression("mean", (centred**2,)) + LAYERNORM_EPSILON
    return centred / Expression("sqrt", (variance,))


def without_layernorm(root: Expression) -> Expression:
    """``root`` with every layer normalisation written out."""
    return written_out([root])[root]


def written_out(roots: Iterable[Expression]) -> dict[Expression, Expression]:
    """Every node below ``roots`` with every layer normalisation written out."""
    done: dict[Expression, Expression] = {}
    for node in walk(roots):
        args = tuple(done[argument] for argument in node.args)
        made = node if args == node.args else Expression(node.op, args, node.data)
        done[node] = layernorm_parts(*args) if node.op == "layernorm" else made
    return done
