"""Torch modules made from recurrences."""

from unrolled.nn.language import language_model
from unrolled.nn.recurrent import Recurrent

__all__ = ["Recurrent", "language_model"]
