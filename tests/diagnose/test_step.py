"""The step map of a network: against the layer itself, finite differences, and the symbolic Jacobian."""

import numpy as np
import pytest
import torch

import unrolled as ur
from unrolled.diagnose.opened import Opened
from unrolled.diagnose.step import StepMap, at
from unrolled.errors import ConfigurationError, DataError
from unrolled.nn import ManyToOne, Recurrent, language_model

F64 = torch.float64
SCALAR = "s_t = a ⊙ s_{t-1} + u_t"
NETWORKS = {
    "elman": lambda: language_model("elman", 7, hidden=4),
    "gru, 2 layers": lambda: language_model("gru", 7, hidden=3, num_layers=2),
    "lstm, 3 layers, embedding": lambda: language_model("lstm", 7, hidden=3, num_layers=3, embedding=2, dropout=0.5),
    "projection": lambda: Recurrent("lstm_projection", 2, x=5, h=2, c=4),
    "jordan": lambda: language_model("jordan", 7, hidden=4),
    "jordan, 2 layers": lambda: Recurrent("jordan", 2, x=4, h=5, y=4),
    "first state learned": lambda: Recurrent("h_t = tanh(U x_t + W h_{t-1})\nh_{-1} = h0", x=3, h=5),
    "two inputs": lambda: Recurrent("h_t = tanh(U x_t + A z_t + W h_{t-1})", x=3, z=2, h=5),
    "no parameters": lambda: Recurrent("s_t = 0.5 * s_{t-1} + u_t\ns_{-1} = 0.25", u=3, s=3),
    "one answer": lambda: ManyToOne("gru", x=3, h=4, o=2, pooling="mean"),
}


def network(name):
    torch.manual_seed(0)
    return NETWORKS[name]()


def inputs_of(layer, steps=6, lanes=3):
    names, sizes = layer.system.inputs, layer.system.resolve(layer.sizes)
    if layer.system.inputs == ("x",) and sizes["x"] == (7,):
        return torch.randint(0, 7, (steps, lanes))
    found = {name: torch.randn(steps, lanes, sizes[name][0]) for name in names}
    return found if len(names) > 1 else found[names[0]]


@pytest.mark.parametrize("name", NETWORKS)
def test_steps_are_those_of_the_layer(name):
    layer = network(name)
    x = inputs_of(layer)
    step = StepMap(layer)
    batch, sequences = step.inputs(x)
    states = step.trajectory(batch)
    for t in range(batch.steps):
        assert step(states[t], *at(sequences, t)) == pytest.approx(states[t + 1], abs=1e-14)
    plain = {key: value.double() for key, value in x.items()} if isinstance(x, dict) else x
    plain = plain if isinstance(x, dict) or x.dtype == torch.int64 else x.double()
    with torch.no_grad():
        _, last = layer.double().eval()(plain)
    places = dict.fromkeys(layer.network.layers[0].system.states)
    for state in places:
        columns = [states[-1][:, place] for label, place in step.places.items() if label.split(",")[0] == state]
        assert last[state].reshape(len(columns), 3, -1) == pytest.approx(torch.stack(columns), abs=1e-14)
    assert step.size == states.shape[-1]


@pytest.mark.parametrize("name", NETWORKS)
def test_jacobians_against_finite_differences(name):
    layer = network(name)
    step = StepMap(layer)
    _, sequences = step.inputs(inputs_of(layer, steps=1))
    inputs = at(sequences, 0)
    state = torch.randn(3, step.size, dtype=F64)
    found = step.jacobians(state, *inputs)
    assert found.shape == (3, step.size, step.size)
    small = 1e-6
    for j in range(step.size):
        moved = small * torch.eye(step.size, dtype=F64)[j]
        expected = (step(state + moved, *inputs) - step(state - moved, *inputs)) / (2 * small)
        assert found[:, :, j] == pytest.approx(expected, abs=1e-8)


def test_pushed_and_pulled():
    layer = network("lstm, 3 layers, embedding")
    step = StepMap(layer)
    state, x = torch.randn(2, step.size, dtype=F64), torch.randn(2, 7, dtype=F64)
    jacobian = step.jacobians(state, x)
    columns, rows = torch.randn(2, step.size, 3, dtype=F64), torch.randn(2, 5, step.size, dtype=F64)
    assert step.pushed(columns, state, x) == pytest.approx(jacobian @ columns, abs=1e-13)
    before, (into,) = step.pulled(rows, state, x)
    assert before == pytest.approx(rows @ jacobian, abs=1e-13)
    small = 1e-6
    for j in range(7):
        moved = small * torch.eye(7, dtype=F64)[j]
        expected = (step(state, x + moved) - step(state, x - moved)) / (2 * small)
        assert into[:, :, j] == pytest.approx((rows @ expected[:, :, None])[..., 0], abs=1e-8)
    before, none = step.pulled(rows, state, torch.tensor([0, 6]))  # nothing flows into ids
    assert before.shape == (2, 5, step.size)
    assert none == []


def test_the_symbolic_jacobian():
    layer = network("elman").double()
    step = StepMap(layer)
    state, ids = torch.randn(1, 4, dtype=F64), torch.tensor([2])
    after = step(state, ids)
    formula = ur.Recurrence("elman").jacobian("h_t", "h_{t-1}")
    values = {"W": layer.W.detach().numpy(), "h_t": after[0].numpy()}
    assert step.jacobians(state, ids)[0].numpy() == pytest.approx(np.asarray(formula.evaluate(values)), abs=1e-14)


def test_what_is_visible():
    assert StepMap(network("gru, 2 layers")).visible == [3, 4, 5]  # h of the upper layer
    assert StepMap(network("lstm, 3 layers, embedding")).visible == [15, 16, 17]  # and not its c


def test_the_layer_is_left_as_it_was():
    layer = network("gru, 2 layers").train()
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    step = StepMap(layer)
    step.trajectory(step.inputs(inputs_of(layer))[0])
    assert layer.training
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
    assert all(value.dtype == torch.float32 and value.requires_grad for value in layer.parameters())


def test_networks_without_a_step():
    with pytest.raises(ConfigurationError, match="reads its sequence from both ends"):
        StepMap(Recurrent("gru", bidirectional=True, x=3, h=4))
    with pytest.raises(ConfigurationError, match="no dynamics"):
        StepMap(Recurrent("y_t = softmax(V x_t)", x=3, y=2))
    with pytest.raises(ConfigurationError, match="A Linear is not one recurrence"):
        StepMap(torch.nn.Linear(3, 3))


@pytest.mark.parametrize(("x", "message"), [
    (torch.tensor([[7]]), "ids from 7 to 7; there are 7"),
    (torch.tensor([[-1]]), "ids from -1 to -1"),
    (torch.randn(3, 2, 6), "has the size 6; the layer reads 7"),
    (torch.zeros(0, 2, dtype=torch.int64), "is empty"),
    (torch.zeros(2, 0, dtype=torch.int64), "is empty"),
    ([torch.tensor([1, 2]), torch.tensor([1])], "not a list"),
])  # fmt: skip
def test_inputs_that_do_not_fit(x, message):
    with pytest.raises(DataError, match=message):
        Opened(network("elman")).batch(x)
