"""``RNNCell``, ``GRUCell`` and ``LSTMCell``: torch's cells, one step of their equations.

Shapes. x (B, input_size) or (input_size,); a state (B, hidden_size) or (hidden_size,).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unrolled.engine import autograd
from unrolled.nn.torch_layout import TorchCell, torch_cell


class _Cell(nn.RNNCellBase):
    """What the three cells share; torch's class of the same name holds the parameters."""

    _hx: ClassVar[tuple[str, ...]] = ("h",)  # the states in the order of hx

    def _bound(self, cell: str) -> TorchCell:
        return torch_cell(cell, self.bias, {"x": self.input_size, "h": self.hidden_size})

    def _step(self, cell: TorchCell, x: Tensor, given: tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
        """The states after one step, in the order of hx."""
        self._check_dimensions(x, given)
        single = x.dim() == 1
        if single:
            x, given = x.unsqueeze(0), given and tuple(state.unsqueeze(0) for state in given)
        if given is None:
            given = (x.new_zeros(len(x), self.hidden_size),) * len(self._hx)
        self._check_sizes(x, given)
        states = dict(zip(self._hx, given, strict=True))
        parameters = cell.parameters({name: getattr(self, name) for name in cell.blocks})
        initial = [states[name] for name in cell.states]
        _, last = autograd.run(cell.program, [x], initial, parameters, (len(x),))
        after = dict(zip(cell.states, last, strict=True))
        return tuple(after[name].squeeze(0) if single else after[name] for name in self._hx)

    def _check_dimensions(self, x: Tensor, given: tuple[Tensor, ...] | None) -> None:
        name = type(self).__name__
        if x.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {x.dim()}D instead")
        for i, state in enumerate(given or ()):
            if state.dim() not in (1, 2):
                which = "hidden" if len(self._hx) == 1 else f"hx[{i}]"
                raise ValueError(f"{name}: Expected {which} to be 1D or 2D, got {state.dim()}D instead")

    def _check_sizes(self, x: Tensor, given: tuple[Tensor, ...]) -> None:
        if x.shape[1] != self.input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {x.shape[1]} expected {self.input_size}")
        if len(given) != len(self._hx):
            raise RuntimeError(f"{type(self).__name__} expects the {len(self._hx)} states {self._hx}, got {len(given)}")
        for i, state in enumerate(given):
            if len(state) != len(x):
                raise RuntimeError(f"Input batch size {len(x)} doesn't match hidden{i} batch size {len(state)}")
            if state.dim() != 2 or state.shape[1] != self.hidden_size:
                raise RuntimeError(
                    f"hidden{i} has inconsistent hidden_size: got {state.shape[-1]}, expected {self.hidden_size}"
                )


class RNNCell(_Cell, nn.RNNCell):
    """``torch.nn.RNNCell``, run from h' = tanh(W_ih x + b_ih + W_hh h + b_hh) (or relu).

    Arguments, parameters, results and errors are torch's.

    >>> RNNCell(3, 4)(torch.zeros(5, 3)).shape
    torch.Size([5, 4])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:  # fmt: skip
        nn.RNNCell.__init__(self, input_size, hidden_size, bias, nonlinearity, device, dtype)
        self._cells = {"tanh": self._bound("torch_rnn"), "relu": self._bound("torch_rnn_relu")}

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state.

        Raises:
            ValueError: the dimensions are wrong; RuntimeError: a size is wrong, or the nonlinearity is unknown.
        """
        if self.nonlinearity not in self._cells:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}. Write one of {', '.join(self._cells)}.")
        return self._step(self._cells[self.nonlinearity], input, None if hx is None else (hx,))[0]


class GRUCell(_Cell, nn.GRUCell):
    """``torch.nn.GRUCell``, run from the equations of ``GRU``.

    Arguments, parameters, results and errors are torch's.

    >>> GRUCell(3, 4)(torch.zeros(5, 3)).shape
    torch.Size([5, 4])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: torch.dtype | None = None
    ) -> None:
        nn.GRUCell.__init__(self, input_size, hidden_size, bias, device, dtype)
        self._cell = self._bound("gru")

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state.

        Raises:
            ValueError: the dimensions are wrong; RuntimeError: a size is wrong.
        """
        return self._step(self._cell, input, None if hx is None else (hx,))[0]


class LSTMCell(_Cell, nn.LSTMCell):
    """``torch.nn.LSTMCell``, run from the equations of ``LSTM``; hx is the pair (h, c).

    Arguments, parameters, results and errors are torch's.

    >>> h, c = LSTMCell(3, 4)(torch.zeros(5, 3))
    >>> h.shape, c.shape
    (torch.Size([5, 4]), torch.Size([5, 4]))
    """

    _hx = ("h", "c")

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: torch.dtype | None = None
    ) -> None:
        nn.LSTMCell.__init__(self, input_size, hidden_size, bias, device, dtype)
        self._cell = self._bound("lstm")

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """The next pair (h, c).

        Raises:
            ValueError: the dimensions are wrong; RuntimeError: a size is wrong.
        """
        h, c = self._step(self._cell, input, hx)
        return h, c
