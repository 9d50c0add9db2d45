"""A derivation compared with torch's autograd, in float64, through a loop that runs the equations as they stand.

Shapes: a vector (n,), a scalar (), a matrix (m, n).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.engine import arrays
from unrolled.equations.expression import BEFORE, NOW, Expression, Time, symbol, walk
from unrolled.equations.operations import ELEMENTWISE, LAYERNORM_EPSILON
from unrolled.explain.derivation import Derivation
from unrolled.explain.verification import Trial, relative_error

Values = dict[Expression, Tensor]

_VECTOR: dict[str, Callable[..., Tensor]] = {
    "matmul": torch.matmul,
    "transpose": lambda a: a.T,
    "concat": lambda *parts: torch.cat([part.reshape(-1) for part in parts]),
    "softmax": lambda a: torch.softmax(a, -1),
    "layernorm": lambda a: torch.nn.functional.layer_norm(a, a.shape, eps=LAYERNORM_EPSILON),
    "dot": torch.dot,
    "sum": torch.sum,
    "mean": torch.mean,
}
# with one unit everything is a number
_SCALAR: dict[str, Callable[..., Tensor]] = {
    "matmul": torch.mul,
    "transpose": lambda a: a,
    "softmax": lambda a: torch.softmax(a.reshape(1), 0).reshape(()),
    "layernorm": lambda a: a - a,
    "dot": torch.mul,
    "sum": lambda a: a,
    "mean": lambda a: a,
}


def verify(derivation: Derivation, seed: int = 0) -> float:
    """The largest error of ``derivation`` against autograd, on random numbers, relative to the largest entry.

    Its closed form is evaluated, its forward recursion followed to the last step (the fourth where the target is
    numbered lower or not at all), and its backward recursion followed for a loss Σ_t ℓ_t: the cross-entropy where the
    target is a softmax, else a weighted sum.

    >>> from unrolled import Recurrence
    >>> verify(Recurrence("gru").derive("h_2", "W_hr")) < 1e-12
    True
    """
    trial = Trial(derivation, seed)
    run = _Run(trial)
    leaf = run.known[derivation.wrt]
    return max((relative_error(found, _jacobian(of(run.known), leaf)) for found, of in _claims(trial)), default=0.0)


def _claims(trial: Trial) -> list[tuple[Any, Callable[[Values], Tensor]]]:
    """The numbers of the derivation, with what torch is to differentiate; the loss in torch's functions."""
    return [(found, (lambda known: _loss(trial, known)) if of == trial.loss else of) for found, of in trial.claims()]


def _loss(trial: Trial, known: Values) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for step, weights in trial.weights:
        row = known[symbol(trial.derivation.target.name, Time("", step))]
        total = total + (torch.as_tensor(weights) * (-torch.log(row) if trial.softmax else row)).sum()
    return total


class _Run:
    """Every sequence that torch computes from the numbers of ``trial``."""

    def __init__(self, trial: Trial) -> None:
        self.trial, self.system = trial, trial.system
        self.known: Values = {
            leaf: torch.tensor(value, dtype=torch.float64, requires_grad=True) for leaf, value in trial.fixed.items()
        }
        for name, first in self.system.initial:
            if first in self.known:  # a learned first state
                self.known[symbol(name, Time("", -1))] = self.known[first]
        for step in range(trial.steps):
            self._step(step)

    def _step(self, step: int) -> None:
        now = {leaf: value for leaf, value in self.known.items() if leaf.data[1] is None}
        now |= {symbol(n, NOW): self.known[symbol(n, Time("", step))] for n in self.system.inputs}
        now |= {symbol(n, BEFORE): self.known[symbol(n, Time("", step - 1))] for n in self.system.states}
        for name in self.system.in_order():
            found = _value(self.system.definitions[name], now, self.trial.scalar).expand(
                self.trial.shapes.get(name, ())
            )
            # what is constant may still be asked for: a derivative with respect to it begins here
            here = found if found.requires_grad else found.detach().clone().requires_grad_()
            now[symbol(name, NOW)] = self.known[symbol(name, Time("", step))] = here


def _value(root: Expression, known: Mapping[Expression, Tensor], scalar: bool) -> Tensor:
    found: Values = {}
    for node in walk([root], known):
        args = [found[argument] for argument in node.args] if node not in known else []
        if node in known:
            found[node] = known[node]
        elif node.op == "number":
            found[node] = torch.tensor(node.data[0], dtype=torch.float64)
        elif node.op in ELEMENTWISE:
            found[node] = ELEMENTWISE[node.op].value(arrays, *args, *node.data)
        else:
            found[node] = (_SCALAR if scalar else _VECTOR)[node.op](*args)
    return found[root]


def _jacobian(value: Tensor, leaf: Tensor) -> Any:
    """∂value/∂vec(leaf), the columns of a matrix below one another, one component of the value after the other."""
    rows = []
    for component in value.reshape(-1):
        (row,) = torch.autograd.grad(component, leaf, retain_graph=True, allow_unused=True, materialize_grads=True)
        rows.append((row.T if row.ndim == 2 else row).reshape(-1))
    return np.stack([row.numpy(force=True) for row in rows])  # torch has zeros that no array can view
