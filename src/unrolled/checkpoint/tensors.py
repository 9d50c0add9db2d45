"""Between torch and the arrays of a checkpoint: module, optimiser, carried state. No pickle anywhere.

An optimiser's moments are stored as ``optimiser/INDEX/NAME``; its hyperparameters follow from the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.errors import CheckpointError

Arrays = Mapping[str, NDArray[Any]]
OPTIMISER = "optimiser/"  # before the names of moments


def module_arrays(module: nn.Module) -> dict[str, NDArray[Any]]:
    """Copies of all parameters and buffers of a module."""
    return {name: _array(tensor) for name, tensor in module.state_dict().items()}


def restore_module(module: nn.Module, arrays: Arrays) -> None:
    """Put arrays into a module; names and shapes must be the module's."""
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(array.shape) for name, array in arrays.items()}
    if expected != found:
        names = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        differences = ", ".join(f"{n}: {found.get(n, 'absent')} for {expected.get(n, 'absent')}" for n in names[:3])
        raise CheckpointError(f"the saved tensors are not those of the model ({differences})")
    module.load_state_dict({name: _tensor(array) for name, array in arrays.items()})


def optimiser_arrays(optimiser: torch.optim.Optimizer) -> dict[str, NDArray[Any]]:
    """Copies of the optimiser's moments."""
    state = optimiser.state_dict()["state"]
    return {
        f"{OPTIMISER}{index}/{name}": _array(torch.as_tensor(value))
        for index, entries in state.items()
        for name, value in entries.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, arrays: Arrays) -> None:
    """Put the moments back; the hyperparameters stay those of the optimiser."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, array in arrays.items():
        if key.startswith(OPTIMISER):
            _, index, name = key.split("/", 2)
            state.setdefault(int(index), {})[name] = _tensor(array)
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def state_arrays(state: Mapping[str, Tensor] | None) -> dict[str, NDArray[Any]]:
    """The state carried between windows, as ``state/NAME``."""
    return {f"state/{name}": _array(tensor) for name, tensor in (state or {}).items()}


def restore_state(arrays: Arrays, device: torch.device) -> dict[str, Tensor] | None:
    """The carried state of ``state_arrays``; None at the start of an epoch."""
    state = {
        key.removeprefix("state/"): _tensor(array).to(device)
        for key, array in arrays.items()
        if key.startswith("state/")
    }
    return state or None


def _array(tensor: Tensor) -> NDArray[Any]:
    return np.array(tensor.detach().cpu().numpy(), order="C")


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, order="C"))
