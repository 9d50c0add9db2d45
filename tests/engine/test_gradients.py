"""Gradients by the adjoint program against torch's autograd through the naive loop; first and second derivatives."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recurrences import Example, recurrences
from stepwise import F64, Case, case, cell
from unrolled.engine import autograd
from unrolled.equations.library import CELLS, load
from unrolled.program.compile import compile_system

LENGTHS = [(3,), (1,), (2, 2), (4, 2, 2), (3, 1, 0), (0, 0)]


def weights(results: tuple[Tensor, ...]) -> list[Tensor]:
    """What the loss multiplies each result with, so that no gradient is symmetric by chance."""
    random = torch.Generator().manual_seed(7)
    return [torch.randn(r.shape, dtype=r.dtype, generator=random) for r in results]


def gradients(results: tuple[Tensor, ...], wrt: list[Tensor], create_graph: bool = False) -> list[Tensor]:
    """The gradients of the weighted sum of ``results``; zeros where there is none."""
    loss = sum(((r * w).sum() for r, w in zip(results, weights(results), strict=True)), torch.zeros((), dtype=F64))
    if not loss.requires_grad:
        return [torch.zeros_like(t) for t in wrt]
    found = torch.autograd.grad(loss, wrt, create_graph=create_graph, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(wrt, found, strict=True)]


def check_gradients(given_: Case) -> None:
    given_ = given_.asking()
    wrt = given_.differentiable
    for found, expected, tensor in zip(
        gradients(given_.found(), wrt), gradients(given_.expected(), wrt), wrt, strict=True
    ):
        assert found.shape == tensor.shape
        assert found.dtype == tensor.dtype
        if expected.numel():
            assert (found - expected).abs().max() <= 1e-10 * max(1.0, expected.abs().max().item())


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_library_cells(name: str, lengths: tuple[int, ...]) -> None:
    check_gradients(case(cell(name), lengths))


@pytest.mark.parametrize("name", CELLS)
def test_library_cells_with_ids(name: str) -> None:
    check_gradients(case(cell(name, ids=("x",)), (4, 2)))


@given(recurrences(), st.sampled_from(LENGTHS))
def test_random_recurrences(example: Example, lengths: tuple[int, ...]) -> None:
    check_gradients(case(example, lengths))


@pytest.mark.slow
@settings(max_examples=3000)
@given(recurrences(), st.sampled_from(LENGTHS))
def test_many_random_recurrences(example: Example, lengths: tuple[int, ...]) -> None:
    check_gradients(case(example, lengths))


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        # a factor of parameters alone, in the loop and after it
        ("h_t = tanh(h_{t-1} / b + x_t); y_t = h_t / b + x_t / b", {"x": 2}),
        ("h_t = tanh(h_{t-1} / (1 + b^2) + x_t ⊙ b^2); y_t = sqrt(2 + h_t^2) / (1 + b^2)", {"x": 2}),
        # the same derivative of an input, in the loop and before it
        ("h_t = tanh(h_{t-1} / exp(x_t) + a_t / exp(x_t))", {"x": 2}),
        ("h_t = tanh(h_{t-1} / x_t + W (1 / x_t))", {"x": 2}),
        ("h_t = tanh(h_{t-1} / x_t); y_t = h_t + z_t / x_t", {"x": 2}),
        # a slice of what the loop stored as a slice
        ("c_t = 0.5 c_{t-1} + tanh([tanh(h_{t-1}) ; [x_t ; x_t]]); h_t = x_t", {"x": 1}),
        # a part of a state's gradient as it comes back, without any step on the way, is summed up for a matrix
        ("h : output; h_t = c_{t-1}; c_t = [x_t ; W h_{t-1}]", {"x": 1, "h": 3}),
        (
            "h : output; V : 2×3; U : 2×5; h_t = c_{t-1}; c_t = [V (W h_{t-1}) ; tanh(x_t) ; λ (U h_{t-1})]",
            {"x": 1, "h": 5},
        ),
        # what looks like the derivative of tanh and of σ
        ("h_t = x_t ⊙ (1 - h_{t-1}^2); y_t = x_t ⊙ (h_t ⊙ (1 - h_t))", {"x": 2}),
        # two states with one value; a state that is an input; an output that is a state before the step
        ("h_t = tanh(x_t + h_{t-1} + c_{t-1}); c_t = h_t", {"x": 2}),
        ("k_t = x_t; y_t = W x_t + V k_{t-1}", {"x": 2, "y": 3}),
        ("k : output; h_t = tanh(x_t + h_{t-1} ⊙ k_{t-1}); k_t = h_{t-1}", {"x": 2}),
        # one matrix in the loop, before and after it, and transposed
        ("h_t = tanh(W x_t + W h_{t-1} + W^T h_{t-1}); y_t = W h_t + W^T x_t", {"x": 3}),
        ("h_t = tanh(W [h_{t-1} ; x_t]); y_t = W [x_t ; h_t]", {"x": 2, "h": 2}),
        # a scalar that is a vector
        ("g : vector; h_t = h_{t-1} + x_t; g_t = α dot(h_t, h_t); y_t = W g_t + sum(g_t)", {"x": 2, "g": 3, "y": 2}),
        ("a : scalar; s_t = a_t s_{t-1} + dot(u, x_t); y_t = s_t x_t", {"x": 2}),
        ("h_t = b; y_t = h_{t-1} ⊙ x_t", {"x": 2}),
        ("h_t = h_{t-1} ⊙ x_t; h_{-1} = b", {"x": 2}),
    ],
)
def test_corners_of_the_language(text: str, sizes: dict[str, int]) -> None:
    for lengths in ((3, 2), (1,), (2, 0)):
        check_gradients(case(Example(text, tuple(sizes.items())), lengths))


@pytest.mark.parametrize("name", ["relu", "abs", "max", "min", "clip", "sign", "sqrt"])
def test_at_a_kink_the_derivative_is_the_one_that_torch_takes(name: str) -> None:
    """relu and abs at 0, ties of max and min, the edges of clip, √0 with and without a gradient."""
    right = {"max": "max(x_t, z_t)", "min": "min(x_t, z_t)", "clip": "clip(x_t, -1, 1)", "sqrt": "sqrt(abs(x_t))"}
    example = Example(f"h_t = {right.get(name, f'{name}(x_t)')} + 0 ⊙ z_t; y_t = x_t ⊙ h_t", (("x", 5),))
    x = torch.tensor([[0.0, -0.0, 1.0, -1.0, 2.0]], dtype=F64)
    base = case(example, (1,))
    given_ = Case(example, base.program, (1,), (x, x.clone()), base.initial, base.parameters).asking()
    for found, expected in zip(
        gradients(given_.found(), given_.differentiable),
        gradients(given_.expected(), given_.differentiable),
        strict=True,
    ):
        # the choice at the kink is exact; beside it executors may differ in the last place
        torch.testing.assert_close(found, expected, rtol=1e-15, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", ["elman", "lstm"])
def test_only_what_asks_for_a_gradient_gets_one(name: str) -> None:
    given_ = case(cell(name), (3, 2))
    tensors = given_.asking().differentiable
    every = gradients(given_.of(tensors).found(), tensors)
    for alone in range(len(tensors)):
        own = [t.detach().requires_grad_(i == alone) for i, t in enumerate(tensors)]
        (found,) = gradients(given_.of(own).found(), [own[alone]])
        torch.testing.assert_close(found, every[alone], rtol=1e-13, atol=1e-13)


def test_without_a_gradient_there_is_no_graph() -> None:
    given_ = case(cell("lstm"), (3, 2)).asking()
    with torch.no_grad():
        assert not any(t.requires_grad for t in given_.found())
    assert all(t.requires_grad for t in given_.found())


# ── finite differences, and derivatives of derivatives ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", CELLS)
def test_gradcheck(name: str) -> None:
    given_ = case(cell(name, x=2, h=2, y=2, o=2), (3, 1)).asking()
    assert torch.autograd.gradcheck(lambda *t: given_.of(t).found(), given_.differentiable)


@pytest.mark.parametrize("name", ["elman", "jordan", "gru", "lstm", "lstm_projection", "gru_reset_before"])
def test_gradgradcheck(name: str) -> None:
    given_ = case(cell(name, x=2, h=2, y=2, c=2), (2, 1)).asking()
    assert torch.autograd.gradgradcheck(lambda *t: given_.of(t).found(), given_.differentiable)


@settings(max_examples=30)
@given(recurrences())
def test_second_derivatives_of_random_recurrences(example: Example) -> None:
    given_ = case(example, (3, 2)).asking()
    wrt = given_.differentiable
    if not wrt:
        return
    found, expected = (gradients(results, wrt, create_graph=True) for results in (given_.found(), given_.expected()))
    for one, other in zip(gradients(tuple(found), wrt), gradients(tuple(expected), wrt), strict=True):
        assert (one - other).abs().max() <= 1e-9 * max(1.0, other.abs().max().item())


@pytest.mark.parametrize("name", ["torch_rnn", "lstm", "minimal_gated"])
def test_bf16_is_differentiated_alike_by_the_adjoint_and_by_torch(name: str) -> None:
    """In float64, where only the rounding itself is coarse: both round the same factors of the same products."""
    system = load(name, outputs=("h",))
    made = compile_system(system, {"x": 5, "h": 6}, precision="bf16")
    random = torch.Generator().manual_seed(1)
    shapes = [(12, 5), *((3, 6) for _ in made.previous), *(made.shapes[v] for v in made.parameters)]
    tensors = [torch.randn(shape, generator=random, dtype=torch.float64, requires_grad=True) for shape in shapes]
    n = 1 + len(made.previous)
    found = []
    for create_graph in (False, True):
        outputs, final = autograd.run(made, tensors[:1], tensors[1:n], tensors[n:], [3] * 4)
        total = outputs[0].sin().sum() + sum(state.cos().sum() for state in final)
        found.append(torch.autograd.grad(total, tensors, create_graph=create_graph))
    for by_adjoint, by_torch in zip(*found, strict=True):
        torch.testing.assert_close(by_adjoint, by_torch, rtol=1e-11, atol=1e-12)
    assert any(not torch.equal(g, g.bfloat16().double()) for g in found[1][n:])
