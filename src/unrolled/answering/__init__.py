"""Trained models that answer: one answer for a sequence."""

from unrolled.answering.answerer import Answer, Answerer, AnswererDescription, load_answerer

__all__ = ["Answer", "Answerer", "AnswererDescription", "load_answerer"]
