"""Trained models that answer: with a class or a number, for a sequence or for each of its steps."""

from unrolled.answering.answerer import Answerer, AnswererDescription, load_answerer
from unrolled.answering.figures import Answers, Estimates, Writings
from unrolled.answering.head import Answer, Classes, Estimate, Head, Numbers, Tagged
from unrolled.answering.reading import Frames, Labels, Reading, Texts, Vectors, Words, reading_of
from unrolled.answering.translator import Dictionary, Translator, TranslatorDescription, Written, load_translator

__all__ = [
    "Answer",
    "Answerer",
    "AnswererDescription",
    "Answers",
    "Classes",
    "Dictionary",
    "Estimate",
    "Estimates",
    "Frames",
    "Head",
    "Labels",
    "Numbers",
    "Reading",
    "Tagged",
    "Texts",
    "Translator",
    "TranslatorDescription",
    "Vectors",
    "Words",
    "Writings",
    "Written",
    "load_answerer",
    "load_translator",
    "reading_of",
]
