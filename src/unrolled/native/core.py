"""The core as a Python object: found, loaded and checked once."""

from __future__ import annotations

import ctypes
import os
from ctypes import c_char_p, c_double, c_int32, c_int64, c_uint64, c_void_p
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import unrolled.native
from unrolled.errors import BackendError

INTERFACE = 7  # the version of csrc/unrolled.h that this file was written for
LIBRARY = {"nt": "unrolled.dll"}.get(os.name, "libunrolled.so")
_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "unrolled_interface": (c_int32, []),
    "unrolled_isas": (c_char_p, []),
    "unrolled_functions": (c_char_p, []),
    "unrolled_operations": (c_char_p, []),
    "unrolled_packed_size": (c_int64, [c_void_p, c_int32, c_int64, c_int64]),
    "unrolled_use_openmp": (None, [c_void_p, c_void_p, c_void_p]),
    "unrolled_write": (c_int32, [c_void_p, c_void_p, c_void_p]),
    "unrolled_refusal": (c_char_p, []),
    "unrolled_run": (c_int32, [c_void_p, c_void_p]),
    "unrolled_apply": (
        c_int32,
        [c_char_p, c_char_p, c_int32, c_void_p, c_void_p, c_int64, c_double, c_double],
    ),
}
_REASONS = {
    1: "this machine lacks that instruction set",
    2: "there is no such function",
    3: "a bad argument",
    4: "memory is exhausted",
}


_NOT_FINITE = 5
NUMBERS, SYMBOLS, HALVES, QUARTERS = range(4)  # what a buffer holds


class How(ctypes.Structure):
    """``unrolled_how`` of csrc/unrolled.h."""

    _fields_ = [("isa", c_char_p), ("dtype_bytes", c_int32), ("threads", c_int32)]


class Pass(ctypes.Structure):
    """``unrolled_pass`` of csrc/unrolled.h."""

    _fields_ = [(name, c_void_p) for name in ("buffers", "values", "instructions", "stages", "batch_sizes")] + [
        (f"{name}_count", c_int64) for name in ("buffer", "value", "instruction", "stage")
    ] + [("steps", c_int64), ("batch", c_int64)]  # fmt: skip


class Writing(ctypes.Structure):
    """``unrolled_writing`` of csrc/unrolled.h."""

    _fields_ = [
        ("ids", c_int32), ("logits", c_int32), ("given", c_int64), ("count", c_int64), ("read", c_void_p),
        ("drawn", c_void_p), ("probabilities", c_void_p), ("numbers", c_void_p), ("positions", c_void_p),
        ("seed", c_uint64), ("temperature", c_double), ("top_p", c_double), ("top_k", c_int64), ("stop", c_int64),
    ]  # fmt: skip


@dataclass(frozen=True)
class Core:
    """The loaded core: ``path`` of the library, ``isas`` that run here (the best last), and the one in use."""

    library: ctypes.CDLL
    path: Path
    isas: tuple[str, ...]
    isa: str

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """The names of the elementwise functions of one argument."""
        return tuple(self.library.unrolled_functions().decode().split())

    @cached_property
    def operations(self) -> tuple[str, ...]:
        """The names of the operations of an instruction list, in the order of their numbers."""
        return tuple(self.library.unrolled_operations().decode().split())

    def how(self, dtype: np.dtype[Any], threads: int) -> How:
        """What every call takes: instruction set, dtype (float32 or float64), number of threads."""
        return How(self.isa.encode(), dtype.itemsize, threads)

    def run(self, how: How, work: Pass) -> None:
        """Run a pass.

        Raises:
            BackendError: the core refused.
        """
        self._check(self.library.unrolled_run(ctypes.byref(how), ctypes.byref(work)))

    def write(self, how: How, work: Pass, writing: Writing) -> bool:
        """Run a pass again and again, drawing symbols; False where a logit was not finite.

        Raises:
            BackendError: the core refused.
        """
        status = self.library.unrolled_write(ctypes.byref(how), ctypes.byref(work), ctypes.byref(writing))
        if status == _NOT_FINITE:
            return False
        self._check(status)
        return True

    def _check(self, status: int) -> None:
        if status:
            why = f": {self.library.unrolled_refusal().decode()}" if status == 3 else ""
            raise BackendError(f"The core refused a pass, {_REASONS.get(status, status)}{why}.")

    def use_openmp(self, runtime: ctypes.CDLL | None) -> None:
        """Run on the threads of an OpenMP runtime, a library with ``GOMP_parallel``; None: on threads of its own."""
        names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
        functions = [ctypes.cast(getattr(runtime, name), c_void_p) for name in names] if runtime else [None] * 3
        self.library.unrolled_use_openmp(*functions)

    def packed_size(self, how: How, rows: int, columns: int, holds: int = NUMBERS) -> int:
        """The elements of a packed matrix (rows, columns) that ``holds`` NUMBERS, HALVES or QUARTERS."""
        size: int = self.library.unrolled_packed_size(ctypes.byref(how), holds, rows, columns)
        return size

    def apply(
        self, function: str, values: NDArray[np.floating], low: float = 0.0, high: float = 0.0
    ) -> NDArray[np.floating]:
        """An elementwise function of float32 or float64 ``values``, of any shape; the result has their dtype.

        ``low`` and ``high`` are the constants of ``clip`` and ``within``; ``low`` is the exponent of ``pow``.

        Raises:
            BackendError: there is no such function, or the dtype is another.

        >>> core = find_core()
        >>> core.apply("tanh", np.array([0.0, 1.0])) if isinstance(core, Core) else np.tanh([0.0, 1.0])
        array([0.        , 0.76159416])
        """
        if values.dtype not in (np.float32, np.float64):
            raise BackendError(f"The core computes with float32 and float64, not with {values.dtype}.")
        source = np.ascontiguousarray(values)
        out = np.empty_like(source)
        status = self.library.unrolled_apply(
            self.isa.encode(), function.encode(), source.itemsize, source.ctypes.data, out.ctypes.data, source.size,
            low, high,
        )  # fmt: skip
        if status:
            raise BackendError(f"The core refused {function}: {_REASONS.get(status, status)}.")
        return out.reshape(values.shape)


@dataclass(frozen=True)
class Absent:
    """There is no core that could be used, and why; ``forced`` where it is because of what the user asked for."""

    reason: str
    forced: bool = False


@lru_cache(maxsize=1)
def find_core() -> Core | Absent:
    """The core of this installation, or why there is none.

    The environment variable ``UNROLLED_ISA`` forces an instruction set: generic, avx2, avx512, avx512_bf16 or amx.
    """
    # an editable installation keeps the library on the path of the package, not beside this file
    found = [path for folder in unrolled.native.__path__ if (path := Path(folder) / LIBRARY).exists()]
    if not found:
        return Absent(
            "this installation was built without the native core, because no C++ compiler was found; install GCC or "
            "Clang, then install Unrolled again"
        )
    try:
        library = _declared(ctypes.CDLL(str(found[0])))
    except (OSError, AttributeError) as error:
        return Absent(f"the native core at {found[0]} cannot be loaded: {error}")
    if library.unrolled_interface() != INTERFACE:
        return Absent(f"the native core at {found[0]} is of another version; install Unrolled again")
    isas = tuple(library.unrolled_isas().decode().split())
    wanted = os.environ.get("UNROLLED_ISA") or isas[-1]
    if wanted not in isas:
        return Absent(f"UNROLLED_ISA is {wanted!r}, and on this machine run {', '.join(isas)}", forced=True)
    return Core(library, found[0], isas, wanted)


BACKENDS = ("native", "reference")


def forced_backend() -> str | None:
    """The executor that the environment variable ``UNROLLED_BACKEND`` asks for: native, reference, or None.

    Raises:
        BackendError: it names no backend.
    """
    forced = os.environ.get("UNROLLED_BACKEND") or None
    if forced not in (None, *BACKENDS):
        raise BackendError(f"UNROLLED_BACKEND is {forced!r}; it can be {' or '.join(BACKENDS)}.")
    return forced


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
