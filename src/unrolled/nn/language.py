"""A language model: a recurrence that reads symbols and gives the logits of the next one."""

from __future__ import annotations

from typing import Any

import torch

from unrolled.equations.extension import with_readout
from unrolled.equations.system import System
from unrolled.errors import ConfigurationError
from unrolled.nn.recurrent import Recurrent, as_system
from unrolled.recurrence import Recurrence


def language_model(
    recurrence: Recurrence | System | str, vocabulary: int, hidden: int, num_layers: int = 1,
    embedding: int | None = None, dropout: float = 0.0, precision: str = "fp32", dtype: torch.dtype | None = None,
    device: Any = None,
) -> Recurrent:  # fmt: skip
    """A ``Recurrent`` over ids: input and output are symbols, all other sizes that are free are ``hidden``.

    Where the recurrence has no output it gets o = V h + c. Use ``model.logits(ids, state)``.

    >>> model = language_model("gru", vocabulary=65, hidden=8)
    >>> logits, state = model.logits(torch.zeros(10, 2, dtype=torch.int64))
    >>> logits.shape
    torch.Size([10, 2, 65])

    Raises:
        ConfigurationError: the recurrence does not have exactly one input and one output.
    """
    system = with_readout(as_system(recurrence))
    sizes = sizes_of(system, vocabulary, vocabulary, hidden)
    return Recurrent(
        system, num_layers, dropout=dropout, embedding=embedding, sizes=sizes, precision=precision, dtype=dtype,
        device=device,
    )  # fmt: skip


def sizes_of(system: System, reads: int, answers: int | None, hidden: int) -> dict[str, int]:
    """The sizes of a network that reads ``reads`` and answers ``answers`` components; all that are free are ``hidden``.

    With ``answers`` None the outputs are free too: where they are states, as in a network without a read-out.

    Raises:
        ConfigurationError: the system does not have exactly one input and, with ``answers``, one output.
    """
    if len(system.inputs) != 1 or (answers is not None and len(system.outputs) != 1):
        raise ConfigurationError(
            "This network reads one sequence and gives one output; these equations have the inputs "
            f"({', '.join(system.inputs)}) and the outputs ({', '.join(system.outputs)}). Mark the output with a line "
            "such as 'y : output'."
        )
    sizes = {system.inputs[0]: reads} | ({} if answers is None else {system.outputs[0]: answers})
    fixed = {term for name in sizes for term, _ in system.sizes[name].terms}
    return sizes | {name: hidden for name in system.free_sizes if name not in fixed}
