"""Static instructions in numpy: what exists once and not for each step, such as stacked weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unrolled.calculus import arrays
from unrolled.equations.operations import ELEMENTWISE
from unrolled.program.instructions import Instruction

Values = dict[int, Any]


def compute(instructions: Sequence[Instruction], values: Values, dtype: np.dtype[Any]) -> None:
    """Add the results of ``instructions`` to ``values``: arrays of ``dtype``, and numbers as floats."""
    if not instructions:
        return
    with np.errstate(all="ignore"):
        for instruction in instructions:
            found = _result(instruction, [values[a] for a in instruction.args])
            values[instruction.out] = found if instruction.op == "number" else np.atleast_1d(np.asarray(found, dtype))


def _result(instruction: Instruction, args: list[Any]) -> Any:
    op, data = instruction.op, instruction.data
    if op in ELEMENTWISE:
        return ELEMENTWISE[op].value(arrays, *args, *data)
    return _KERNELS[op](*args, *data)


def _product(matrix: Any, vector: Any, transposed: str = "") -> Any:
    return (matrix.T if transposed else matrix) @ vector


def _softmax(vector: Any) -> Any:
    e = np.exp(vector - vector.max())
    return e / e.sum()


def _padded(matrix: Any, low: int, high: int, width: int) -> Any:
    return np.pad(matrix, ((0, 0), (low, width - high)))


_KERNELS: dict[str, Callable[..., Any]] = {
    "number": float,
    "product": _product,
    "affine": lambda init, matrix, vector, transposed="": init + _product(matrix, vector, transposed),
    "dtanh": lambda g, n: g * (1 - n * n),
    "dsigmoid": lambda g, n: g * (n * (1 - n)),
    "outer": np.outer,
    "expand": lambda value, size: np.broadcast_to(value, (size,)),
    "concat": lambda *parts: np.concatenate(parts),
    "zeros": np.zeros,
    "slice": lambda vector, low, high: vector[low:high],
    "softmax": _softmax,
    "dot": lambda left, right: np.dot(left, right)[None],
    "sum": lambda vector: vector.sum(keepdims=True),
    "mean": lambda vector: vector.mean(keepdims=True),
    "transpose": np.transpose,
    "rows": lambda *matrices: np.concatenate(matrices),
    "columns": lambda matrix, low, high: matrix[:, low:high],
    "row_block": lambda matrix, low, high: matrix[low:high],
    "pad_columns": _padded,
}
