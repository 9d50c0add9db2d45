"""Torch modules made from recurrences."""

from unrolled.nn.drop_in import GRU, LSTM, RNN
from unrolled.nn.drop_in_cells import GRUCell, LSTMCell, RNNCell
from unrolled.nn.encoder_decoder import EncoderDecoder
from unrolled.nn.initialisation import initialise
from unrolled.nn.language import language_model
from unrolled.nn.many_to_many import ManyToMany, WordsAndLetters
from unrolled.nn.many_to_one import ManyToOne
from unrolled.nn.one_to_many import OneToMany
from unrolled.nn.recurrent import Recurrent
from unrolled.nn.stopping import EndProbability, EndSymbol, PredictedLength, Stop, stop_of

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "EncoderDecoder",
    "EndProbability",
    "EndSymbol",
    "GRUCell",
    "LSTMCell",
    "ManyToMany",
    "ManyToOne",
    "OneToMany",
    "PredictedLength",
    "RNNCell",
    "Recurrent",
    "Stop",
    "WordsAndLetters",
    "initialise",
    "language_model",
    "stop_of",
]
