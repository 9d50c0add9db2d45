"""The parts of a layer: the equations of each level, direction and read-out beside the tensors that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from unrolled.equations.library import CELLS, load
from unrolled.equations.sizes import Size, Unifier
from unrolled.equations.system import System
from unrolled.errors import ConfigurationError
from unrolled.nn.drop_in import GRU, LSTM, RNN
from unrolled.nn.recurrent import Recurrent
from unrolled.nn.torch_layout import torch_cell


@dataclass(frozen=True)
class Part:
    """Equations and the parameters that they name; of torch's stacked tensors these are views of row blocks.

    A read-out has no states.
    """

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


def parts_of(layer: nn.Module) -> list[Part]:
    """The parts of a ``Recurrent`` or of a drop-in ``RNN``, ``GRU`` or ``LSTM``, lowest first, the read-out last.

    Raises:
        ConfigurationError: the layer is none of these.
    """
    if isinstance(layer, Recurrent):
        systems = [(each.system, each.suffix) for each in layer.network.layers]
        systems += [] if layer.network.head is None else [(layer.network.head, "")]
        return [
            Part(system, {name: layer.get_parameter(name + suffix) for name in system.parameters})
            for system, suffix in systems
        ]
    if isinstance(layer, RNN | GRU | LSTM):
        return _drop_in(layer)
    raise ConfigurationError(
        f"A {type(layer).__name__} is not made of the equations of one recurrence. Give a Recurrent, RNN, GRU or LSTM "
        "of unrolled.nn; of a model that holds several, each of them."
    )


def _drop_in(layer: RNN | GRU | LSTM) -> list[Part]:
    name = {"RNN_TANH": "torch_rnn", "RNN_RELU": "torch_rnn_relu", "GRU": "gru", "LSTM": "lstm"}[layer.mode]
    name += "_projection" if layer.proj_size else ""
    sizes = {"x": layer.input_size, "h": layer.proj_size or layer.hidden_size}
    cell = torch_cell(name, layer.bias, sizes | ({"c": layer.hidden_size} if layer.mode == "LSTM" else {}))
    absent = [each for each in load(name).parameters if each.startswith("b_") and not layer.bias]
    system = load("\n".join([CELLS[name], *(f"{each} = 0" for each in absent)]), outputs=("h",))
    parts = []
    for level in range(layer.num_layers):
        for direction in ("", "_reverse")[: 2 if layer.bidirectional else 1]:
            tensors = {each: layer.get_parameter(f"{each}_l{level}{direction}") for each in cell.blocks}
            named = dict(zip(system.parameters, cell.parameters(tensors), strict=True))
            parts.append(Part(system, named))
    return parts
