"""Data sets that are made by rule, or made of others: written as the files that `unrolled train` reads.

Each is a folder with train.jsonl, dev.jsonl and test.jsonl, and perhaps files that are only tested on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from unrolled.data.dates import DatePair, date_pairs, styles_of
from unrolled.data.digits import NAMES, digit_streams, digits
from unrolled.data.examples import read_table
from unrolled.data.table import split, without_duplicates

PARTS = ("train", "dev", "test")
Count = Callable[[int], int]


def names(given: Path, folder: Path) -> Path:
    """Surnames with their language, and with the same class for all; no name is in two parts."""
    rest, test = split(without_duplicates(read_table(given)), 0.1, 0, by="text")
    training, dev = split(rest, 1 / 9, 1, by="text")
    for part, table in zip(PARTS, (training, dev, test), strict=True):
        rows = zip(table.column("label"), table.column("text"), strict=True)
        _write(folder / f"{part}.jsonl", ({"label": label, "any": "any", "text": text} for label, text in rows))
    return folder


def streams(folder: Path, count: Count) -> Path:
    """Streams of handwritten digits, column by column, with the digit of each column."""
    for seed, (part, number) in enumerate((("train", 2000), ("dev", 200), ("test", 400))):
        found = digit_streams(count(number), seed, part)  # type: ignore[arg-type]  # one of its parts
        rows = ({"frames": each.frames.tolist(), "digits": list(each.names)} for each in found)
        _write(folder / f"{part}.jsonl", rows)
    return folder


def pictures(folder: Path, count: Count) -> Path:
    """Handwritten digits with their names."""
    for part in PARTS:
        found = digits(part)  # type: ignore[arg-type]  # one of its parts
        rows = ({"picture": p.tolist(), "name": NAMES[d]} for p, d in zip(found.pictures, found.digits, strict=True))
        _write(folder / f"{part}.jsonl", list(rows)[: count(10_000)])
    return folder


def dates(folder: Path, count: Count) -> Path:
    """Dates in the styles to learn from; new-styles.jsonl has those that are only tested."""
    parts = (("train", "train", 40_000), ("dev", "train", 1_000), ("test", "test", 3_000))
    for seed, (part, days, number) in enumerate(parts):
        _write(folder / f"{part}.jsonl", map(_date, date_pairs(count(number), seed, part=days)))  # type: ignore[arg-type]  # one of its parts
    new = date_pairs(count(2_000), len(parts), part="test", styles=styles_of("held out"))
    _write(folder.parent / "new-styles.jsonl", map(_date, new))
    return folder


def calendar_dates(folder: Path, count: Count) -> Path:
    """Dates in the styles that take a calendar."""
    parts = (("train", "train", 40_000), ("dev", "train", 1_000), ("test", "test", 3_000))
    for seed, (part, days, number) in enumerate(parts):
        pairs = date_pairs(count(number), seed, part=days, styles=styles_of("calendar"))  # type: ignore[arg-type]  # see above
        _write(folder / f"{part}.jsonl", map(_date, pairs))
    return folder


def _date(pair: DatePair) -> dict[str, str]:
    return {"text": pair.text, "iso": pair.iso, "style": pair.style}


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
