"""Who reads symbols and draws the next ones: the native core, or a torch layer.

Shapes: ids (T,) int64; a state is the writer's own, for one sequence.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from unrolled.checkpoint.run import RunDirectory
from unrolled.data.vocabulary import Ids, Vocabulary
from unrolled.errors import BackendError, CheckpointError, DataError, ProgramError
from unrolled.generation.sampler import Sampler
from unrolled.native.core import Absent, Core, find_core, forced_backend
from unrolled.runtime import Model, Sampling

if TYPE_CHECKING:
    from unrolled.checkpoint.model import TrainedModel

State = Any
Drawn = list[tuple[int, float]]  # symbols, and the probabilities with which they were drawn


class Writer(Protocol):
    """``most``: how many symbols it draws at once."""

    vocabulary: Vocabulary
    most: int

    def write(
        self, state: State | None, unread: Ids, count: int, sampler: Sampler, seed: int, stream: int, position: int
    ) -> tuple[State, Drawn] | None:
        """Go on from ``state`` (None: from the beginning): read ``unread``, then draw ``count`` symbols, the numbers
        for which begin at ``position``. The state returned has read all but the last of them; None where a logit was
        not finite."""

    def owns(self, state: State) -> bool:
        """Is this a state of such a writer?"""


class NativeWriter:
    """A saved model on the native core; torch is not needed."""

    most = 64

    def __init__(self, model: Model, vocabulary: Vocabulary) -> None:
        self.model, self.vocabulary = model, vocabulary

    def write(
        self, state: State | None, unread: Ids, count: int, sampler: Sampler, seed: int, stream: int, position: int
    ) -> tuple[State, Drawn] | None:
        """See ``Writer``."""
        choice = Sampling(seed, sampler.temperature, sampler.top_k, sampler.top_p)
        states = self.model.start(1) if state is None else state
        found = self.model.write(states, unread[:, None], count, choice, [stream], [position])
        if found.symbols is None or found.probabilities is None:
            return None
        return found.states, list(zip(found.symbols[:, 0].tolist(), found.probabilities[:, 0].tolist(), strict=True))

    def owns(self, state: State) -> bool:
        """States are arrays, one for each state of the programs, and the logits."""
        return isinstance(state, tuple) and [each.shape for each in state] == [(1, n) for n in self.model.sizes]


def writer(run: TrainedModel | Path | str, precision: str | None = None) -> Writer:
    """The writer of a run directory, or of what ``load`` returned.

    A run is written from by the native core; by torch where there is no core, or ``UNROLLED_BACKEND=reference``.
    ``precision`` is that of ``runtime.Model``.

    Raises:
        CheckpointError: the run is missing or damaged; BackendError: a forced backend cannot serve, or not so.
    """
    if isinstance(run, Path | str):
        core, forced = find_core(), forced_backend()
        if isinstance(core, Core) and forced != "reference":
            return open_run(run, core, precision)
        if forced == "native" and isinstance(core, Absent):
            raise BackendError(f"UNROLLED_BACKEND asks for the native executor, which cannot serve: {core.reason}.")
    from unrolled.generation.torch_writer import TorchWriter

    found = TorchWriter(run)
    own = found.model.layer.precision
    if precision not in (None, own):
        raise BackendError(
            f"This model was trained in {own}, and to write in {precision} takes the native core, which does not write "
            "from it."
        )
    return found


def open_run(run: Path | str, core: Core, precision: str | None = None) -> NativeWriter:
    """The best model of a run on the core, with all processors that this process may use."""
    directory = RunDirectory.open(run)
    directory.expect("language")
    arrays, _ = directory.read_best()
    try:
        vocabulary = Vocabulary.from_json(directory.read("vocabulary"))
        model = Model(directory.read("program")["programs"], arrays, core, len(os.sched_getaffinity(0)), precision)
    except (DataError, ProgramError, KeyError, TypeError) as error:
        raise CheckpointError(f"{directory.path}: {error}") from error
    if model.symbols != len(vocabulary):
        raise CheckpointError(
            f"{directory.path}: the model reads {model.symbols} symbols, and its vocabulary has {len(vocabulary)}"
        )
    return NativeWriter(model, vocabulary)


def symbols(drawn: Drawn) -> Ids:
    """The ids alone."""
    return np.array([symbol for symbol, _ in drawn], np.int64)
