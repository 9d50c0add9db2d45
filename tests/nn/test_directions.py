"""Another recurrence backwards: against two layers of one direction put together by hand, and against torch's."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_sequence

from unrolled.errors import ConfigurationError, DataError, EquationError, SizeError
from unrolled.nn import ManyToMany, ManyToOne, Recurrent
from unrolled.nn.pooling import POOLINGS

F64 = torch.float64
FORWARD = "c_t = σ(A x_t + B h_{t-1} + a) ⊙ c_{t-1} + tanh(D x_t + F h_{t-1}); h_t = tanh(c_t)"
BACKWARD = "s_t = tanh(P x_t + Q s_{t-1} + p); s_{-1} = 0.25"
READOUT = "y_t = softmax(V h_t + b)"
N, H, S, Y = 2, 4, 3, 3
LENGTHS = [3, 0, 6, 1, 6]
T, B = 6, 5


def make(kind: type[Recurrent] = Recurrent, forward: str = f"{FORWARD}; {READOUT}", **options) -> Recurrent:
    layer = kind(forward, **{"backward": BACKWARD, "x": N, "h": H, "s": S, "y": Y, "dtype": F64, **options})
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.6 * torch.randn_like(parameter))
    return layer


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=F64, requires_grad=True)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


def one_way(layer: Recurrent, text: str, suffix: str, x: Tensor, first: dict[str, Tensor], **sizes: int):
    """One recurrence over one sequence (T, n), with the parameters that ``layer`` has under that suffix."""
    alone = Recurrent(text, dtype=F64, x=x.shape[-1], **sizes)
    parameters = {name: getattr(layer, name + suffix) for name, _ in alone.named_parameters()}
    return functional_call(alone, parameters, (x, first))


def by_hand(layer: Recurrent, x: Tensor, first: dict[str, Tensor] | None = None):
    """What goes up at the top (T, H + S), and every last state, for one sequence: (layers, size)."""
    last: dict[str, list[Tensor]] = {"c": [], "h": [], "s": []}
    for level in range(layer.num_layers):
        given = {name: state[level] for name, state in (first or {}).items()}
        begun = [{name: given[name] for name in names if name in given} for names in ("ch", "s")]
        h, one = one_way(layer, FORWARD, f"_l{level}", x, begun[0], h=H)
        s, other = one_way(layer, BACKWARD, f"_l{level}_reverse", x.flip(0), begun[1], s=S)
        x = torch.cat([h, s.flip(0)], -1)
        for name, state in (one | other).items():
            last[name].append(state)
    return x, {name: torch.stack(states) for name, states in last.items()}


def gradients(layer: Recurrent, values: list[Tensor], x: Tensor) -> list[Tensor]:
    """Those of a weighted sum of all components, with respect to x and every parameter."""
    total = sum((torch.cos(torch.arange(v.numel(), dtype=F64)).reshape(v.shape) * v).sum() for v in values)
    return list(torch.autograd.grad(total, [x, *layer.parameters()]))


@pytest.mark.parametrize("num_layers", [1, 2])
def test_two_recurrences_by_hand(num_layers: int) -> None:
    layer = make(num_layers=num_layers)
    x = randn(T, B, N)
    y, state = layer(x, lengths=LENGTHS)
    expected_y, last = [], []
    for b, length in enumerate(LENGTHS):
        top, states = by_hand(layer, x[:length, b])
        answer = torch.softmax(top @ layer.V.T + layer.b, -1)
        expected_y.append(torch.cat([answer, answer.new_zeros(T - length, Y)]))
        last.append(states)
    wanted = [torch.stack(expected_y, 1), *(torch.stack([each[name] for each in last], 1) for name in "chs")]
    found = [y, *(state[name] if num_layers > 1 else state[name][None] for name in "chs")]
    for one, other in zip(found, wanted, strict=True):
        close(one, other)
    for one, other in zip(gradients(layer, found, x), gradients(layer, wanted, x), strict=True):
        close(one, other)


@pytest.mark.parametrize("num_layers", [1, 2])
def test_states_go_in_as_they_come_out(num_layers: int) -> None:
    layer = make(num_layers=num_layers)
    x, first = (
        randn(T, B, N),
        {"c": randn(num_layers, B, H), "h": randn(num_layers, B, H), "s": randn(num_layers, B, S)},
    )
    shown = first if num_layers > 1 else {name: value[0] for name, value in first.items()}
    _, state = layer(x, shown, LENGTHS)
    assert {name: value.shape for name, value in state.items()} == {name: v.shape for name, v in shown.items()}
    for b, length in enumerate(LENGTHS):
        _, states = by_hand(layer, x[:length, b], {name: value[:, b] for name, value in first.items()})
        for name, value in states.items():
            close(state[name][..., b, :], value if num_layers > 1 else value[0])
    close(state["s"][..., 1, :], shown["s"][..., 1, :])  # of length 0


def torchs(kind: type[nn.RNNBase], layer: Recurrent, level: int, suffix: str, gates: str, size: int) -> nn.RNNBase:
    """A layer of torch with the parameters of one of ours."""
    made = kind(size, H, dtype=F64)
    with torch.no_grad():
        for ours, theirs in {"W_i": "weight_ih", "W_h": "weight_hh", "b_i": "bias_ih", "b_h": "bias_hh"}.items():
            blocks = [getattr(layer, f"{ours}{gate}_l{level}{suffix}") for gate in gates]
            getattr(made, f"{theirs}_l0").copy_(torch.cat(blocks))
    return made


def test_an_lstm_forwards_and_a_gru_backwards_against_torch() -> None:
    layer = ManyToMany("lstm", num_layers=2, backward="gru", x=N, h=H, y=Y, dtype=F64)
    assert {name: value.shape for name, value in layer(torch.zeros(T, B, N, dtype=F64))[1].items()} == {
        "c": (2, B, H), "h": (4, B, H),
    }  # fmt: skip
    x = randn(T, B, N)
    logits, state = layer.logits(x, lengths=LENGTHS)
    for b, length in enumerate(LENGTHS):
        if not length:
            continue
        below, h, c = x[:length, b], [], []
        for level in range(2):
            lstm = torchs(nn.LSTM, layer, level, "", "ifgo", below.shape[-1])
            gru = torchs(nn.GRU, layer, level, "_reverse", "rzn", below.shape[-1])
            up, (last, cell) = lstm(below)
            down, first = gru(below.flip(0))
            below = torch.cat([up, down.flip(0)], -1)
            h += [last[0], first[0]]
            c.append(cell[0])
        close(logits[:length, b], below @ layer.V.T + layer.d)
        close(state["h"][:, b], torch.stack(h))
        close(state["c"][:, b], torch.stack(c))
    assert not logits[:, 1].any()


@pytest.mark.parametrize("kind", [Recurrent, ManyToOne])
def test_gradients_against_differences(kind: type[Recurrent]) -> None:
    layer = make(kind, num_layers=2)
    names = [name for name, _ in layer.named_parameters()]

    def run(x: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        y, state = functional_call(layer, dict(zip(names, values, strict=True)), (x,), {"lengths": [2, 0, 3]})
        return y, *state.values()

    assert torch.autograd.gradcheck(run, (randn(3, 3, N), *layer.parameters()))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("num_layers", [1, 2])
def test_one_answer_for_a_sequence(pooling: str, num_layers: int) -> None:
    layer = make(ManyToOne, pooling=pooling, num_layers=num_layers)
    x = randn(T, B, N)
    answers, _ = layer(x, lengths=LENGTHS)
    expected = []
    for b, length in enumerate(LENGTHS):
        rows, last = by_hand(layer, x[:length, b])
        if pooling == "last":
            pooled = torch.cat([last["h"][-1], last["s"][-1]])
        elif not length:
            pooled = x.new_zeros(H + S)
        elif pooling == "attention":
            pooled = torch.softmax(rows @ layer.pools["h"].w, 0) @ rows
        else:
            pooled = rows.mean(0) if pooling == "mean" else rows.max(0).values
        expected.append(torch.softmax(layer.V @ pooled + layer.b, -1))
    close(answers, torch.stack(expected))
    for one, other in zip(gradients(layer, [answers], x), gradients(layer, [torch.stack(expected)], x), strict=True):
        close(one, other)


def test_one_vector_without_a_read_out() -> None:
    both = {"backward": f"{BACKWARD}; z_t = R s_t", "x": N, "h": H, "s": S}
    layer = ManyToOne(f"{FORWARD}; {READOUT}", readout=False, dtype=F64, **both)
    x = randn(T, N)
    vector, _ = layer(x)
    _, last = by_hand(layer, x)
    close(vector, torch.cat([last["h"][-1], last["s"][-1]]))
    assert layer.top_sizes() == {"h": H + S}


@pytest.mark.parametrize("cell", ["gru", "minimal_gated"])
def test_last_is_the_last_step_of_each_direction_also_of_what_is_no_state(cell: str) -> None:
    """n is no state: backwards, its last row stands at the first step."""
    layer = ManyToOne(f"{Recurrent(cell, x=1, h=1).system}; o_t = V n_t", bidirectional=True, x=N, h=H, o=Y, dtype=F64)
    x = randn(T, B, N)
    answers, _ = layer(x, lengths=LENGTHS)
    level = layer.network.levels[0]
    for b, length in enumerate(LENGTHS):
        ends = []
        for part in level:
            alone = Recurrent(part.system, x=N, h=H, dtype=F64)
            parameters = {name: getattr(layer, name + part.suffix) for name, _ in alone.named_parameters()}
            given = x[:length, b].flip(0) if part.direction == "backward" else x[:length, b]
            rows = functional_call(alone, parameters, (given,))[0]
            ends.append(rows[-1] if length else x.new_zeros(H))
        close(answers[b], layer.V @ torch.cat(ends))


def test_the_same_recurrence_backwards_is_what_bidirectional_means() -> None:
    one = Recurrent("gru", 2, bidirectional=True, x=N, h=H, dtype=F64)
    two = Recurrent("gru", 2, backward="gru", x=N, h=H, dtype=F64)
    two.load_state_dict(one.state_dict())
    x, first = randn(T, B, N), {"h": randn(4, B, H)}
    torch.testing.assert_close(two(x, first, LENGTHS), one(x, first, LENGTHS), rtol=0, atol=0)


def test_several_sequences_go_up_side_by_side() -> None:
    """Of equal names, whatever the order of the equations."""
    turned = "h_t = tanh(U x_t + W h_{t-1} + M c_{t-1}); c_t = tanh(h_t + c_{t-1})"
    layer = Recurrent(f"{FORWARD}; y_t = V h_t + R c_t", backward=turned, x=N, h=H, y=Y, dtype=F64)
    x = randn(T, N)
    alone = Recurrent(turned + "\nh : output\nc : output", x=N, h=H, dtype=F64)
    parameters = {name: getattr(layer, f"{name}_l0_reverse") for name, _ in alone.named_parameters()}
    down = functional_call(alone, parameters, (x.flip(0),))[0]
    both = Recurrent(FORWARD.replace(";", "\n") + "\nh : output\nc : output", x=N, h=H, dtype=F64)
    parameters = {name: getattr(layer, f"{name}_l0") for name, _ in both.named_parameters()}
    up = functional_call(both, parameters, (x,))[0]
    h, c = (torch.cat([up[name], down[name].flip(0)], -1) for name in "hc")
    close(layer(x)[0], h @ layer.V.T + c @ layer.R.T)


def test_padding_neighbours_and_forms() -> None:
    layer = make()
    x = randn(T, B, N).detach()
    expected, state = layer(x, lengths=LENGTHS)
    for b, length in enumerate(LENGTHS):
        x[length:, b] = torch.nan
    found = layer(x, lengths=LENGTHS)
    torch.testing.assert_close(found, (expected, state), rtol=0, atol=0)
    several = [x[:length, b] for b, length in enumerate(LENGTHS)]
    for one, other in zip(layer(several)[0], expected.unbind(1), strict=True):
        close(one, other[: len(one)])
    packed, _ = layer(pack_sequence([each for each in several if len(each)], enforce_sorted=False))
    close(packed.data, layer(pack_sequence([x[:6, 2], x[:6, 4], x[:3, 0], x[:1, 3]]))[0].data)
    close(layer(x[:3, 0])[0], expected[:3, 0])


def test_an_embedding_below_both() -> None:
    layer = Recurrent("gru", 2, backward=BACKWARD, embedding=5, x=7, h=H, s=S, dtype=F64)
    ids = torch.tensor([6, 0, 3])
    rows = layer(ids)[0]
    gru = torchs(nn.GRU, layer, 0, "", "rzn", 5)
    x = layer.E_l0.T[ids]
    s, _ = one_way(layer, BACKWARD, "_l0_reverse", layer.E_l0_reverse.T[ids].flip(0), {}, s=S)
    below = torch.cat([gru(x)[0], s.flip(0)], -1)
    gru = torchs(nn.GRU, layer, 1, "", "rzn", H + S)
    s, _ = one_way(layer, BACKWARD, "_l1_reverse", below.flip(0), {}, s=S)
    close(rows, torch.cat([gru(below)[0], s.flip(0)], -1))
    assert rows.shape == (3, H + S)


def test_the_programs_and_the_parameters_of_each_direction() -> None:
    layer = make(num_layers=2)
    found = layer.programs()
    assert (found["directions"], found["head"]) == (2, True)
    assert [part["states"] for part in found["parts"]] == [("c", "h"), ("s",), ("c", "h"), ("s",), ()]
    own, other = ("A", "B", "a", "D", "F"), ("P", "Q", "p")
    names = [tuple(name + suffix for name in group) for suffix, group in [
        ("_l0", own), ("_l0_reverse", other), ("_l1", own), ("_l1_reverse", other)]]  # fmt: skip
    assert [part["parameters"] for part in found["parts"]] == [*names, ("V", "b")]
    assert layer.P_l1_reverse.shape == (S, H + S)
    assert layer.A_l1.shape == (H, H + S)
    assert layer.V.shape == (Y, H + S)


def test_scalar_states() -> None:
    layer = Recurrent("h : scalar; h_t = tanh(dot(a, x_t) + h_{t-1})", 2, backward=BACKWARD, x=N, s=S, dtype=F64)
    assert layer.P_l1_reverse.shape == (S, 1 + S)
    x = randn(T, N)
    h, steps = x.new_zeros(()), []
    for row in x:
        h = torch.tanh(layer.a_l0 @ row + h)
        steps.append(h)
    s, _ = one_way(layer, BACKWARD, "_l0_reverse", x.flip(0), {}, s=S)
    below = torch.cat([torch.stack(steps)[:, None], s.flip(0)], -1)
    h = x.new_zeros(())
    for row in below:
        h = torch.tanh(layer.a_l1 @ row + h)
    found, state = layer(x)
    close(found[-1, 0], h)
    close(state["h"][1].squeeze(), h)


def test_each_direction_starts_from_its_own_size() -> None:
    layer = Recurrent("h_t = tanh(U x_t + W h_{t-1})", backward="s_t = tanh(P x_t + Q s_{t-1})", x=50, h=4, s=100)
    assert 0.4 < layer.U_l0.abs().max() <= 0.5
    assert 0.09 < layer.P_l0_reverse.abs().max() <= 0.1


def test_a_copy_computes_the_same() -> None:
    layer = make(ManyToOne, pooling="attention")
    x = randn(T, B, N)
    torch.testing.assert_close(copy.deepcopy(layer)(x)[0], layer(x)[0], rtol=0, atol=0)
    assert "s_t = tanh(P x_t + Q s_{t-1} + p)" in repr(layer)


def test_sizes_by_name() -> None:
    """What both have is shared, also where it follows from something else; what one has is its own."""
    layer = Recurrent("h_t = tanh(U x_t + W h_{t-1}); h : 4; x : 2", backward="gru")
    assert layer.W_hr_l0_reverse.shape == (4, 4)
    # o is the output forwards, and backwards a gate of the size h
    layer = Recurrent("vanilla", backward="lstm", x=N, h=H, o=Y)
    assert (layer.V.shape, layer.b_io_l0_reverse.shape) == ((Y, 2 * H), (H,))
    # a read-out of its own is left out
    layer = Recurrent("gru", backward="elman", x=N, h=H)
    assert not hasattr(layer, "V_l0_reverse")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bidirectional": False}, ConfigurationError, "backward says what runs backwards, bidirectional=False that"),
        (
            {"backward": "s_t = tanh(P z_t + Q s_{t-1})"},
            EquationError,
            "forwards x, but backwards z. Give their inputs",
        ),
        ({"backward": "s_t = tanh(P x_t + Q z_t)"}, EquationError, "forwards x, but backwards x, z."),
        ({"upward": ("h", "c"), "num_layers": 2}, EquationError, "forwards it is h, c, but backwards s. Let as many"),
        ({"backward": "s_t = tahn(P x_t)"}, EquationError, "tanh"),
        ({"s": None}, SizeError, "The size of s does not follow from what was given: write s=…."),
        ({"q": 3}, SizeError, "There is no size 'q' here, forwards or backwards; the sizes are c, h, s, x, y."),
        ({"backward": "x : 5; s_t = tanh(P x_t + Q s_{t-1})"}, SizeError, "contradict"),
        (
            {"backward": "h : 6; h_t = tanh(P x_t + Q h_{t-1})", "s": None},
            SizeError,
            "The state h has the size 4 forwards and 6 backwards. Give it another letter",
        ),
        ({"forward": f"{FORWARD}; y_t = V h_t + R x_t"}, EquationError, "reads both directions after they have run"),
    ],
)
def test_what_does_not_go_together(options: dict, error: type[Exception], message: str) -> None:
    given = {name: value for name, value in {"s": S, **options}.items() if value is not None}
    forward = given.pop("forward", f"{FORWARD}; {READOUT}")
    with pytest.raises(error) as refusal:
        Recurrent(forward, **{"backward": BACKWARD, "x": N, "h": H, "y": Y, **given})
    assert message in str(refusal.value)


def test_states_that_do_not_fit() -> None:
    layer = make(num_layers=2)
    x = torch.zeros(T, B, N, dtype=F64)
    with pytest.raises(DataError, match=r"The state s has the shape \(4, 5, 3\); with 2 layers .* it is \(2, B, 3\)"):
        layer(x, {"s": torch.zeros(4, B, S, dtype=F64)})
    with pytest.raises(DataError, match="keys among c, h, s; got r"):
        layer(x, {"r": torch.zeros(2, B, S, dtype=F64)})
    shared = Recurrent("lstm", 2, backward="gru", x=N, h=H, dtype=F64)
    with pytest.raises(DataError, match=r"The state h has the shape \(2, 5, 4\); with 4 layers and directions"):
        shared(x, {"h": torch.zeros(2, B, H, dtype=F64)})
