"""``ManyToOne``: a sequence in, one answer out.

Shapes. x as for ``Recurrent``; the answer (B, size), for one sequence (size,); an attention's weights (T, B).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unrolled.equations.extension import core_of, read_states, with_readout
from unrolled.equations.network import Layer
from unrolled.equations.system import System
from unrolled.errors import ConfigurationError
from unrolled.nn.pooling import Attention, pool_of
from unrolled.nn.recurrent import Recurrent, as_system, beside
from unrolled.nn.sequences import Batch
from unrolled.recurrence import Recurrence


class ManyToOne(Recurrent):
    """A recurrence that reads a whole sequence, and answers once: a class, a number, a vector.

    What the top hands up at all steps becomes one vector, which the read-out of the equations reads; where they have
    none it is o = V h + c.

    Args:
        recurrence, num_layers, bidirectional, dropout, ``**options``: as for ``Recurrent`` (``backward``, sizes, …).
        pooling: "last", the state after the last step (of each direction after its own); "mean", "max", "attention".
        readout: whether there is a read-out; without one the answer is the vector itself.

    Call it for what the equations say, ``logits`` for the argument of a softmax at their end, which is what a loss
    takes. An empty sequence answers from the first state, or from zeros where steps are pooled.

    Raises:
        EquationError, SizeError: as for ``Recurrent``; ConfigurationError: there is no such pooling.

    >>> sentiment = ManyToOne("gru", bidirectional=True, pooling="mean", x=50, h=8, o=2)
    >>> logits, _ = sentiment.logits(torch.zeros(7, 3, 50), lengths=[7, 2, 0])
    >>> logits.shape
    torch.Size([3, 2])
    """

    def __init__(
        self, recurrence: Recurrence | System | str, num_layers: int = 1, bidirectional: bool | None = None,
        dropout: float = 0.0, *, pooling: str = "last", readout: bool = True, **options: Any,
    ) -> None:  # fmt: skip
        system = as_system(recurrence)
        if not readout and system.states:
            options = {"upward": read_states(system), **options}  # what is left says no more what was read
        super().__init__(
            with_readout(system) if readout else without_readout(system), num_layers, bidirectional, dropout, **options
        )
        self.pooling = pooling
        self.pools = nn.ModuleDict()
        if pooling != "last":
            like = next(self.parameters())
            for name, size in self.top_sizes().items():
                self.pools[name] = pool_of(pooling, size, like.device, like.dtype)

    def _emit(
        self, results: dict[str, Tensor], final: list[dict[str, Tensor]], batch: Batch, logits: bool
    ) -> dict[str, Any]:
        top = final[-self.network.directions :]
        pooled = {name: self._pool(name, rows, top, batch) for name, rows in results.items()}
        if self.network.head is not None:
            pooled = self._head(pooled, (batch.batch,) if batch.batch else (), logits)
        return {name: batch.state_out(value) for name, value in pooled.items()}

    def with_steps(self, x: Any, lengths: Any = None) -> tuple[Tensor, Tensor]:
        """The answer (its argument of a softmax), and the steps that it was made of (T, B, n), 0 beyond the end."""
        batch = self._packed(x, lengths)
        results, final = self._levels(batch, {}, logits=True)
        answers = self._emit(results, final, batch, logits=True)
        steps: Tensor = batch.give_back(beside(list(results.values())))
        return beside(list(answers.values())), steps

    def _pool(self, name: str, rows: Tensor, top: list[dict[str, Tensor]], batch: Batch) -> Tensor:
        if self.pooling != "last":
            pooled: Tensor = self.pools[name](rows, batch)
            return pooled
        place = list(self._top).index(name)
        parts = rows.split(self._top[name], -1)
        return beside(
            [
                _after(layer, layer.system.outputs[place], part, states, batch)
                for layer, part, states in zip(self.network.levels[-1], parts, top, strict=True)
            ]
        )

    def attention(self, x: Any, lengths: Any = None) -> Tensor:
        """How much each step counts (T, B), 0 beyond the end of a sequence; for the pooling "attention".

        Raises:
            ConfigurationError: the pooling is another.
        """
        pools = list(self.pools.values())
        if not pools or not isinstance(pools[0], Attention):
            raise ConfigurationError(f'The pooling is "{self.pooling}": only "attention" weighs the steps.')
        batch = self._packed(x, lengths)
        results, _ = self._levels(batch, {}, logits=True)
        weights = pools[0].weights(next(iter(results.values())), batch)
        given: Tensor = batch.give_back(weights[:, None])
        return given.squeeze(-1)


def _after(layer: Layer, name: str, rows: Tensor, states: dict[str, Tensor], batch: Batch) -> Tensor:
    """What a direction hands up after its own last step: a state, or else the row there (zeros without a step)."""
    if name in states:
        return states[name]
    last = batch.last_rows()
    if layer.direction == "backward":
        last = torch.arange(len(last))  # the first step of every sequence that has one
    found = rows.index_select(0, last.to(rows.device))
    return torch.cat([found, rows.new_zeros(batch.batch - len(found), rows.shape[1])])


def without_readout(system: System) -> System:
    """Only what the states need, returning those that a read-out would read."""
    return core_of(system, read_states(system)) if system.states else system
