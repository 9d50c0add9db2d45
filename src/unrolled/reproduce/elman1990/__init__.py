"""Elman 1990, "Finding structure in time": four simulations, as they were and with the training of today."""

from __future__ import annotations

from unrolled.reproduce.bench import Bench, one_thread, written
from unrolled.reproduce.elman1990 import classes, letters, words, xor
from unrolled.reproduce.report import Report

NAME = "elman1990"


def reproduce(bench: Bench) -> Report:
    """All four parts."""
    with one_thread():
        sections = [part.section(bench) for part in (xor, letters, words, classes)]
    return Report(NAME, _about(), sections)


def _about() -> str:
    return (
        "Elman, “Finding structure in time”, Cognitive Science 14 (1990). Networks of logistic units whose context "
        "starts at 0.5, h_t = σ(U x_t + W h_{t-1} + b), y_t = σ(V h_t + c), first weights uniform in ±0.5. As in 1990: "
        "after every pattern a step down the gradient of its squared error, the context taken as given, no momentum. "
        "As today: the same network, error, patterns and passes; backpropagation through time, Adam. The criteria were "
        "written before any network was trained: one holds where more than half of the networks meet it and none of "
        "the same networks does before training. Each row has the median, the range, and how many meet the criterion. "
        "The paper does not give its rates: those here were chosen on other networks and other data. "
        f"{written(NAME)}"
    )
