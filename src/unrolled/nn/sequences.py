"""Sequences as people give them ⇄ packed rows, on which programs run.

Shapes. In: (T, B, n) or ids (T, B); (T, n) or (T,) for one sequence; a PackedSequence; a list of (T_i, n); a dict.
Packed: (N, n), N = Σ n_t, step after step, the sequences sorted by falling length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.errors import DataError

Data = Tensor | PackedSequence | Sequence[Tensor]


@dataclass(frozen=True)
class Batch:
    """Packed sequences and what is needed to give results back in the caller's form.

    ``form`` is "dense", "lengths", "single", "packed" or "list"; ``order`` sorts the sequences by falling length (None:
    sorted already); ``rows`` are the places of the packed rows in a dense (T·B) array (None: all of them).
    """

    data: Mapping[str, Tensor]
    batch_sizes: tuple[int, ...]
    batch: int
    form: str
    steps: int
    order: Tensor | None = None
    rows: Tensor | None = None
    packed: PackedSequence | None = None

    def with_data(self, data: Mapping[str, Tensor]) -> Batch:
        return replace(self, data=data)

    def give_back(self, values: Tensor) -> Any:
        """Packed results (N, n) in the caller's form; padding is zero."""
        if self.packed is not None:
            order = self.packed.sorted_indices, self.packed.unsorted_indices
            return PackedSequence(values, self.packed.batch_sizes, *order)
        n = values.shape[1:]
        if self.rows is not None:
            dense = values.new_zeros(self.steps * self.batch, *n).index_copy(0, self.rows, values)
        else:
            dense = values
        dense = dense.reshape(self.steps, self.batch, *n)
        if self.order is not None:
            dense = dense.index_select(1, torch.argsort(self.order))
        if self.form == "single":
            return dense.squeeze(1)
        if self.form == "list":
            lengths = [sum(size > b for size in self.batch_sizes) for b in range(self.batch)]
            places = range(self.batch) if self.order is None else torch.argsort(self.order).tolist()
            return [dense[: lengths[place], b] for b, place in enumerate(places)]
        return dense

    def state_in(self, state: Tensor) -> Tensor:
        """A state (…, B, n) given by the caller, as (…, B, n) in packed order."""
        if self.form == "single":
            state = state.unsqueeze(-2)
        if state.dim() < 2 or state.shape[-2] != self.batch:
            raise DataError(
                f"A state of the shape {tuple(state.shape)} does not fit the input, which has {self.batch} sequences: "
                f"it is (…, {self.batch}, size)."
            )
        return state if self.order is None else state.index_select(-2, self.order)

    def state_out(self, state: Tensor) -> Tensor:
        """A state (…, B, n) in the caller's order."""
        if self.order is not None:
            state = state.index_select(-2, torch.argsort(self.order))
        return state.squeeze(-2) if self.form == "single" else state

    def reversed_rows(self) -> Tensor | None:
        """For each packed row, the row that stands there when every sequence runs backwards (None: flip the steps)."""
        if self.rows is None and self.packed is None:
            return None
        starts, step, sequence = self._places()
        return starts[self.lengths()[sequence] - 1 - step] + sequence

    def lengths(self) -> Tensor:
        """Of the sequences, in packed order: (B,) int64."""
        sizes = torch.tensor(self.batch_sizes, dtype=torch.long)
        return (sizes[:, None] > torch.arange(self.batch)[None, :]).sum(0)

    def sequence_of_rows(self) -> Tensor:
        """For each packed row, the number of its sequence in packed order: (N,) int64."""
        return self._places()[2]

    def last_rows(self) -> Tensor:
        """For each sequence that is not empty, in packed order, the row of its last step."""
        starts, _, _ = self._places()
        lengths = self.lengths()
        lengths = lengths[lengths > 0]
        return starts[lengths - 1] + torch.arange(len(lengths))

    def _places(self) -> tuple[Tensor, Tensor, Tensor]:
        """Where each step begins, and for each row its step and its sequence."""
        sizes = torch.tensor(self.batch_sizes, dtype=torch.long)
        starts = torch.cumsum(sizes, 0) - sizes
        step = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
        return starts, step, torch.arange(len(step)) - starts[step]


def pack(x: Data | Mapping[str, Data], lengths: Tensor | Sequence[int] | None, names: Sequence[str]) -> Batch:
    """The packed form of ``x``, which gives the sequences ``names``.

    Raises:
        DataError: shapes, lengths or names do not fit together.
    """
    if not names:
        raise DataError("These equations read no input, so that the number of steps is unknown. Give them one.")
    if isinstance(x, Mapping):
        if set(x) != set(names):
            raise DataError(f"The recurrence reads {', '.join(names)}, but the dict gives {', '.join(x) or 'nothing'}.")
        batches = [_pack_one(x[name], lengths, name) for name in names]
        if any(each.batch_sizes != batches[0].batch_sizes or each.form != batches[0].form for each in batches):
            raise DataError("The inputs have different lengths, batch sizes or forms; they must run side by side.")
        return batches[0].with_data({n: next(iter(b.data.values())) for n, b in zip(names, batches, strict=True)})
    if len(names) != 1:
        raise DataError(f"The recurrence reads {len(names)} inputs: give a dict with the keys {', '.join(names)}.")
    return _pack_one(x, lengths, names[0])


def flat_ids(sequences: Sequence[Tensor], symbols: int, name: str) -> tuple[Tensor, Tensor]:
    """The ids of all sequences, one after the other (Σ T_i,), and the lengths (B,) on the CPU.

    Raises:
        DataError: one of them is no tensor (T_i,) of int64, or has an id that is not among 0 … ``symbols`` − 1.
    """
    for number, each in enumerate(sequences):
        if not isinstance(each, Tensor) or each.dtype is not torch.int64 or each.dim() != 1:
            got = f"{tuple(each.shape)} {each.dtype}" if isinstance(each, Tensor) else f"a {type(each).__name__}"
            raise DataError(f"Number {number} of the {name} is {got}. Each is a tensor (T_i,) of int64 ids.")
    flat = torch.cat(list(sequences)) if sequences else torch.zeros(0, dtype=torch.int64)
    if flat.numel():
        least, most = (int(value) for value in flat.aminmax())
        if least < 0 or most >= symbols:
            wrong = least if least < 0 else most
            raise DataError(f"The {name} hold the id {wrong}; there are {symbols} symbols, 0 to {symbols - 1}.")
    return flat, torch.tensor([each.numel() for each in sequences], dtype=torch.int64)


def _pack_one(x: Data, lengths: Tensor | Sequence[int] | None, name: str) -> Batch:
    if isinstance(x, PackedSequence):
        if lengths is not None:
            raise DataError("A PackedSequence knows its lengths: leave lengths out.")
        sizes = tuple(x.batch_sizes.tolist())
        # torch keeps the state of a packed batch in the caller's order
        return Batch({name: x.data}, sizes, sizes[0], "packed", len(sizes), x.sorted_indices, packed=x)
    if not isinstance(x, Tensor):
        return _pack_list(x, name)
    if not x.is_floating_point() and x.dtype != torch.int64:
        raise DataError(f"The input {name} is {x.dtype}: vectors are floating-point numbers, symbols are int64 ids.")
    width = 1 if x.dtype == torch.int64 else 2
    if x.dim() == width:
        batch = _pack_dense(x.unsqueeze(1), None if lengths is None else torch.as_tensor(lengths).reshape(1), name)
        return replace(batch, form="single")
    if x.dim() != width + 1:
        raise DataError(
            f"The input {name} has {x.dim()} dimensions. It is (T, B, size) or (T, size) for vectors, "
            "(T, B) or (T,) for int64 ids."
        )
    return _pack_dense(x, lengths, name)


def _pack_dense(x: Tensor, lengths: Tensor | Sequence[int] | None, name: str) -> Batch:
    steps, batch = x.shape[:2]
    if lengths is None:
        return Batch({name: x.reshape(steps * batch, *x.shape[2:])}, (batch,) * steps, batch, "dense", steps)
    given = torch.as_tensor(lengths, device="cpu")
    each = given.long()
    if each.shape != (batch,) or bool(((each != given) | (each < 0) | (each > steps)).any()):
        raise DataError(
            f"lengths are {batch} whole numbers from 0 to T = {steps}, one per sequence; got {given.tolist()}."
        )
    order = torch.argsort(each, descending=True, stable=True)
    alive = torch.arange(steps)[:, None] < each[order][None, :]
    rows = alive.reshape(-1).nonzero().squeeze(1).to(x.device)
    order = order.to(x.device)
    data = x.index_select(1, order).reshape(steps * batch, *x.shape[2:]).index_select(0, rows)
    sizes = tuple(size for size in alive.sum(1).tolist() if size)
    return Batch({name: data}, sizes, batch, "lengths", steps, order, rows)


def _pack_list(sequences: Sequence[Tensor], name: str) -> Batch:
    if not isinstance(sequences, list | tuple) or not all(isinstance(each, Tensor) for each in sequences):
        raise DataError(f"The input {name} is a {type(sequences).__name__}. Give a tensor, or a list of tensors.")
    if not sequences:
        raise DataError("The list of sequences is empty, so that their size is unknown. Give a tensor (T, 0, size).")
    kinds = {(each.dtype, each.dim(), each.shape[1:]) for each in sequences}
    if len(kinds) > 1 or sequences[0].dim() not in (1, 2):
        shapes = ", ".join(f"{tuple(each.shape)} {each.dtype}" for each in sequences)
        raise DataError(f"A list holds sequences (T_i, size) of one size, or ids (T_i,), of one dtype; got {shapes}.")
    padded = torch.nn.utils.rnn.pad_sequence(list(sequences))
    return replace(_pack_dense(padded, [len(each) for each in sequences], name), form="list")
