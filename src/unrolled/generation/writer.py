"""Who reads symbols and draws the next ones: the native core, or a torch layer.

Shapes: B texts side by side; the ids of one (T,) int64, logits (B, V); a state is the writer's own, for one text.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from unrolled.checkpoint.run import RunDirectory
from unrolled.data.vocabulary import Ids, Vocabulary
from unrolled.errors import BackendError, CheckpointError, DataError, ProgramError, UnrolledError
from unrolled.generation.sampler import Sampler
from unrolled.generation.state import Origin, digest
from unrolled.native.core import Absent, Core, find_core, forced_backend
from unrolled.runtime import Model, Sampling

if TYPE_CHECKING:
    from unrolled.checkpoint.model import TrainedModel

State = Any
Drawn = list[tuple[int, float]]  # symbols, and the probabilities with which they were drawn
Numbers = NDArray[Any]
Found = TypeVar("Found")


@runtime_checkable
class Writer(Protocol):
    """Goes on with B texts, each from its state (None: from the beginning), by what it has not read; what it computes
    for one depends on no other. ``most``: how many symbols it draws at once; ``origin``: whose the states are.
    """

    vocabulary: Vocabulary
    origin: Origin
    most: int

    def write(
        self, states: Sequence[State | None], unread: Sequence[Ids], count: int, sampler: Sampler, seed: int,
        streams: Sequence[int], positions: Sequence[int],
    ) -> tuple[list[State], list[Drawn]] | None:  # fmt: skip
        """Read, then draw ``count`` symbols of each text, the numbers for which begin at its position. The states
        returned have read all but the last of them; None where a logit was not finite."""

    def read(self, states: Sequence[State | None], unread: Sequence[Ids]) -> tuple[list[State], Numbers] | None:
        """Read: the states, and the logits (B, V) of what comes next; None where one was not finite."""


class NativeWriter:
    """A saved model on the native core; torch is not needed."""

    most = 64

    def __init__(self, model: Model, vocabulary: Vocabulary, origin: Origin) -> None:
        self.model, self.vocabulary, self.origin = model, vocabulary, origin

    def write(
        self, states: Sequence[State | None], unread: Sequence[Ids], count: int, sampler: Sampler, seed: int,
        streams: Sequence[int], positions: Sequence[int],
    ) -> tuple[list[State], list[Drawn]] | None:  # fmt: skip
        """See ``Writer``."""
        choice = Sampling(seed, sampler.temperature, sampler.top_k, sampler.top_p)
        order, joined, last = self._all_but_the_last(states, unread)
        numbers = [[each[text] for text in order] for each in (streams, positions)]
        found = self.model.write(joined, last, count, choice, *numbers)
        if found.symbols is None or found.probabilities is None:
            return None
        back = np.argsort(order)
        columns = zip(found.symbols.T[back].tolist(), found.probabilities.T[back].tolist(), strict=True)
        return _apart(found.states, back), [list(zip(*both, strict=True)) for both in columns]

    def read(self, states: Sequence[State | None], unread: Sequence[Ids]) -> tuple[list[State], Numbers] | None:
        """See ``Writer``; a model keeps its logits as its last state."""
        order, joined, last = self._all_but_the_last(states, unread)
        found = self.model.write(joined, last, 0)
        back = np.argsort(order)
        logits = found.states[-1][back]
        return (_apart(found.states, back), logits) if np.isfinite(logits).all() else None

    def _all_but_the_last(
        self, states: Sequence[State | None], unread: Sequence[Ids]
    ) -> tuple[list[int], tuple[Numbers, ...], Ids]:
        """Let longer texts read what they have more than the shortest: the order of the texts from the longest, in
        that order their states, and the symbols (given, B) that all of them read together."""
        order = sorted(range(len(unread)), key=lambda each: -len(unread[each]))
        given = [unread[each] for each in order]
        lengths = [len(ids) for ids in given]
        beginning = self.model.start(1)
        own = [beginning if states[each] is None else states[each] for each in order]
        joined = tuple(np.concatenate(parts) for parts in zip(*own, strict=True))
        for left, following in pairwise(sorted(set(lengths), reverse=True)):
            some = slice(0, sum(length >= left for length in lengths))  # they have just so many symbols left
            together = np.stack([ids[-left:-following] for ids in given[some]], axis=1)
            read = self.model.write(tuple(state[some] for state in joined), together, 0).states
            for state, new in zip(joined, read, strict=True):
                state[some] = new
        return order, joined, np.stack([ids[-lengths[-1] :] for ids in given], axis=1)


def open_writer(run: TrainedModel | Writer | Path | str, precision: str | None = None) -> Writer:
    """The writer of a run directory, or of what ``load`` returned; what writes already is returned as it is.

    A run is written from by the native core; by torch where there is no core, or ``UNROLLED_BACKEND=reference``.
    ``precision`` is that of ``runtime.Model``.

    Raises:
        CheckpointError: the run is missing or damaged; BackendError: a forced backend cannot serve, or not so.
    """
    if isinstance(run, Writer):
        if precision not in (None, run.origin.precision):
            raise BackendError(f"This model was opened in {run.origin.precision}; open the run again in {precision}.")
        return run
    if isinstance(run, Path | str):
        core, forced = find_core(), forced_backend()
        if isinstance(core, Core) and forced != "reference":
            return _open_run(run, core, precision)
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


def _open_run(run: Path | str, core: Core, precision: str | None = None) -> NativeWriter:
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
    return NativeWriter(model, vocabulary, Origin("native", model.precision, digest(arrays)))


def finite(found: Found | None) -> Found:
    """What a writer gave.

    Raises:
        UnrolledError: it gave nothing, as a logit was not finite.
    """
    if found is None:
        raise UnrolledError(
            "the model's logits are not finite, so that it cannot write; train it again from before that"
        )
    return found


def _apart(states: tuple[Numbers, ...], order: Ids) -> list[State]:
    return [tuple(state[each : each + 1] for state in states) for each in order]
