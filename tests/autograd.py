"""A recurrence with random numbers, run in torch step by step: what formulas, tapes and derivatives are compared with.

``Numbers`` is one case; its values carry gradients, so that autograd gives the derivative of any sequence at any step
with respect to any parameter, input, earlier sequence or first state. The loop is that of ``stepwise``: nothing of
``calculus`` or ``explain`` is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

import stepwise
from unrolled.equations.system import System
from unrolled.recurrence import Recurrence

F64 = torch.float64


def sizes_of(system: System) -> dict[str, int]:
    """Sizes that are all different and mostly odd, so that a transpose out of place is seen."""
    return dict(zip(system.free_sizes, (3, 5, 2, 7, 4, 6), strict=False))


class Numbers:
    """Random numbers for every name, for ``steps`` steps; ``initial`` sets first states to a number."""

    def __init__(
        self, recurrence: Recurrence | System, steps: int, sizes: Mapping[str, int] | None = None, seed: int = 0,
        initial: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        self.system = recurrence.system if isinstance(recurrence, Recurrence) else recurrence
        self.sizes = sizes_of(self.system) if sizes is None else dict(sizes)
        self.shapes = self.system.resolve(self.sizes)
        self.random = torch.Generator().manual_seed(seed)
        self.leaves = {name: self._drawn(name) for name in self.system.parameters}
        inputs = {name: [self._drawn(name) for _ in range(steps)] for name in self.system.inputs}
        self.leaves |= {at(name, t): row for name, rows in inputs.items() for t, row in enumerate(rows)}
        first = {name: self._first(name, initial or {}) for name in self.system.states}
        stacked = {name: torch.stack(rows) for name, rows in inputs.items()}
        rows, _ = stepwise.run(self.system, self.shapes, self.leaves, stacked, first, steps)
        self.sequences = {at(name, t): value for name, values in rows.items() for t, value in enumerate(values)}

    def _drawn(self, name: str) -> Tensor:
        return (0.7 * torch.randn(self.shapes[name], generator=self.random, dtype=F64)).requires_grad_()

    def _first(self, name: str, initial: Mapping[str, float]) -> Tensor:
        """What the state starts from: a number, a learned parameter, or a leaf of its own."""
        given = dict(self.system.initial).get(name)
        value = initial.get(name, given.data[0] if given is not None and given.op == "number" else None)
        if value is None and given is not None:
            return self.leaves[given.data[0]].expand(self.shapes[name])
        number = torch.full(self.shapes[name], float(value or 0), dtype=F64, requires_grad=True)
        self.leaves[at(name, -1)] = self._drawn(name) if value is None else number
        return self.leaves[at(name, -1)]

    @property
    def values(self) -> dict[str, np.ndarray[Any, Any]]:
        """A numpy array for each leaf."""
        return {name: value.detach().numpy() for name, value in self.leaves.items()}

    @property
    def all_values(self) -> dict[str, np.ndarray[Any, Any]]:
        """Also those of the sequences."""
        return self.values | {name: value.detach().numpy() for name, value in self.sequences.items()}

    def tensor(self, name: str) -> Tensor:
        """The value of a leaf or of a sequence."""
        return self.leaves[name] if name in self.leaves else self.sequences[name]

    def derivative(self, target: str, wrt: str) -> np.ndarray[Any, Any]:
        """∂target/∂wrt of shape (size of the target, *shape of wrt)."""
        value, leaf = self.tensor(target), self.tensor(wrt)
        rows = [_gradient(component, leaf) for component in value.reshape(-1)]
        return np.reshape(np.stack(rows), (*value.shape, *leaf.shape))

    def gradient(self, target: str, wrt: str, seed: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """seedᵀ ∂target/∂wrt."""
        return _gradient((torch.as_tensor(seed, dtype=F64) * self.tensor(target)).sum(), self.tensor(wrt))


def _gradient(value: Tensor, leaf: Tensor) -> np.ndarray[Any, Any]:
    if not value.requires_grad:
        return np.zeros(leaf.shape)
    (found,) = torch.autograd.grad(value, leaf, retain_graph=True, allow_unused=True, materialize_grads=True)
    return found.numpy(force=True)


def at(name: str, step: int) -> str:
    """The name of a sequence at a step, as the language writes it."""
    letter, _, subscript = name.partition("_")
    inside = f"{subscript},{step}" if subscript else str(step)
    return f"{letter}_{inside}" if len(inside) == 1 else f"{letter}_{{{inside}}}"


def close(found: object, expected: object, tolerance: float = 1e-9) -> bool:
    """Equal in shape, and in value relative to the largest entry."""
    one, other = np.asarray(found), np.asarray(expected)
    if one.shape != other.shape:
        return False
    return bool(np.abs(one - other).max(initial=0) <= tolerance * max(np.abs(other).max(initial=0), 1e-3))
