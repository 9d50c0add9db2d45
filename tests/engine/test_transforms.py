"""torch.func over a recurrence, and torch.compile of one: each against the naive loop or against plain autograd."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap

from recurrences import Example, recurrences
from stepwise import Case, case, cell
from unrolled.engine import autograd
from unrolled.equations.library import CELLS

Function = Callable[..., tuple[Tensor, ...]]
SOME = ["elman", "jordan", "gru", "gru_reset_before", "lstm", "lstm_peephole", "lstm_projection"]


def close(found: Tensor, expected: Tensor) -> None:
    """Equal within 1e-10 of the largest number."""
    assert found.shape == expected.shape
    if expected.numel():
        assert (found - expected).abs().max() <= 1e-10 * max(1.0, expected.abs().max().item())


def ours(given_: Case) -> Function:
    """Outputs and last states as a function of everything differentiable."""
    return lambda *tensors: given_.of(tensors).found()


def naive(given_: Case) -> Function:
    """The same, by the naive loop."""
    return lambda *tensors: given_.of(tensors).expected()


def numbers(given_: Case) -> tuple[Tensor, ...]:
    return tuple(given_.differentiable)


def check_jvp(given_: Case) -> None:
    at = numbers(given_)
    along = tuple(torch.randn_like(t) for t in at)
    for found, expected in zip(jvp(ours(given_), at, along), jvp(naive(given_), at, along), strict=True):
        for one, other in zip(found, expected, strict=True):
            close(one, other)


@pytest.mark.parametrize("name", CELLS)
def test_jvp(name: str) -> None:
    check_jvp(case(cell(name), (3, 2)))


@settings(max_examples=40)
@given(recurrences())
def test_jvp_of_random_recurrences(example: Example) -> None:
    given_ = case(example, (3, 2))
    if given_.differentiable:
        check_jvp(given_)


def test_a_tangent_is_not_lost_where_something_asks_for_a_gradient() -> None:
    given_ = case(cell("lstm"), (3, 2)).asking()
    at = numbers(given_)
    _, found = jvp(ours(given_), at, tuple(torch.ones_like(t) for t in at))
    assert all(t.abs().max() > 0 for t in found)


@pytest.mark.parametrize("name", SOME)
def test_jacrev_and_jacfwd(name: str) -> None:
    given_ = case(cell(name, x=2, h=2, y=2, c=2), (2, 1))
    at = numbers(given_)
    places = tuple(range(len(at)))
    expected = jacrev(naive(given_), places)(*at)
    for found in (jacrev(ours(given_), places)(*at), jacfwd(ours(given_), places)(*at)):
        for one, other in zip(found, expected, strict=True):
            for a, b in zip(one, other, strict=True):
                close(a, b)


@settings(max_examples=15)
@given(recurrences())
def test_jacrev_of_random_recurrences(example: Example) -> None:
    given_ = case(example, (2, 1))
    at = numbers(given_)
    if not at:
        return
    places = tuple(range(len(at)))
    for one, other in zip(jacrev(ours(given_), places)(*at), jacrev(naive(given_), places)(*at), strict=True):
        for a, b in zip(one, other, strict=True):
            close(a, b)


@pytest.mark.parametrize("name", SOME)
def test_vmap_over_parameters_and_inputs(name: str) -> None:
    """An ensemble: one call for three sets of numbers is three calls."""
    members = [numbers(case(cell(name), (3, 2), seed)) for seed in range(3)]
    given_ = case(cell(name), (3, 2))
    together = vmap(ours(given_))(*(torch.stack(each) for each in zip(*members, strict=True)))
    for i, member in enumerate(members):
        for found, expected in zip(together, naive(given_)(*member), strict=True):
            close(found[i], expected)


@pytest.mark.parametrize("name", SOME)
def test_vmap_over_inputs_alone(name: str) -> None:
    given_ = case(cell(name), (3, 2))
    first, *rest = numbers(given_)
    several = torch.stack([first, 2 * first, -first])
    together = vmap(ours(given_), (0, *(None for _ in rest)))(several, *rest)
    for i, x in enumerate(several):
        for found, expected in zip(together, naive(given_)(x, *rest), strict=True):
            close(found[i], expected)


@settings(max_examples=30)
@given(recurrences())
def test_vmap_of_random_recurrences(example: Example) -> None:
    given_ = case(example, (3, 2))
    members = [numbers(case(example, (3, 2), seed)) for seed in range(2)]
    if not given_.differentiable:
        return
    together = vmap(ours(given_))(*(torch.stack(each) for each in zip(*members, strict=True)))
    for i, member in enumerate(members):
        # inputs of ids are those of given_ for every member
        for found, expected in zip(together, naive(given_)(*member), strict=True):
            close(found[i], expected)


def test_vmap_over_ids() -> None:
    given_ = case(cell("gru", ids=("x",)), (3, 2))
    several = torch.stack([given_.inputs[0], given_.inputs[0].flip(0)])

    def run(ids: Tensor) -> Tensor:
        return autograd.run(given_.program, (ids,), given_.initial, given_.parameters, given_.batch_sizes)[1][0]

    found = vmap(run)(several)
    for i, ids in enumerate(several):
        close(found[i], replace(given_, inputs=(ids,)).expected()[0])


@pytest.mark.parametrize("name", ["elman", "lstm"])
def test_a_gradient_for_each_member_of_a_batch(name: str) -> None:
    """vmap(grad(…)), the gradients of single examples."""
    given_ = case(cell(name), (3,))

    def loss(function, x: Tensor, *rest: Tensor) -> Tensor:
        return sum(result.square().sum() for result in function(x, *rest))

    first, *rest = numbers(given_)
    several = torch.stack([first, 2 * first])
    found = vmap(grad(lambda w, x: loss(ours(given_), x, *rest[:-1], w)), (None, 0))(rest[-1], several)
    for i, x in enumerate(several):
        close(found[i], grad(lambda w, x=x: loss(naive(given_), x, *rest[:-1], w))(rest[-1]))


def test_hessian() -> None:
    given_ = case(cell("elman", x=2, h=2, y=2), (2,))
    first, *rest = numbers(given_)

    def loss(function):
        return lambda x: sum(result.square().sum() for result in function(x, *rest))

    close(hessian(loss(ours(given_)))(first), hessian(loss(naive(given_)))(first))


# ── torch.compile ───────────────────────────────────────────────────────────────────────────────────────────────


class _Loss(torch.nn.Module):
    """The recurrence as a module, so that its parameters are arguments of the compiled graph."""

    def __init__(self, given_: Case) -> None:
        super().__init__()
        self.given = given_
        self.weights = torch.nn.ParameterList([t.clone() for t in given_.parameters])

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        inputs, initial = tensors[: len(self.given.inputs)], tensors[len(self.given.inputs) :]
        outputs, final = autograd.run(self.given.program, inputs, initial, list(self.weights), self.given.batch_sizes)
        return (*outputs, *final)


@pytest.mark.parametrize("name", ["elman", "jordan", "gru", "lstm_projection"])
@pytest.mark.parametrize("ids", [(), ("x",)], ids=["vectors", "ids"])
def test_compiled_in_one_graph(name: str, ids: tuple[str, ...]) -> None:
    given_ = case(cell(name, ids=ids), (4, 2)).asking()
    torch._dynamo.reset()
    eager = _Loss(given_)
    compiled = torch.compile(eager, fullgraph=True, backend="aot_eager")
    arguments = (*given_.inputs, *given_.initial)
    wrt = [*(t for t in arguments if t.requires_grad), *eager.weights]
    results = [module(*arguments) for module in (compiled, eager)]
    for found, expected in zip(*results, strict=True):
        close(found, expected)
    gradients = [torch.autograd.grad(sum(r.sin().sum() for r in result), wrt) for result in results]
    for found, expected in zip(*gradients, strict=True):
        close(found, expected)


def test_a_compiled_graph_holds_the_recurrence_as_one_node() -> None:
    given_ = case(cell("lstm"), (7, 7))
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph

    torch._dynamo.reset()
    torch.compile(_Loss(given_), fullgraph=True, backend=backend)(*given_.inputs, *given_.initial)
    (graph,) = graphs
    calls = [node for node in graph.graph.nodes if node.op == "call_function" and "unrolled" in str(node.target)]
    assert len(calls) == 1


def test_functional_call_with_other_parameters() -> None:
    given_ = case(cell("gru"), (3, 2))
    module = _Loss(given_)
    other = case(cell("gru"), (3, 2), seed=5)
    named = {f"weights.{i}": t for i, t in enumerate(other.parameters)}
    found = functional_call(module, named, (*given_.inputs, *given_.initial))
    for one, expected in zip(found, replace(given_, parameters=other.parameters).expected(), strict=True):
        close(one.detach(), expected)
