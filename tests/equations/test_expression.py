"""The expression graph: equal parts are one object, nothing is too deep, printing is exact."""

import copy
import gc
import pickle

import pytest

from unrolled.equations.expression import (
    BEFORE,
    NOW,
    Expression,
    Time,
    _interned,
    number,
    substitute,
    symbol,
    symbols,
    walk,
)

x, h, W = symbol("x", NOW), symbol("h", BEFORE), symbol("W")


def deep(steps: int) -> Expression:
    """h_{t-1} through ``steps`` steps."""
    node = h
    for _ in range(steps):
        node = Expression("tanh", (Expression("matmul", (W, node)),))
    return node


def test_equal_expressions_are_one_object() -> None:
    assert Expression("tanh", (x + h,)) is Expression("tanh", (x + h,))
    assert x + h is not h + x
    assert number(2) is number(2.0)
    assert number(0.0) is number(-0.0)
    assert symbol("x", NOW) is not symbol("x", BEFORE)
    assert symbol("x") is not symbol("x", NOW)


def test_pickle_and_copies_give_the_same_object() -> None:
    node = Expression("clip", (x * h,), (-1.0, 1.0))
    assert pickle.loads(pickle.dumps(node)) is node
    assert copy.copy(node) is copy.deepcopy(node) is node
    one, other = pickle.loads(pickle.dumps((node, [node + x])))
    assert other[0].args[0] is one


def test_an_expression_that_nobody_holds_is_forgotten() -> None:
    gc.collect()
    before = len(_interned)
    node = symbol("a name that nobody else uses") * 3
    assert len(_interned) >= before + 2
    del node
    gc.collect()
    assert len(_interned) == before


def test_an_expression_is_immutable() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        x.op = "number"


def test_depth_is_no_limit() -> None:
    node = deep(20_000)
    assert sum(1 for _ in walk([node])) == 2 * 20_000 + 2
    assert pickle.loads(pickle.dumps(node)) is node
    assert symbols([node]) == [W, h]
    assert substitute(node, {h: x}) is not node
    assert substitute(substitute(node, {h: x}), {x: h}) is node
    del node
    gc.collect()


def test_a_walk_gives_arguments_first_and_each_node_once() -> None:
    shared = x + h
    root = shared * shared
    assert list(walk([root, shared])) == [x, h, shared, root]
    assert list(walk([root], {shared})) == [shared, root]


def test_substitution_is_at_once_and_does_not_look_inside() -> None:
    assert substitute(x + h, {x: h, h: x}) is h + x
    assert substitute(x + h, {x: x + h}) is (x + h) + h
    untouched = x * W
    assert substitute(untouched, {h: x}) is untouched


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (x + 0, x),
        (0 + x, x),
        (x - 0, x),
        (x * 1, x),
        (1 * x, x),
        (x * 0, number(0)),
        (x * -1, Expression("neg", (x,))),
        ((-x).__neg__(), x),
        (x / 1, x),
        (x**1, x),
        (-number(2), number(-2)),
        (1 - x, Expression("sub", (number(1), x))),
        (1 / x, Expression("div", (number(1), x))),
    ],
)
def test_arithmetic_knows_zero_and_one(node: Expression, expected: Expression) -> None:
    assert node is expected


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (x + h * W, "x_t + h_{t-1} ⊙ W"),
        ((x + h) * W, "(x_t + h_{t-1}) ⊙ W"),
        (x - (h - W), "x_t - (h_{t-1} - W)"),
        ((x - h) - W, "x_t - h_{t-1} - W"),
        (x + -h, "x_t + (-h_{t-1})"),
        (-(x + h), "-(x_t + h_{t-1})"),
        ((-x) ** 2, "(-x_t)^2"),
        (-(x**2), "-x_t^2"),
        (x**-0.5, "x_t^{-0.5}"),
        ((x**2) ** 3, "(x_t^2)^3"),
        (x / (h / W), "x_t / (h_{t-1} / W)"),
        ((x * h) ** 2, "(x_t ⊙ h_{t-1})^2"),
        (Expression("matmul", (W, x + h)), "W (x_t + h_{t-1})"),
        (Expression("matmul", (W, x)) * h, "W x_t ⊙ h_{t-1}"),
        (Expression("matmul", (Expression("transpose", (W,)), x)), "W^T x_t"),
        (Expression("scale", (number(-2), x)), "(-2) x_t"),
        (Expression("clip", (x,), (-1.0, 0.5)), "clip(x_t, -1, 0.5)"),
        (Expression("concat", (x, h + x)), "[x_t ; h_{t-1} + x_t]"),
        (symbol("W_ih"), "W_ih"),
        (symbol("h_f", Time("t", -1)), "h_{f,t-1}"),
        (symbol("h", Time("", 2)), "h_2"),
        (symbol("h", Time("", -1)), "h_{-1}"),
        (symbol("h", Time("", 12)), "h_{12}"),
        (number(1e20), "1e+20"),
        (number(0.1), "0.1"),
        (number(-3), "-3"),
    ],
)
def test_printing(node: Expression, text: str) -> None:
    assert str(node) == text
