"""Torch's cells as equations: which library cell each is, and which rows of torch's tensors its parameters are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from unrolled.equations.library import CELLS, load
from unrolled.program.compile import compile_system
from unrolled.program.instructions import Program

# the gates in the order in which torch stacks them; its only "gate" is what torch calls the hidden part of an RNN
_GATES = {"torch_rnn": "h", "torch_rnn_relu": "h", "gru": "rzn", "lstm": "ifgo", "lstm_projection": "ifgo"}
# torch's tensor, and what its row block for one gate is called in the equations
_STACKED = {"weight_ih": "W_i{}", "weight_hh": "W_h{}", "bias_ih": "b_i{}", "bias_hh": "b_h{}"}
_WHOLE = {"lstm_projection": {"weight_hr": "W_hr"}}


@dataclass(frozen=True)
class TorchCell:
    """A library cell, compiled, whose parameters are row blocks of torch's tensors.

    ``blocks`` counts the row blocks of each tensor by its name without layer and direction; ``places`` gives, for each
    parameter of the program, the tensor and the number of the block in it; ``states`` are named in the program's order.
    """

    program: Program
    states: tuple[str, ...]
    blocks: Mapping[str, int]
    places: tuple[tuple[str, int], ...]

    def parameters(self, tensors: Mapping[str, Tensor]) -> list[Tensor]:
        """The parameters of the program, as views of torch's ``tensors``."""
        parts = {name: tensors[name].chunk(count) for name, count in self.blocks.items()}
        return [parts[name][number] for name, number in self.places]


def torch_cell(name: str, bias: bool, sizes: Mapping[str, int], precision: str = "fp32") -> TorchCell:
    """The library cell ``name`` with its output h, bound to torch's tensors; without ``bias`` all of b_… are 0.

    >>> cell = torch_cell("gru", True, {"x": 3, "h": 4})
    >>> cell.blocks
    {'weight_ih': 3, 'weight_hh': 3, 'bias_ih': 3, 'bias_hh': 3}
    >>> dict(zip(load("gru").parameters, cell.places))["W_hn"]
    ('weight_hh', 2)
    """
    stacked = {tensor: [form.format(gate) for gate in _GATES[name]] for tensor, form in _STACKED.items()}
    names = stacked | {tensor: [whole] for tensor, whole in _WHOLE.get(name, {}).items()}
    biases = [each for tensor in ("bias_ih", "bias_hh") for each in names[tensor]]
    text = CELLS[name] if bias else "\n".join([CELLS[name], *(f"{each} = 0" for each in biases)])
    system = load(text, outputs=("h",))
    where = {each: (tensor, i) for tensor, blocks in names.items() for i, each in enumerate(blocks)}
    places = tuple(where[each] for each in system.parameters)
    blocks = {tensor: len(names[tensor]) for tensor in names if any(tensor == used for used, _ in places)}
    return TorchCell(compile_system(system, sizes, precision=precision), system.states, blocks, places)
