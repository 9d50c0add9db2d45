"""How a gradient is kept small before a step is made with it.

"norm": the gradient of all parameters together is shortened to the threshold v where it is longer, and keeps its
direction (Pascanu, Mikolov & Bengio 2013, algorithm 1). "value": each entry is brought into [−v, v], which turns it.
"parameter": the gradient of each parameter is shortened by itself. "adaptive": as "norm", where v is a quantile of the
norms so far (AutoClip, Seetharaman et al. 2020).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grad_value_, clip_grads_with_norm_, get_total_norm

Kind = Literal["norm", "value", "parameter", "adaptive"]

PAST = 1000  # norms of which the quantile is taken
NORMS = "clipping/norms"  # those norms, in a checkpoint


def gradient_norm(parameters: Iterable[Tensor]) -> Tensor:
    """The Euclidean norm of the gradient of all parameters together."""
    return get_total_norm([each.grad for each in parameters if each.grad is not None])


def shorten(parameters: Iterable[Tensor], kind: Kind, threshold: float, norm: Tensor) -> None:
    """Clip the gradients in place; ``norm`` is theirs, a ``threshold`` of infinity leaves them as they are."""
    parameters = [each for each in parameters if each.grad is not None]
    if kind == "value":
        clip_grad_value_(parameters, threshold)
    elif kind == "parameter":
        for each in parameters:
            clip_grads_with_norm_([each], threshold, gradient_norm([each]))
    else:
        clip_grads_with_norm_(parameters, threshold, norm)


class Clipping:
    """The threshold of each update: ``clip``, where 0 is none; "adaptive" also looks at the norms that it is shown."""

    def __init__(self, kind: Kind, clip: float, quantile: float) -> None:
        self.kind, self.largest, self.quantile = kind, clip or math.inf, quantile
        self.norms: deque[float] = deque(maxlen=PAST)

    def threshold(self, norm: float) -> float:
        """That of an update whose gradient has a finite ``norm``.

        >>> clipping = Clipping("adaptive", clip=0, quantile=0.5)
        >>> [clipping.threshold(norm) for norm in (1.0, 5.0, 2.0)]
        [1.0, 3.0, 2.0]
        """
        if self.kind != "adaptive":
            return self.largest
        self.norms.append(norm)
        return min(self.largest, float(np.quantile(self.norms, self.quantile)))

    def carried(self) -> dict[str, NDArray[Any]]:
        """What goes from update to update, for a checkpoint."""
        return {NORMS: np.array(self.norms, np.float64)} if self.norms else {}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take back what ``carried`` gave."""
        self.norms = deque(arrays.get(NORMS, np.zeros(0)).tolist(), maxlen=PAST)
