"""The reference executor: programs as plain torch operations, on any device, in any dtype. This is the definition.

Shapes. Step values are packed: N = Σ n_t rows, where n_t sequences are alive at step t, sorted by falling length;
``batch_sizes`` is [n_0, n_1, …] (a dense batch has n_t = B throughout), so that nothing is computed for padding.
A step value of size n is (N, n), within a step (n_t, n); a state (B, n); a static vector (n,), a matrix (m, n).

Every function here is pure: no argument is changed, and torch can differentiate through it to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.engine import arrays
from unrolled.equations.operations import ELEMENTWISE
from unrolled.program.instructions import Adjoint, Instruction, Program

Values = dict[int, Any]
Run = Callable[[Values, int | None], None]


@dataclass(frozen=True)
class Forward:
    """What a forward run leaves: outputs (N, n), final states (B, n), and the step values that were asked for."""

    outputs: tuple[Tensor, ...]
    final: tuple[Tensor, ...]
    saved: tuple[Tensor, ...]


def forward(
    program: Program, inputs: Sequence[Tensor], initial: Sequence[Tensor], parameters: Sequence[Tensor],
    batch_sizes: Sequence[int], save: Sequence[int] = (),
) -> Forward:  # fmt: skip
    """Run ``program`` over packed ``inputs`` from the states ``initial``."""
    values = bind(program, inputs, initial, parameters)
    rows = sum(batch_sizes)
    (static,), (before, after) = _lists(program, ("static",)), _lists(program, ("before", "after"), program.precision)
    static(values, None)
    before(values, rows)
    steps: dict[int, list[Tensor]] = {value: [] for value in _collected(program, save)}
    final = _loop(program, values, initial, batch_sizes, steps)
    for value, pieces in steps.items():
        values[value] = torch.cat(pieces) if pieces else values[_LIKE].new_zeros(0, *program.shapes[value])
    after(values, rows)
    return Forward(tuple(values[v] for v in program.outputs), final, tuple(values[v] for v in save))


def initial_states(program: Program, parameters: Sequence[Tensor], batch: int, like: Tensor) -> list[Tensor]:
    """The states (B, n) from which the program starts unless told otherwise, in the dtype and device of ``like``."""
    values = bind(program, (), (like,), parameters)
    states = []
    for value, first in zip(program.previous, program.initial, strict=True):
        (n,) = program.shapes[value]
        states.append(values[first].expand(batch, n) if isinstance(first, int) else like.new_full((batch, n), first))
    return states


def bind(program: Program, inputs: Sequence[Tensor], likes: Sequence[Tensor], parameters: Sequence[Tensor]) -> Values:
    """The values that the caller gives; a scalar parameter becomes a vector of one."""
    values: Values = dict(zip(program.inputs, inputs, strict=False))
    values[_LIKE] = next((t for t in (*parameters, *likes, *inputs) if t.is_floating_point()), torch.empty(0))
    values |= {v: tensor.reshape(program.shapes[v]) for v, tensor in zip(program.parameters, parameters, strict=True)}
    return values


def _loop(
    program: Program, values: Values, initial: Sequence[Tensor], batch_sizes: Sequence[int],
    steps: dict[int, list[Tensor]],
) -> tuple[Tensor, ...]:  # fmt: skip
    """Run the loop, collecting the values that ``steps`` asks for; the states after each sequence's last step."""
    if not program.previous:
        return ()
    packed = {*program.inputs, *(i.out for i in program.before)}
    sliced = _slices(program.loop, values, packed, batch_sizes, {*steps, *program.following})
    states, finished = tuple(initial), [[] for _ in initial]  # type: tuple[Tensor, ...], list[list[Tensor]]
    (run,) = _lists(program, ("loop",), program.precision)
    for t, n in enumerate(batch_sizes):
        states = _retire(states, n, finished)
        here = values | {v: pieces[t] for v, pieces in sliced.items()}
        here.update(zip(program.previous, states, strict=True))
        run(here, n)
        for value, pieces in steps.items():
            pieces.append(here[value])
        states = tuple(here[v] for v in program.following)
    return tuple(torch.cat([s, *reversed(f)]) if f else s for s, f in zip(states, finished, strict=True))


def _collected(program: Program, save: Iterable[int]) -> list[int]:
    """The values of the loop, and the states before each step, that someone reads after it."""
    made = {*program.previous, *(i.out for i in program.loop)}
    read = {*program.outputs, *save, *(a for i in program.after for a in i.args)}
    return sorted(made & read)


def _retire(states: tuple[Tensor, ...], alive: int, finished: list[list[Tensor]]) -> tuple[Tensor, ...]:
    """Set aside the states of the sequences that have ended."""
    if not states or states[0].shape[0] == alive:
        return states
    for state, ended in zip(states, finished, strict=True):
        ended.append(state[alive:])
    return tuple(state[:alive] for state in states)


def backward(
    program: Program, adjoint: Adjoint, inputs: Sequence[Tensor], parameters: Sequence[Tensor],
    saved: Sequence[Tensor], outputs: Sequence[Tensor], final: Sequence[Tensor], batch_sizes: Sequence[int],
) -> tuple[list[Tensor | None], list[Tensor], list[Tensor | None]]:  # fmt: skip
    """Gradients of inputs (N, n), first states (B, n) and parameters, from those of outputs and final states."""
    values = bind(program, inputs, final, parameters)
    rows = sum(batch_sizes)
    _lists(program, ("static",))[0](values, None)
    fixed, static = _lists(adjoint, ("fixed", "static"))
    after, before = _lists(adjoint, ("after", "before"), program.precision)
    fixed(values, None)
    values.update(zip(adjoint.saved, saved, strict=True))
    values.update(zip(adjoint.seeds, outputs, strict=True))
    after(values, rows)
    steps: dict[int, list[Tensor]] = {value: [] for value in adjoint.stored}
    first = _reverse_loop(program, adjoint, values, final, batch_sizes, steps)
    for value, pieces in steps.items():
        values[value] = torch.cat(pieces[::-1]) if pieces else values[_LIKE].new_zeros(0, *adjoint.shapes[value])
    before(values, rows)
    static(values, None)
    gradients = [None if v is None else values[v] for v in adjoint.inputs]
    weights = [
        None if v is None else values[v].reshape(parameter.shape)
        for v, parameter in zip(adjoint.parameters, parameters, strict=True)
    ]
    every = each_its_own([*gradients, *first, *weights])
    n, m = len(gradients), len(gradients) + len(first)
    return every[:n], [state for state in every[n:m] if state is not None], every[m:]


def each_its_own(gradients: list[Tensor | None]) -> list[Tensor | None]:
    """Two parameters with equal gradients do not share one tensor: whoever scales one in place would scale both."""
    seen: set[int] = set()
    for i, gradient in enumerate(gradients):
        if gradient is not None and gradient.numel():
            gradients[i] = gradient.clone() if gradient.data_ptr() in seen else gradient
            seen.add(gradient.data_ptr())
    return gradients


def _reverse_loop(
    program: Program, adjoint: Adjoint, values: Values, final: Sequence[Tensor], batch_sizes: Sequence[int],
    steps: dict[int, list[Tensor]],
) -> tuple[Tensor, ...]:  # fmt: skip
    """Run the adjoint loop backwards; the adjoints of the states before each sequence's first step."""
    if not adjoint.carry:
        return ()
    packed = {*adjoint.saved, *adjoint.seeds, *(i.out for i in adjoint.after)}
    also = {*steps, *(v for v in adjoint.carry_out if v is not None)}
    sliced = _slices(adjoint.loop, values, packed, batch_sizes, also)
    (run,) = _lists(adjoint, ("loop",), program.precision)
    alive = batch_sizes[-1] if batch_sizes else 0
    carry = tuple(state[:alive] for state in final)
    for t in range(len(batch_sizes) - 1, -1, -1):
        if batch_sizes[t] > alive:  # sequences whose last step this is enter with the adjoint of their final state
            carry = tuple(torch.cat([c, f[alive : batch_sizes[t]]]) for c, f in zip(carry, final, strict=True))
            alive = batch_sizes[t]
        here = values | {v: pieces[t] for v, pieces in sliced.items()}
        here.update(zip(adjoint.carry, carry, strict=True))
        run(here, alive)
        for value, pieces in steps.items():
            pieces.append(here[value])
        carry = tuple(
            torch.zeros_like(c) if v is None else here[v] for c, v in zip(carry, adjoint.carry_out, strict=True)
        )
    return tuple(torch.cat([c, f[alive:]]) if f.shape[0] > alive else c for c, f in zip(carry, final, strict=True))


def _slices(
    instructions: tuple[Instruction, ...], values: Values, packed: set[int], batch_sizes: Sequence[int],
    also: Iterable[int],
) -> dict[int, tuple[Tensor, ...]]:  # fmt: skip
    """Per step, the packed values that the loop reads."""
    read = {a for i in instructions for a in i.args} | set(also)
    return {v: torch.split(values[v], list(batch_sizes)) for v in read & packed if isinstance(values[v], Tensor)}


def _lists(plan: Program | Adjoint, names: tuple[str, ...], precision: str = "fp32") -> tuple[Run, ...]:
    """The instruction lists of these names as callables, with products of this precision."""
    # torch.compile looks through a cache and warns of it: it traces this once anyway
    prepare = _prepared_lists if torch.compiler.is_compiling() else _cached_lists
    return prepare(plan, names, precision)


def _prepared_lists(plan: Program | Adjoint, names: tuple[str, ...], precision: str) -> tuple[Run, ...]:
    return tuple(_prepared(getattr(plan, name), precision) for name in names)


_cached_lists = lru_cache(maxsize=1024)(_prepared_lists)


def _prepared(instructions: tuple[Instruction, ...], precision: str) -> Run:
    """The list as one callable that adds its results to the values; ``rows`` is None for static lists."""
    kernels = [(_kernel(i, precision), i.out, i.args, i.op in _NEED_ROWS) for i in instructions]

    def run(values: Values, rows: int | None) -> None:
        for kernel, out, args, sized in kernels:
            operands = [values[a] for a in args]
            values[out] = kernel(values[_LIKE], rows, *operands) if sized else kernel(*operands)

    return run


def _kernel(instruction: Instruction, precision: str) -> Callable[..., Any]:
    op, data = instruction.op, instruction.data
    if precision == "bf16" and op in _PRODUCTS:
        exact = _KERNELS["product" if op == "affine" else op]

        def rounded(*args: Tensor) -> Tensor:
            product: Tensor = _RoundGradient.apply(exact(*map(_Round.apply, args[-2:]), *data))
            return args[0] + product if op == "affine" else product

        return rounded
    if op in ELEMENTWISE:
        value = ELEMENTWISE[op].value
        return lambda *args: value(arrays, *args, *data)
    kernel = _KERNELS[op]
    return (lambda *args: kernel(*args, *data)) if data else kernel


class _Round(torch.autograd.Function):
    """To bfloat16 and back; a derivative passes as if nothing were rounded."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor) -> Tensor:
        return value.to(torch.bfloat16).to(value.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        return tangent.clone()


class _RoundGradient(torch.autograd.Function):
    """The product as it is; its gradient is rounded, because the products of the reverse pass round it."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        rounded: Tensor = _Round.apply(gradient)
        return rounded

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        return tangent.clone()


def _product(matrix: Tensor, vector: Tensor, transposed: str = "") -> Tensor:
    return vector @ matrix if transposed else F.linear(vector, matrix)


def _affine(init: Tensor | float, matrix: Tensor, vector: Tensor, transposed: str = "") -> Tensor:
    if vector.dim() == 2 and isinstance(init, Tensor):
        return torch.addmm(init, vector, matrix if transposed else matrix.t())
    return init + _product(matrix, vector, transposed)


def _lookup(matrix: Tensor, ids: Tensor, transposed: str = "") -> Tensor:
    return F.embedding(ids, matrix if transposed else matrix.t().contiguous())


def _scatter(gradient: Tensor, ids: Tensor, symbols: int) -> Tensor:
    return gradient.new_zeros(symbols, gradient.shape[1]).index_add(0, ids, gradient).t()


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """Σ over the rows of left rightᵀ."""
    return left.t() @ right if left.dim() == 2 else torch.outer(left, right)


def _expand(like: Tensor, rows: int | None, value: Tensor | float, size: int) -> Tensor:
    tensor = value if isinstance(value, Tensor) else like.new_full((1,), value)
    return tensor.expand(size) if rows is None else tensor.expand(rows, size)


def _concat(like: Tensor, rows: int | None, *parts: Tensor) -> Tensor:
    if rows is None:
        return torch.cat(parts)
    return torch.cat([part.expand(rows, -1) if part.dim() == 1 else part for part in parts], -1)


def _zeros(like: Tensor, rows: int | None, size: int) -> Tensor:
    return like.new_zeros(size) if rows is None else like.new_zeros(rows, size)


def _one_hot(like: Tensor, rows: int | None, ids: Tensor, size: int) -> Tensor:
    return F.one_hot(ids, size).to(like.dtype)


_LIKE = -1  # the key of a tensor that shows dtype and device
_NEED_ROWS = frozenset(("expand", "concat", "zeros", "one_hot"))
_PRODUCTS = frozenset(("product", "affine", "outer"))
_KERNELS: dict[str, Callable[..., Any]] = {
    "number": lambda value: value,
    "product": _product,
    "affine": _affine,
    "lookup": _lookup,
    "dtanh": torch.ops.aten.tanh_backward,
    "dsigmoid": torch.ops.aten.sigmoid_backward,
    "scatter": _scatter,
    "outer": _outer,
    "total": lambda gradient: gradient.sum(0),
    "expand": _expand,
    "concat": _concat,
    "zeros": _zeros,
    "one_hot": _one_hot,
    "slice": lambda vector, low, high: vector.narrow(-1, low, high - low),
    "softmax": lambda vector: torch.softmax(vector, -1),
    "dot": lambda left, right: (left * right).sum(-1, keepdim=True),
    "sum": lambda vector: vector.sum(-1, keepdim=True),
    "mean": lambda vector: vector.mean(-1, keepdim=True),
    "transpose": lambda matrix: matrix.t(),
    "rows": lambda *matrices: torch.cat(matrices),
    "columns": lambda matrix, low, high: matrix[:, low:high],
    "row_block": lambda matrix, low, high: matrix[low:high],
    "pad_columns": lambda matrix, low, high, width: F.pad(matrix, (low, width - high)),
}
