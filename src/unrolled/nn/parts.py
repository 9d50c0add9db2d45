"""The parts of a layer: the equations of each level, direction and read-out beside the tensors that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from unrolled.equations.sizes import Size, Unifier
from unrolled.equations.system import System
from unrolled.nn.recurrent import Recurrent


@dataclass(frozen=True)
class Part:
    """Equations and the parameters that they name; a read-out has no states."""

    system: System
    tensors: Mapping[str, Tensor]

    def shapes(self) -> dict[str, tuple[Size, ...]]:
        """The shape of every name, in numbers as far as the parameters tell."""
        return sized(self.system, {name: tuple(tensor.shape) for name, tensor in self.tensors.items()})


def sized(system: System, known: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[Size, ...]]:
    """The shape of every name of ``system``, from the shapes that are ``known``; sizes that these leave open stay."""
    unifier = Unifier({})
    for name, shape in known.items():
        for size, number in zip(system.shapes[name], shape, strict=False):  # a scalar has no size to tell
            unifier.unify(size, Size(number))
    return {name: tuple(unifier.resolve(size) for size in shape) for name, shape in system.shapes.items()}


def parts_of(layer: Recurrent) -> list[Part]:
    """The parts of a layer, lowest first, the read-out last."""
    systems = [(each.system, each.suffix) for each in layer.network.layers]
    systems += [] if layer.network.head is None else [(layer.network.head, "")]
    return [
        Part(system, {name: layer.get_parameter(name + suffix) for name in system.parameters})
        for system, suffix in systems
    ]
