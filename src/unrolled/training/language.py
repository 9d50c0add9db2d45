"""Language models: truncated BPTT over parallel lanes.

Shapes: a window is inputs (T, B) and targets (T, B) int64, logits (T, B, V).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.checkpoint.model import TrainedModel
from unrolled.checkpoint.tensors import restore_state, state_arrays
from unrolled.data.corpora import Corpus
from unrolled.data.lanes import Lanes, Position
from unrolled.data.tokens import LongCorpus
from unrolled.data.truncation import Window
from unrolled.generation.tokens import generate
from unrolled.nn import Recurrent
from unrolled.training.config import TrainConfig
from unrolled.training.evaluation import Evaluation, evaluate_stepwise
from unrolled.training.flow import flow_of
from unrolled.training.ranks import ALONE, Ranks
from unrolled.training.reading import State
from unrolled.training.snapshots import all_finite
from unrolled.training.task import Arrays, Task
from unrolled.training.trace import Trace
from unrolled.training.window import RecordedWindow


class LanguageTask(Task):
    """Predict the next symbol of a text; ``state`` is what the process's ``own`` lanes carry from window to window."""

    name = "language"
    layer: Recurrent

    def __init__(
        self,
        config: TrainConfig,
        model: TrainedModel,
        corpus: Corpus | LongCorpus,
        device: torch.device,
        ranks: Ranks = ALONE,
    ) -> None:
        self.config, self.model, self.layer, self.device = config, model, model.layer, device
        training = corpus.documents("training", model.vocabulary, config.documents)
        self.validation = corpus.documents("validation", model.vocabulary, config.documents)
        self.lanes = Lanes(training.ids, config.batch, config.truncation, training.starts)
        self.ranks, self.own = ranks, self.lanes.some(ranks.own)
        self.flow = flow_of(self.layer, config, self.own.batch)
        self.state: State | None = None
        self._next: State | None = None

    @property
    def steps_per_epoch(self) -> int:
        """See ``Task``."""
        return len(self.lanes)

    def loss(self, position: Position) -> tuple[Tensor, int]:
        """See ``Task``."""
        window = self._window(position)
        loss, self._next = self.flow.loss(self.own, window, self.state)
        return loss * (self.own.batch / self.lanes.batch), (window.end - window.losses) * self.own.batch

    def _window(self, position: Position) -> Window:
        return self.lanes.truncation.window(position.window)

    def accept(self, position: Position) -> None:
        """An epoch begins at the beginning of the text, where nothing was read yet."""
        carried = self._next if position.window else None
        self.state = None if carried is None else {name: tensor.detach() for name, tensor in carried.items()}

    def reject(self, position: Position, anew: bool) -> None:
        """A state that is not finite is not taken over: the one before stays, if that is."""
        before = self.state
        self.accept(position)
        for state in (self.state, before if position.window else None):
            if not anew and state is not None and not self.ranks.any(not all_finite(state.values())):
                self.state = state
                return
        self.state = None

    def batch(self, position: Position) -> Arrays:
        """See ``Task``; the targets of the whole window, also where only the last ones count."""
        return {**RecordedWindow.arrays(self.lanes, self._window(position)), **self.carried()}

    def trace(self, batch: Arrays, random: Mapping[str, Tensor]) -> Trace:
        """See ``Task``."""
        return self.flow.trace(batch, random)

    def evaluate(self, final: bool) -> Generator[float, None, Evaluation]:
        """Several lanes on the way, at the end one, as the definition says."""
        lanes = 1 if final else self.config.evaluation_lanes
        documents = self.validation
        return (
            yield from evaluate_stepwise(
                self.layer, documents.ids, self.model.vocabulary, lanes=lanes, starts=documents.starts
            )
        )

    def sample(self) -> str | None:
        """See ``Task``."""
        config = self.config
        if not config.sample_length:
            return None
        tokens = generate(
            self.model,
            config.prime,
            length=config.sample_length,
            temperature=config.temperature,
            seed=config.seed,
            unknown="replace",  # a prompt that the text never held is no reason to end a run
        )
        return config.prime + "".join(token.text for token in tokens)

    def about(self) -> Mapping[str, Any]:
        """See ``Task``."""
        vocabulary = self.model.vocabulary
        return {
            "symbols": self.lanes.steps * self.lanes.batch,
            "unit": vocabulary.unit,
            "vocabulary": len(vocabulary),
        }

    def carried(self) -> Arrays:
        """See ``Task``."""
        parts = self.ranks.gathered(state_arrays(self.state))
        return {name: _lanes([part[name] for part in parts]) for name in parts[0]}

    def restore(self, arrays: Mapping[str, NDArray[Any]], device: torch.device) -> None:
        """See ``Task``."""
        state = restore_state(arrays, device)
        self.state = None if state is None else {name: each[..., self.ranks.own, :] for name, each in state.items()}

    def programs(self) -> Mapping[str, Any]:
        """See ``Task``."""
        return self.layer.programs()

    def use(self, path: Path) -> str:
        """See ``Task``."""
        return f"unrolled sample {path} --length 500"


def _lanes(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """States (…, B, n) of all lanes, from those of each process's own."""
    first, lanes = parts[0], sum(part.shape[-2] for part in parts)
    found = np.empty((*first.shape[:-2], lanes, first.shape[-1]), first.dtype)
    for rank, part in enumerate(parts):
        found[..., rank :: len(parts), :] = part
    return found
