"""Module and optimiser to arrays and back: the next update is the same to the last bit."""

import pytest
import torch

from unrolled.checkpoint.tensors import (
    module_arrays,
    optimiser_arrays,
    restore_module,
    restore_optimiser,
    restore_state,
    state_arrays,
)
from unrolled.errors import CheckpointError


def update(module, optimiser):
    optimiser.zero_grad()
    module(torch.linspace(-1, 1, 3)).square().sum().backward()
    optimiser.step()


def fresh(seed):
    torch.manual_seed(seed)
    module = torch.nn.Linear(3, 2)
    return module, torch.optim.AdamW(module.parameters(), lr=0.1, weight_decay=0.01, fused=True)


def test_a_restored_optimiser_takes_the_same_step():
    module, optimiser = fresh(0)
    update(module, optimiser)
    saved = module_arrays(module), optimiser_arrays(optimiser)
    update(module, optimiser)
    other, other_optimiser = fresh(1)
    restore_module(other, saved[0])
    restore_optimiser(other_optimiser, saved[1])
    update(other, other_optimiser)
    for a, b in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_arrays_are_copies():
    module, optimiser = fresh(0)
    saved = module_arrays(module)
    before = saved["weight"].copy()
    update(module, optimiser)
    assert (saved["weight"] == before).all()


def test_another_shape_is_refused_by_name():
    arrays = module_arrays(torch.nn.Linear(3, 2))
    with pytest.raises(CheckpointError, match=r"weight: \(2, 3\) for \(2, 4\)"):
        restore_module(torch.nn.Linear(4, 2), arrays)
    with pytest.raises(CheckpointError, match=r"bias: \(2,\) for absent"):
        restore_module(torch.nn.Linear(3, 2, bias=False), arrays)


def test_the_carried_state():
    state = {"h": torch.randn(1, 2), "c": torch.zeros(3, 1, 2, dtype=torch.float64)}
    back = restore_state(state_arrays(state), torch.device("cpu"))
    assert back is not None
    assert all(torch.equal(back[name], state[name]) and back[name].dtype == state[name].dtype for name in state)
    assert restore_state(state_arrays(None), torch.device("cpu")) is None
