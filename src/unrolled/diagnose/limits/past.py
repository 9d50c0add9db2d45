"""What happened while a run was trained, from its metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

SMOOTHED = 20  # the training loss at a step is the mean over the last 1/20 of all updates


@dataclass(frozen=True)
class Turn:
    """The held-out loss was least at a ``step``; from there to the end it rose by ``rise`` nats, while the training
    loss fell by ``fall``."""

    step: int
    rise: float
    fall: float


@dataclass(frozen=True)
class Past:
    """So many ``updates``, of which a share was ``clipped`` (None: by another rule than the norm, or there was no
    update), and ``accidents``; ``turn`` is None where there was no evaluation with a finite loss."""

    updates: int
    clipped: float | None
    accidents: int
    turn: Turn | None

    @classmethod
    def of(cls, history: Iterable[Mapping[str, Any]], clip: float | None) -> Past:
        """From the events of a run; ``clip`` is the norm to which gradients were shortened, None where it was another
        rule, 0 where there was none."""
        events = list(history)
        steps = [each for each in events if each["event"] == "step"]
        evaluations = [(int(each["step"]), float(each["nats"])) for each in events if _is_evaluation(each)]
        long = sum(clip is not None and 0 < clip < each["gradient_norm"] for each in steps)
        return cls(
            max((int(each["step"]) for each in steps), default=0),
            None if clip is None or not steps else long / len(steps),
            sum(each["event"] == "accident" for each in events),
            _turn(evaluations, [(int(each["step"]), float(each["loss"])) for each in steps]),
        )


def _is_evaluation(event: Mapping[str, Any]) -> bool:
    """With a loss that is a number: beside NaN none is the least."""
    return event["event"] == "evaluation" and event["nats"] is not None and math.isfinite(event["nats"])


def _turn(evaluations: Sequence[tuple[int, float]], losses: Sequence[tuple[int, float]]) -> Turn | None:
    if not evaluations or not losses:
        return None
    step, least = min(evaluations, key=lambda each: each[1])
    fall = _at(losses, step) - _at(losses, losses[-1][0])
    return Turn(step, evaluations[-1][1] - least, fall)


def _at(losses: Sequence[tuple[int, float]], step: int) -> float:
    """The training loss about a step: the mean over the updates before it."""
    before = [loss for at, loss in losses if at <= step] or [losses[0][1]]
    return fmean(before[-max(1, len(losses) // SMOOTHED) :])
