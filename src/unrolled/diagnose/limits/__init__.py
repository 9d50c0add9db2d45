"""What limits a trained model: memory, capacity, optimisation or data; measured, and said in words."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from unrolled.data.corpora import Corpus
from unrolled.data.tokens import LongCorpus
from unrolled.diagnose.limits.evidence import Evidence, Subject, gather
from unrolled.diagnose.limits.summary import Finding, Limit, Summary, Verdict
from unrolled.diagnose.limits.verdicts import judge

__all__ = ["Evidence", "Finding", "Limit", "Subject", "Summary", "Verdict", "gather", "judge", "summarise"]


def summarise(
    run: Path | str, *, updates: int | None = None, text: Corpus | LongCorpus | None = None
) -> Generator[float, None, Summary]:
    """What limits the language model of a run, with the evidence and the next thing to try, yielding the share done.

    Copies of the network are trained further for so many ``updates`` (None: half as many as the run made, at least 150
    and at most 600): as it is with several learning rates, with more units, and with a gradient that flows further
    back. The run itself is left as it is. ``text`` is its own, where that was read already.

    Raises:
        ConfigurationError: the run is no language model, or has no state; CheckpointError, DataError: it or its text
        cannot be read, or too little was held out.
    """
    return judge((yield from gather(Subject.of(run, text), updates)))
