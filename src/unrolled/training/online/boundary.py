"""Between what a layer reads and carries and the names of its composite.

Shapes. Inputs (B, size), or int64 ids (B,); a state of the layer (B, size), or (layers, B, size) where several have it;
of the composite each (B, size).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from unrolled.errors import DataError
from unrolled.training.online.composite import Composite
from unrolled.training.online.jacobian import Step

ByName = dict[str, Tensor]


class Boundary:
    """That of a composite, whose sizes ``step`` knows."""

    def __init__(self, composite: Composite, step: Step) -> None:
        self.composite, self.step = composite, step

    def inputs(self, x: Tensor | Mapping[str, Tensor], like: Tensor) -> tuple[ByName, int]:
        """What a step reads, as vectors in the dtype of ``like``, and the number of lanes.

        Raises:
            DataError: names or shapes do not fit.
        """
        names = self.composite.inputs
        given = x if isinstance(x, Mapping) else dict.fromkeys(names, x) if len(names) == 1 else {}
        if set(given) != set(names):
            raise DataError(f"A step reads {', '.join(names)}: give a dict with these keys.")
        found = {own: self._vectors(given[name], name, like) for name, own in names.items()}
        lanes = {len(each) for each in found.values()}
        if len(lanes) != 1:
            raise DataError("The inputs of a step have different numbers of lanes; they must run side by side.")
        return found, lanes.pop()

    def _vectors(self, value: Tensor, name: str, like: Tensor) -> Tensor:
        size = self.step.size(self.composite.inputs[name])
        found = _one_hot(value, size, name).to(like.dtype) if value.dtype == torch.int64 else value
        if found.dim() != 2 or found.shape[1] != size:
            raise DataError(
                f"The input {name} of a step has the shape {tuple(value.shape)}; it is (B, {size}), or int64 ids (B,) "
                f"below {size}."
            )
        return found

    def apart(self, states: Mapping[str, Tensor], lanes: int) -> ByName:
        """The states of the layer as those of the composite.

        Raises:
            DataError: one is missing, or its shape does not fit.
        """
        found: ByName = {}
        for name, own in self.composite.states.items():
            each = states.get(name)
            shape = (*((len(own),) if len(own) > 1 else ()), lanes, self.step.size(own[0]))
            if each is None or each.shape != shape:
                got = "missing" if each is None else tuple(each.shape)
                raise DataError(f"The state {name} is {got}; for {lanes} lanes it is {shape}, as start({lanes}) gives.")
            found |= zip(own, each if len(own) > 1 else [each], strict=True)
        return found

    def joined(self, states: Mapping[str, Tensor]) -> ByName:
        """The states of the composite as those of the layer."""
        return {
            name: torch.stack([states[each] for each in own]) if len(own) > 1 else states[own[0]]
            for name, own in self.composite.states.items()
        }


def _one_hot(ids: Tensor, symbols: int, name: str) -> Tensor:
    least, most = (int(value) for value in ids.aminmax()) if ids.numel() else (0, 0)
    if least < 0 or most >= symbols:
        wrong = least if least < 0 else most
        raise DataError(f"The input {name} holds the id {wrong}; there are {symbols} symbols, 0 to {symbols - 1}.")
    return functional.one_hot(ids, symbols)
