"""Language models: truncated BPTT over parallel lanes.

Shapes: a window is inputs (T, B) and targets (T, B) int64, logits (T, B, V).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unrolled.checkpoint.model import TrainedModel
from unrolled.checkpoint.tensors import restore_state, state_arrays
from unrolled.data.corpora import Corpus
from unrolled.data.documents import read_documents
from unrolled.data.lanes import Lanes, Position
from unrolled.data.truncation import Window
from unrolled.generation.tokens import generate
from unrolled.nn import Recurrent
from unrolled.training.bounded import bounded_loss
from unrolled.training.budget import Budget, need_of
from unrolled.training.config import TrainConfig
from unrolled.training.evaluation import Evaluation, evaluate_stepwise
from unrolled.training.reading import State, read
from unrolled.training.task import Arrays, Task


class LanguageTask(Task):
    """Predict the next symbol of a text; ``state`` is what the lanes carry from window to window."""

    name = "language"
    layer: Recurrent

    def __init__(self, config: TrainConfig, model: TrainedModel, corpus: Corpus, device: torch.device) -> None:
        self.config, self.model, self.layer, self.device = config, model, model.layer, device
        training, self.validation = (
            read_documents(text, config.documents, model.vocabulary) for text in (corpus.training, corpus.validation)
        )
        self.lanes = Lanes(training.ids, config.batch, config.truncation, training.begins)
        self.state: State | None = None
        self._next: State | None = None

    @property
    def steps_per_epoch(self) -> int:
        """See ``Task``."""
        return len(self.lanes)

    def loss(self, position: Position) -> tuple[Tensor, int]:
        """See ``Task``."""
        window = self.lanes.truncation.window(position.window)
        if self.config.budget is not None:
            return self._bounded(window, self.config.budget)
        logits, self._next = self._read(window)
        wanted = torch.from_numpy(self.lanes.stretch(window.losses, window.end).targets).to(self.device)
        logits = logits[window.losses - window.begin :]
        return functional.cross_entropy(logits.flatten(0, 1), wanted.flatten()), wanted.numel()

    def _bounded(self, window: Window, budget: Budget) -> tuple[Tensor, int]:
        """The loss of a window, segment by segment, so that nothing is there for all its steps."""
        steps, lanes = window.end - window.begin, self.lanes.batch
        plan = budget.plan(steps, need_of(self.layer, lanes))

        def segment(number: int, state: State | None) -> tuple[Tensor, State]:
            begin = window.begin + number * plan.length
            stretch = self.lanes.stretch(begin, min(begin + plan.length, window.end))
            ids, wanted = (torch.from_numpy(each).to(self.device) for each in (stretch.inputs, stretch.targets))
            logits, after = read(self.layer, ids, state, stretch.begins)
            nats = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum")
            return nats / (steps * lanes), after

        count = -(-steps // plan.length)
        loss, self._next = bounded_loss(segment, count, self.state, list(self.layer.parameters()), plan.slots)
        return loss, steps * lanes

    def _read(self, window: Window) -> tuple[Tensor, State | None]:
        """The logits of a window, and the state at which the following one begins."""
        parts, state, reached = [], self.state, self.state
        for begin, end in ((window.begin, window.following), (window.following, window.end)):
            if begin < end:
                stretch = self.lanes.stretch(begin, end)
                logits, state = read(
                    self.layer, torch.from_numpy(stretch.inputs).to(self.device), state, stretch.begins
                )
                parts.append(logits)
            reached = state if end == window.following else reached
        return torch.cat(parts) if len(parts) > 1 else parts[0], reached

    def accept(self, position: Position) -> None:
        """An epoch begins at the beginning of the text, where nothing was read yet."""
        carried = self._next if position.window else None
        self.state = None if carried is None else {name: tensor.detach() for name, tensor in carried.items()}

    def evaluate(self, final: bool) -> Generator[float, None, Evaluation]:
        """Several lanes on the way, at the end one, as the definition says."""
        lanes = 1 if final else self.config.evaluation_lanes
        documents = self.validation
        return (
            yield from evaluate_stepwise(
                self.layer, documents.ids, self.model.vocabulary, lanes=lanes, begins=documents.begins
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
        return state_arrays(self.state)

    def restore(self, arrays: Mapping[str, NDArray[Any]], device: torch.device) -> None:
        """See ``Task``."""
        self.state = restore_state(arrays, device)

    def programs(self) -> Mapping[str, Any]:
        """See ``Task``."""
        return self.layer.programs()

    def use(self, path: Path) -> str:
        """See ``Task``."""
        return f"unrolled sample {path} --length 500"
