"""SnAp-n against its definition: torch's Jacobians of one step, and the entries that n steps can reach."""

import pytest
import torch
from torch.autograd.functional import jacobian
from torch.func import functional_call

from unrolled.equations.extension import core_of
from unrolled.equations.library import CELLS, load
from unrolled.nn import Recurrent
from unrolled.training.online import OnlineGradient

F64 = torch.float64
ALONE = {
    "one state": "h_t = tanh(U x_t + a ⊙ h_{t-1} + b); y_t = softmax(V h_t)",
    "a gate": """
        f_t = σ(F x_t + p ⊙ h_{t-1} + b)
        h_t = f_t ⊙ h_{t-1} + (1 - f_t) ⊙ tanh(U x_t + q ⊙ h_{t-1})
        y_t = V h_t + Q x_t
        h_{-1} = k
    """,
    "two states": """
        c_t = σ(p) ⊙ c_{t-1} + U x_t
        h_t = tanh(c_t ⊙ h_{t-1} + q ⊙ c_{t-1})
        y_t = V h_t
    """,
}
CHAIN = """
    a_t = tanh(A x_t + p ⊙ a_{t-1})
    c_t = tanh(Q c_{t-1} + R a_{t-1})
    d_t = tanh(D^T d_{t-1} + E c_{t-1} + b)
    y_t = V d_t
    d_{-1} = k
"""
RING = CHAIN.replace("p ⊙ a_{t-1}", "p ⊙ a_{t-1} + G d_{t-1}")
FEEDBACK = "h_t = tanh(U x_t + W y_{t-1} + b); y_t = σ(V h_t); y : output"
SIZES = {"x": 2, "h": 3, "a": 3, "c": 2, "d": 2, "y": 2}


def layer_of(text: str, num_layers: int = 1, states: bool = False) -> Recurrent:
    """With ``states`` these are its outputs, and what only a read-out needs is left out."""
    torch.manual_seed(1)
    system = load(text)
    if states:
        system = core_of(system, system.states)
    return Recurrent(system, num_layers, sizes={name: SIZES[name] for name in system.free_sizes}, dtype=F64)


def data(layer: Recurrent, steps: int = 6, lanes: int = 2):
    generator = torch.Generator().manual_seed(2)
    xs = torch.randn(steps, lanes, 2, dtype=F64, generator=generator)
    return xs, torch.randn(layer.logits(xs)[0].shape, dtype=F64, generator=generator)


def loss_of(output, wanted):
    return ((output - wanted) ** 2).sum()


def bptt(layer, xs, wanted):
    names, parameters = zip(*layer.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss_of(layer.logits(xs)[0], wanted), parameters), strict=True))


def online(layer, order, xs, wanted):
    gradient, total = OnlineGradient(layer, order), {}
    state = gradient.start(xs.shape[1])
    for x, own in zip(xs, wanted, strict=True):
        step = gradient.step(x, state, lambda output, own=own: loss_of(output, own))
        state = step.state
        total = {name: total.get(name, 0) + each for name, each in step.gradients.items()}
    return total


class Definition:
    """One lane, all in vectors: s of N states and θ of P parameters, with the Jacobians that torch gives."""

    def __init__(self, layer: Recurrent) -> None:
        self.layer = layer
        self.parameters = {name: each.detach() for name, each in layer.named_parameters()}
        _, self.state = layer.logits(torch.zeros(1, 1, 2, dtype=F64))
        self.theta = torch.cat([each.flatten() for each in self.parameters.values()])

    def first(self, theta):
        """The first states, which reading nothing leaves."""
        _, state = functional_call(self.layer, named(theta, self.parameters), (torch.zeros(0, 1, 2, dtype=F64),))
        return torch.cat([each.flatten() for each in state.values()])

    def step(self, x):
        """The states after reading x (2,), as a function of those before and of the parameters."""

        def following(s, theta):
            given = x[None, None], named(s, self.state)
            _, after = functional_call(self.layer, named(theta, self.parameters), given)
            return torch.cat([each.flatten() for each in after.values()])

        return following

    def influences(self, xs, keep):
        """S after each step, of which only the entries in ``keep`` (N, P) are ever kept."""
        s, influence = self.first(self.theta), jacobian(self.first, self.theta) * keep
        for x in xs:
            along, immediate = jacobian(self.step(x), (s, self.theta))
            influence, s = (along @ influence + immediate) * keep, self.step(x)(s, self.theta)
            yield influence

    def reached(self, order: int) -> torch.Tensor:
        """Where θ_j influences state i within so many steps, seen where everything is random: there the derivatives
        vanish nowhere else. To be the first value of a state counts as a step."""
        generator = torch.Generator().manual_seed(9)
        x, s = (torch.randn(n, dtype=F64, generator=generator) for n in (2, len(self.first(self.theta))))
        along, immediate = jacobian(self.step(x), (s, self.theta))
        found = one_step = (immediate != 0) | (jacobian(self.first, self.theta) != 0)
        for _ in range(order - 1):
            found = one_step | ((along != 0).double() @ found.double() > 0)
        return found


def named(vector, like):
    """A vector as tensors of these shapes."""
    parts = vector.split([each.numel() for each in like.values()])
    return {name: part.reshape(each.shape) for part, (name, each) in zip(parts, like.items(), strict=True)}


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(
    ("cell", "layers"),
    [
        *((each, 1) for each in ("elman", "feedback", "gru", "gru_reset_before", "lstm", *ALONE, "chain", "ring")),
        ("elman", 2),
        ("lstm", 2),
        ("one state", 3),
    ],
)
def test_every_entry_is_that_of_the_definition(cell, layers, order):
    """Read off as the gradients of single states; of a stack only the upper ones can be seen."""
    layer = layer_of({**ALONE, "chain": CHAIN, "ring": RING, "feedback": FEEDBACK}.get(cell, cell), layers, states=True)
    xs = torch.randn(4, 1, 2, dtype=F64, generator=torch.Generator().manual_seed(2))
    definition, gradient = Definition(layer), OnlineGradient(layer, order)
    states = layer.network.layers[-1].system.outputs
    places = named(torch.arange(len(definition.first(definition.theta))), definition.state)
    state = gradient.start(1)
    for x, influence in zip(xs, definition.influences(xs[:, 0], definition.reached(order)), strict=True):
        for name in states:
            for unit, place in enumerate(places[name].reshape(-1, places[name].shape[-1])[-1]):
                step = gradient.step(x, state, lambda output, n=name, i=unit: dict_of(output, n)[0, i])
                found = torch.cat([each.flatten() for each in step.gradients.values()])
                torch.testing.assert_close(found, influence[place], rtol=1e-10, atol=1e-13)
        state = step.state


def dict_of(output, name):
    return output[name] if isinstance(output, dict) else output


@pytest.mark.parametrize("cell", ALONE)
def test_one_step_is_enough_where_each_unit_only_sees_itself(cell):
    layer = layer_of(ALONE[cell])
    xs, wanted = data(layer)
    exact = bptt(layer, xs, wanted)
    for name, each in online(layer, 1, xs, wanted).items():
        torch.testing.assert_close(each, exact[name], rtol=1e-10, atol=1e-12)
    hidden, parameters = 3, sum(p.numel() for n, p in layer.named_parameters() if n not in "VQ")
    assert OnlineGradient(layer, 1).entries <= len(layer.system.states) * parameters
    assert OnlineGradient(layer).entries == OnlineGradient(layer, 1).entries < hidden * parameters


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_of_a_dense_recurrence_one_step_is_not_all(cell):
    """The read-out, which no state depends on, is exact all the same; and two steps reach everything."""
    layer = layer_of(f"{CELLS[cell]}\ny_t = V h_t" if cell != "elman" else cell)
    xs, wanted = data(layer)
    exact, one, two = bptt(layer, xs, wanted), online(layer, 1, xs, wanted), online(layer, 2, xs, wanted)
    for name, each in exact.items():
        torch.testing.assert_close(two[name], each, rtol=1e-10, atol=1e-12)
        difference = ((one[name] - each).norm() / each.norm()).item()
        assert difference < 1e-12 if name == "V" else difference > 1e-3


@pytest.mark.parametrize(("text", "enough"), [(CHAIN, 3), (RING, 4)])
def test_the_pattern_grows_until_it_is_full(text, enough):
    layer = layer_of(text)
    xs, wanted = data(layer)
    exact = bptt(layer, xs, wanted)
    full = OnlineGradient(layer).entries
    definition = Definition(layer_of(text, states=True))
    before = None
    for order in range(1, enough + 2):
        kept = definition.reached(order)
        assert OnlineGradient(layer, order).entries == int(kept.sum())
        assert (int(kept.sum()) == full) == (order >= enough)
        assert before is None or not (before & ~kept).any()
        before = kept
        found = online(layer, order, xs, wanted)
        error = max(((found[name] - each).norm() / each.norm()).item() for name, each in exact.items())
        assert error < 1e-12 if order >= enough else error > 1e-4
