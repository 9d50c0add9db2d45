"""``ManyToOne``: a sequence in, one answer out.

Shapes. x as for ``Recurrent``; the answer (B, size), for one sequence (size,); an attention's weights (T, B).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unrolled.equations.extension import core_of, read_states, with_readout
from unrolled.equations.system import System
from unrolled.errors import ConfigurationError
from unrolled.nn.pooling import Attention, pool_of
from unrolled.nn.recurrent import Recurrent, as_system
from unrolled.nn.sequences import Batch
from unrolled.recurrence import Recurrence


class ManyToOne(Recurrent):
    """A recurrence that reads a whole sequence, and answers once: a class, a number, a vector.

    What the top hands up at all steps becomes one vector, which the read-out of the equations reads; where they have
    none it is o = V h + c.

    Args:
        recurrence, num_layers, bidirectional, dropout, ``**options``: as for ``Recurrent``.
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
        self, recurrence: Recurrence | System | str, num_layers: int = 1, bidirectional: bool = False,
        dropout: float = 0.0, *, pooling: str = "last", readout: bool = True, **options: Any,
    ) -> None:  # fmt: skip
        system = as_system(recurrence)
        super().__init__(
            with_readout(system) if readout else _without_readout(system), num_layers, bidirectional, dropout, **options
        )
        self.pooling = pooling
        self.pools = nn.ModuleDict()
        if pooling != "last":
            like = next(self.parameters())
            for name, size in self._pooled_sizes().items():
                self.pools[name] = pool_of(pooling, size, like.device, like.dtype)

    def _pooled_sizes(self) -> dict[str, int]:
        """Of what the top hands up, by name."""
        layer = self.network.levels[-1][0].system
        shapes = self.system.resolve(self.sizes)
        return {name: (shapes[name] or (1,))[0] * self.network.directions for name in layer.outputs}

    def _emit(
        self, results: dict[str, Tensor], final: list[dict[str, Tensor]], batch: Batch, logits: bool
    ) -> dict[str, Any]:
        top = final[-self.network.directions :]
        pooled = {name: self._pool(name, rows, top, batch) for name, rows in results.items()}
        if self.network.head is not None:
            pooled = self._head(pooled, (batch.batch,) if batch.batch else (), logits)
        return {name: batch.state_out(value) for name, value in pooled.items()}

    def _pool(self, name: str, rows: Tensor, top: list[dict[str, Tensor]], batch: Batch) -> Tensor:
        if self.pooling != "last":
            pooled: Tensor = self.pools[name](rows, batch)
            return pooled
        if all(name in states for states in top):
            return torch.cat([states[name] for states in top], -1)
        # an output that is no state: its rows at the last step; only equations without a read-out of their own
        # have such, and they run forwards alone
        last = rows.index_select(0, batch.last_rows().to(rows.device))
        return torch.cat([last, rows.new_zeros(batch.batch - len(last), rows.shape[1])])

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


def _without_readout(system: System) -> System:
    return core_of(system, read_states(system)) if system.states else system
