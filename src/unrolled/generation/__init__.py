"""A trained model writes: the random draw, the choice of a symbol, and the loop that feeds it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unrolled.generation.draw import draw
from unrolled.generation.sampler import Sampler

if TYPE_CHECKING:
    from unrolled.checkpoint.model import TrainedModel, load
    from unrolled.generation.tokens import GenerationState, Token, generate

__all__ = ["GenerationState", "Sampler", "Token", "TrainedModel", "draw", "generate", "load"]


def __getattr__(name: str) -> object:
    # generating needs torch; the draw and the choice do not
    if name in __all__:
        from unrolled.generation import tokens

        return getattr(tokens, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
