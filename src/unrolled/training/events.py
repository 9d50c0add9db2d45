"""What ``train`` yields, in the order in which things happen.

Losses are in nats per symbol; a symbol is a character unless the vocabulary is of bytes or words.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from unrolled.training.task import Figures


@dataclass(frozen=True)
class Event:
    """Something that happened at a step (the number of updates so far, with those that were skipped)."""

    kind: ClassVar[str] = ""
    step: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data, with the kind of the event."""
        return {"event": self.kind, **{name: _strict(value) for name, value in asdict(self).items()}}


@dataclass(frozen=True)
class Started(Event):
    """Training begins, or goes on where ``step`` is not 0; the data have ``symbols``, each a ``unit``, and the model
    chooses between ``vocabulary`` of some ``kinds``. ``use`` is the command for which the model is trained."""

    kind = "started"
    run: str
    recurrence: str
    parameters: int
    symbols: int
    unit: str
    vocabulary: int
    steps_per_epoch: int
    device: str
    task: str = "language"
    kinds: str = "different ones"
    use: str = ""


@dataclass(frozen=True)
class Step(Event):
    """One update: the loss before it, the gradient's norm before clipping, and how the run stands.

    ``epoch`` counts with its fraction, ``seconds`` since the start of the run, ``share`` of the run in [0, 1].
    """

    kind = "step"
    epoch: float
    loss: float
    gradient_norm: float
    learning_rate: float
    symbols_per_second: float
    seconds: float
    share: float


@dataclass(frozen=True)
class Evaluating(Event):
    """An evaluation is on its way; ``share`` of the text is read."""

    kind = "evaluating"
    share: float


@dataclass(frozen=True)
class Working(Event):
    """Something else is on its way; ``what`` says it in words."""

    kind = "working"
    what: str


@dataclass(frozen=True)
class Evaluated(Event):
    """An evaluation on the validation text; ``best`` if none was better so far."""

    kind = "evaluation"
    evaluation: Figures
    best: bool
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data; the figures of the evaluation stand beside the others."""
        return {
            "event": self.kind,
            "step": self.step,
            **self.evaluation.to_dict(),
            "best": self.best,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Sample(Event):
    """What the model writes at this step."""

    kind = "sample"
    text: str


@dataclass(frozen=True)
class Saved(Event):
    """A checkpoint was published; ``interrupted`` if training stopped here because it was asked to."""

    kind = "saved"
    path: str
    interrupted: bool = False


@dataclass(frozen=True)
class Accident(Event):
    """A loss, a gradient or an update that is not finite; neither weights nor moments have seen it.

    ``policy`` is what was done ("stop", "skip", "rollback", "random-step"), ``message`` says it; after "stop" training
    ends. ``record`` is the folder from which `unrolled replay` shows it again, or None. ``step`` is that of the update
    which was tried; where training goes on it counts as a step.
    """

    kind = "accident"
    loss: float
    gradient_norm: float
    message: str
    policy: str
    record: str | None


@dataclass(frozen=True)
class Finished(Event):
    """The run is complete: the best model, evaluated by the definition (one lane over all of the validation text)."""

    kind = "finished"
    run: str
    evaluation: Figures
    best_step: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data; the figures of the evaluation stand beside the others."""
        figures = {"run": self.run, "best_step": self.best_step, "seconds": self.seconds}
        return {"event": self.kind, "step": self.step, **self.evaluation.to_dict(), **figures}


def _strict(value: Any) -> Any:
    """JSON knows no infinity and no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
