"""Trained models that answer: a class for a sequence, a tag for each word of one."""

from unrolled.answering.answerer import Answer, Answerer, AnswererDescription, load_answerer
from unrolled.answering.tagger import Lexicon, Tagged, Tagger, TaggerDescription, load_tagger

__all__ = [
    "Answer",
    "Answerer",
    "AnswererDescription",
    "Lexicon",
    "Tagged",
    "Tagger",
    "TaggerDescription",
    "load_answerer",
    "load_tagger",
]
