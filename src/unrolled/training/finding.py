"""What first was not finite in an update, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

WORDS = {
    "weight": "the weights {name}, before anything is read",
    "input": "what is read, as numbers of the model's type",
    "carried": "the state {name} with which the window begins",
    "state": "the state {name}{where}",
    "logits": "the logits{where}",
    "scores": "the scores that the model gives",
    "loss": "the loss{where}",
    "influence": "the influence of the parameters on the states{where}; states and losses are finite",
    "gradient of state": "the gradient of the state {name}, going back{where}; all that is computed forwards is finite",
    "gradient": "the gradient of {name}, going back{where}; all that is computed forwards is finite",
    "norm": "the norm of the gradient, each entry of which is finite: their squares are too large",
    "update": "what the update makes of the weights and the moments; loss and gradient are finite",
}


@dataclass(frozen=True)
class Finding:
    """One of the kinds above, the ``name`` of what it is, and where: at a ``step`` of the window, in a ``lane``."""

    kind: str
    name: str = ""
    step: int | None = None
    lane: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"sentence": self.sentence}

    @property
    def sentence(self) -> str:
        """What became not finite first.

        >>> Finding("state", "h", step=17, lane=3).sentence
        'Not finite first: the state h, at step 17, in lane 3.'
        """
        where = "" if self.step is None else f", at step {self.step}"
        where += "" if self.lane is None else f", in lane {self.lane}"
        return f"Not finite first: {WORDS[self.kind].format(name=self.name, where=where)}."


def first_of(kind: str, tensors: Iterable[tuple[str, Tensor]], step: int | None = None) -> Finding | None:
    """The first of some tensors, each with its name, that is not finite; the rows of what stands at a ``step`` are
    lanes, but for the gradients of parameters."""
    for name, tensor in tensors:
        good = torch.isfinite(tensor)
        if not bool(good.all()):
            lanes = step is not None and kind != "gradient"
            lane = int((~good).reshape(len(good), -1).any(-1).nonzero()[0]) if lanes else None
            return Finding(kind, name, step, lane)
    return None
