"""A torch layer as a writer, on any device.

Shapes: ids (T, 1) int64, logits (T, 1, V); the state is the layer's own, for one sequence.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from unrolled.checkpoint.model import TrainedModel, load
from unrolled.generation.draw import draw
from unrolled.generation.sampler import Sampler

if TYPE_CHECKING:
    from unrolled.data.vocabulary import Ids


class TorchWriter:
    """See ``writer.Writer``."""

    most = 1

    def __init__(self, run: TrainedModel | Path | str) -> None:
        self.model = run if isinstance(run, TrainedModel) else load(run)
        self.vocabulary = self.model.vocabulary

    def write(
        self, state: Any | None, unread: Ids, count: int, sampler: Sampler, seed: int, stream: int, position: int
    ) -> tuple[Any, list[tuple[int, float]]] | None:
        """One symbol; the layer's mode is left as it was."""
        layer = self.model.layer
        device = next(layer.parameters()).device
        training = layer.training
        layer.eval()
        try:
            with torch.no_grad():
                logits, state = layer.logits(torch.from_numpy(unread)[:, None].to(device), state)
        finally:
            layer.train(training)
        last = logits[-1, 0].double().cpu().numpy()
        if not torch.isfinite(logits[-1, 0]).all():
            return None
        return state, [sampler.choose(last, draw(seed, stream, position))]

    def owns(self, state: Any) -> bool:
        """States are dicts by name."""
        return isinstance(state, dict)
