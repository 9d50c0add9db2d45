"""One step of a network as a map of its whole state, and the derivatives of that map.

The state vector is every state of every layer, side by side: of an LSTM c and h, of a stack those of all layers.

Shapes: states (N, n), inputs of one step (N, m) or ids (N,), Jacobians (N, n, n); a trajectory (T + 1, B, n).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.func import jvp, vjp, vmap

from unrolled.diagnose.opened import Opened, ids_among, named, side_by_side
from unrolled.engine import reference
from unrolled.equations.extension import read_states
from unrolled.errors import ConfigurationError
from unrolled.nn import Recurrent
from unrolled.nn.sequences import Batch, Data


class StepMap:
    """s_t = F(s_{t-1}, x_t), in float64, for any recurrence and any number of layers.

    Raises:
        ConfigurationError: the layer has no state, or reads its sequence from both ends.
    """

    def __init__(self, layer: Recurrent) -> None:
        if isinstance(layer, Recurrent) and layer.network.directions > 1:
            raise ConfigurationError(
                "A bidirectional layer reads its sequence from both ends: there is no map from one step to the next, "
                "so that Lyapunov exponents and an influence horizon are those of a direction. Measure a layer with "
                "bidirectional=False; the gradient flow can be measured in both directions."
            )
        self.opened = Opened(layer)
        self.pieces = self.opened.pieces
        self.places: dict[str, slice] = {}  # of each state in the vector
        self._parts: list[list[int]] = []
        for piece in self.pieces:
            self._parts.append([piece.sizes.get(name, 1) for name in piece.system.states])
            for name, size in zip(piece.system.states, self._parts[-1], strict=True):
                self.places[named(name, piece)] = slice(self.size, self.size + size)

    @property
    def size(self) -> int:
        """n, the number of all components."""
        return max((place.stop for place in self.places.values()), default=0)

    @property
    def visible(self) -> list[int]:
        """The components that are read above: of the states of the top layer those that its read-out reads."""
        top = self.pieces[-1]
        names = [name for name in top.system.outputs if name in top.system.states] or read_states(top.system)
        return [i for name in names for i in range(self.size)[self.places[named(name, top)]]]

    def trajectory(self, batch: Batch) -> Tensor:
        """The state before the first step, and after each."""
        first = torch.cat([state for piece in self.pieces for state in piece.first(batch.batch)], -1)
        after = [value for states in self.opened.states(batch) for value in states.values()]
        return torch.cat([first[None], torch.cat(after, -1)])

    def inputs(self, x: Data | Mapping[str, Data]) -> tuple[Batch, tuple[Tensor, ...]]:
        """``x`` as packed rows, and as sequences (T, B, …), one for each input of the equations."""
        batch = self.opened.batch(x)
        names = self.opened.inputs
        return batch, tuple(batch.data[n].reshape(batch.steps, batch.batch, *batch.data[n].shape[1:]) for n in names)

    def __call__(self, state: Tensor, *inputs: Tensor) -> Tensor:
        """The state after a step; torch can differentiate it, in any mode."""
        own = iter(state.split([size for sizes in self._parts for size in sizes], -1))
        sequences = dict(zip(self.opened.inputs, inputs, strict=True))
        following: list[Tensor] = []
        for depth, (piece, sizes) in enumerate(zip(self.pieces, self._parts, strict=True)):
            outputs = piece.system.outputs if depth < len(self.pieces) - 1 else ()
            program = piece.program(ids_among(sequences), outputs)
            result = reference.forward(
                program, [sequences[name] for name in piece.system.inputs], [next(own) for _ in sizes], piece.tensors,
                (state.shape[0],),
            )  # fmt: skip
            following += result.final
            if outputs:
                sequences = {self.pieces[depth + 1].system.inputs[0]: side_by_side([result.outputs])}
        return torch.cat(following, -1)

    def jacobians(self, state: Tensor, *inputs: Tensor) -> Tensor:
        """∂s_t/∂s_{t-1} for each row."""
        return self.pushed(torch.eye(self.size, dtype=state.dtype).expand(len(state), -1, -1), state, *inputs)

    def pushed(self, columns: Tensor, state: Tensor, *inputs: Tensor) -> Tensor:
        """∂s_t/∂s_{t-1} times columns (N, n, c)."""
        state = state.clone()  # of a view of a trajectory torch would make tangents as large as all of that

        def along(way: Tensor) -> Tensor:
            derivative: Tensor = jvp(lambda s: self(s, *inputs), (state,), (way,))[1]
            return derivative

        return vmap(along)(columns.movedim(-1, 0).contiguous()).movedim(0, -1)

    def pulled(self, rows: Tensor, state: Tensor, *inputs: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Rows (N, r, n) times ∂s_t/∂s_{t-1}, and times ∂s_t/∂x_t for each input that is vectors."""
        fixed = [each if each.dtype == torch.int64 else None for each in inputs]

        def step(state: Tensor, *vectors: Tensor) -> Tensor:
            own = iter(vectors)
            return self(state, *(next(own) if each is None else each for each in fixed))

        pull = vjp(step, state, *(each for each in inputs if each.dtype != torch.int64))[1]
        before, *vectors = vmap(pull)(rows.movedim(1, 0))
        return before.movedim(0, 1), [each.movedim(0, 1) for each in vectors]


def at(inputs: Sequence[Tensor], step: int) -> tuple[Tensor, ...]:
    """The inputs of one step."""
    return tuple(each[step] for each in inputs)
