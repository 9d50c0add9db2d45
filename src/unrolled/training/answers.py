"""Learning to answer: from examples, in batches of like lengths; the loss is that of the model's head.

Shapes: scores (N, K) beside N answers: one for each sequence, or one for each of its steps.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.answering import Answerer, Answers, Classes, Estimates
from unrolled.answering.answerer import SIDE_BY_SIDE
from unrolled.data.batches import Batches
from unrolled.data.lanes import Position
from unrolled.errors import DataError
from unrolled.training.config import TrainConfig
from unrolled.training.ragged import flat
from unrolled.training.ranks import ALONE, Ranks
from unrolled.training.task import Arrays, Task, no_loss


@dataclass(frozen=True)
class Examples:
    """Encoded inputs, and the targets of each: one row, or one for each step."""

    inputs: Sequence[Any]
    targets: Sequence[NDArray[Any]]

    def some(self, chosen: Sequence[int] | NDArray[np.int64]) -> tuple[list[Any], Tensor]:
        """The inputs with these numbers, and their targets one after the other."""
        return [self.inputs[i] for i in chosen], torch.from_numpy(np.concatenate([self.targets[i] for i in chosen]))


class AnsweringTask(Task):
    """Learn from examples in three parts: ``validation`` chooses the best model, ``test`` is measured at the end."""

    layer: Any

    def __init__(
        self, config: TrainConfig, model: Answerer, parts: Sequence[Examples], ranks: Ranks = ALONE
    ) -> None:  # fmt: skip
        self.name, self.model, self.layer, self.ranks = config.task, model, model.layer, ranks
        self.training, self.validation, self.test = parts
        for examples in parts:
            check_answers(examples, model.unit)
        lengths = [model.reading.length(item) for item in self.training.inputs]
        self.batches = Batches(lengths, config.batch, config.seed)
        self.answers = sum(map(len, self.training.targets)) / len(lengths)  # of an example, in the mean

    @property
    def steps_per_epoch(self) -> int:
        """See ``Task``."""
        return len(self.batches)

    def loss(self, position: Position) -> tuple[Tensor, int]:
        """See ``Task``."""
        chosen = self.batches(position.epoch, position.window)
        own = chosen[self.ranks.own]
        if not len(own):
            return no_loss()
        loss, count = answering_loss(self.model, *self.training.some(own), self.answers)
        return loss * (len(own) / len(chosen)), count

    def batch(self, position: Position) -> Arrays:
        """See ``Task``."""
        chosen = self.batches(position.epoch, position.window)
        targets = [self.training.targets[i] for i in chosen]
        inputs = [self.training.inputs[i] for i in chosen]
        return {**flat("inputs", inputs), **flat("targets", targets), "answers": np.array(self.answers)}

    def evaluate(self, final: bool) -> Generator[float, None, Answers | Estimates]:
        """See ``Task``."""
        return (yield from evaluate_answers(self.model, self.test if final else self.validation))

    def about(self) -> Mapping[str, Any]:
        """See ``Task``."""
        kinds = "classes" if isinstance(self.model.head, Classes) else "numbers to estimate"
        count = sum(map(len, self.training.targets))
        return {"symbols": count, "unit": self.model.unit, "vocabulary": self.model.head.size, "kinds": kinds}

    def programs(self) -> Mapping[str, Any]:
        """See ``Task``."""
        programs: Mapping[str, Any] = self.layer.programs()
        return programs

    def use(self, path: Path) -> str:
        """See ``Task``."""
        return f"unrolled predict {path} FILE"


def check_answers(examples: Examples, unit: str) -> None:
    """There must be something to answer.

    Raises:
        DataError: there is nothing.
    """
    if not sum(map(len, examples.targets)):
        raise DataError(f"a part of the data has {len(examples.inputs)} examples without any {unit}; give longer ones")


def answering_loss(model: Answerer, items: Sequence[Any], targets: Tensor, answers: float) -> tuple[Tensor, int]:
    """The loss of a batch, and how many answers it takes; an example has ``answers`` in the mean of all batches.

    All answers count alike. Were the losses of a batch divided by its own number of answers, those of short sequences,
    which stand together, would count more.
    """
    scores = model.scores(items)
    losses = model.head.losses(scores, targets.to(scores.device))
    return losses.sum() / (len(items) * max(answers, 1)), len(losses)


def evaluate_answers(model: Answerer, examples: Examples) -> Generator[float, None, Answers | Estimates]:
    """Measure on some examples, yielding the share done; the layer's mode is left as it was.

    Raises:
        DataError: there is nothing to answer.
    """
    check_answers(examples, model.unit)
    training, count = model.layer.training, len(examples.inputs)
    model.layer.eval()
    scores, targets = [], []
    try:
        for begin in range(0, count, SIDE_BY_SIDE):
            items, wanted = examples.some(range(begin, min(count, begin + SIDE_BY_SIDE)))
            with torch.no_grad():
                scores.append(model.scores(items).cpu())
            targets.append(wanted)
            yield min(1.0, (begin + SIDE_BY_SIDE) / count)
    finally:
        model.layer.train(training)
    return model.head.figures(torch.cat(scores), torch.cat(targets), model.unit)
