"""A trained model writes: the random draw, the choice of a symbol, and the loop that feeds it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unrolled.generation.allowed import Allowed
from unrolled.generation.beam import Branches, Hypothesis, beam_search
from unrolled.generation.best import Continuation, best
from unrolled.generation.draw import draw
from unrolled.generation.sampler import Sampler
from unrolled.generation.state import GenerationState
from unrolled.generation.tokens import Token, generate, generate_many
from unrolled.generation.writer import open_writer

if TYPE_CHECKING:
    from unrolled.checkpoint.model import TrainedModel, load

__all__ = [
    "Allowed",
    "Branches",
    "Continuation",
    "GenerationState",
    "Hypothesis",
    "Sampler",
    "Token",
    "TrainedModel",
    "beam_search",
    "best",
    "draw",
    "generate",
    "generate_many",
    "load",
    "open_writer",
]


def __getattr__(name: str) -> object:
    # a layer needs torch; writing from a run does not
    if name in ("TrainedModel", "load"):
        from unrolled.checkpoint import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
