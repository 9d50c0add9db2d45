"""One page on a trained run: what limits it, what it computes, how it learned, what it remembers, what its units do."""

from __future__ import annotations

from collections.abc import Generator

from unrolled.checkpoint import TrainedModel
from unrolled.data.documents import Symbols
from unrolled.diagnose.limits import Summary
from unrolled.diagnose.plots import panels
from unrolled.diagnose.report.about import About
from unrolled.diagnose.report.measuring import measured
from unrolled.diagnose.report.page import page
from unrolled.diagnose.states import symbol_ids
from unrolled.errors import UnrolledError

__all__ = ["report"]

HELD_OUT = "what the run held out of its text"


def report(
    model: TrainedModel,
    text: str | Symbols,
    *,
    summary: Summary | UnrolledError | None = None,
    measured_on: str = HELD_OUT,
) -> Generator[float, None, str]:
    """A language model of a run, measured along a text or its ids (T,), as a page of HTML, yielding the share done.

    The page needs nothing else: its style and pictures are in it. The same run on the same text gives the same page.
    What cannot be measured, on a short text for instance, is a sentence there that says why.

    Args:
        summary: what limits the model (see ``unrolled.diagnose.limits``), or the error that says why that cannot be
            told; it stands at the top.
        measured_on: which text it is, in words.

    Raises:
        BackendError: matplotlib is not installed; DataError: the model comes from no run, or the text has a symbol that
            the model does not know; CheckpointError: the run cannot be read.
    """
    panels(1)  # refuses before what takes long
    about = About.read(model)
    ids = text if not isinstance(text, str) else symbol_ids(model.vocabulary, text)
    found = yield from measured(model, ids)
    return page(about, found, summary, measured_on)
