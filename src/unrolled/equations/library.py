"""The named cells, as text: nothing here is code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from unrolled.equations.elaboration import system
from unrolled.equations.system import System
from unrolled.errors import EquationError

_CELLS = {
    # Elman 1990, "Finding structure in time", without biases as the exercise sheets write it
    "elman": """
        h_t = tanh(U x_t + W h_{t-1})
        y_t = softmax(V h_t)
    """,
    "vanilla": """
        h_t = tanh(U x_t + W h_{t-1} + b)
        o_t = V h_t + c
    """,
    # the output feeds back
    "jordan": """
        y : output
        h_t = tanh(U x_t + W y_{t-1} + b)
        y_t = softmax(V h_t + c)
    """,
    # Jordan 1986, "Serial order": the context s decays and collects the output; α is fixed
    "jordan1986": """
        y : output
        α = 0.5
        s_t = α s_{t-1} + y_{t-1}
        h_t = tanh(U x_t + W s_t + b)
        y_t = softmax(V h_t + c)
    """,
    "output_feedback": """
        y : output
        h_t = tanh(U x_t)
        y_t = softmax(V h_t + W y_{t-1})
    """,
    # the letters of torch.nn.RNN
    "torch_rnn": "h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)",
    "torch_rnn_relu": "h_t = relu(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)",
    # Cho et al. 2014 as torch.nn.GRU computes it: the reset gate after the product
    "gru": """
        r_t = σ(W_ir x_t + b_ir + W_hr h_{t-1} + b_hr)
        z_t = σ(W_iz x_t + b_iz + W_hz h_{t-1} + b_hz)
        n_t = tanh(W_in x_t + b_in + r_t ⊙ (W_hn h_{t-1} + b_hn))
        h_t = (1 - z_t) ⊙ n_t + z_t ⊙ h_{t-1}
    """,
    # Cho et al. 2014, equations 5 to 8: the reset gate before the product
    "gru_reset_before": """
        r_t = σ(W_r x_t + U_r h_{t-1} + b_r)
        z_t = σ(W_z x_t + U_z h_{t-1} + b_z)
        n_t = tanh(W x_t + U (r_t ⊙ h_{t-1}) + b)
        h_t = z_t ⊙ h_{t-1} + (1 - z_t) ⊙ n_t
    """,
    # Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, the letters of torch.nn.LSTM
    "lstm": """
        i_t = σ(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)
        f_t = σ(W_if x_t + b_if + W_hf h_{t-1} + b_hf)
        g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)
        o_t = σ(W_io x_t + b_io + W_ho h_{t-1} + b_ho)
        c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
        h_t = o_t ⊙ tanh(c_t)
    """,
    # Gers & Schmidhuber 2000: the gates see the cell through diagonal weights
    "lstm_peephole": """
        i_t = σ(W_xi x_t + W_hi h_{t-1} + p_i ⊙ c_{t-1} + b_i)
        f_t = σ(W_xf x_t + W_hf h_{t-1} + p_f ⊙ c_{t-1} + b_f)
        g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)
        c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
        o_t = σ(W_xo x_t + W_ho h_{t-1} + p_o ⊙ c_t + b_o)
        h_t = o_t ⊙ tanh(c_t)
    """,
    # Sak et al. 2014, as torch.nn.LSTM(proj_size=…) computes it
    "lstm_projection": """
        i_t = σ(W_ii x_t + b_ii + W_hi h_{t-1} + b_hi)
        f_t = σ(W_if x_t + b_if + W_hf h_{t-1} + b_hf)
        g_t = tanh(W_ig x_t + b_ig + W_hg h_{t-1} + b_hg)
        o_t = σ(W_io x_t + b_io + W_ho h_{t-1} + b_ho)
        c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
        h_t = W_hr (o_t ⊙ tanh(c_t))
    """,
    # Le, Jaitly & Hinton 2015: rectified units, meant to start from W = identity
    "irnn": "h_t = relu(U x_t + W h_{t-1} + b)",
    # Zhou et al. 2016
    "minimal_gated": """
        f_t = σ(W_f x_t + U_f h_{t-1} + b_f)
        n_t = tanh(W x_t + U (f_t ⊙ h_{t-1}) + b)
        h_t = (1 - f_t) ⊙ h_{t-1} + f_t ⊙ n_t
    """,
}

CELLS: Mapping[str, str] = MappingProxyType(
    {name: "\n".join(line.strip() for line in text.strip().splitlines()) for name, text in _CELLS.items()}
)


@lru_cache(maxsize=256)
def _load(name_or_text: str, outputs: tuple[str, ...] | None, names: tuple[str, ...]) -> System:
    word = name_or_text.strip()
    if word not in CELLS and word.isidentifier():  # a name, and no equation
        close = difflib.get_close_matches(word.lower(), CELLS, 1)
        hint = f"did you mean {close[0]}?" if close else f"the library cells are {', '.join(CELLS)}."
        raise EquationError(f"There is no library cell {word}: {hint} An equation is written h_t = …")
    return system(CELLS.get(word, name_or_text), outputs, names)


def load(name_or_text: str, outputs: Iterable[str] | None = None, names: Iterable[str] = ()) -> System:
    """The System of a library cell, by its name, or of equations.

    Raises:
        EquationError: the text is no recurrence, or one word that names no cell.

    >>> load("elman").parameters
    ('U', 'W', 'V')
    """
    return _load(name_or_text, None if outputs is None else tuple(outputs), tuple(names))
