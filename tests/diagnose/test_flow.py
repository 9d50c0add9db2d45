"""The gradient at every step: against loops in plain torch that keep it, and against finite differences."""

import json

import pytest
import torch
from torch.nn import functional

from unrolled.diagnose import Flow, GradientFlow, gradient_flow
from unrolled.diagnose.dynamics_plots import flow_plot
from unrolled.errors import ConfigurationError, DataError
from unrolled.nn import ManyToOne, Recurrent, language_model
from unrolled.training.evaluation import result_of

F64 = torch.float64
T, B, V, H = 6, 3, 5, 4


def measured(layer, *inputs):
    found = result_of(gradient_flow(layer, *inputs))
    json.dumps(found.to_dict(), allow_nan=False)
    return found


def copies(layer, steps=T):
    """Each parameter once for every step, so that each has a gradient of its own."""
    return [{n: p.detach().clone().requires_grad_() for n, p in layer.named_parameters()} for _ in range(steps)]


def mean_norms(tensors):
    """Of (B, n) tensors, one for each step: the mean of the norms of their gradients."""
    return [each.grad.norm(dim=-1).mean().item() for each in tensors]


def lanes_of(ids):
    return [ids[:, lane : lane + 1] for lane in range(ids.shape[1])]


def contributions(run, layer, loss, ids):
    """Of each parameter, step by step, the mean over the lanes of the norm of the gradient of its copy."""
    norms = {name: torch.zeros(T, dtype=F64) for name, _ in layer.named_parameters()}
    for lane in lanes_of(ids):
        own = copies(layer)
        loss(run(own, lane)[0], lane).backward()
        for name in norms:
            each = [step[name].grad for step in own]
            norms[name] += torch.tensor([0.0 if g is None else g.norm().item() for g in each], dtype=F64) / B
    return {name: value.tolist() for name, value in norms.items()}


def last(logits, ids):
    return functional.cross_entropy(logits[-1], ids[-1], reduction="sum")


def every(logits, ids):
    return functional.cross_entropy(torch.cat(logits), ids[1:].flatten(), reduction="sum")


def compare(layer, run, ids):
    """All that is measured, beside ``run(copies, ids)``, which gives logits and states that keep their gradients."""
    found = measured(layer, ids)
    assert (found.steps, found.lanes) == (T, B)
    assert list(found.losses) == ["many-to-one", "many-to-many"]
    for flow, loss in zip(found.losses.values(), (last, every), strict=True):
        logits, states = run(copies(layer), ids)
        loss(logits, ids).backward()
        assert flow.states.keys() == states.keys()
        for name, each in states.items():
            assert flow.states[name] == pytest.approx(mean_norms(each), rel=1e-10)
        expected = contributions(run, layer, loss, ids)
        assert flow.parameters.keys() == expected.keys()
        for name, norms in expected.items():
            assert flow.parameters[name] == pytest.approx(norms, rel=1e-10, abs=1e-14)


def kept(tensor):
    tensor.retain_grad()
    return tensor


@pytest.mark.parametrize("embedding", [None, 2])
def test_two_layers_by_hand(embedding):
    torch.manual_seed(0)
    layer = language_model("vanilla", V, hidden=H, num_layers=2, embedding=embedding, dropout=0.3, dtype=F64)

    def run(own, ids):
        low = high = torch.zeros(ids.shape[1], H, dtype=F64)
        logits, lows, highs = [], [], []
        for p, x in zip(own, ids[:-1], strict=True):
            read = p["E_l0"].T[x] @ p["U_l0"].T if embedding else p["U_l0"].T[x]
            low = kept(torch.tanh(read + low @ p["W_l0"].T + p["b_l0"]))
            high = kept(torch.tanh(low @ p["U_l1"].T + high @ p["W_l1"].T + p["b_l1"]))
            logits.append(high @ p["V"].T + p["c"])
            lows.append(low)
            highs.append(high)
        return logits, {"h, layer 1": lows, "h, layer 2": highs}

    compare(layer, run, torch.randint(0, V, (T + 1, B)))


def test_a_read_out_with_a_softmax_by_hand():
    """The loss is of the argument of the softmax, the logits."""
    torch.manual_seed(0)
    layer = language_model("elman", V, hidden=H, dtype=F64)

    def run(own, ids):
        h = torch.zeros(ids.shape[1], H, dtype=F64)
        logits, hs = [], []
        for p, x in zip(own, ids[:-1], strict=True):
            h = kept(torch.tanh(p["U"].T[x] + h @ p["W"].T))
            logits.append(h @ p["V"].T)
            hs.append(h)
        return logits, {"h": hs}

    compare(layer, run, torch.randint(0, V, (T + 1, B)))


def test_an_lstm_by_hand():
    torch.manual_seed(0)
    layer = language_model("lstm", V, hidden=H, dtype=F64)

    def run(own, ids):
        h = c = torch.zeros(ids.shape[1], H, dtype=F64)
        logits, hs, cs = [], [], []
        for p, x in zip(own, ids[:-1], strict=True):
            i, f, g, o = (
                p[f"W_i{gate}"].T[x] + p[f"b_i{gate}"] + h @ p[f"W_h{gate}"].T + p[f"b_h{gate}"] for gate in "ifgo"
            )
            c = kept(torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g))
            h = kept(torch.sigmoid(o) * torch.tanh(c))
            logits.append(h @ p["V"].T + p["d"])
            hs.append(h)
            cs.append(c)
        return logits, {"c": cs, "h": hs}

    compare(layer, run, torch.randint(0, V, (T + 1, B)))


@pytest.mark.parametrize(
    "cell", ["jordan", "y : output; h_t = tanh(U x_t + W y_{t-1} + b); s_t = softmax(V h_t + c); y_t = s_t"]
)
def test_an_output_that_feeds_back(cell):
    torch.manual_seed(0)
    layer = language_model(cell, V, hidden=H, dtype=F64)

    def run(own, ids):
        y = torch.zeros(ids.shape[1], V, dtype=F64)
        logits, ys = [], []
        for p, x in zip(own, ids[:-1], strict=True):
            h = torch.tanh(p["U"].T[x] + y @ p["W"].T + p["b"])
            logits.append(h @ p["V"].T + p["c"])
            y = kept(torch.softmax(logits[-1], -1))
            ys.append(y)
        for each in ys:  # the last one is read by nothing: the loss takes its logits
            each.grad = torch.zeros_like(each)
        return logits, {"y": ys}

    compare(layer, run, torch.randint(0, V, (T + 1, B)))


def test_both_directions_by_hand():
    torch.manual_seed(0)
    layer = ManyToOne("vanilla", bidirectional=True, pooling="mean", x=2, h=H, o=3, dtype=F64)
    x, targets = torch.randn(T, B, 2, dtype=F64), torch.tensor([0, 2, 1])
    found = measured(layer, x, targets)
    assert list(found.losses) == ["many-to-one"]
    p = dict(layer.named_parameters())
    sides = {}
    for name, suffix, steps in (("forwards", "", range(T)), ("backwards", "_reverse", reversed(range(T)))):
        h, states = torch.zeros(B, H, dtype=F64), {}
        for t in steps:
            U, W, b = (p[f"{letter}_l0{suffix}"] for letter in "UWb")
            h = states[t] = kept(torch.tanh(x[t] @ U.T + h @ W.T + b))
        sides[f"h, {name}"] = [states[t] for t in range(T)]
    pooled = torch.cat([torch.stack(each).mean(0) for each in sides.values()], -1)
    functional.cross_entropy(pooled @ p["V"].T + p["c"], targets, reduction="sum").backward()
    flow = found.losses["many-to-one"]
    for name, each in sides.items():
        assert flow.states[name] == pytest.approx(mean_norms(each), rel=1e-10)
    assert flow.parameters["W_l0"][0] == 0  # the first state is zero
    assert flow.parameters["W_l0_reverse"][-1] == 0
    assert not {"V", "c"} & flow.parameters.keys()  # a read-out of one answer belongs to no step


@pytest.mark.parametrize("pooling", ["last", "max", "attention"])
def test_one_step_adds_all_of_a_gradient(pooling):
    torch.manual_seed(0)
    layer = ManyToOne("gru", 2, bidirectional=True, pooling=pooling, x=2, h=H, o=3, dtype=F64)
    x, target = torch.randn(1, 1, 2, dtype=F64), torch.tensor([1])
    flow = measured(layer, x, target).losses["many-to-one"]
    functional.cross_entropy(layer.logits(x)[0], target).backward()
    for name, norms in flow.parameters.items():
        assert norms == (pytest.approx(layer.get_parameter(name).grad.norm().item(), rel=1e-10),)


def test_against_finite_differences():
    """∂L/∂h_t of a GRU, L as a function of the state that goes in after step t."""
    torch.manual_seed(0)
    layer = language_model("gru", V, hidden=H, dtype=F64)
    ids = torch.randint(0, V, (T + 1, 1))
    inputs, targets = ids[:-1], ids[1:]
    found = measured(layer, ids[:, 0]).losses  # one lane
    with torch.no_grad():
        for t in range(T):
            _, state = layer.logits(inputs[: t + 1])

            def losses(h, t=t):
                logits = [h @ layer.V.T + layer.c]  # that of step t itself
                if t < T - 1:
                    logits.append(layer.logits(inputs[t + 1 :], {"h": h})[0].flatten(0, 1))
                each = functional.cross_entropy(torch.cat(logits), targets[t:, 0], reduction="none")
                return each[-1], each.sum()

            gradients = []
            for j in range(H):
                moved = 1e-6 * torch.eye(H, dtype=F64)[j]
                ahead, behind = losses(state["h"] + moved), losses(state["h"] - moved)
                gradients.append([(a - b).item() / 2e-6 for a, b in zip(ahead, behind, strict=True)])
            norms = torch.tensor(gradients).norm(dim=0).tolist()
            assert [flow.states["h"][t] for flow in found.values()] == pytest.approx(norms, rel=1e-6)


def test_numbers_as_targets():
    layer = Recurrent("h_t = tanh(U x_t + W h_{t-1})\no_t = V h_t", x=2, h=H, o=3, dtype=F64)
    x, targets = torch.randn(T, B, 2, dtype=F64), torch.randn(T, B, 3, dtype=F64)
    flow = measured(layer, x, targets).losses["many-to-one"]
    errors = layer(x)[0][-1] - targets[-1]
    assert flow.states["h"][-1] == pytest.approx((errors @ layer.V).norm(dim=-1).mean().item())


def test_how_far_it_reaches():
    layer = language_model("vanilla", V, hidden=H, dtype=F64)
    with torch.no_grad():
        layer.W.copy_(0.3 * torch.eye(H))
        layer.U.zero_()
        layer.b.zero_()
    found = measured(layer, torch.zeros(20, 2, dtype=torch.int64)).losses  # h stays 0: the gradient falls by 0.3
    assert found["many-to-one"].reach() == {"h": 3}
    assert found["many-to-one"].reach(0.1) == {"h": 1}
    assert found["many-to-many"].reach() == {"h": 18}
    with torch.no_grad():
        layer.V.zero_()
    found = measured(layer, torch.zeros(20, 2, dtype=torch.int64)).losses
    assert [flow.reach() for flow in found.values()] == [{"h": 0}] * 2  # no gradient reaches anything


def test_the_layer_is_left_as_it_was():
    layer = language_model("gru", V, hidden=H).train()
    measured(layer, torch.zeros(3, dtype=torch.int64))
    assert layer.training
    assert all(each.grad is None and each.requires_grad for each in layer.parameters())


def test_what_cannot_be_measured():
    layer, ids = language_model("gru", V, hidden=H), torch.zeros(4, 2, dtype=torch.int64)
    with pytest.raises(DataError, match="give targets"):
        measured(layer, torch.randn(4, 2, V))
    with pytest.raises(DataError, match="T at least 2"):
        measured(layer, ids[:1])
    with pytest.raises(DataError, match=r"shape \(4,\); an answer is \(4, 2, 5\)"):
        measured(layer, ids, ids[:, 0])
    for wrong, said in ((5, "0 to 5"), (-1, "-1 to 1")):
        with pytest.raises(DataError, match=f"{said}; there are 5 classes"):
            measured(layer, ids[:2], torch.tensor([[0, wrong], [1, 1]]))
    with pytest.raises(ConfigurationError, match="no dynamics"):
        measured(Recurrent("y_t = softmax(V x_t)", x=V, y=2), ids)
    two = "h_t = tanh(U x_t + W h_{t-1}); y_t = V h_t; z_t = A h_t; y : output; z : output"
    with pytest.raises(DataError, match="one output; this layer has y, z"):
        measured(Recurrent(two, x=V, h=2, y=2, z=2), ids)


@pytest.mark.parametrize(("count", "expected"), [
    (2, ["h1: many-to-one", "h2: many-to-one", "h1: many-to-many", "h2: many-to-many"]),
    (4, ["h1", "h2", "h3", "h4", "many-to-one", "many-to-many"]),  # the colour says which state, the dashes which loss
    (7, ["many-to-one", "many-to-many"]),
])  # fmt: skip
def test_a_picture_names_its_curves(count, expected):
    flow = Flow({f"h{n}": (0.1, 1.0) for n in range(1, count + 1)}, {"W": (0.1, 1.0)})
    axes = flow_plot(GradientFlow({"many-to-one": flow, "many-to-many": flow}, 2, 1)).axes[0]
    assert [each.get_text() for each in axes.get_legend().get_texts()] == expected
