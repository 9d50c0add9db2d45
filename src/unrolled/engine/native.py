"""The native executor: programs on the C++ core, for CPU tensors of one dtype, float32 or float64.

Shapes as in ``reference``: step values (N, n), states (B, n), static vectors (n,), matrices (m, n).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.engine.reference import Forward, each_its_own
from unrolled.errors import BackendError
from unrolled.native import execution
from unrolled.native.core import Absent, Core, find_core
from unrolled.native.memory import address
from unrolled.program.instructions import Adjoint, Program

DTYPES = {torch.float32, torch.float64}


def refusal(program: Program, inputs: Sequence[Tensor], tensors: Sequence[Tensor]) -> str | None:
    """Why the core cannot run ``program`` on these tensors (``inputs`` are those of the program); None if it can.

    Raises:
        BackendError: ``UNROLLED_ISA`` asks for an instruction set that does not run here.
    """
    core = find_core()
    if isinstance(core, Absent):
        if core.forced:
            raise BackendError(f"The native core cannot be used: {core.reason}.")
        return core.reason
    if torch.is_autocast_enabled("cpu"):
        return "it does not know autocast"
    dtypes = set()
    for tensor in tensors:
        if type(tensor) is not Tensor and type(tensor) is not torch.nn.Parameter:
            return "a tensor is no plain one"
        if tensor.device.type != "cpu":
            return "it runs on the CPU, and a tensor is elsewhere"
        if tensor.is_neg():
            return "a tensor is no plain one"
        if tensor.dtype is not torch.int64:
            dtypes.add(tensor.dtype)
    if len(dtypes) != 1 or not dtypes <= DTYPES:
        return "it computes with one dtype, float32 or float64"
    if program.precision == "bf16" and dtypes != {torch.float32}:
        return "with the precision bf16 it computes in float32 only"
    for value, is_ids, ids in zip(program.inputs, program.ids, inputs, strict=True):
        if is_ids and ids.numel() and not (ids.min() >= 0 and ids.max() < program.shapes[value][0]):
            return "there is an id that is no symbol"
    return None


def is_absent() -> bool:
    """Is there no core at all?"""
    return isinstance(find_core(), Absent)


def describe() -> str:
    """The core in use, in words."""
    return f"the native core, {_core().isa}"


def forward(
    program: Program, inputs: Sequence[Tensor], initial: Sequence[Tensor], parameters: Sequence[Tensor],
    batch_sizes: Sequence[int], save: Sequence[int] = (),
) -> Forward:  # fmt: skip
    """``reference.forward`` on the core."""
    found = execution.forward(
        _core(),
        torch.get_num_threads(),
        program,
        _arrays(inputs),
        _arrays(initial),
        _arrays(parameters),
        batch_sizes,
        save,
    )
    tensors = _tensors([*found.outputs, *found.saved])
    outputs = tuple(tensor.contiguous() for tensor in tensors[: len(found.outputs)])
    # what is saved of the inputs is these very tensors, so that torch sees when someone changes them in place
    given = {(tensor.data_ptr(), tensor.shape): tensor for tensor in (*inputs, *parameters) if tensor.numel()}
    saved = tuple(given.get((tensor.data_ptr(), tensor.shape), tensor) for tensor in tensors[len(outputs) :])
    return Forward(outputs, tuple(map(_tensor, found.final)), saved)


def backward(
    program: Program, adjoint: Adjoint, inputs: Sequence[Tensor], parameters: Sequence[Tensor],
    saved: Sequence[Tensor], outputs: Sequence[Tensor], final: Sequence[Tensor], batch_sizes: Sequence[int],
) -> tuple[list[Tensor | None], list[Tensor], list[Tensor | None]]:  # fmt: skip
    """``reference.backward`` on the core."""
    found = execution.backward(
        _core(), torch.get_num_threads(), program, adjoint, _arrays(inputs), _arrays(parameters), _arrays(saved),
        _arrays(outputs), _arrays(final), batch_sizes,
    )  # fmt: skip
    gradients, first, weights = ([None if array is None else _tensor(array) for array in each] for each in found)
    every = each_its_own([*gradients, *first, *weights])
    n, m = len(gradients), len(gradients) + len(first)
    return every[:n], [state for state in every[n:m] if state is not None], every[m:]


@lru_cache(maxsize=1)
def _core() -> Core:
    core = find_core()
    assert isinstance(core, Core)
    core.use_openmp(_openmp())
    return core


def _openmp() -> ctypes.CDLL | None:
    """The OpenMP runtime of torch: its threads spin after torch's operations, and would fight with others."""
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        return library if library.GOMP_parallel else None
    except (OSError, AttributeError):  # another platform, or a torch without OpenMP
        return None


def _arrays(tensors: Sequence[Tensor]) -> list[np.ndarray[Any, Any]]:
    return [tensor.detach().numpy() for tensor in tensors]


def _tensor(array: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _tensors(arrays: Sequence[np.ndarray[Any, Any]]) -> list[Tensor]:
    """As tensors. Parts of one array count their changes together: torch sees when someone changes what is saved."""
    owners: dict[int, Tensor] = {}
    return [_part(array, owners) for array in arrays]


def _part(array: np.ndarray[Any, Any], owners: dict[int, Tensor]) -> Tensor:
    base = array.base
    if base is None or base.dtype != np.uint8 or not array.size:  # memory of its own
        return _tensor(array)
    if id(base) not in owners:
        owners[id(base)] = torch.from_numpy(base[: len(base) // array.itemsize * array.itemsize])
    owner = owners[id(base)].view(torch.from_numpy(array[:0]).dtype)
    start = (address(array) - address(base)) // array.itemsize
    strides = [stride // array.itemsize for stride in array.strides]
    # detached: to autograd it is no view, which might not be changed at all
    return owner.as_strided(array.shape, strides, start).detach()
