"""Classifiers: one class for each text, cross-entropy.

Shapes: ids (T,) of one text; logits (B, K) for K classes, targets (B,) int64.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unrolled.answering.answerer import SIDE_BY_SIDE, Answerer
from unrolled.data.lanes import Position
from unrolled.nn import ManyToOne
from unrolled.training.answers import AnsweringTask, Answers
from unrolled.training.config import TrainConfig


@dataclass(frozen=True)
class Labelled:
    """Texts as ids, and the number of the class of each."""

    ids: Sequence[NDArray[np.int64]]
    targets: NDArray[np.int64]

    @property
    def lengths(self) -> Sequence[int]:
        """Of the texts."""
        return [len(each) for each in self.ids]


class ClassificationTask(AnsweringTask[Labelled]):
    """Say which class a text is of."""

    name = "classify"
    layer: ManyToOne

    def __init__(self, config: TrainConfig, model: Answerer, parts: Sequence[Labelled]) -> None:
        super().__init__(config, parts)
        self.model, self.layer = model, model.layer

    def loss(self, position: Position) -> tuple[Tensor, int]:
        """See ``Task``."""
        chosen = self.batches(position.epoch, position.window)
        ids = [self.training.ids[i] for i in chosen]
        logits = self.model.logits(ids)
        targets = torch.from_numpy(self.training.targets[chosen]).to(logits.device)
        return functional.cross_entropy(logits, targets), len(ids)

    def measure(self, examples: Labelled) -> Generator[float, None, Answers]:
        """See ``AnsweringTask``."""
        return evaluate_answers(self.model, examples)

    def about(self) -> Mapping[str, Any]:
        """See ``Task``."""
        return {"symbols": len(self.training.ids), "unit": "example", "vocabulary": len(self.model.classes)}

    def programs(self) -> Mapping[str, Any]:
        """See ``Task``."""
        return self.layer.programs()


def evaluate_answers(model: Answerer, examples: Labelled) -> Generator[float, None, Answers]:
    """Measure on some examples, yielding the share done; the layer's mode is left as it was."""
    training, count = model.layer.training, len(examples.ids)
    model.layer.eval()
    losses, found = np.zeros(count), np.zeros(count, np.int64)
    try:
        for begin in range(0, count, SIDE_BY_SIDE):
            part = slice(begin, begin + SIDE_BY_SIDE)
            with torch.no_grad():
                logits = model.logits(list(examples.ids[part])).double().cpu()
            wanted = torch.from_numpy(examples.targets[part])
            losses[part] = functional.cross_entropy(logits, wanted, reduction="none").numpy()
            found[part] = logits.argmax(-1).numpy()
            yield min(1.0, (begin + SIDE_BY_SIDE) / count)
    finally:
        model.layer.train(training)
    return Answers.of(losses, found, examples.targets)
