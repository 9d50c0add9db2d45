"""``RNN``, ``GRU`` and ``LSTM``: torch's layers, run from their equations.

Shapes. x (T, B, input_size), with ``batch_first`` (B, T, input_size), one sequence (T, input_size), or a
PackedSequence; the output the same with directions · size; hx and h_n (layers · directions, B, size), for one sequence
without B.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from unrolled.nn.direction import run_direction
from unrolled.nn.sequences import Batch, pack
from unrolled.nn.torch_layout import TorchCell, torch_cell

Sequences = Tensor | PackedSequence
Hidden = Tensor | tuple[Tensor, ...]


class _Layer(nn.RNNBase):
    """Torch's base class holds the parameters, their names, their first values and the checks of the arguments.

    The base is RNNBase and not torch.nn.LSTM itself: torch.compile refuses every instance of torch's three layers.
    """

    _hx: ClassVar[tuple[str, ...]] = ("h",)  # the states in the order of hx

    def __init__(self, mode: str, cell: str, *args: Any, precision: str = "fp32", **kwargs: Any) -> None:
        super().__init__(mode, *args, **kwargs)
        self.precision = precision
        directions = 2 if self.bidirectional else 1
        up = directions * (self.proj_size or self.hidden_size)
        below = [self.input_size] + [up] * (self.num_layers - 1)
        self._cells: list[TorchCell] = [
            torch_cell(cell, self.bias, self._sizes() | {"x": size}, precision) for size in below
        ]

    def _sizes(self) -> dict[str, int]:
        return {"h": self.proj_size or self.hidden_size} | ({"c": self.hidden_size} if len(self._hx) > 1 else {})

    @property
    def _flat_weights(self) -> list[Any]:
        """Torch's list of the parameters, made when it is read, as functional_call and export exchange them."""
        return [getattr(self, name, None) for name in self._flat_weights_names]

    @_flat_weights.setter
    def _flat_weights(self, value: list[Any]) -> None:
        """Torch's base class sets the list again whenever it might be stale; this one never is."""

    def flatten_parameters(self) -> None:
        """Nothing: cuDNN, for which torch lays its weights in one block, is not used here."""

    def forward(self, input: Sequences, hx: Hidden | None = None) -> tuple[Sequences, Hidden]:
        """The output at every step, and the states after each sequence's last step.

        Raises:
            ValueError: the dimensions or the dtype of ``input`` are wrong; RuntimeError: a size is wrong.
        """
        batch = self._batch(input)
        states = self._first_states(batch, hx)
        rows, final = self._levels(batch, states)
        output = batch.give_back(rows)
        if self.batch_first and batch.form == "dense":
            output = output.transpose(0, 1)
        given_back = tuple(batch.state_out(torch.stack(final[name])) for name in self._hx)
        return output, given_back[0] if len(given_back) == 1 else given_back

    def _batch(self, input: Sequences) -> Batch:
        if isinstance(input, PackedSequence):
            self.check_input(input.data, input.batch_sizes)
            return pack(input, None, ("x",))
        if input.dim() not in (2, 3):
            raise ValueError(f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.dim()}D instead")
        self.check_input(input if input.dim() == 3 else input.unsqueeze(1), None)
        return pack(input.transpose(0, 1) if self.batch_first and input.dim() == 3 else input, None, ("x",))

    def _first_states(self, batch: Batch, hx: Hidden | None) -> dict[str, Tensor]:
        """Every state (layers · directions, B, size) in packed order."""
        count, sizes, like = self.num_layers * (2 if self.bidirectional else 1), self._sizes(), batch.data["x"]
        if hx is None:
            return {name: like.new_zeros(count, batch.batch, sizes[name]) for name in self._hx}
        given = (hx,) if len(self._hx) == 1 else hx
        if len(given) != len(self._hx):
            raise RuntimeError(f"{type(self).__name__} expects the {len(self._hx)} states {self._hx}, got {len(given)}")
        for i, (name, state) in enumerate(zip(self._hx, given, strict=True)):
            shape = (count, sizes[name]) if batch.form == "single" else (count, batch.batch, sizes[name])
            which = "hidden" if len(given) == 1 else f"hidden[{i}]"
            self.check_hidden_size(state, shape, f"Expected {which} size {{}}, got {{}}")  # type: ignore[arg-type]  # torch's annotation leaves out one sequence
            if state.dtype != like.dtype and not torch._C._is_any_autocast_enabled():
                raise RuntimeError(f"Expected {which} of the dtype of the input, {like.dtype}, got {state.dtype}")
        return {name: batch.state_in(state) for name, state in zip(self._hx, given, strict=True)}

    def _levels(self, batch: Batch, states: dict[str, Tensor]) -> tuple[Tensor, dict[str, list[Tensor]]]:
        """The packed output of the top level, and every state after the last step, level by level."""
        rows = batch.data["x"]
        final: dict[str, list[Tensor]] = {name: [] for name in states}
        suffixes = ("", "_reverse") if self.bidirectional else ("",)
        for level, cell in enumerate(self._cells):
            if level and self.dropout:
                rows = nn.functional.dropout(rows, self.dropout, self.training)
            outputs = []
            for backward, suffix in enumerate(suffixes):
                parameters = cell.parameters({n: getattr(self, f"{n}_l{level}{suffix}") for n in cell.blocks})
                initial = [states[name][level * len(suffixes) + backward] for name in cell.states]
                (output,), last = run_direction(cell.program, [rows], initial, parameters, batch, bool(backward))
                outputs.append(output)
                for name, state in zip(cell.states, last, strict=True):
                    final[name].append(state)
            rows = torch.cat(outputs, -1) if self.bidirectional else outputs[0]
        return rows, final


class RNN(_Layer):
    """``torch.nn.RNN``, run from h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh) (or relu).

    Arguments, parameters, results and errors are torch's; ``precision`` is that of ``Recurrent``.

    >>> layer = RNN(3, 4, num_layers=2, bidirectional=True)
    >>> output, h_n = layer(torch.zeros(7, 5, 3))
    >>> output.shape, h_n.shape
    (torch.Size([7, 5, 8]), torch.Size([4, 5, 4]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, device: Any = None,
        dtype: torch.dtype | None = None, *, precision: str = "fp32", **unknown: Any,
    ) -> None:  # fmt: skip
        _refuse_projection(unknown)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        mode, cell = ("RNN_TANH", "torch_rnn") if nonlinearity == "tanh" else ("RNN_RELU", "torch_rnn_relu")
        super().__init__(
            mode, cell, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype, precision=precision, **unknown,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class GRU(_Layer):
    """``torch.nn.GRU``, run from its four equations (Cho et al. 2014, the reset gate after the product).

    Arguments, parameters, results and errors are torch's; ``precision`` is that of ``Recurrent``.

    >>> layer = GRU(3, 4, batch_first=True)
    >>> output, h_n = layer(torch.zeros(5, 7, 3))
    >>> output.shape, h_n.shape
    (torch.Size([5, 7, 4]), torch.Size([1, 5, 4]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, device: Any = None, dtype: torch.dtype | None = None,
        *, precision: str = "fp32", **unknown: Any,
    ) -> None:  # fmt: skip
        _refuse_projection(unknown)
        super().__init__(
            "GRU", "gru", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype, precision=precision, **unknown,
        )  # fmt: skip


class LSTM(_Layer):
    """``torch.nn.LSTM``, run from its six equations; ``proj_size`` as in Sak et al. 2014.

    Arguments, parameters, results and errors are torch's; hx is the pair (h, c), ``precision`` that of ``Recurrent``.

    >>> layer = LSTM(3, 4, proj_size=2)
    >>> output, (h_n, c_n) = layer(torch.zeros(7, 5, 3))
    >>> output.shape, h_n.shape, c_n.shape
    (torch.Size([7, 5, 2]), torch.Size([1, 5, 2]), torch.Size([1, 5, 4]))
    """

    _hx = ("h", "c")

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device: Any = None,
        dtype: torch.dtype | None = None, *, precision: str = "fp32",
    ) -> None:  # fmt: skip
        super().__init__(
            "LSTM", "lstm_projection" if proj_size else "lstm", input_size, hidden_size, num_layers, bias, batch_first,
            dropout, bidirectional, proj_size, device, dtype, precision=precision,
        )  # fmt: skip


def _refuse_projection(unknown: dict[str, Any]) -> None:
    if "proj_size" in unknown:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
