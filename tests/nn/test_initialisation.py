"""First values by name: what they promise of the matrices, and that nothing else changes."""

import numpy as np
import pytest
import torch

from unrolled.equations.carrying import keeping_biases, recurrent_matrices
from unrolled.equations.library import CELLS, load
from unrolled.errors import ConfigurationError
from unrolled.nn import ManyToOne, Recurrent, initialise

F64 = torch.float64


def layer_of(cell: str, **options) -> Recurrent:
    torch.manual_seed(3)
    return Recurrent(cell, x=3, h=5, dtype=F64, **options)


def values(layer) -> dict:
    return {name: each.detach().numpy().copy() for name, each in layer.named_parameters()}


def changed(before: dict, after: dict) -> set:
    return {name for name in before if not np.array_equal(before[name], after[name])}


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"bidirectional": True}])
def test_orthogonal_matrices_keep_lengths_and_nothing_else_changes(cell, options):
    layer = layer_of(cell, **options, **({"y": 4} if cell == "elman" else {}))
    before = values(layer)
    initialise(layer, "orthogonal")
    after = values(layer)
    stems = set(recurrent_matrices(layer.system))
    expected = {name for name in before if name in stems or name.split("_l0")[0].split("_l1")[0] in stems}
    assert changed(before, after) == expected
    for name in expected:
        np.testing.assert_allclose(after[name] @ after[name].T, np.eye(5), atol=1e-12)


def test_identity_units_copy_their_state():
    layer = layer_of("irnn")
    initialise(layer, "identity")
    state = torch.rand(2, 5, dtype=F64)
    _, final = layer(torch.zeros(9, 2, 3, dtype=F64), {"h": state})
    torch.testing.assert_close(final["h"], state, rtol=0, atol=0)
    assert layer.U.abs().min() > 0  # what reads the input is as it was drawn


@pytest.mark.parametrize("kind", ["uniform", "orthogonal", "identity"])
@pytest.mark.parametrize("cell", ["vanilla", "gru", "lstm"])
def test_the_spectral_radius_is_the_one_asked_for(kind, cell):
    layer = layer_of(cell, **({"o": 2} if cell == "vanilla" else {}))
    initialise(layer, kind, spectral_radius=1.25)
    for name in recurrent_matrices(layer.system):
        radius = np.abs(np.linalg.eigvals(getattr(layer, name).detach().numpy())).max()
        assert radius == pytest.approx(1.25, rel=1e-12)


@pytest.mark.parametrize("cell", ["lstm", "lstm_peephole", "gru", "minimal_gated"])
def test_an_open_gate_keeps_the_state(cell):
    """With a huge bias the state of the next step is, to the last bit, that of the step before."""
    layer = layer_of(cell)
    before = values(layer)
    initialise(layer, forget_bias=1000.0)
    ((names, sign),) = keeping_biases(layer.system).items()
    assert changed(before, values(layer)) == set(names)
    assert sum(getattr(layer, name)[0].item() for name in names) == sign * 1000
    kept = "c" if "lstm" in cell else "h"
    state = {kept: torch.rand(1, 5, dtype=F64)}
    _, final = layer(torch.randn(1, 1, 3, dtype=F64), state)
    if kept == "h":
        torch.testing.assert_close(final[kept], state[kept], rtol=1e-12, atol=0)
    else:  # what the input gate lets in is added to it
        shut = Recurrent("c_t = f_t ⊙ c_{t-1}; f_t = σ(W x_t + b)", x=3, c=5, dtype=F64)
        initialise(shut, forget_bias=1000.0)
        _, final = shut(torch.randn(1, 1, 3, dtype=F64), state)
        torch.testing.assert_close(final["c"], state["c"], rtol=0, atol=0)


def test_every_recurrence_inside_a_module_is_reached():
    torch.manual_seed(0)
    module = ManyToOne("gru", x=4, h=3, o=2, bidirectional=True, num_layers=2)
    initialise(module, "orthogonal", forget_bias=2.0)
    matrices = [p for name, p in module.named_parameters() if "W_h" in name]
    assert len(matrices) == 12
    for matrix in matrices:
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(3), rtol=0, atol=1e-6)
    opened = [p for name, p in module.named_parameters() if "b_iz" in name]
    assert len(opened) == 4
    assert all((each == 2).all() for each in opened)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_uniform_changes_nothing(cell):
    sizes = {name: 4 for name in load(cell).sizes if name != "x"}
    layer = Recurrent(cell, x=3, sizes=sizes)
    before = values(layer)
    initialise(layer)
    assert not changed(before, values(layer))


def test_what_cannot_apply_is_refused():
    with pytest.raises(ConfigurationError, match="no state has a gate"):
        initialise(layer_of("elman", y=2), forget_bias=1.0)
    with pytest.raises(ConfigurationError, match="there is no initialisation 'xavier'"):
        initialise(layer_of("gru"), "xavier")
    with pytest.raises(ConfigurationError, match="5×4: only a square matrix"):
        initialise(Recurrent("jordan", x=3, h=5, y=4), spectral_radius=0.9)
    with pytest.raises(ConfigurationError, match="must be a number above 0"):
        initialise(layer_of("gru"), spectral_radius=0.0)
    without = Recurrent("h_t = tanh(a ⊙ h_{t-1} + U x_t)", x=3, h=5)
    for given, name in (({"kind": "identity"}, "identity"), ({"spectral_radius": 0.9}, "a spectral radius")):
        with pytest.raises(ConfigurationError, match=f"^{name} is for recurrent matrices, such as W in W h_{{t-1}}"):
            initialise(without, **given)
    both = torch.nn.ModuleList([without, layer_of("gru")])  # it applies to one of them
    initialise(both, "identity")
    assert torch.equal(both[1].W_hr, torch.eye(5, dtype=F64))
    initialise(torch.nn.Linear(2, 2))  # asks for nothing
    with pytest.raises(ConfigurationError, match="holds no Recurrent"):
        initialise(torch.nn.Linear(2, 2), "orthogonal")
