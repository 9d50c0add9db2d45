"""Where torch's own layers refuse: torch.func, torch.compile(fullgraph=True), torch.export."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.autograd import functional

from derivatives import floats, gradients
from unrolled import nn as ours

NAMES = ("RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell")
F64 = torch.float64


@pytest.fixture(autouse=True)
def _nothing_compiled() -> None:
    torch.compiler.reset()  # torch recompiles one function only eight times


def both(name: str, **options):
    theirs = getattr(nn, name)(3, 4, dtype=F64, **options)
    mine = getattr(ours, name)(3, 4, dtype=F64, **options)
    mine.load_state_dict(theirs.state_dict())
    return theirs, mine


def example(name: str, *batch: int):
    return torch.randn(*batch, *((2, 3) if name.endswith("Cell") else (5, 2, 3)), dtype=F64)


def first(module):
    """The module as a function of x to its first result, which is all that it returns as a function of x and h = 0."""
    return lambda x: floats(module(x))[0]


def same(mine, theirs):
    torch.testing.assert_close(mine, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_vmap_over_inputs(name):
    theirs, mine = both(name)
    x = example(name, 4)
    expected = torch.stack([first(theirs)(each) for each in x])
    same(torch.vmap(first(mine))(x), expected)


@pytest.mark.parametrize("name", NAMES)
def test_vmap_over_parameters(name):
    models = [both(name) for _ in range(3)]
    x = example(name)
    parameters, buffers = torch.func.stack_module_state([mine for _, mine in models])
    base = models[0][1]

    def call(parameters, buffers, x):
        return floats(torch.func.functional_call(base, (parameters, buffers), (x,)))

    found = torch.vmap(call, in_dims=(0, 0, None))(parameters, buffers, x)
    for i, (theirs, _) in enumerate(models):
        same([result[i] for result in found], floats(theirs(x)))
    same(floats(base(x)), floats(models[0][0](x)))  # and the module has its own parameters again


@pytest.mark.parametrize("name", NAMES)
def test_jvp_and_jacobians(name):
    theirs, mine = both(name)
    x, v = example(name), example(name)
    # torch's layers have no forward mode: reverse mode twice is
    expected = functional.jvp(first(theirs), x, v)[1]
    same(torch.func.jvp(first(mine), (x,), (v,))[1], expected)
    expected = functional.jacobian(first(theirs), x)
    same(torch.func.jacrev(first(mine))(x), expected)
    same(torch.func.jacfwd(first(mine))(x), expected)


@pytest.mark.parametrize("name", ["LSTM", "GRUCell"])
def test_gradients_of_functional_call(name):
    theirs, mine = both(name)
    x = example(name)

    def loss(module):
        return lambda parameters: first(lambda x: torch.func.functional_call(module, parameters, (x,)))(x).sin().sum()

    expected = torch.autograd.grad(first(theirs)(x).sin().sum(), list(theirs.parameters()))
    same(list(torch.func.grad(loss(mine))(dict(mine.named_parameters())).values()), list(expected))


STACK = {"num_layers": 2, "bidirectional": True, "batch_first": True}


@pytest.mark.parametrize(("name", "options"), [*((name, {}) for name in NAMES), ("GRU", STACK), ("LSTM", STACK)])
def test_compile(name, options):
    theirs, mine = both(name, **options)
    inside = nn.Sequential(nn.Linear(3, 3, dtype=F64), mine)  # alone and in another module
    x = example(name).requires_grad_()
    compiled = torch.compile(mine, fullgraph=True, backend="aot_eager")
    results, expected = floats(compiled(x)), floats(theirs(x))
    same(results, expected)
    same(
        [g.detach() for g in gradients(results, [x, *mine.parameters()])],
        [g.detach() for g in gradients(expected, [x, *theirs.parameters()])],
    )
    compiled = torch.compile(inside, fullgraph=True, backend="aot_eager")
    same(floats(compiled(x)), floats(theirs(inside[0](x))))


def test_compile_with_hx():
    theirs, mine = both("LSTM")
    x, hx = example("LSTM"), (torch.randn(1, 2, 4, dtype=F64), torch.randn(1, 2, 4, dtype=F64))
    compiled = torch.compile(mine, fullgraph=True, backend="aot_eager")
    same(compiled(x, hx), theirs(x, hx))
    with pytest.raises(RuntimeError, match="hidden"):
        compiled(x, (hx[0], hx[1][..., :3]))


@pytest.mark.parametrize("name", ["GRU", "LSTMCell"])
def test_transforms_inside_compile(name):
    theirs, mine = both(name)
    x, v = example(name), example(name)

    @torch.compile(fullgraph=True, backend="aot_eager")
    def tangent(x, v):
        return torch.func.jvp(first(mine), (x,), (v,))[1]

    same(tangent(x, v), functional.jvp(first(theirs), x, v)[1])


@pytest.mark.parametrize("name", ["GRU", "LSTMCell"])
def test_export(name):
    theirs, mine = both(name)
    x = example(name)
    exported = torch.export.export(mine, (x,)).module()
    same(floats(exported(x)), floats(theirs(x)))


def test_a_packed_sequence_survives_compilation():
    packed = nn.utils.rnn.pack_sequence([torch.randn(4, 3), torch.randn(2, 3)])
    layer = ours.LSTM(3, 5)
    output, _ = torch.compile(layer, backend="aot_eager")(packed)
    assert torch.allclose(output.data, layer(packed)[0].data)
    assert torch.equal(output.batch_sizes, packed.batch_sizes)
