"""Learning to write about what is read: pairs of an input and a text, in batches of like lengths.

Shapes: −log p (B,) of whole texts, the end of each included.
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

from unrolled.answering.figures import Writings
from unrolled.answering.translator import SIDE_BY_SIDE, Translator
from unrolled.data.batches import Batches
from unrolled.data.lanes import Position
from unrolled.generation.sampler import Sampler
from unrolled.training.config import TrainConfig
from unrolled.training.ragged import flat
from unrolled.training.ranks import ALONE, Ranks
from unrolled.training.task import Arrays, Task, no_loss

DRAWS = 0  # the seed of the texts that are drawn to compare their lengths


@dataclass(frozen=True)
class Pairs:
    """Inputs as they were read and as numbers, and the text that belongs to each."""

    values: Sequence[Any]
    inputs: Sequence[Any]
    texts: Sequence[str]
    targets: Sequence[NDArray[np.int64]]


class TranslatingTask(Task):
    """Write about what is read."""

    layer: Any

    def __init__(
        self, config: TrainConfig, model: Translator, parts: Sequence[Pairs], ranks: Ranks = ALONE
    ) -> None:  # fmt: skip
        self.name, self.model, self.layer, self.ranks = config.task, model, model.layer, ranks
        self.training, self.validation, self.test = parts
        reading = model.reading
        # what is read and what is written both take time
        pairs = zip(self.training.inputs, self.training.targets, strict=True)
        lengths = [reading.length(item) + len(target) for item, target in pairs]
        self.batches = Batches(lengths, config.batch, config.seed)
        self.outcomes = 1 + sum(map(len, self.training.targets)) / len(lengths)  # of a text, in the mean

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
        loss, count = translating_loss(self.model, *self._pairs(own), self.outcomes)
        return loss * (len(own) / len(chosen)), count

    def batch(self, position: Position) -> Arrays:
        """See ``Task``."""
        inputs, targets = self._pairs(self.batches(position.epoch, position.window))
        return {**flat("inputs", inputs), **flat("targets", targets), "outcomes": np.array(self.outcomes)}

    def _pairs(self, chosen: NDArray[np.int64]) -> tuple[list[Any], list[NDArray[np.int64]]]:
        return [self.training.inputs[i] for i in chosen], [self.training.targets[i] for i in chosen]

    def evaluate(self, final: bool) -> Generator[float, None, Writings]:
        """See ``Task``."""
        return (yield from evaluate_pairs(self.model, self.test if final else self.validation))

    def about(self) -> Mapping[str, Any]:
        """See ``Task``."""
        vocabulary = self.model.dictionary.target
        return {
            "symbols": sum(map(len, self.training.targets)),
            "unit": vocabulary.unit,
            "vocabulary": len(vocabulary),
        }

    def programs(self) -> Mapping[str, Any]:
        """See ``Task``."""
        programs: Mapping[str, Any] = self.layer.programs()
        return programs

    def use(self, path: Path) -> str:
        """See ``Task``."""
        return f"unrolled predict {path} FILE"


def translating_loss(
    model: Translator, items: Sequence[Any], targets: Sequence[NDArray[np.int64]], outcomes: float
) -> tuple[Tensor, int]:
    """The loss of a batch, and how many outcomes its texts have; a text has ``outcomes`` in the mean of all batches.

    All texts count alike. Were −log p of a batch divided by its own number of symbols, short texts, which stand
    together, would count more, and what is written would be too short.
    """
    nats, own = model.nats(items, targets)
    return nats.mean() / outcomes, int(own.sum())


def evaluate_pairs(model: Translator, pairs: Pairs) -> Generator[float, None, Writings]:
    """Measure on some pairs, yielding the share done; the layer's mode is left as it was."""
    training, count = model.layer.training, len(pairs.texts)
    model.layer.eval()
    nats, outcomes = [], []
    try:
        for begin in range(0, count, SIDE_BY_SIDE):
            part = slice(begin, begin + SIDE_BY_SIDE)
            with torch.no_grad():
                losses, counts = model.nats(pairs.inputs[part], pairs.targets[part])
            nats.append(losses.double().cpu().numpy())
            outcomes.append(counts.cpu().numpy())
            yield 0.5 * min(1.0, (begin + SIDE_BY_SIDE) / count)
        found = [written.text for written in model.answers(pairs.values)]
        yield 0.75
        drawn = [len(written.symbols) for written in model.answers(pairs.values, Sampler(), DRAWS)]
        yield 1.0
    finally:
        model.layer.train(training)
    lengths = np.array([len(each) for each in pairs.targets])
    return Writings.of(np.concatenate(nats), np.concatenate(outcomes), found, pairs.texts, np.array(drawn), lengths)
