"""The equations run as they stand, in torch: one sequence, one step, one operation at a time. Slow, plain, our oracle.

It reads nothing but the expressions of a System. Shapes: a vector (n,), a scalar (), a matrix (m, n); a sequence of
vectors (T, n). ``Case`` is one recurrence with numbers for everything, and what an executor should make of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from recurrences import Example
from unrolled.engine import autograd, reference
from unrolled.equations.expression import BEFORE, NOW, Expression, Time
from unrolled.equations.library import CELLS, load
from unrolled.equations.system import System
from unrolled.program.compile import compile_system
from unrolled.program.instructions import Program

F64 = torch.float64
MEANINGS = {
    "neg": lambda a: -a,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "scale": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": torch.pow,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "exp": torch.exp,
    "log": torch.log,
    "abs": torch.abs,
    "sqrt": torch.sqrt,
    "softplus": lambda a: torch.logaddexp(a, torch.zeros_like(a)),
    "sin": torch.sin,
    "cos": torch.cos,
    "max": lambda a, b: torch.maximum(*torch.broadcast_tensors(a, b)),
    "min": lambda a, b: torch.minimum(*torch.broadcast_tensors(a, b)),
    "clip": torch.clamp,
    "sign": torch.sign,
    "positive": lambda a: torch.where(a > 0, 1.0, 0.0).to(a.dtype),
    "heaviside": lambda a: torch.heaviside(a.detach(), torch.full_like(a, 0.5)),
    "within": lambda a, low, high: torch.where((low <= a) & (a <= high), 1.0, 0.0).to(a.dtype),
    "matmul": lambda a, b: a @ b,
    "transpose": lambda a: a.t(),
    "concat": lambda *parts: torch.cat([part.reshape(-1) for part in parts]),
    "softmax": lambda a: torch.softmax(a, 0),
    "layernorm": lambda a: F.layer_norm(a, a.shape),
    "dot": torch.dot,
    "sum": torch.sum,
    "mean": torch.mean,
}


def value(node: Expression, known: Mapping[tuple[str, Time | None], Tensor]) -> Tensor:
    """What ``node`` says, by the textbook meaning of each operation."""
    if node.op == "symbol":
        return known[node.data]
    if node.op == "number":
        return torch.tensor(node.data[0], dtype=F64)
    return MEANINGS[node.op](*(value(argument, known) for argument in node.args), *node.data)


def run(
    system: System, shapes: Mapping[str, tuple[int, ...]], parameters: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor], initial: Mapping[str, Tensor], steps: int,
) -> tuple[dict[str, list[Tensor]], dict[str, Tensor]]:  # fmt: skip
    """Every defined sequence, step by step, and the last states, for one sequence of inputs."""
    fixed = {(name, None): tensor for name, tensor in parameters.items()}
    fixed |= {(name, None): torch.tensor(number, dtype=F64) for name, number in system.constants}
    states = dict(initial)
    rows: dict[str, list[Tensor]] = {name: [] for name, _ in system.equations}
    for t in range(steps):
        known = fixed | {(name, NOW): tensor[t] for name, tensor in inputs.items()}
        known |= {(name, BEFORE): tensor for name, tensor in states.items()}
        waiting = dict(system.equations)
        while waiting:  # whichever equation has all it needs
            name = next(n for n, right in waiting.items() if _ready(right, known))
            known[name, NOW] = value(waiting.pop(name), known).expand(shapes[name])
            rows[name].append(known[name, NOW])
        states = {name: known[name, NOW] for name in states}
    return rows, states


def _ready(node: Expression, known: Mapping[tuple[str, Time | None], Tensor]) -> bool:
    return node.data in known if node.op == "symbol" else all(_ready(argument, known) for argument in node.args)


@dataclass(frozen=True)
class Case:
    """One recurrence with numbers: packed inputs, first states (B, n), parameters, in the order of the program."""

    example: Example
    program: Program
    lengths: tuple[int, ...]  # falling
    inputs: tuple[Tensor, ...]
    initial: tuple[Tensor, ...]
    parameters: tuple[Tensor, ...]

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        return batch_sizes(self.lengths)

    @property
    def differentiable(self) -> list[Tensor]:
        """What has a gradient."""
        return [t for t in (*self.inputs, *self.initial, *self.parameters) if t.is_floating_point()]

    def of(self, tensors: Iterable[Tensor]) -> Case:
        """The same recurrence with other numbers for what is differentiable."""
        other = iter(tensors)
        inputs, initial, parameters = (
            tuple(next(other) if t.is_floating_point() else t for t in group)
            for group in (self.inputs, self.initial, self.parameters)
        )
        return replace(self, inputs=inputs, initial=initial, parameters=parameters)

    def asking(self) -> Case:
        """The same numbers as new leaves that ask for a gradient."""
        return self.of(t.detach().clone().requires_grad_() for t in self.differentiable)

    def found(self) -> tuple[Tensor, ...]:
        """Outputs and last states by the executor, as a layer calls it."""
        outputs, final = autograd.run(self.program, self.inputs, self.initial, self.parameters, self.batch_sizes)
        return (*outputs, *final)

    def expected(self) -> tuple[Tensor, ...]:
        """Outputs (N, n) and last states (B, n) by the naive loop."""
        system, shapes = self.example.system, self.example.shapes
        parameters = dict(zip(system.parameters, self.parameters, strict=True))
        outputs: list[list[list[Tensor]]] = []
        last: list[list[Tensor]] = []
        for b, length in enumerate(self.lengths):
            own = {
                name: self._sequence(name, unpack(tensor, self.lengths)[b])
                for name, tensor in zip(system.inputs, self.inputs, strict=True)
            }
            first = {
                name: tensor[b].reshape(shapes[name]) for name, tensor in zip(system.states, self.initial, strict=True)
            }
            rows, states = run(system, shapes, parameters, own, first, length)
            outputs.append([[row.reshape(-1) for row in rows[name]] for name in system.outputs])
            last.append([states[name].reshape(-1) for name in system.states])
        order = [(t, b) for t in range(max(self.lengths, default=0)) for b, n in enumerate(self.lengths) if t < n]
        widths = [(shapes[name] or (1,))[0] for name in system.outputs]
        stacked = [
            torch.stack([outputs[b][i][t] for t, b in order]) if order else torch.zeros(0, width, dtype=F64)
            for i, width in enumerate(widths)
        ]
        final = [torch.stack([states[i] for states in last]) if last else t for i, t in enumerate(self.initial)]
        return (*stacked, *final)

    def _sequence(self, name: str, rows: Tensor) -> Tensor:
        """The steps of one input: ids as one-hot vectors, a scalar without its dimension."""
        if name in self.example.ids:
            return F.one_hot(rows, self.example.shapes[name][0]).to(F64)
        return rows.reshape(-1, *self.example.shapes[name])


def cell(name: str, ids: tuple[str, ...] = (), **sizes: int) -> Example:
    """A library cell with small sizes."""
    given = {"x": 3, "h": 4, "y": 2, "o": 5} | sizes
    return Example(CELLS[name], tuple((size, given.get(size, 5)) for size in load(name).free_sizes), ids)


def case(example: Example, lengths: Sequence[int], seed: int = 0) -> Case:
    """``example`` with random numbers, for sequences of the ``lengths`` (falling)."""
    random = torch.Generator().manual_seed(seed)

    def randn(*shape: int) -> Tensor:
        return 0.7 * torch.randn(shape, generator=random, dtype=F64)

    system, shapes = example.system, example.shapes
    program = compile_system(system, dict(example.sizes), example.ids)
    rows = sum(lengths)
    inputs = tuple(
        torch.randint(shapes[name][0], (rows,), generator=random)
        if name in example.ids
        else randn(rows, *(shapes[name] or (1,)))
        for name in system.inputs
    )
    initial = tuple(randn(len(lengths), *(shapes[name] or (1,))) for name in system.states)
    parameters = tuple(randn(*shapes[name]) for name in system.parameters)
    return Case(example, program, tuple(lengths), inputs, initial, parameters)


def batch_sizes(lengths: Sequence[int]) -> tuple[int, ...]:
    """How many sequences are alive at each step."""
    return tuple(sum(n > t for n in lengths) for t in range(max(lengths, default=0)))


def unpack(rows: Tensor, lengths: Sequence[int]) -> list[Tensor]:
    """The packed rows (N, …) as one tensor (T, …) for each sequence."""
    starts = [sum(batch_sizes(lengths)[:t]) for t in range(max(lengths, default=0))]
    return [rows[[starts[t] + b for t in range(n)]] for b, n in enumerate(lengths)]


def first_states(case: Case) -> list[Tensor]:
    """The states from which the program starts by itself."""
    like = torch.zeros(1, dtype=F64)
    return reference.initial_states(case.program, case.parameters, len(case.lengths), like)
