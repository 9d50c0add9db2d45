"""A training that is broken off and gone on with, to be compared with one without a break."""

import dataclasses

from unrolled.checkpoint import RunDirectory
from unrolled.training import Step, resume, train


def losses(events):
    return [event.loss for event in events if isinstance(event, Step)]


def broken_off(config, corpus, run, steps):
    """Train into another ``run``, and stop after so many steps: their losses, and the event at the end."""
    seen = []
    for event in train(dataclasses.replace(config, run=str(run)), corpus=corpus, stop=lambda: len(seen) >= steps):
        seen.extend(losses([event]))
    return seen, event


def gone_on(run, corpus):
    """The losses of the steps after that."""
    return losses(resume(str(run), corpus=corpus))


def weights(run):
    """The weights of the last checkpoint, to the last bit."""
    return {name: array.tobytes() for name, array in RunDirectory.open(run).latest().model.items()}
