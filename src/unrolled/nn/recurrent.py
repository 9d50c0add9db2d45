"""``Recurrent``: any recurrence as a torch module.

Shapes. x (T, B, size) or ids (T, B); outputs (T, B, size); a state (B, size) where one layer and direction has it, else
(layers · directions that have it, B, size) in torch's order (layer 0 forwards, layer 0 backwards, layer 1 forwards, …).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.engine import autograd, reference
from unrolled.equations.library import load
from unrolled.equations.network import Layer, Network, Sizes, backward_core, shared_sizes, stack
from unrolled.equations.system import System
from unrolled.errors import ConfigurationError, DataError
from unrolled.nn.direction import run_direction
from unrolled.nn.sequences import Batch, Data, pack
from unrolled.program.compile import compile_system
from unrolled.program.instructions import Program
from unrolled.recurrence import Recurrence

State = dict[str, Tensor]


class Recurrent(nn.Module):
    """A recurrence as a layer; its parameters carry the names of the equations.

    Args:
        recurrence: a ``Recurrence``, a System, the name of a library cell, or equations.
        num_layers: how many are stacked; what only reads the states belongs to the top.
        bidirectional: whether a second recurrence runs backwards at each level (None: where ``backward`` is given).
        backward: what runs backwards, where it is not the same recurrence. It reads the same inputs; a read-out of its
            own is left out, since that of ``recurrence`` reads both directions side by side.
        dropout: probability with which a component that goes up, also into the read-out, is dropped in training.
        upward: names of what goes up in a stack (by default the states that the read-out reads, else the last state).
        embedding: size of an embedding of the input below the lowest layer (None: there is none).
        sizes: sizes by name, for names that a keyword cannot be; ``**named`` are the same (x=65, h=512, y=65). Those of
            ``backward`` stand among them; what both recurrences have under one name is shared.
        precision: "fp32", or "bf16": products round what they multiply to bfloat16, forward and backward; they add in
            the layer's dtype, in which all else is computed and kept. Faster in float32 on processors that have
            instructions for it (AVX-512 BF16, AMX).
        device, dtype: of the parameters.

    With one layer and one direction the parameters are ``layer.U``; otherwise ``layer.U_l0``, ``layer.U_l1_reverse``,
    and those of the read-out bare. They start uniform in ±1/√(size of the last state).

    A state is (B, size), and where several layers or directions have one of its name (count, B, size), those of the
    lowest layer first, forwards before backwards.

    Raises:
        EquationError: the text is no recurrence, or the two directions do not go together; SizeError: a size is missing
            or contradicts another; ConfigurationError: options that contradict each other.

    >>> layer = Recurrent("h_t = tanh(U x_t + W h_{t-1}); y_t = softmax(V h_t)", x=3, h=4, y=2)
    >>> y, state = layer(torch.zeros(7, 5, 3))
    >>> y.shape, state["h"].shape, layer.U.shape
    (torch.Size([7, 5, 2]), torch.Size([5, 4]), torch.Size([4, 3]))
    """

    def __init__(
        self, recurrence: Recurrence | System | str, num_layers: int = 1, bidirectional: bool | None = None,
        dropout: float = 0.0, *, backward: Recurrence | System | str | None = None,
        upward: Iterable[str] | None = None, embedding: int | None = None, sizes: Mapping[str, int] | None = None,
        precision: str = "fp32", device: Any = None, dtype: torch.dtype | None = None, **named: int,
    ) -> None:  # fmt: skip
        super().__init__()
        if num_layers < 1 or not 0 <= dropout < 1:
            raise ConfigurationError(
                f"num_layers = {num_layers} must be at least 1, and dropout = {dropout} in [0, 1)."
            )
        if backward is not None and bidirectional is False:
            raise ConfigurationError(
                "backward says what runs backwards, bidirectional=False that nothing does. Leave one of them out."
            )
        self.system = as_system(recurrence)
        self.backward = None if backward is None else backward_core(as_system(backward))
        self.num_layers, self.bidirectional, self.dropout = num_layers, bool(bidirectional or self.backward), dropout
        self.precision = precision
        self.network: Network = stack(
            self.system, num_layers, self.bidirectional, upward, embedding is not None, self.backward
        )
        found = self._sized({**(sizes or {}), **named}, embedding)
        self._names: list[tuple[str, ...]] = []  # the attribute of each parameter, part by part
        self._programs: list[dict[tuple[bool, bool], Program]] = []  # (ids, logits) → program, part by part
        parts = [(layer.system, layer.suffix) for layer in self.network.layers]
        own = [sizes for level in found.levels for sizes in level]
        if self.network.head is not None:
            parts.append((self.network.head, ""))
            own.append(found.head or {})
        for number, ((system, suffix), each) in enumerate(zip(parts, own, strict=True)):
            self._add(system, suffix, each, lowest=number < self.network.directions, device=device, dtype=dtype)
        self.reset_parameters()

    def _sized(self, given: dict[str, int], embedding: int | None) -> Sizes:
        """The sizes of all parts; ``sizes`` keeps those of ``system``, ``backward_sizes`` those of ``backward``."""
        if self.backward is None:
            self.sizes = self.backward_sizes = given
        else:
            self.sizes, self.backward_sizes = shared_sizes(self.system, self.backward, given)
        plain = [(self.system, self.sizes), (self.backward or self.system, self.backward_sizes)]
        found = self.network.sizes(plain[: self.network.directions], embedding)
        self._top = found.top
        return found

    def _add(
        self, system: System, suffix: str, sizes: Mapping[str, int], lowest: bool, device: Any, dtype: Any
    ) -> None:
        shapes = system.resolve(sizes)
        names = tuple(name + suffix for name in system.parameters)
        for name, attribute in zip(system.parameters, names, strict=True):
            if hasattr(self, attribute):
                raise ConfigurationError(
                    f"A layer cannot have a parameter named {attribute!r}: torch modules use that name. "
                    "Rename it in the equations."
                )
            self.register_parameter(attribute, nn.Parameter(torch.empty(shapes[name], device=device, dtype=dtype)))
        self._names.append(names)
        variants = [(ids, logits) for ids in ((False, True) if lowest else (False,)) for logits in (False, True)]
        self._programs.append({
            (ids, logits): compile_system(system, sizes, system.inputs if ids else (), logits, self.precision)
            for ids, logits in variants
        })  # fmt: skip

    def reset_parameters(self) -> None:
        """Draw every parameter uniformly from ±1/√(size of the last state)."""
        bound, other = _bound(self.system, self.sizes), _bound(self.backward or self.system, self.backward_sizes)
        layers = zip(self.network.layers, self._names, strict=False)  # the head has no layer
        backwards = {name for layer, names in layers if layer.direction == "backward" for name in names}
        for name, parameter in self.named_parameters():
            own = other if name in backwards else bound
            nn.init.uniform_(parameter, -own, own)

    def forward(
        self, x: Data | Mapping[str, Data], state: Mapping[str, Tensor] | None = None,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Any, State]:  # fmt: skip
        """What the equations say: the outputs, and the state that goes in again to continue.

        Args:
            x: (T, B, size), int64 ids (T, B), (T, size) or (T,) for one sequence, a PackedSequence, a list of tensors,
                or a dict of these by input name.
            state: a dict by state name as returned; what is missing starts as the equations say, else from zero.
            lengths: of each sequence, 0 to T; what lies beyond is not looked at, and its output is zero.

        Returns:
            outputs in the form of x (a dict by name where several are declared), and the state after each last step.

        Raises:
            DataError: the shapes do not fit.
        """
        return self._run(x, state, lengths, logits=False)

    def logits(
        self, x: Data | Mapping[str, Data], state: Mapping[str, Tensor] | None = None,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Any, State]:  # fmt: skip
        """As ``forward``, but an output that is a softmax is its argument: what a cross-entropy loss takes."""
        return self._run(x, state, lengths, logits=True)

    def _run(self, x: Any, state: Mapping[str, Tensor] | None, lengths: Any, logits: bool) -> tuple[Any, State]:
        batch = self._packed(x, lengths)
        known = {name for layer in self.network.layers for name in layer.system.states}
        if state is not None and not (isinstance(state, Mapping) and set(state) <= known):
            got = ", ".join(state) if isinstance(state, Mapping) else f"a {type(state).__name__}"
            raise DataError(f"A state is a dict with keys among {', '.join(sorted(known))}; got {got}.")
        given = {name: batch.state_in(value) for name, value in (state or {}).items()}
        results, final = self._levels(batch, given, logits)
        outputs = self._emit(results, final, batch, logits)
        chosen = outputs if len(outputs) != 1 else next(iter(outputs.values()))
        return chosen, {name: batch.state_out(value) for name, value in self._joined(final).items()}

    def _packed(self, x: Any, lengths: Any) -> Batch:
        return pack(x, lengths, self.network.layers[0].system.inputs)

    def _levels(self, batch: Batch, given: State, logits: bool) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
        """What the top hands up (N, n), by name, and the last states of each layer and direction."""
        final: list[dict[str, Tensor]] = []
        sequences = dict(batch.data)
        results: dict[str, Tensor] = {}
        number = 0
        for depth, level in enumerate(self.network.levels):
            if depth:
                sequences = {level[0].reads: beside(list(results.values()))}
                sequences = {name: self._drop(value) for name, value in sequences.items()}
            found = []
            for layer in level:
                outputs, last = self._layer(number, layer, sequences, batch, given, logits and self._ends(number))
                found.append(outputs)
                final.append(last)
                number += 1
            columns = zip(*(each.values() for each in found), strict=True)
            results = {name: beside(parts) for name, parts in zip(found[0], columns, strict=True)}
        return results, final

    def _ends(self, number: int) -> bool:
        """Whether what this part gives is what the network gives; a softmax that another part reads is a softmax."""
        if self.network.head is not None:
            return number == len(self.network.layers)
        return number >= len(self.network.layers) - self.network.directions

    def _emit(
        self, results: dict[str, Tensor], final: list[dict[str, Tensor]], batch: Batch, logits: bool
    ) -> dict[str, Any]:
        """The outputs by name, in the caller's form, from what the top hands up."""
        if self.network.head is not None:
            results = self._head(results, batch.batch_sizes, logits)
        return {name: batch.give_back(value) for name, value in results.items()}

    def _layer(
        self, number: int, layer: Layer, sequences: Mapping[str, Tensor], batch: Batch, given: State, logits: bool
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        system = layer.system
        inputs = [sequences[name] for name in system.inputs]
        program = self._program(number, system, inputs, logits)
        parameters = [getattr(self, name) for name in self._names[number]]
        like = next((t for t in (*parameters, *inputs) if t.is_floating_point()), torch.empty(0))
        initial = reference.initial_states(program, parameters, batch.batch, like)
        for i, name in enumerate(system.states):
            if name in given:
                initial[i] = self._given_state(given[name], number, initial[i], name)
        backward = layer.direction == "backward"
        outputs, final = run_direction(program, inputs, initial, parameters, batch, backward)
        return dict(zip(system.outputs, outputs, strict=True)), dict(zip(system.states, final, strict=True))

    def _program(self, number: int, system: System, inputs: Sequence[Tensor], logits: bool) -> Program:
        ids = bool(inputs) and all(tensor.dtype == torch.int64 for tensor in inputs)
        program = self._programs[number][ids, logits]
        for name, tensor, value in zip(system.inputs, inputs, program.inputs, strict=True):
            (size,) = program.shapes[value]
            if not ids and (tensor.dim() != 2 or tensor.shape[1] != size):
                raise DataError(
                    f"The input {name} has size {tensor.shape[-1] if tensor.dim() > 1 else 'none'}, the layer expects "
                    f"{size}: (T, B, {size}), or int64 ids below {size}."
                )
        return program

    def _given_state(self, value: Tensor, number: int, like: Tensor, name: str) -> Tensor:
        having = [i for i, layer in enumerate(self.network.layers) if name in layer.system.states]
        if len(having) > 1:
            if value.dim() != 3 or value.shape[0] != len(having):
                raise DataError(
                    f"The state {name} has the shape {tuple(value.shape)}; with {len(having)} layers and directions it "
                    f"is ({len(having)}, B, {like.shape[1]})."
                )
            value = value[having.index(number)]
        if value.shape != like.shape:
            raise DataError(
                f"The state {name} has the shape {tuple(value.shape)}, the layer expects {tuple(like.shape)}."
            )
        return value

    def _head(self, sequences: Mapping[str, Tensor], batch_sizes: Sequence[int], logits: bool) -> dict[str, Tensor]:
        head = self.network.head
        assert head is not None
        inputs = [self._drop(sequences[name]) for name in head.inputs]
        program = self._programs[-1][False, logits]
        parameters = [getattr(self, name) for name in self._names[-1]]
        outputs, _ = autograd.run(program, inputs, (), parameters, batch_sizes)
        return dict(zip(head.outputs, outputs, strict=True))

    def _drop(self, value: Tensor) -> Tensor:
        return nn.functional.dropout(value, self.dropout, self.training) if self.dropout else value

    def _joined(self, final: list[dict[str, Tensor]]) -> State:
        names = dict.fromkeys(name for each in final for name in each)
        found = {name: [each[name] for each in final if name in each] for name in names}
        return {name: torch.stack(states) if len(states) > 1 else states[0] for name, states in found.items()}

    def top_sizes(self) -> dict[str, int]:
        """Of what the top hands up, by name, both directions side by side."""
        return {name: sum(sizes) for name, sizes in self._top.items()}

    def programs(self) -> dict[str, Any]:
        """The compiled programs as JSON data: per layer and for the head, with the names of their parameters."""
        systems = [layer.system for layer in self.network.layers]
        systems += [self.network.head] if self.network.head is not None else []
        ids = (True, True) in self._programs[0]
        return {
            "directions": self.network.directions,
            "head": self.network.head is not None,
            "parts": [
                {
                    "program": programs[ids and number < self.network.directions, self._ends(number)].to_dict(),
                    "inputs": system.inputs,
                    "states": system.states,
                    "outputs": system.outputs,
                    "parameters": names,
                }
                for number, (system, names, programs) in enumerate(
                    zip(systems, self._names, self._programs, strict=True)
                )
            ],
        }

    def extra_repr(self) -> str:
        """The equations and the sizes."""
        sizes = ", ".join(f"{name}={size}" for name, size in (self.sizes | self.backward_sizes).items())
        half = "" if self.precision == "fp32" else f", precision={self.precision}"
        systems = [self.system] if self.backward is None else [self.system, self.backward]
        equations = "\nbackwards ".join("; ".join(str(system).splitlines()) for system in systems)
        return f"{equations}\n{sizes}, num_layers={self.num_layers}{half}"


def beside(parts: Sequence[Tensor]) -> Tensor:
    """Vectors as one."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), -1)


def _bound(system: System, sizes: Mapping[str, int]) -> float:
    """1/√(size of the last state)."""
    name = (*system.outputs, *system.states)[-1]
    return float(1 / (system.resolve(sizes)[name] or (1,))[0] ** 0.5)


def as_system(recurrence: Recurrence | System | str) -> System:
    """The equations of a recurrence, of a library cell by its name, or as they are written."""
    if isinstance(recurrence, str):
        return load(recurrence)
    return recurrence.system if isinstance(recurrence, Recurrence) else recurrence
