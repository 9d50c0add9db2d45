"""Run directories: what a run writes, how it is published without ever being half there, and how it is read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unrolled.checkpoint.run import Checkpoint, RunDirectory

if TYPE_CHECKING:
    from unrolled.checkpoint.model import TrainedModel, load

__all__ = ["Checkpoint", "RunDirectory", "TrainedModel", "load"]


def __getattr__(name: str) -> object:
    # the two that need torch are loaded when they are asked for
    if name in ("TrainedModel", "load"):
        from unrolled.checkpoint import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
