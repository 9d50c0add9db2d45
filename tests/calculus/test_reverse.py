"""Reverse mode on expressions against torch's autograd, for every operation and every way of sharing."""

import numpy as np
import pytest
import torch

from stepwise import MEANINGS
from unrolled.calculus.evaluate import evaluate
from unrolled.calculus.reverse import measure, pullback, slice_of, transpose
from unrolled.calculus.shapes import Shape, shape, shapes
from unrolled.equations.expression import Expression, number, symbol, walk
from unrolled.equations.operations import ELEMENTWISE

a, b, c, W, V, s = (symbol(name) for name in "abcWVs")
SHAPES: dict[Expression, Shape] = {a: (3,), b: (3,), c: (2,), W: (3, 3), V: (2, 3), s: (1,)}


def node(op: str, *args: Expression, data: tuple[float, ...] = ()) -> Expression:
    return Expression(op, args, data)


POSITIVE = 1.5 + a * a
ROOTS = {
    **{
        name: node(name, *([POSITIVE, 2 + b * b] if name in ("log", "sqrt", "div", "pow") else [a, b])[: entry.arity],
                   data={"pow": (1.5,), "clip": (-0.3, 0.4), "within": (-0.3, 0.4)}.get(name, ()))
        for name, entry in ELEMENTWISE.items()
    },
    "product": node("matmul", W, a),
    "transposed product": node("matmul", node("transpose", V), c),
    "chain of products": node("matmul", V, node("tanh", node("matmul", W, a))),
    "one matrix twice": node("matmul", W, node("sin", node("matmul", W, a))),
    "one matrix and its transpose": node("matmul", node("transpose", W), node("matmul", W, a)),
    "concatenation": node("matmul", node("transpose", V), node("concat", s, s)) + b,
    "concatenation of several": node("sin", node("concat", a, c, s, a)),
    "a slice": slice_of(node("sin", a), 1, 3),
    "slices of one vector": slice_of(node("sin", a), 0, 1) * slice_of(node("sin", a), 2, 3),
    "slices that touch": node("concat", slice_of(a * b, 1, 3), slice_of(a * b, 0, 1)),
    "slices that overlap": slice_of(a * b, 0, 2) * slice_of(a * b, 1, 3),
    "a slice and the whole": node("concat", slice_of(a * b, 0, 2), a * b),
    "softmax": b * node("softmax", a * b),
    "dot": node("dot", a, node("sin", b)) * a,
    "dot with itself": node("dot", a, a),
    "sum": node("sum", a * b) * a,
    "mean": node("mean", a * b) * b,
    "a scalar beside a vector": s * a + s,
    "a vector beside a scalar": a / s - s,
    "a scalar in max": node("max", s, a),
    "repeated": node("expand", s * s, data=(3,)) * a,
    "used many times": a * a * a + a,
    "not used": b * number(2),
    "layernorm by hand": (a - node("mean", a)) / node("sqrt", node("mean", (a - node("mean", a)) ** 2) + 1e-5),
}  # fmt: skip
TORCH = MEANINGS | {
    "slice": lambda v, low, high: v[low:high],
    "expand": lambda v, size: v.expand(size),
    "sum": lambda v: v.sum().reshape(1),
    "mean": lambda v: v.mean().reshape(1),
    "dot": lambda v, w: torch.dot(v, w).reshape(1),
}


def in_torch(root: Expression, values: dict[Expression, torch.Tensor]) -> torch.Tensor:
    known = dict(values)
    for each in walk([root]):
        if each.op == "number":
            known[each] = torch.tensor([each.data[0]], dtype=torch.float64)
        elif each not in known:
            known[each] = TORCH[each.op](*(known[argument] for argument in each.args), *each.data)
    return known[root]


def values_of(random: np.random.Generator) -> dict[Expression, np.ndarray]:
    return {leaf: random.normal(size=size) for leaf, size in SHAPES.items()}


@pytest.mark.parametrize("name", ROOTS)
def test_every_operation_against_torch(name: str) -> None:
    root, values = ROOTS[name], values_of(np.random.default_rng(1))
    tensors = {leaf: torch.tensor(value, requires_grad=True) for leaf, value in values.items()}
    result = in_torch(root, tensors)
    sizes = dict(SHAPES)
    assert measure(root, sizes) == result.shape

    seed = symbol("seed")
    sizes[seed] = sizes[root]
    weights = np.random.default_rng(2).normal(size=sizes[root])
    found = pullback({root: seed}, SHAPES, sizes)
    values[seed] = weights
    if not result.requires_grad:
        assert not found
        return
    expected = torch.autograd.grad(result, list(tensors.values()), torch.tensor(weights), allow_unused=True)
    for leaf, gradient in zip(tensors, expected, strict=True):
        if leaf not in found:  # nothing arrives, or only through a step function
            assert gradient is None or not gradient.any()
            continue
        assert sizes[found[leaf]] == SHAPES[leaf]
        (number_,) = evaluate([found[leaf]], values)
        np.testing.assert_allclose(np.broadcast_to(number_, SHAPES[leaf]), gradient, rtol=1e-12, atol=1e-13)


def test_several_results_are_one_loss() -> None:
    one, other, t, u = node("tanh", a), node("dot", a, b), symbol("t"), symbol("u")
    sizes = dict(SHAPES) | {t: (3,), u: (1,)}
    measure(one, sizes)
    measure(other, sizes)
    found = pullback({one: t, other: u}, [a], sizes)
    values = values_of(np.random.default_rng(1)) | {t: np.array([1.0, 2, 3]), u: np.array([0.5])}
    (gradient,) = evaluate([found[a]], values)
    expected = (1 - np.tanh(values[a]) ** 2) * values[t] + 0.5 * values[b]
    np.testing.assert_allclose(gradient, expected, rtol=1e-13)


def test_the_descent_ends_where_it_is_told() -> None:
    inner = node("tanh", a)
    root, sizes = inner * b, dict(SHAPES)
    measure(root, sizes)
    seed = symbol("seed")
    sizes[seed] = (3,)
    found = pullback({root: seed}, [inner], sizes)
    assert set(found) == {inner}
    assert found[inner] is seed * b


def test_an_inner_node_and_a_leaf_below_it_may_both_be_asked_for() -> None:
    """Beyond an inner node nothing flows through it: that is what it means to be asked for."""
    inner = node("tanh", a)
    root, sizes = inner * a, dict(SHAPES)
    measure(root, sizes)
    seed = symbol("seed")
    sizes[seed] = (3,)
    found = pullback({root: seed}, [inner, a], sizes)
    assert found == {inner: seed * a, a: seed * inner}


def test_transposes_cancel() -> None:
    assert transpose(transpose(W)) is W
    assert slice_of(slice_of(a, 1, 3), 1, 2) is slice_of(a, 2, 3)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (node("matmul", V, a), (2,)),
        (node("transpose", V), (3, 2)),
        (node("concat", a, c, s), (6,)),
        (node("outer", c, a), (2, 3)),
        (node("rows", W, V), (5, 3)),
        (node("columns", V, data=(1, 3)), (2, 2)),
        (node("row_block", W, data=(0, 2)), (2, 3)),
        (node("pad_columns", V, data=(1, 4, 6)), (2, 6)),
        (node("scatter", a, s, data=(7,)), (3, 7)),
        (a * s, (3,)),
        (s * a, (3,)),
        (node("dot", a, b), (1,)),
        (node("softmax", a), (3,)),
        (number(2), (1,)),
    ],
)
def test_shapes(of: Expression, expected: Shape) -> None:
    assert shapes([of], SHAPES)[of] == expected
    assert shape(of, *(shapes([argument], SHAPES)[argument] for argument in of.args)) == expected


def test_a_symbol_has_no_shape_of_its_own() -> None:
    with pytest.raises(KeyError, match="needs one given"):
        shapes([symbol("q")], SHAPES)
