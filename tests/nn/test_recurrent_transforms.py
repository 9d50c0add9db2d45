"""``Recurrent`` under every kind of differentiation and transformation that torch has."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad, functional

from unrolled.errors import BackendError
from unrolled.nn import Recurrent

F64 = torch.float64
RNN = "h_t = tanh(U x_t + W h_{t-1} + b)"
# several phases, a feedback, a reduction, a learned first state, a scalar and a vector parameter, two states
MIXED = """
    α : scalar
    y : output
    g_t = σ(U x_t + W h_{t-1} + p ⊙ s_{t-1})
    s_t = α s_{t-1} + g_t ⊙ y_{t-1}
    h_t = layernorm(s_t + U x_t) ⊙ tanh(W (g_t ⊙ h_{t-1}))
    y_t = softmax(W h_t + b)
    h_{-1} = h0
"""
X = (3, 2, 2)


@pytest.fixture(autouse=True)
def _nothing_compiled() -> None:
    torch.compiler.reset()  # torch recompiles one function only eight times


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=F64)


def same(found, expected) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


def pair() -> tuple[nn.RNN, Recurrent]:
    """Torch's RNN and the same in letters."""
    theirs = nn.RNN(2, 3, dtype=F64)
    mine = Recurrent(RNN, x=2, h=3, dtype=F64)
    with torch.no_grad():
        theirs.bias_hh_l0.zero_()
        mine.load_state_dict({"U": theirs.weight_ih_l0, "W": theirs.weight_hh_l0, "b": theirs.bias_ih_l0})
    return theirs, mine


def output(layer):
    """The layer as a function of x to its output."""
    return lambda x: layer(x)[0]


def of_everything(layer: Recurrent, lengths=None):
    """The layer as a function of x, the first states and the parameters, and random arguments for it."""
    _, state = layer(randn(*X))
    arguments = [randn(*X), *(torch.randn_like(value) for value in state.values())]
    arguments += [p.detach().clone() for p in layer.parameters()]

    def call(x, *others):
        first = dict(zip(state, others, strict=False))
        parameters = dict(zip(dict(layer.named_parameters()), others[len(state) :], strict=True))
        outputs, last = torch.func.functional_call(layer, parameters, (x, first, lengths))
        return outputs, *last.values()

    return call, [argument.requires_grad_() for argument in arguments]


# ── derivatives ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lengths", [None, [1, 3], [0, 2]], ids=str)
@pytest.mark.parametrize(
    ("text", "options"),
    [(MIXED, {}), ("gru", {"num_layers": 2, "bidirectional": True}), ("lstm", {})],
    ids=["mixed", "two GRUs each way", "lstm"],
)
def test_gradients_are_finite_differences(text, options, lengths):
    layer = Recurrent(text, x=2, h=2, dtype=F64, **options)
    call, arguments = of_everything(layer, lengths)
    assert torch.autograd.gradcheck(call, arguments, check_forward_ad=True, check_batched_grad=False)


@pytest.mark.parametrize("lengths", [None, [1, 3]], ids=str)
def test_second_derivatives_are_finite_differences(lengths):
    call, arguments = of_everything(Recurrent(MIXED, x=2, h=2, dtype=F64), lengths)
    assert torch.autograd.gradgradcheck(call, arguments)


def test_third_derivatives():
    theirs, mine = pair()
    x = randn(*X).requires_grad_()
    found = []
    for layer in (mine, theirs):
        value = output(layer)(x).sin().sum()
        for _ in range(3):
            (value,) = torch.autograd.grad(value.sin().sum(), x, create_graph=True)
        found.append(value.detach())
    same(*found)


def test_gradients_of_ids():
    layer = Recurrent("gru", x=4, h=3, dtype=F64)
    ids = torch.tensor([[0, 3], [1, 1], [3, 0]])
    dense = nn.functional.one_hot(ids, 4).to(F64)
    found = [torch.autograd.grad(layer(x)[0].sin().sum(), list(layer.parameters())) for x in (ids, dense)]
    same(*found)
    torch.autograd.grad(layer(ids)[0].sin().sum(), layer.W_ir, create_graph=True)[0].sin().sum().backward()
    assert layer.W_ir.grad.any()


def test_backward_twice_needs_retain_graph():
    _, layer = pair()
    loss = output(layer)(randn(*X)).sum()
    loss.backward(retain_graph=True)
    first = layer.W.grad.clone()
    loss.backward()
    same(layer.W.grad, 2 * first)
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


def test_a_parameter_changed_in_place_before_backward():
    _, layer = pair()
    loss = output(layer)(randn(*X)).sum()
    with torch.no_grad():
        layer.W.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_frozen_parameters_get_no_gradient():
    _, layer = pair()
    x = randn(*X)
    expected = torch.autograd.grad(output(layer)(x).sin().sum(), [layer.U, layer.b])
    layer.W.requires_grad_(False)
    output(layer)(x).sin().sum().backward()
    assert layer.W.grad is None
    same((layer.U.grad, layer.b.grad), expected)


def test_only_one_of_the_results_is_used():
    theirs, layer = pair()
    x = randn(*X).requires_grad_()
    (found,) = torch.autograd.grad(layer(x)[1]["h"].sin().sum(), x)
    (expected,) = torch.autograd.grad(theirs(x)[1].sin().sum(), x)
    same(found, expected)


# ── torch.func ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_forward_mode():
    theirs, mine = pair()
    x, v = randn(*X), randn(*X)
    expected = functional.jvp(output(theirs), x, v)[1]  # torch's RNN has no forward mode: reverse mode twice
    same(torch.func.jvp(output(mine), (x,), (v,))[1], expected)
    with forward_ad.dual_level():
        same(forward_ad.unpack_dual(output(mine)(forward_ad.make_dual(x, v))).tangent, expected)


def test_jacobians_and_hessian():
    theirs, mine = pair()
    x = randn(*X)
    expected = functional.jacobian(output(theirs), x)
    same(torch.func.jacrev(output(mine))(x), expected)
    same(torch.func.jacfwd(output(mine))(x), expected)
    expected = functional.hessian(lambda x: output(theirs)(x).sin().sum(), x)
    same(torch.func.hessian(lambda x: output(mine)(x).sin().sum())(x), expected)


def test_vmap():
    theirs, mine = pair()
    x = randn(4, *X)
    same(torch.vmap(output(mine))(x), torch.stack([output(theirs)(each) for each in x]))
    same(torch.vmap(output(mine), in_dims=3, out_dims=1)(x.movedim(0, 3)).movedim(1, 0), torch.vmap(output(mine))(x))


def test_vmap_over_parameters_and_ids():
    models = [Recurrent("vanilla", x=4, h=3, o=2, dtype=F64) for _ in range(3)]
    parameters, buffers = torch.func.stack_module_state(models)
    ids = torch.tensor([[0, 3], [1, 1], [3, 0]])
    found = torch.vmap(lambda p, b, x: torch.func.functional_call(models[0], (p, b), (x,))[0], in_dims=(0, 0, None))(
        parameters, buffers, ids
    )
    same(found, torch.stack([model(ids)[0] for model in models]))


def test_gradients_sequence_by_sequence():
    _, layer = pair()
    x = randn(3, 4, 2)
    parameters = dict(layer.named_parameters())

    def loss(parameters, one):
        return torch.func.functional_call(layer, parameters, (one,))[0].sin().sum()

    found = torch.vmap(torch.func.grad(loss), in_dims=(None, 1))(parameters, x)
    for b in range(4):
        expected = torch.autograd.grad(layer(x[:, b])[0].sin().sum(), list(parameters.values()))
        same([value[b] for value in found.values()], list(expected))


# ── torch.compile ────────────────────────────────────────────────────────────────────────────────────────────────


def compiled(function):
    return torch.compile(function, fullgraph=True, backend="aot_eager")


@pytest.mark.parametrize(
    ("text", "options"),
    [(MIXED, {}), ("lstm", {"num_layers": 2, "bidirectional": True}), ("elman", {"y": 2, "dropout": 0.5})],
    ids=["mixed", "two LSTMs each way", "elman"],
)
def test_compile(text, options):
    layer = Recurrent(text, x=2, h=2, dtype=F64, **options).eval()

    def twice(x):
        outputs, state = layer(x)
        return outputs, *layer(x, state)

    results = []
    for call in (twice, compiled(twice)):
        x = torch.linspace(-1, 1, 12, dtype=F64).reshape(X).requires_grad_()
        outputs, more, state = call(x)
        loss = outputs.sin().sum() + more.cos().sum()
        results.append((outputs, more, state, torch.autograd.grad(loss, [x, *layer.parameters()])))
    same(results[1], results[0])


def test_compile_ids_and_logits():
    layer = Recurrent("elman", x=4, h=3, y=2, dtype=F64)
    ids = torch.tensor([[0, 3], [1, 1], [3, 0]])
    same(compiled(layer)(ids), layer(ids))
    same(compiled(layer.logits)(ids), layer.logits(ids))


def test_compile_for_another_length():
    _, layer = pair()
    call = compiled(layer)
    for steps in (3, 5, 1):
        x = randn(steps, 2, 2)
        same(call(x), layer(x))


# The operator that stands for a recurrence in a compiled graph has no forward mode; torch alone would say zero.


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_forward_mode_inside_compile(backend):
    theirs, mine = pair()
    x, v = randn(*X), randn(*X)
    expected = functional.jvp(output(theirs), x, v)[1]

    def tangent(x, v):
        return torch.func.jvp(output(mine), (x,), (v,))[1]

    same(torch.compile(tangent, fullgraph=True, backend=backend)(x, v), expected)

    def dual(x, v):
        with forward_ad.dual_level():
            return forward_ad.unpack_dual(output(mine)(forward_ad.make_dual(x, v))).tangent

    same(torch.compile(dual, fullgraph=True, backend=backend)(x, v), expected)


@pytest.mark.parametrize("transform", ["grad", "hessian", "jacrev", "jacfwd", "vmap"])
def test_other_transforms_inside_compile(transform):
    theirs, mine = pair()
    x = randn(*X)

    def loss(x):
        return output(mine)(x).sin().sum()

    def their_loss(x):
        return output(theirs)(x).sin().sum()

    function, expected = {
        "grad": (torch.func.grad(loss), lambda: functional.jacobian(their_loss, x)),
        "hessian": (torch.func.hessian(loss), lambda: functional.hessian(their_loss, x)),
        "jacrev": (torch.func.jacrev(output(mine)), lambda: functional.jacobian(output(theirs), x)),
        "jacfwd": (torch.func.jacfwd(output(mine)), lambda: functional.jacobian(output(theirs), x)),
        "vmap": (torch.vmap(lambda x: output(mine)(x[:, None])[:, 0], 1, 1), lambda: output(theirs)(x)),
    }[transform]
    same(compiled(function)(x), expected())


def test_a_compiled_layer_in_and_out_of_a_transform():
    theirs, mine = pair()
    call = torch.compile(output(mine), fullgraph=True, backend="eager")
    x, v = randn(*X), randn(*X)
    same(call(x), output(theirs)(x))  # what is cached now must not serve the calls inside the transforms
    expected = functional.jacobian(lambda x: output(theirs)(x).sin().sum(), x)
    same(torch.func.grad(lambda x: call(x).sin().sum())(x), expected)
    # torch does take it inside dual_level
    with forward_ad.dual_level(), pytest.raises(BackendError, match="no forward-mode derivative"):
        call(forward_ad.make_dual(x, v))
    same(call(x), output(theirs)(x))


@pytest.mark.parametrize("trained", [True, False])
def test_forward_mode_through_an_exported_graph_is_refused(trained):
    _, mine = pair()
    x, v = randn(*X), randn(*X)
    exported = torch.export.export(mine, (x,)).module().requires_grad_(trained)
    same(exported(x), mine(x))
    with pytest.raises(BackendError, match="no forward-mode derivative"):
        torch.func.jvp(output(exported), (x,), (v,))
    with forward_ad.dual_level(), pytest.raises((BackendError, NotImplementedError)):
        exported(forward_ad.make_dual(x, v))
