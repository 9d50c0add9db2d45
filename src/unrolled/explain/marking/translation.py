"""A term of a claim as an expression, so that the rules of the calculus apply to what a student wrote."""

from __future__ import annotations

from collections.abc import Mapping

from unrolled.calculus.scalar import product
from unrolled.equations.expression import Expression, number
from unrolled.equations.operations import ELEMENTWISE
from unrolled.explain.marking.readings import Value
from unrolled.explain.marking.terms import Term


def expression_of(root: Term, values: Mapping[Term, Value], scalar: bool) -> Expression:
    """``root`` as an expression; ``values`` tell which factors are matrices.

    Raises:
        NotImplementedError: it holds what no forward row has, such as ⊗ or a derivative.
    """
    done: dict[Term, Expression] = {}
    for term in root.walk():
        done[term] = _translated(term, [done[argument] for argument in term.args], values, scalar)
    return done[root]


def _translated(term: Term, args: list[Expression], values: Mapping[Term, Value], scalar: bool) -> Expression:
    match term.op:
        case "number":
            shape = values[term].shape  # that of a 0 which stands for a vector
            return Expression("zeros", (), shape) if shape else number(term.data)
        case "leaf" if term.data.op == "symbol":
            leaf: Expression = term.data
            return leaf
        case "sum":
            return _sum(args, term.data)
        case "product":
            return _product(args, [values[argument].rank for argument in term.args], scalar)
        case "times":
            return product(*args) if scalar else args[0] * args[1]
        case "divide":
            return args[0] / args[1]
        case "power":
            return args[0] ** float(term.data)
        case "transpose" | "concat":
            return args[0] if scalar and term.op == "transpose" else Expression(term.op, tuple(args))
        case "call" if term.data[0] != "layernorm":
            return Expression(term.data[0], tuple(args), term.data[1])
        case "slope":
            slope: Expression = ELEMENTWISE[term.data[0]].derivative(Expression(term.data[0], tuple(args)), *args)[0]
            return slope
    raise NotImplementedError(term.op)


def _sum(args: list[Expression], signs: tuple[str, ...]) -> Expression:
    total = args[0] if signs[0] == "+" else -args[0]
    for sign, argument in zip(signs[1:], args[1:], strict=True):
        total = total + argument if sign == "+" else total - argument
    return total


def _product(args: list[Expression], ranks: list[int], scalar: bool) -> Expression:
    """Factors from the right, as the language reads them."""
    total, rank = args[-1], ranks[-1]
    for factor, own in zip(reversed(args[:-1]), reversed(ranks[:-1]), strict=True):
        if scalar:
            total = product(factor, total)
        elif own == 2:
            total, rank = Expression("matmul", (factor, total)), rank or 2
        else:
            total, rank = Expression("scale", (factor, total)), max(own, rank)
    return total
