"""A program with random numbers for everything, run by the reference and by the core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recurrences import Example
from stepwise import case
from unrolled.engine import reference
from unrolled.native import execution
from unrolled.native.core import Core
from unrolled.program.adjoint import adjoint_of
from unrolled.program.instructions import Program

LENGTHS = [(3,), (1,), (2, 2), (7, 5, 4, 4, 2, 2, 1), (3, 1, 0), (0, 0), ()]


@dataclass
class Numbers:
    """A program with random numbers for everything; ``batch_sizes`` of sequences of falling length."""

    program: Program
    lengths: Sequence[int]
    dtype: torch.dtype = torch.float64
    scale: float = 0.5

    def __post_init__(self) -> None:
        p = self.program
        self.random = torch.Generator().manual_seed(0)
        self.batch_sizes = [sum(n > t for n in self.lengths) for t in range(max(self.lengths, default=0))]
        rows = sum(self.batch_sizes)
        self.inputs = [
            torch.randint(0, p.shapes[v][0], (rows,), generator=self.random) if ids else self.draw(rows, *p.shapes[v])
            for v, ids in zip(p.inputs, p.ids, strict=True)
        ]
        self.parameters = [self.scale * self.draw(*p.shapes[v]) for v in p.parameters]
        self.initial = [self.draw(len(self.lengths), *p.shapes[v]) for v in p.previous]
        self.adjoint = adjoint_of(p, tuple(not ids for ids in p.ids), (True,) * len(p.parameters))

    def draw(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.random, dtype=torch.float64).to(self.dtype)

    def by_reference(self) -> list[Tensor | None]:
        """Outputs, final states, saved values, gradients, by the reference."""
        p, a = self.program, self.adjoint
        run = reference.forward(p, self.inputs, self.initial, self.parameters, self.batch_sizes, a.saved)
        self.seeds = [self.draw(*each.shape) for each in run.outputs], [self.draw(*each.shape) for each in run.final]
        found = reference.backward(p, a, self.inputs, self.parameters, run.saved, *self.seeds, self.batch_sizes)
        return [*run.outputs, *run.final, *run.saved, *(each for group in found for each in group)]

    def by_core(self, core: Core, threads: int) -> list[np.ndarray | None]:
        """The same by the core; call ``by_reference`` first, which draws the seeds."""
        p, a = self.program, self.adjoint
        inputs, initial, parameters = map(arrays, (self.inputs, self.initial, self.parameters))
        run = execution.forward(core, threads, p, inputs, initial, parameters, self.batch_sizes, a.saved)
        seeds = map(arrays, self.seeds)
        found = execution.backward(core, threads, p, a, inputs, parameters, run.saved, *seeds, self.batch_sizes)
        return [*run.outputs, *run.final, *run.saved, *(each for group in found for each in group)]


def arrays(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    return [tensor.numpy() for tensor in tensors]


def program(example: Example) -> Program:
    return case(example, (1,)).program
