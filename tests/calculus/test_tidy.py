"""Tidy formulas: what a teacher writes, and of the same value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.calculus.evaluate import evaluate
from unrolled.calculus.scalar import scalarise
from unrolled.calculus.tidy import tidy
from unrolled.equations.expression import Expression, number, symbol, walk

A, B, C, S = map(symbol, "abcs")
M, N = Expression("diag", (A,)), Expression("diag", (B,))
W = symbol("W")


def times(left: Expression, right: Expression) -> Expression:
    return Expression("matmul", (left, right))


def scale(left: Expression, right: Expression) -> Expression:
    return Expression("scale", (left, right))


@pytest.mark.parametrize(
    ("node", "written"),
    [
        (A + (-B), "a - b"),
        (Expression("sub", (A, -B)), "a + b"),
        (-A + B, "b - a"),
        (A + (B + (C - A)), "a + b + c - a"),
        (A + A, "2 a"),
        (-(A + B), "-a - b"),
        (A * (B * (1 - B)), "a ⊙ b ⊙ (1 - b)"),
        (A * B + A * (-C), "a ⊙ (b - c)"),
        ((-A) * (-B), "a ⊙ b"),
        (number(2) * A * number(3), "6 a"),
        (A * (1 / B), "a / b"),
        (A * (-(C / B)), "-(a ⊙ (c / b))"),
        (A * A, "a^2"),
        (times(M, times(N, W)), "diag(a ⊙ b) W"),
        (times(M, W) + times(-N, W), "diag(a - b) W"),
        (times(-M, scale(S, W)), "-s diag(a) W"),
        (times(times(W, M), times(N, W)), "W diag(a ⊙ b) W"),
        (times(W, A) + times(W, B), "W a + W b"),  # a matrix is not taken out
        (scale(scale(A, B), scale(C, S)), "a b c s"),
        (scale(A, B) + scale(C, B), "(a + c) b"),
        (scale(A, 1 - scale(B, C)), "a (1 - b c)"),
    ],
)
def test_as_a_teacher_writes_it(node: Expression, written: str) -> None:
    assert str(tidy(node)) == written


def test_the_derivative_of_a_softmax_of_one_unit() -> None:
    jacobian = Expression("sub", (Expression("diag", (A,)), Expression("outer", (A, A))))
    assert str(tidy(scalarise(jacobian))) == "a (1 - a)"


LEAVES = st.sampled_from([A, B, C, number(2), number(-1), number(0.5), -A])


def vectors(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map(lambda p: Expression("add", p)), pair.map(lambda p: Expression("sub", p)),
        pair.map(lambda p: Expression("mul", p)), inner.map(lambda a: Expression("neg", (a,))),
        pair.map(lambda p: Expression("div", (p[0], Expression("exp", (Expression("tanh", (p[1],)),))))),
        inner.map(lambda a: Expression("div", (number(1), Expression("exp", (Expression("tanh", (a,)),))))),
        inner.map(lambda a: Expression("pow", (a,), (2.0,))), inner.map(lambda a: Expression("scale", (S, a))),
        inner.map(lambda a: times(W, Expression("mul", (a, A)))),
    )  # fmt: skip


def matrices(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map(lambda p: Expression("add", p)), pair.map(lambda p: Expression("sub", p)),
        pair.map(lambda p: times(*p)), inner.map(lambda a: Expression("neg", (a,))),
        inner.map(lambda a: Expression("scale", (S, a))), inner.map(lambda a: Expression("scale", (number(3), a))),
    )  # fmt: skip


VECTORS = st.recursive(LEAVES, vectors, max_leaves=12)
DIAGONALS = VECTORS.map(lambda v: Expression("diag", (Expression("mul", (v, A)),)))
MATRICES = st.recursive(st.one_of(st.just(W), st.just(symbol("V")), DIAGONALS), matrices, max_leaves=8)
VALUES = {
    A: np.array([0.5, -1.5, 0.75]),
    B: np.array([1.25, 0.5, -0.5]),
    C: np.array([-1.0, 2.0, 0.25]),
    S: np.array(0.75),
    W: np.array([[0.5, -1.0, 0.25], [1.5, 0.0, -0.5], [0.75, 1.0, 2.0]]),
    symbol("V"): np.array([[0.0, 1.0, -0.25], [0.5, 2.0, 0.5], [1.75, -1.0, 0.0]]),
}


@settings(max_examples=200)
@given(st.one_of(VECTORS, MATRICES))
def test_the_value_stays(node: Expression) -> None:
    before, after = (np.asarray(evaluate([each], VALUES)[0]) for each in (node, tidy(node)))
    assert before.shape == after.shape
    # rounding is relative to the largest value that is met on the way
    size = max(np.abs(np.asarray(value)).max() for value in evaluate(list(walk([node])), VALUES))
    assert np.abs(before - after).max() <= 1e-12 * max(1.0, float(size))


def test_a_matrix_that_is_scaled_is_no_scalar() -> None:
    """W (W + s W): what both terms share is the matrix, which does not move past another one."""
    inner = Expression("add", (W, Expression("scale", (S, W))))
    node = Expression("scale", (number(3), Expression("matmul", (W, inner))))
    before, after = (np.asarray(evaluate([each], VALUES)[0]) for each in (node, tidy(node)))
    assert np.allclose(before, after, rtol=0, atol=1e-12)


@settings(max_examples=100)
@given(st.one_of(VECTORS, MATRICES))
def test_tidy_is_tidy(node: Expression) -> None:
    once = tidy(node)
    assert str(tidy(once)) == str(tidy(tidy(once)))
    assert "- -" not in str(once)
    assert "+ -" not in str(once)
