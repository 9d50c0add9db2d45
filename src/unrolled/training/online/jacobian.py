"""The Jacobians of one step, by the rules of ``calculus.tangent``: which there are, and where they can differ from 0.

A step maps the states s_{t-1} and the parameters θ to s_t. A matrix enters it as products a = W v, and
∂s/∂W_{jk} = Σ (∂s/∂a_j) v_k over these: all that has to be derived are the small matrices ∂s/∂s_{t-1} and ∂s/∂a, and
∂s/∂p for a parameter p that is a vector or a scalar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unrolled.calculus.shapes import SymbolicShape, symbolic_shape
from unrolled.calculus.tangent import identity, ones_column, tangent, times
from unrolled.equations.expression import BEFORE, NOW, Expression, symbol, walk
from unrolled.equations.sizes import Size
from unrolled.equations.system import System

Mask = NDArray[np.bool_]
Derivatives = Mapping[str, Expression]  # by the name of a state, where it is not zero


@dataclass(frozen=True)
class Use:
    """One way in which a parameter enters a step: as a product with ``vector``, or (None) as it is.

    ``derivatives`` are those of the states with respect to the product, or to the parameter.
    """

    derivatives: Derivatives
    vector: Expression | None = None
    transposed: bool = False


@dataclass(frozen=True)
class Step:
    """The derivatives of one step of ``system``, whose sizes are numbers.

    ``states[m][n]`` is ∂n_t/∂m_{t-1}, ``uses`` are those of each parameter.
    """

    system: System
    states: Mapping[str, Derivatives]
    uses: Mapping[str, tuple[Use, ...]]

    def size(self, name: str) -> int:
        """The components of a sequence."""
        return number_of(self.system.shapes[name])


def number_of(shape: SymbolicShape) -> int:
    """The first size of a shape, 1 for a scalar."""
    return shape[0].constant if shape else 1


def step_of(system: System) -> Step:
    """The derivatives of one step of ``system``."""
    before = {name: derivatives(system, symbol(name, BEFORE)) for name in system.states}
    uses = {name: tuple(use for use in _uses(system, name) if use.derivatives) for name in system.parameters}
    return Step(system, before, uses)


def derivatives(system: System, source: Expression) -> dict[str, Expression]:
    """∂n_t/∂source of every state n that depends on ``source``, a leaf or an inner node, within one step."""
    shape = symbolic_shape(system)
    wide = shape(source)
    seeds = {source: identity(wide[0] if wide else Size(1))}
    for name in system.in_order():
        right, result = system.definitions[name], symbol(name, NOW)
        found = tangent(right, seeds, shape)
        if found is not None:
            repeated = shape(result) and not shape(right)  # a scalar that stands for a vector of equal numbers
            seeds[result] = times(ones_column(shape(result)[0]), found) if repeated else found
    return {name: seeds[symbol(name, NOW)] for name in system.states if symbol(name, NOW) in seeds}


def _uses(system: System, name: str) -> Iterator[Use]:
    parameter = symbol(name)
    if len(system.shapes[name]) < 2:
        yield Use(derivatives(system, parameter))
        return
    for node in walk(right for _, right in system.equations):
        if node.op == "matmul" and parameter in (node.args[0], *node.args[0].args):
            yield Use(derivatives(system, node), node.args[1], node.args[0] is not parameter)


def matrices(root: Expression) -> Iterator[Expression]:
    """Every matrix of derivatives below ``root`` once, parts first; what fills one of them is not looked at."""
    return walk([root], parts=parts_of)


def parts_of(node: Expression) -> tuple[Expression, ...]:
    """The matrices of derivatives that a matrix of derivatives is made of."""
    if node.op == "scale":
        return node.args[1:]
    return node.args if node.op in ("matmul", "add", "sub", "neg", "stack") else ()


class Structure:
    """Which entries of a matrix of derivatives can differ from zero: none is left out that ever does."""

    def __init__(self, system: System) -> None:
        self._shape = symbolic_shape(system)
        self._found: dict[Expression, Mask] = {}

    def __call__(self, root: Expression) -> Mask:
        for node in matrices(root):
            if node not in self._found:
                self._found[node] = self._rule(node, [self._found[each] for each in parts_of(node)])
        return self._found[root]

    def _rule(self, node: Expression, parts: list[Mask]) -> Mask:
        match node.op:
            case "matmul":
                return product(*parts)
            case "add" | "sub":
                return parts[0] | parts[1]
            case "neg" | "scale":
                return parts[0]
            case "stack":
                width = max(part.shape[1] for part in parts)
                return np.concatenate([np.broadcast_to(part, (len(part), width)) for part in parts])
            case "eye":
                return np.eye(node.data[0].constant, dtype=bool)
            case "diag":
                return np.eye(number_of(self._shape(node.args[0])), dtype=bool)
            case "zero":
                return np.zeros((node.data[0].constant, 1), dtype=bool)  # its columns are those of what it stands above
        return np.ones(self._full(node), dtype=bool)

    def _full(self, node: Expression) -> tuple[int, int]:
        """The shape of a matrix without a structure."""
        match node.op:
            case "symbol":
                rows, columns = self._shape(node)
                return rows.constant, columns.constant
            case "transpose":
                shape = self._shape(node.args[0])
                return (shape[1].constant, shape[0].constant) if len(shape) == 2 else (1, number_of(shape))
            case "outer":
                return number_of(self._shape(node.args[0])), number_of(self._shape(node.args[1]))
            case "column":
                return number_of(self._shape(node.args[0])), 1
            case "ones_column":
                return node.data[0].constant, 1
            case "ones_row" | "mean_row":
                return 1, node.data[0].constant
        raise NotImplementedError(f"no structure for {node.op}")


def product(left: Mask, right: Mask) -> Mask:
    """Where a product of matrices with this structure can differ from zero."""
    return np.asarray(left.astype(np.float32) @ right.astype(np.float32) > 0)
