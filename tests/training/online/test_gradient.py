"""RTRL against backpropagation through all steps, which torch makes from the layer."""

from itertools import pairwise

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recurrences import recurrences
from unrolled.equations.library import load
from unrolled.errors import ConfigurationError, DataError, EquationError
from unrolled.nn import ManyToOne, Recurrent, language_model
from unrolled.training.online import OnlineGradient

F64 = torch.float64
USER = """
    g_t = σ(A x_t + p ⊙ c_{t-1} + b)
    c_t = g_t ⊙ c_{t-1} + (1 - g_t) ⊙ tanh(U x_t + W^T (g_t ⊙ h_{t-1}) + W b)
    h_t = layernorm(c_t) + λ h_{t-1}
    y_t = softmax(V h_t + Q x_t + k)
    c_{-1} = c0
    h_{-1} = b
"""
CELLS = {
    "elman": "elman",
    "jordan": "jordan",
    "jordan1986": "jordan1986",
    "gru": "gru",
    "lstm": "lstm",
    "lstm_projection": "lstm_projection",
    "a cell of the user's": USER,
    "each unit alone": "h_t = tanh(U x_t + a ⊙ h_{t-1} + b); y_t = V h_t; h_{-1} = k",
    "two outputs": "h_t = tanh(U x_t + W h_{t-1}); y_t = V h_t; z_t = σ(Q h_{t-1}); y : output; z : output",
    "two inputs": "h_t = tanh(U x_t + W h_{t-1} + R z_t); y_t = softmax(V h_t + P z_t)",
}


SIZES = {"x": 3, "z": 2, "h": 4, "c": 4, "y": 5}


def layer_of(recurrence: str, num_layers: int = 1, **options) -> Recurrent:
    torch.manual_seed(3)
    system = load(CELLS.get(recurrence, recurrence))
    sizes = {name: SIZES[name] for name in system.free_sizes}
    return Recurrent(system, num_layers, sizes=sizes, **({"dtype": F64} | options))


def inputs_of(layer: Recurrent, steps: int, lanes: int):
    """Random sequences, by name."""
    names = layer.network.layers[0].system.inputs
    generator = torch.Generator().manual_seed(5)
    return {name: torch.randn(steps, lanes, SIZES[name], dtype=F64, generator=generator) for name in names}


def outputs_of(output) -> dict[str, torch.Tensor]:
    return output if isinstance(output, dict) else {"": output}


def weights_of(output) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(6)
    return {n: torch.randn(each.shape, dtype=F64, generator=generator) for n, each in outputs_of(output).items()}


def loss_of(output, weights) -> torch.Tensor:
    """Of one step, or of all: not linear, and other at each step."""
    return sum(((each - weights[name]) ** 2 * weights[name]).sum() for name, each in outputs_of(output).items())


def exact(layer: Recurrent, xs, weights) -> dict[str, torch.Tensor]:
    """By BPTT through all steps."""
    loss = loss_of(layer.logits(xs)[0], weights)
    names, parameters = zip(*((n, p) for n, p in layer.named_parameters() if p.requires_grad), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters, materialize_grads=True), strict=True))


def online(gradient: OnlineGradient, xs, weights, begins=None):
    """The sum of the gradients of all steps, and the last step."""
    steps, lanes = next(iter(xs.values())).shape[:2]
    state, total = gradient.start(lanes), {}
    for t in range(steps):
        own = {name: each[t] for name, each in weights.items()}
        anew = None if begins is None else begins[t]
        step = gradient.step(
            {n: x[t] for n, x in xs.items()}, state, lambda output, own=own: loss_of(output, own), anew
        )
        state = step.state
        total = {name: total.get(name, 0) + each for name, each in step.gradients.items()}
    return total, step


def assert_equal(found, wanted, rtol=1e-10) -> None:
    """Relative to the largest entry of each."""
    assert found.keys() == wanted.keys()
    for name, one in found.items():
        other = wanted[name]
        torch.testing.assert_close(one, other, rtol=0, atol=rtol * max(1e-3, other.abs().max().item()), msg=name)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("steps", "lanes"), [(7, 3), (1, 1), (5, 1)])
def test_it_is_the_gradient_through_all_steps(cell, steps, lanes):
    layer = layer_of(cell)
    xs = inputs_of(layer, steps, lanes)
    output, last = layer.logits(xs)
    weights = weights_of(output)
    found, step = online(OnlineGradient(layer), xs, weights)
    assert_equal(found, exact(layer, xs, weights))
    for name, each in outputs_of(step.output).items():
        torch.testing.assert_close(each, outputs_of(output)[name][-1], rtol=1e-12, atol=1e-13)
    assert_equal(step.state.states, last)


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm", "a cell of the user's"])
@pytest.mark.parametrize("options", [{"num_layers": 2}, {"num_layers": 3}, {"num_layers": 2, "embedding": 2}])
def test_a_stack(cell, options):
    recurrence = USER.replace(" + Q x_t", "") if cell.startswith("a cell") else cell
    layer = layer_of(recurrence, **options)
    xs = inputs_of(layer, 5, 2)
    output, last = layer.logits(xs)
    found, step = online(OnlineGradient(layer), xs, weights_of(output))
    assert_equal(found, exact(layer, xs, weights_of(output)))
    assert_equal(step.state.states, last)


def test_ids_are_looked_up_in_an_embedding():
    torch.manual_seed(0)
    layer = language_model("gru", 7, hidden=4, embedding=3, num_layers=2, dtype=F64)
    ids = torch.randint(0, 7, (6, 2))
    weights = weights_of(layer.logits(ids)[0])
    found, _ = online(OnlineGradient(layer), {"x": ids}, weights)
    assert_equal(found, exact(layer, ids, weights))


@settings(max_examples=40)
@given(example=recurrences(ids=False), layers=st.integers(1, 2), order=st.sampled_from([None, 9]))
def test_what_nobody_would_write(example, layers, order):
    """SnAp-9 of few states in few layers is all of it."""
    torch.manual_seed(0)
    softmax = any(right.op == "softmax" for _, right in example.system.equations)
    assume(example.system.inputs and example.system.states and not (layers > 1 and softmax))
    try:
        layer = Recurrent(example.system, layers, sizes=dict(example.sizes), dtype=F64)
        gradient = OnlineGradient(layer, order)
    except (EquationError, ConfigurationError):  # which cannot be stacked, or has nothing to learn
        assume(False)
    names = layer.network.layers[0].system.inputs
    shapes = example.system.resolve(dict(example.sizes))
    xs = {name: torch.randn(4, 2, *(shapes[name] or (1,)), dtype=F64) for name in names}
    output, last = layer.logits(xs)
    weights = weights_of(output)
    assume(weights and loss_of(output, weights).requires_grad)
    found, step = online(gradient, xs, weights)
    assert_equal(found, exact(layer, xs, weights), rtol=1e-9)
    assert_equal(step.state.states, last)


def test_a_lane_that_begins_knows_nothing_of_before():
    """Of each document the gradient alone; what stood in the lane may even be NaN."""
    layer = layer_of("a cell of the user's")
    xs = inputs_of(layer, 8, 3)
    weights = weights_of(layer.logits(xs)[0])
    begins = torch.zeros(8, 3, dtype=torch.bool)
    begins[2, 0] = begins[5, 0] = begins[5, 1] = begins[0, 2] = True
    found, _ = online(OnlineGradient(layer), xs, weights, begins)
    wanted = {name: torch.zeros_like(each) for name, each in found.items()}
    for lane, cuts in enumerate(([0, 2, 5, 8], [0, 5, 8], [0, 8])):
        for begin, end in pairwise(cuts):
            part = slice(begin, end), slice(lane, lane + 1)
            alone = exact(layer, {"x": xs["x"][part]}, {n: each[part] for n, each in weights.items()})
            wanted = {name: wanted[name] + alone[name] for name in wanted}
    assert_equal(found, wanted)


def test_the_influence_of_a_lane_that_begins_is_that_of_one_step():
    layer = layer_of("lstm")
    gradient, xs = OnlineGradient(layer), inputs_of(layer, 4, 2)["x"]
    state = gradient.start(2)
    for x in xs[:3]:
        state = gradient.step(x, state).state
    state.states["h"][0] = float("nan")
    for each in state.influence:
        each[0] = float("nan")
    after = gradient.step(xs[3], state, begins=torch.tensor([True, False])).state
    fresh = gradient.step(xs[3], gradient.start(2)).state
    through = gradient.step(xs[3], state).state
    for found, anew, on in zip(after.influence, fresh.influence, through.influence, strict=True):
        assert torch.equal(found[0], anew[0])
        assert torch.equal(found[1], on[1])
        assert not torch.equal(anew[1], on[1])


def test_nothing_is_stored_over_time():
    layer = layer_of("gru")
    gradient, xs = OnlineGradient(layer), inputs_of(layer, 9, 2)["x"]
    state, sizes = gradient.start(2), set()
    for x in xs:
        step = gradient.step(x, state, lambda output: output.sum())
        state = step.state
        tensors = [*state.states.values(), *state.influence, *step.gradients.values()]
        assert not any(each.requires_grad for each in tensors)
        sizes.add(sum(each.numel() for each in tensors))
    assert len(sizes) == 1
    assert sum(each[0].numel() for each in state.influence) == gradient.entries == state.rows.shape[1]


def test_a_state_that_was_kept_as_rows():
    layer = layer_of("lstm", 2)
    gradient, xs = OnlineGradient(layer, 1), inputs_of(layer, 3, 2)["x"]
    state = gradient.step(xs[0], gradient.start(2)).state
    again = gradient.state_of(state.states, state.rows)
    assert all(torch.equal(one, other) for one, other in zip(again.influence, state.influence, strict=True))
    with pytest.raises(DataError, match="is not"):
        gradient.state_of(state.states, state.rows[:, 1:])


def test_only_what_is_learnt():
    """Of a reservoir only the read-out is, and nothing has to be carried."""
    layer = layer_of("elman")
    layer.W.requires_grad_(False)
    xs = inputs_of(layer, 6, 2)
    weights = weights_of(layer.logits(xs)[0])
    found, _ = online(OnlineGradient(layer), xs, weights)
    assert found.keys() == {"U", "V"}
    assert_equal(found, exact(layer, xs, weights))
    layer.U.requires_grad_(False)
    reservoir = OnlineGradient(layer)
    assert reservoir.entries == 0
    found, step = online(reservoir, xs, weights)
    assert_equal(found, exact(layer, xs, weights))
    assert step.state.rows.shape == (2, 0)


def test_single_precision():
    layer = layer_of("lstm", 2)
    xs = inputs_of(layer, 6, 2)
    weights = weights_of(layer.logits(xs)[0])
    wanted = exact(layer, xs, weights)
    single = [{name: each.float() for name, each in those.items()} for those in (xs, weights)]
    found, step = online(OnlineGradient(layer.float()), *single)
    assert all(each.dtype == torch.float32 for each in (*found.values(), *step.state.influence))
    assert_equal({name: each.double() for name, each in found.items()}, wanted, rtol=2e-5)


def test_a_loss_that_depends_on_nothing():
    layer = layer_of("elman")
    gradient, x = OnlineGradient(layer), torch.ones(2, 3, dtype=F64)
    step = gradient.step(x, gradient.start(2), lambda output: torch.zeros(()))
    assert all(not each.any() for each in step.gradients.values())
    quiet = gradient.step(x, gradient.start(2))
    assert (quiet.loss, quiet.gradients) == (None, {})
    assert not quiet.output.requires_grad
    with pytest.raises(DataError, match="one number"):
        gradient.step(x, gradient.start(2), lambda output: output)


@pytest.mark.parametrize(
    ("layer", "order", "message"),
    [
        (lambda: layer_of("elman", bidirectional=True), None, "answers when all has been read"),
        (lambda: layer_of("elman", 2, dropout=0.5), None, "not part of the equations"),
        (lambda: layer_of("elman", precision="bf16").float(), None, "rounds them"),
        (lambda: layer_of("y_t = softmax(V x_t)"), None, "no state"),
        (lambda: layer_of("h_t = tanh(W h_{t-1})"), None, "read no input"),
        (lambda: layer_of("elman").requires_grad_(False), None, "no parameter of the layer is learnt"),
        (lambda: ManyToOne("elman", x=3, h=4, y=2), None, "a ManyToOne does not answer at each step"),
        (lambda: layer_of("elman"), 0, "the order is 0"),
    ],
)
def test_what_has_no_online_gradient(layer, order, message):
    with pytest.raises(ConfigurationError, match=message):
        OnlineGradient(layer(), order)


def test_what_does_not_fit():
    layer = layer_of("two inputs")
    gradient = OnlineGradient(layer)
    x, z = torch.ones(2, 3, dtype=F64), torch.ones(2, 2, dtype=F64)
    state = gradient.start(2)
    with pytest.raises(DataError, match="A step reads x, z"):
        gradient.step(x, state)
    with pytest.raises(DataError, match=r"The input z of a step has the shape \(2, 3\); it is \(B, 2\)"):
        gradient.step({"x": x, "z": x}, state)
    with pytest.raises(DataError, match="different numbers of lanes"):
        gradient.step({"x": x, "z": z[:1]}, state)
    with pytest.raises(DataError, match="holds the id 2; there are 2 symbols, 0 to 1"):
        gradient.step({"x": x, "z": torch.tensor([0, 2])}, state)
    with pytest.raises(DataError, match=r"The state h is \(3, 4\); for 2 lanes it is \(2, 4\)"):
        gradient.step({"x": x, "z": z}, gradient.start(3))
    with pytest.raises(DataError, match=r"begins is torch.bool \(3,\); it is bool \(2,\)"):
        gradient.step({"x": x, "z": z}, state, begins=torch.zeros(3, dtype=torch.bool))
