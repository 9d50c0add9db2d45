"""The training loop, a generator whose caller's ``for`` is the callback."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from unrolled.checkpoint.tensors import restore_module
from unrolled.data.corpora import Corpus
from unrolled.errors import ProcessError, UnrolledError
from unrolled.training import schedule
from unrolled.training.accidents import Attempt, accident, prepared, settled, updated
from unrolled.training.clipping import gradient_norm
from unrolled.training.config import TrainConfig
from unrolled.training.events import (
    Accident,
    Evaluated,
    Evaluating,
    Event,
    Finished,
    Sample,
    Saved,
    Started,
    Step,
)
from unrolled.training.job import Job
from unrolled.training.ranks import ALONE, Ranks
from unrolled.training.setup import begin, reopen
from unrolled.training.task import Figures

Stop = Callable[[], bool]


def _never() -> bool:
    return False


def train(
    config: TrainConfig | None = None, *, corpus: Corpus | None = None, stop: Stop = _never, ranks: Ranks = ALONE
) -> Iterator[Event]:
    """Train a new model and yield what happens; the last event is ``Finished``.

    ``corpus`` takes the place of the configured text. Once ``stop()`` is true the run is saved, ``Saved`` with
    ``interrupted`` is the last event, and ``resume`` goes on from there. Raises ConfigurationError, DataError,
    EquationError or CheckpointError before the first event; after an ``Accident`` that stops it, UnrolledError.

    ``ranks`` are the processes that train together, see ``processes.joined``: all call this with the same arguments.
    The events are the same in each, but only the first one writes, and yields ``Evaluating``. A ProcessError says that
    another one has failed.
    """
    return _run(begin(config or TrainConfig(), corpus, ranks), stop)


def resume(
    run: Path | str,
    changes: Mapping[str, Any] | None = None,
    *,
    corpus: Corpus | None = None,
    stop: Stop = _never,
    ranks: Ranks = ALONE,
) -> Iterator[Event]:
    """Go on with a run from its last checkpoint, as ``train`` does; the steps are those of a run without a break.

    ``changes`` are options from here on: limits, learning rate, reports; not the model and not the text. There may be
    other ``ranks`` than before.
    """
    return _run(reopen(run, changes, corpus, ranks), stop)


def _run(job: Job, stop: Stop) -> Iterator[Event]:
    try:
        yield from _events(job, stop)
    except ProcessError as error:
        if error.reported:
            raise
        raise ProcessError(f"{error}; go on with --resume {job.run.path}, and as many processes as you like") from error
    finally:
        job.run.unlock()


def _events(job: Job, stop: Stop) -> Iterator[Event]:
    yield _started(job)
    share = job.share
    while True:
        done = share >= 1  # as the last step said: a clock goes on between two looks at it
        due = job.step > 0 and (done or job.step % job.config.evaluate_every == 0)
        if due and job.evaluated_at != job.step:
            yield from _evaluate(job, stop)
        if job.ranks.any(stop()):
            yield Saved(job.step, str(job.save()), interrupted=True)
            return
        if done:
            break
        event = _update(job, share)
        job.record(event)
        yield event
        if isinstance(event, Accident) and event.policy == "stop":
            raise job.ranks.shared(UnrolledError(event.message))
        share = event.share if isinstance(event, Step) else job.share
    yield from _finish(job, stop)


def _started(job: Job) -> Started:
    return Started(
        job.step,
        run=str(job.run.path),
        recurrence=job.config.recurrence,
        parameters=sum(p.numel() for p in job.task.layer.parameters()),
        steps_per_epoch=job.task.steps_per_epoch,
        device=str(job.device),
        task=job.task.name,
        use=job.task.use(job.run.path),
        **job.task.about(),
    )


def _update(job: Job, share: float) -> Step | Accident:
    """Loss, gradient, clipping, one step of Adam."""
    clock, layer, config = time.perf_counter(), job.task.layer, job.config
    rate = schedule.learning_rate(config, step=job.step, epoch=job.position.epoch, share=share)
    for group in job.optimiser.param_groups:
        group["lr"] = rate
    layer.train()
    job.optimiser.zero_grad()
    prepared(job)
    random = dict(job.random)
    with job.randomness():
        loss, symbols = job.task.loss(job.position)
        loss.backward()
    nats, symbols = job.ranks.summed(layer.parameters(), loss, symbols)
    norm = gradient_norm(layer.parameters())
    size = norm.item()
    threshold = job.clipping.threshold(size) if math.isfinite(nats) and math.isfinite(size) else math.inf
    attempt = Attempt(nats, size, rate, threshold, random)
    if not updated(job, attempt, norm):
        return accident(job, attempt)
    job.step += 1
    job.position = job.position.after(job.task.steps_per_epoch)
    job.task.accept(job.position)
    settled(job)
    return Step(
        job.step,
        epoch=job.epochs,
        loss=nats,
        gradient_norm=size,
        learning_rate=rate,
        symbols_per_second=symbols / (time.perf_counter() - clock),
        seconds=job.seconds,
        share=job.share,
    )


def _evaluate(job: Job, stop: Stop) -> Generator[Event, None, None]:
    """Evaluate, write a sample, save; given up without a trace if asked to stop."""
    begin = job.seconds
    evaluation = yield from _evaluation(job, False, stop)
    if evaluation is None:
        return
    job.evaluation_seconds = job.seconds - begin
    # NaN, which no number is smaller than, would stay the best for ever
    best = math.isfinite(evaluation.badness) and (job.best is None or evaluation.badness < job.best)
    if best:
        job.best, job.best_step = evaluation.badness, job.step
        job.best_figures = {"figure": evaluation.short, **evaluation.to_dict()}
    job.evaluated_at = job.step
    evaluated = Evaluated(job.step, evaluation, best, job.seconds)
    job.record(evaluated)
    yield evaluated
    text = job.ranks.told(job.task.sample)
    if text is not None:
        sample = Sample(job.step, text)
        job.record(sample)
        yield sample
    yield Saved(job.step, str(job.save()))


def _evaluation(job: Job, final: bool, stop: Stop) -> Generator[Event, None, Figures | None]:
    """By the first process; None, in all, where it was asked to stop."""
    figures = (yield from _measured(job, final, stop)) if job.ranks.first else None
    return job.ranks.told(lambda: figures)


def _measured(job: Job, final: bool, stop: Stop) -> Generator[Event, None, Figures | None]:
    shares = job.task.evaluate(final)
    while not stop():
        try:
            yield Evaluating(job.step, next(shares))
        except StopIteration as end:
            figures: Figures = end.value
            return figures
    return None


def _finish(job: Job, stop: Stop) -> Generator[Event, None, None]:
    """The best model, evaluated by the definition."""
    best_step, seconds = job.ranks.told(lambda: _take_best(job)), job.seconds
    evaluation = yield from _evaluation(job, True, stop)
    if evaluation is None:
        yield Saved(job.step, str(job.run.checkpoints / str(job.step)), interrupted=True)
        return
    finished = Finished(job.step, str(job.run.path), evaluation, best_step, seconds)
    job.record(finished)
    yield finished


def _take_best(job: Job) -> int:
    """Put the best model in the place of the present one; its step."""
    arrays, about = job.run.read_best()
    restore_module(job.task.layer, arrays)
    return int(about["step"])
