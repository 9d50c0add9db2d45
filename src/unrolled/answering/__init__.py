"""Trained models that answer: with a class or a number, for a sequence or for each of its steps."""

from unrolled.answering.answerer import Answerer, AnswererDescription, load_answerer
from unrolled.answering.figures import Answers, Estimates
from unrolled.answering.head import Answer, Classes, Estimate, Head, Numbers, Tagged
from unrolled.answering.reading import Frames, Reading, Texts, Words, reading_of

__all__ = [
    "Answer",
    "Answerer",
    "AnswererDescription",
    "Answers",
    "Classes",
    "Estimate",
    "Estimates",
    "Frames",
    "Head",
    "Numbers",
    "Reading",
    "Tagged",
    "Texts",
    "Words",
    "load_answerer",
    "reading_of",
]
