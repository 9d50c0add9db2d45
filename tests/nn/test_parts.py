"""The parts of a layer: their equations, with the tensors that they name, are the layer."""

import torch

from unrolled.nn import ManyToOne, Recurrent
from unrolled.nn.parts import parts_of

F64 = torch.float64
X = torch.randn(6, 2, 3, dtype=F64, generator=torch.Generator().manual_seed(0))


def alone(part, x):
    """What the equations of a part make of x, as a layer of their own."""
    shapes = part.shapes()
    assert all(not size.terms for shape in shapes.values() for size in shape)
    sizes = {name: shapes[name][0].constant for name in part.system.free_sizes}
    layer = Recurrent(part.system, sizes=sizes, dtype=F64)
    with torch.no_grad():
        for name, tensor in part.tensors.items():
            layer.get_parameter(name).copy_(tensor)
    return layer(x)[0]


def test_a_recurrent_layer_with_its_readout():
    layer = Recurrent("h_t = tanh(U x_t + W h_{t-1}); y_t = softmax(V h_t)", 2, x=3, h=4, y=2, dtype=F64)
    lower, upper, head = parts_of(layer)
    assert head.system.states == ()
    assert lower.tensors["U"] is layer.U_l0
    torch.testing.assert_close(alone(upper, alone(lower, X)), layer_states(layer), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(alone(head, layer_states(layer)), layer(X)[0], rtol=1e-12, atol=1e-13)


def layer_states(layer):
    """The upper states at every step, one by one."""
    state, found = None, []
    for x in X:
        _, state = layer(x[None], state)
        found.append(state["h"][-1])
    return torch.stack(found)


def test_both_directions_and_no_readout():
    layer = Recurrent("gru", x=3, h=4, bidirectional=True, dtype=F64)
    forwards, backwards = parts_of(layer)
    both = torch.cat([alone(forwards, X), alone(backwards, X.flip(0)).flip(0)], -1)
    torch.testing.assert_close(both, layer(X)[0], rtol=1e-12, atol=1e-13)
    assert len(parts_of(ManyToOne("elman", x=3, h=4, y=2))) == 2
