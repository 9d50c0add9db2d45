"""A trained model writes: the random draw, the choice of a symbol, and the loop that feeds it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unrolled.generation.draw import draw
from unrolled.generation.sampler import Sampler
from unrolled.generation.tokens import GenerationState, Token, generate

if TYPE_CHECKING:
    from unrolled.checkpoint.model import TrainedModel, load

__all__ = ["GenerationState", "Sampler", "Token", "TrainedModel", "draw", "generate", "load"]


def __getattr__(name: str) -> object:
    # a layer needs torch; writing from a run does not
    if name in ("TrainedModel", "load"):
        from unrolled.checkpoint import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
