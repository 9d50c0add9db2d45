"""A torch layer as a writer, on any device.

Shapes: B texts one after the other; the ids of one (T,) int64, logits (B, V); a state is the layer's own, for one text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.checkpoint.model import TrainedModel, load
from unrolled.checkpoint.tensors import module_arrays
from unrolled.generation.draw import draw
from unrolled.generation.sampler import Sampler
from unrolled.generation.state import Origin, digest

if TYPE_CHECKING:
    from unrolled.data.vocabulary import Ids

State = dict[str, torch.Tensor]


class TorchWriter:
    """See ``writer.Writer``. Texts are not read side by side, where torch might round each of them otherwise."""

    most = 1

    def __init__(self, run: TrainedModel | Path | str) -> None:
        self.model = run if isinstance(run, TrainedModel) else load(run)
        self.vocabulary = self.model.vocabulary
        layer = self.model.layer
        dtype = str(next(layer.parameters()).dtype).removeprefix("torch.")
        precision = dtype if layer.precision == "fp32" else layer.precision
        self.origin = Origin("torch", precision, lambda: digest(module_arrays(layer)), layer)

    def write(
        self, states: Sequence[State | None], unread: Sequence[Ids], count: int, sampler: Sampler, seed: int,
        streams: Sequence[int], positions: Sequence[int],
    ) -> tuple[list[Any], list[list[tuple[int, float]]]] | None:  # fmt: skip
        """One symbol of each."""
        found = self.read(states, unread)
        if found is None:
            return None
        draws = [draw(seed, stream, position) for stream, position in zip(streams, positions, strict=True)]
        return found[0], [[sampler.choose(logits, u)] for logits, u in zip(found[1], draws, strict=True)]

    def read(
        self, states: Sequence[State | None], unread: Sequence[Ids]
    ) -> tuple[list[Any], NDArray[np.float64]] | None:
        """See ``writer.Writer``; the layer's mode is left as it was."""
        layer = self.model.layer
        training = layer.training
        layer.eval()
        try:
            found = [self._read_one(state, ids) for state, ids in zip(states, unread, strict=True)]
        finally:
            layer.train(training)
        logits = np.stack([each for each, _ in found])
        return ([state for _, state in found], logits) if np.isfinite(logits).all() else None

    @torch.no_grad()
    def _read_one(self, state: State | None, ids: Ids) -> tuple[NDArray[np.float64], State]:
        device = next(self.model.layer.parameters()).device
        if state is not None:  # one from a file holds arrays
            state = {name: torch.as_tensor(value).to(device) for name, value in state.items()}
        logits, state = self.model.layer.logits(torch.from_numpy(ids)[:, None].to(device), state)
        return logits[-1, 0].double().cpu().numpy(), state
