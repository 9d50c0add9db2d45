"""Taggers: a tag for each word of a sentence, cross-entropy.

Shapes: logits (T, K) of one sentence, targets (T,) int64; all words of a batch count alike.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unrolled.answering.tagger import SIDE_BY_SIDE, Sentence, Tagger
from unrolled.data.lanes import Position
from unrolled.nn import WordsAndLetters
from unrolled.training.answers import AnsweringTask, Answers
from unrolled.training.config import TrainConfig


@dataclass(frozen=True)
class Sentences:
    """Sentences, and the number of the tag of each word."""

    words: Sequence[Sentence]
    targets: Sequence[Tensor]

    @property
    def lengths(self) -> Sequence[int]:
        """Of the sentences."""
        return [len(each) for each in self.words]


class TaggingTask(AnsweringTask[Sentences]):
    """Say of each word which kind it is."""

    name = "tag"
    layer: WordsAndLetters

    def __init__(self, config: TrainConfig, model: Tagger, parts: Sequence[Sentences]) -> None:
        super().__init__(config, parts)
        self.model, self.layer = model, model.layer

    def loss(self, position: Position) -> tuple[Tensor, int]:
        """See ``Task``."""
        chosen = self.batches(position.epoch, position.window)
        logits = torch.cat(self.model.logits([self.training.words[i] for i in chosen]))
        targets = torch.cat([self.training.targets[i] for i in chosen]).to(logits.device)
        return functional.cross_entropy(logits, targets), len(targets)

    def measure(self, examples: Sentences) -> Generator[float, None, Answers]:
        """See ``AnsweringTask``."""
        return evaluate_tags(self.model, examples)

    def about(self) -> Mapping[str, Any]:
        """See ``Task``."""
        words = sum(map(len, self.training.words))
        return {"symbols": words, "unit": "word", "vocabulary": len(self.model.lexicon.words)}

    def programs(self) -> Mapping[str, Any]:
        """Those of the sentence; what reads the letters has its own."""
        return self.layer.sentence.programs()


def evaluate_tags(model: Tagger, examples: Sentences) -> Generator[float, None, Answers]:
    """Measure on some sentences, yielding the share done; the layer's mode is left as it was."""
    training, count = model.layer.training, len(examples.words)
    model.layer.eval()
    losses, found = [], []
    try:
        for begin in range(0, count, SIDE_BY_SIDE):
            part = slice(begin, begin + SIDE_BY_SIDE)
            with torch.no_grad():
                logits = torch.cat(model.logits(examples.words[part])).double().cpu()
            wanted = torch.cat(list(examples.targets[part]))
            losses.append(functional.cross_entropy(logits, wanted, reduction="none").numpy())
            found.append(logits.argmax(-1).numpy())
            yield min(1.0, (begin + SIDE_BY_SIDE) / count)
    finally:
        model.layer.train(training)
    targets = torch.cat(list(examples.targets)).numpy()
    return Answers.of(np.concatenate(losses), np.concatenate(found), targets, "word")
