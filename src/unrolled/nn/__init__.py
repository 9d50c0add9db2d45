"""Torch modules made from recurrences."""

from unrolled.nn.drop_in import GRU, LSTM, RNN
from unrolled.nn.drop_in_cells import GRUCell, LSTMCell, RNNCell
from unrolled.nn.language import language_model
from unrolled.nn.many_to_many import ManyToMany, WordsAndLetters
from unrolled.nn.many_to_one import ManyToOne
from unrolled.nn.one_to_many import OneToMany
from unrolled.nn.recurrent import Recurrent

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "ManyToMany",
    "ManyToOne",
    "OneToMany",
    "RNNCell",
    "Recurrent",
    "WordsAndLetters",
    "language_model",
]
