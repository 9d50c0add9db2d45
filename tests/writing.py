"""What the tests of everything that writes share: sequences, and a way to write them step by step."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

F64 = torch.float64
STOPS = ["end", "probability", "length"]
ENTERS = ["state", "every", "both"]


def ids(*sequences: list[int]) -> list[Tensor]:
    return [torch.tensor(each, dtype=torch.int64) for each in sequences]


def all_sequences(symbols: int, longest: int) -> list[Tensor]:
    return ids(*(list(each) for n in range(longest + 1) for each in product(range(symbols), repeat=n)))


def step_by_step(model, source, sequence: Tensor) -> Tensor:
    """−log p of one sequence, from the outcomes of begin and step alone; ``source`` is a batch of one."""
    lengths = model.length_log_probabilities(source)
    if lengths is None:
        total, (state, outcomes) = torch.zeros((), dtype=F64), model.begin(source)
    else:
        total = lengths[0, len(sequence)]
        state, outcomes = model.begin(source, torch.tensor([len(sequence)]))
    for symbol in sequence:
        total = total + outcomes[0, symbol]
        state, outcomes = model.step(state, symbol[None])
    return -(total + outcomes[0, -1])


def most_probable(model, source, lengths: Tensor | None = None, most: int = 8) -> list[list[int]]:
    """The symbols that are most probable at each step, up to the end, of every stream."""
    state, outcomes = model.begin(source) if lengths is None else model.begin(source, lengths)
    written, columns = outcomes.argmax(-1), []
    for _ in range(most):
        columns.append(written)
        state, outcomes = model.step(state, written)
        written = outcomes.argmax(-1)
    end = outcomes.shape[-1] - 1
    rows = torch.stack([*columns, torch.full_like(written, end)], 1).tolist()
    return [row[: row.index(end)] for row in rows]
