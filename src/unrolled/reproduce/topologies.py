"""Every topology on data: from a bag of symbols to a translation, and three ways to know when to stop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unrolled.answering import load_answerer, load_translator
from unrolled.diagnose.ranks import rank_correlation
from unrolled.reproduce import made
from unrolled.reproduce.bench import Bench, Trained, written
from unrolled.reproduce.report import Report, Row, Section
from unrolled.training.kinds import examples_of

NAME = "topologies"
BAG = "h_t = h_{t-1} + U x_t; y_t = softmax(V tanh(A h_t + a) + c)"
FALLING = "falling (rank correlation with the column ≤ −0.9)"
ALONE = "y_t = softmax(V tanh(U x_t + b) + c)"
NAMES: dict[str, Any] = {"task": "classify"}
FILMS: dict[str, Any] = {
    "task": "classify", "symbols": "words", "pooling": "mean", "hidden": 64, "dropout": 0.6, "epochs": 5
}  # fmt: skip


def reproduce(bench: Bench) -> Report:
    """All sections; those whose data set was not given say so."""
    begin = [order, classes, tags, frames, names, stops, words, translation]
    sections = [section for make in begin for section in make(bench)]
    about = (
        "Each row is a run on one thread, trained and chosen without the examples it is measured on. DIR has "
        "the folders names (spro/practical-pytorch), sentiment (Pang & Lee 2005) and pos-french (UD French Sequoia); "
        "the other data are made by rule or come with scikit-learn. "
        f"{written(NAME, ' --data DIR')}"
    )
    return Report(NAME, about, sections)


def order(bench: Bench) -> list[Section]:
    """The ladder from no order to order, on both sets of many-to-one data."""
    sections = []
    for data, options in (("names", NAMES), ("sentiment", FILMS)):
        given = bench.given(data)
        if given is None:
            sections.append(_missing("One to one, and what order is worth", data))
            continue
        alone = {"bidirectional": False}
        rungs: list[tuple[str, dict[str, Any]]] = [
            ("one MLP over the bag of all symbols", {"recurrence": BAG, "pooling": "last", **alone}),
            ("an MLP at each symbol, without links", {"recurrence": ALONE, "pooling": "mean", **alone}),
            ("a recurrent network, forwards", alone),
            ("a recurrent network, in both directions", {}),
        ]
        runs = [
            (what, bench.train(f"order-{data}-{number}", given, **{**options, **own}))
            for number, (what, own) in enumerate(rungs)
        ]
        rows = [
            Row(
                what, f"{run.figures.accuracy:.3f}; {_changed(run):.0%} of the answers change when symbols are shuffled"
            )
            for what, run in runs
        ]
        sections.append(Section(f"One to one, and what order is worth: {data}", [r.command for _, r in runs], rows))
    return sections


def _changed(run: Trained) -> float:
    """The share of tested texts whose class changes when their symbols are put into another order."""
    model = load_answerer(run.path)
    rng = np.random.Generator(np.random.PCG64(0))
    items = [model.reading.encode(text) for text in examples_of(run.path, None).column("input")]
    shuffled = [rng.permutation(item) for item in items]
    with torch.no_grad():
        before, after = (model.scores(each).argmax(-1) for each in (items, shuffled))
    return float((before != after).double().mean())


def classes(bench: Bench) -> list[Section]:
    """Many to one."""
    sections = []
    for data, options, least in (("names", NAMES, 0.80), ("sentiment", FILMS, 0.74)):
        given = bench.given(data)
        title = f"Many to one: {data}"
        if given is None:
            sections.append(_missing(title, data))
            continue
        run = bench.train(f"classes-{data}", given, **options)
        rows = [
            _at_least("accuracy", run.figures.accuracy, least, f" of {run.figures.examples:,}"),
            Row("balanced accuracy", f"{run.figures.balanced_accuracy:.3f}"),
            _seconds(run),
        ]
        sections.append(Section(title, [run.command], rows))
    return sections


def tags(bench: Bench) -> list[Section]:
    """Many to many, aligned."""
    title, given = "Many to many: kinds of French words", bench.given("pos-french")
    if given is None:
        return [_missing(title, "pos-french")]
    both = bench.train("tags", given, task="tag")
    forwards = bench.train("tags-forwards", given, task="tag", bidirectional=False)
    rows = [
        _at_least("accuracy, in both directions", both.figures.accuracy, 0.95, f" of {both.figures.examples:,} words"),
        Row("accuracy, forwards", f"{forwards.figures.accuracy:.3f}"),
        _better("both directions are better by", both.figures.accuracy - forwards.figures.accuracy),
        _seconds(both),
    ]
    return [Section(title, [both.command, forwards.command], rows)]


def frames(bench: Bench) -> list[Section]:
    """A class at each frame of a stream."""
    data = made.streams(bench.folder / "data" / "digits", bench.count)
    options = {"task": "tag", "input": "frames", "target": "digits", "hidden": 96, "epochs": 10}
    both = bench.train("frames", data, **options)
    forwards = bench.train("frames-forwards", data, **options, bidirectional=False)
    rows = [_at_least("per frame, in both directions", both.figures.accuracy, 0.95, f" of {both.figures.examples:,}")]
    errors = [_errors_by_column(run) for run in (both, forwards)]
    rows += [
        Row("per frame, forwards", f"{forwards.figures.accuracy:.3f}"),
        Row("wrong at columns 1 to 8 of a digit, in both directions", _percentages(errors[0])),
        Row("wrong at columns 1 to 8 of a digit, forwards", _percentages(errors[1]), FALLING, _falls(errors[1])),
        _seconds(both),
    ]
    text = "Handwritten digits of 8 × 8 pixels, one column after the other, streams of 3 to 9 digits without gaps."
    return [Section("Many to many: which digit, at each column", [both.command, forwards.command], rows, text)]


def _errors_by_column(run: Trained) -> Sequence[float]:
    table = examples_of(run.path, None)
    answers = load_answerer(run.path).answers(table.column("input"))
    wrong = np.zeros((0, 8), bool)
    for answer, right in zip(answers, table.column("target"), strict=True):
        missed = np.array(answer.tags) != np.array(right)  # type: ignore[union-attr]  # tags
        wrong = np.concatenate([wrong, missed.reshape(-1, 8)])
    return [float(share) for share in wrong.mean(0)]


def _falls(errors: Sequence[float]) -> bool:
    """Spearman's rank correlation between the column and the error is at most −0.9."""
    return rank_correlation(range(len(errors)), errors) <= -0.9


def names(bench: Bench) -> list[Section]:
    """One to many, from a class."""
    title, given = "One to many: a name for a language", bench.given("names")
    if given is None:
        return [_missing(title, "names")]
    data = made.names(given, bench.folder / "data" / "surnames")
    about = bench.train("names", data, task="caption")
    unaware = bench.train("names-unaware", data, task="caption", input="any")
    rows = [
        Row("−log p of a name, given its language", f"{about.figures.nats:.3f} nats"),
        Row("−log p of a name, language unknown", f"{unaware.figures.nats:.3f} nats"),
        _better("knowing the language saves", unaware.figures.nats - about.figures.nats, " nats a name"),
        _seconds(about),
    ]
    return [Section(title, [about.command, unaware.command], rows)]


def stops(bench: Bench) -> list[Section]:
    """The three ways to know when to stop, side by side."""
    title, given = "When to stop: three ways on the same names", bench.given("names")
    if given is None:
        return [_missing(title, "names")]
    data = made.names(given, bench.folder / "data" / "surnames")
    rows, commands = [], []
    for stop, what in (("end", "a symbol <end>"), ("probability", "a probability"), ("length", "a predicted length")):
        run = bench.train(f"stop-{stop}", data, task="caption", stop=stop)
        f = run.figures
        measured = (
            f"{f.nats:.3f} nats a name; drawn names {f.length_error:+.2f} letters off in the mean, KS distance of "
            f"lengths {f.length_distance:.3f}; {run.seconds:.0f} s"
        )
        rows.append(Row(what, measured))
        commands.append(run.command)
    text = (
        "−log p counts the whole name with its end, or its length, so that the three can be compared. One name is "
        "drawn for each tested one, from the same language; their lengths are compared with the right ones."
    )
    return [Section(title, commands, rows, text)]


def words(bench: Bench) -> list[Section]:
    """One to many, from a picture."""
    data = made.pictures(bench.folder / "data" / "pictures", bench.count)
    options = {"task": "caption", "input": "picture", "target": "name", "epochs": 40, "evaluate_every": 100}
    rows, commands = [], []
    for stop in ("end", "probability", "length"):
        run = bench.train(f"words-{stop}", data, **options, stop=stop)
        what, of = f"exact words, --stop {stop}", f" of {run.figures.examples}"
        row = (
            _at_least(what, run.figures.exact, 0.97, of) if stop == "end" else Row(what, f"{run.figures.exact:.4f}{of}")
        )
        rows.append(row)
        commands.append(run.command)
    return [Section("One to many: a picture of a digit says its name", commands, rows)]


def translation(bench: Bench) -> list[Section]:
    """Many to many, shifted."""
    data = made.dates(bench.folder / "data" / "dates", bench.count)
    options = {"task": "translate", "input": "text", "target": "iso"}
    looking = bench.train("dates", data, **options)
    blind = bench.train("dates-blind", data, **options, attention=False)
    calendar = bench.train(
        "dates-calendar", made.calendar_dates(bench.folder / "data" / "calendar", bench.count), **options
    )
    new = bench.folder / "data" / "new-styles.jsonl"
    rows = [
        _at_least(
            "exact, 59 known styles, with attention", looking.figures.exact, 0.99, f" of {looking.figures.examples:,}"
        ),
        Row("exact, 59 known styles, without attention", f"{blind.figures.exact:.3f}"),
        *(
            Row(f"exact, a style that was never met: {style}", f"{share:.3f}")
            for style, share in _by_style(looking, new)
        ),
        Row("exact, 9 styles that take a calendar (day 34 of 2009), alone", f"{calendar.figures.exact:.3f}"),
        _seconds(looking),
    ]
    text = (
        "Dates from 1900 to 2099 as people write them in English and French (le 3 mars 2009, Tue, 03 Mar 2009, which "
        "day is the 3rd of March 2009?), to 2009-03-03; tested on days that training never met."
    )
    return [Section("Encoder and decoder: dates", [run.command for run in (looking, blind, calendar)], rows, text)]


def _by_style(run: Trained, file: Path) -> list[tuple[str, float]]:
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    written = load_translator(run.path).answers(row["text"] for row in rows)
    found: dict[str, list[bool]] = {}
    for row, text in zip(rows, written, strict=True):
        found.setdefault(row["style"], []).append(text.text == row["iso"])
    return sorted((style, float(np.mean(right))) for style, right in found.items())


def _at_least(what: str, measured: float, least: float, of: str) -> Row:
    return Row(what, f"{measured:.4f}{of}", f"≥ {least:.2f}", measured >= least)


def _better(what: str, gain: float, unit: str = "") -> Row:
    return Row(what, f"{gain:+.4f}{unit}", "> 0", gain > 0)


def _seconds(run: Trained) -> Row:
    return Row("seconds", f"{run.seconds:.0f}")


def _percentages(shares: Sequence[float]) -> str:
    return ", ".join(f"{share:.1%}" for share in shares)


def _missing(title: str, data: str) -> Section:
    return Section(title, [], [Row(f"not measured: --data names no folder with {data} in it", "")])
