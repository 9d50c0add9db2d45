"""A training in one process or in several: which share of it is this one's, and what they have to agree on.

Each process computes the gradient of its share of every batch. Their sum is that of the whole batch, with which all
make the same update. What must be done once, such as measuring and writing, the first one does; the others wait, and
hear what came of it. A process alone is rank 0 of 1: all is its share, and there is nobody to agree with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from unrolled.errors import UnrolledError

if TYPE_CHECKING:  # the command line asks for a rank before it loads torch
    from torch import Tensor

Value = TypeVar("Value")


def several() -> bool:
    """Whether torchrun started this process beside others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


class Ranks:
    """One process; ``Processes`` has the same methods for several. All of these must call them in the same order."""

    rank = 0
    count = 1

    @property
    def first(self) -> bool:
        """Whether it is this one that measures and writes."""
        return self.rank == 0

    @property
    def own(self) -> slice:
        """Which lanes or examples of a batch this process reads: every ``count``-th. The examples of a batch are sorted
        by length, and so each process has long and short ones."""
        return slice(self.rank, None, self.count)

    def device(self, name: str) -> str:
        """The name of this process's device where ``name`` is asked for.

        Raises:
            ConfigurationError: there is not one for each process.
        """
        return name

    def summed(self, parameters: Iterable[Tensor], loss: Tensor, symbols: int) -> tuple[float, int]:
        """The loss and the number of symbols of the whole batch; the gradients become those of it, too."""
        return loss.item(), symbols

    def any(self, flag: bool) -> bool:
        """Whether one of the processes says so."""
        return flag

    def gathered(self, value: Value) -> Sequence[Value]:
        """What each process gives, in the order of their ranks."""
        return [value]

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Give all processes the values of the first one, in place."""

    def told(self, make: Callable[[], Value]) -> Value:
        """What ``make`` gives in the first process, the only one that calls it; an error in it is raised in all."""
        return make()

    def agreed(self, make: Callable[[], Value]) -> Value:
        """What ``make`` gives here, which all call, the first one first; an error in one is raised in all."""
        return make()

    def shared(self, error: UnrolledError) -> UnrolledError:
        """An error that all processes have: itself in the first, which reports it."""
        return error


ALONE = Ranks()
