"""Examples to learn from, in three parts: read, checked, split, and as numbers."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unrolled.answering import Answerer, AnswererDescription, Classes, Frames, Head, Numbers, Reading, Texts, Words
from unrolled.answering.reading import reading_of
from unrolled.data.examples import is_table, read_table
from unrolled.data.lexicon import Lexicon
from unrolled.data.scale import Scale
from unrolled.data.table import Table, comparable, split, without_duplicates
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import DataError
from unrolled.training import columns
from unrolled.training.answers import AnsweringTask, Examples
from unrolled.training.config import TrainConfig
from unrolled.training.material import Material, common
from unrolled.training.ranks import Ranks
from unrolled.training.task import Task

SPLIT = 0  # the seed of the split: all runs on the same examples are tested on the same ones
# Names of files in a folder that was split already, and what else the second one is called.
PARTS = ("train", "dev", "test")
ALSO = {"valid": "dev", "val": "dev", "validation": "dev"}


class ExamplesMaterial(Material):
    """Examples in three parts. Where they are split here there are no duplicates, and what belongs ``together`` is
    never in two parts; a folder that was split already is taken as it is."""

    def __init__(self, config: TrainConfig) -> None:
        assert config.data is not None  # the configuration says so
        self.name = Path(config.data).absolute().stem
        parts = [self.read(table, config) for table in _parts(config)]
        together = self.together(parts[0], config)
        if len(parts) == 1:
            parts = _split(config, without_duplicates(parts[0]), together)
        elif len(parts) == 2:  # nobody said by what to choose
            parts = [*split(without_duplicates(parts[0]), config.held_out, SPLIT, by=together), parts[1]]
        self.training, self.validation, self.test = self.parts = parts
        plain = [[[_plain(value) for value in row] for row in _rows(part)] for part in parts]
        self.sha256 = hashlib.sha256(json.dumps(plain, ensure_ascii=True).encode()).hexdigest()

    @staticmethod
    @abstractmethod
    def read(table: Table, config: TrainConfig) -> Table:
        """The columns "input" and "target" of a table, each checked to be what the task takes."""

    @staticmethod
    def together(table: Table, config: TrainConfig) -> str:
        """The column whose equal values stay in one part."""
        return "input"

    @property
    def document(self) -> dict[str, Any]:
        """See ``Material``."""
        sizes = dict(zip(("training", "validation", "test"), map(len, self.parts), strict=True))
        return {"corpus": {"name": self.name, "sha256": self.sha256, **sizes}}


class AnswersMaterial(ExamplesMaterial):
    """Sequences with a class or a number each, or with one for each of their steps."""

    description = AnswererDescription

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.aligned = isinstance(self.training.column("target")[0], tuple | np.ndarray)
        self.head = _head(config, self.parts, self.aligned)

    @staticmethod
    def read(table: Table, config: TrainConfig) -> Table:
        """See ``ExamplesMaterial``."""
        target = _targets(table, config)
        aligned = isinstance(target[0], tuple | np.ndarray)
        if columns.is_numeric(table, config.input, "--input"):
            read: Sequence[Any] = columns.frames(table, config.input, "--input")
        else:
            read = (columns.sentences if aligned else columns.texts)(table, config.input, "--input")
        for where, own, answers in zip(table.where, read, target, strict=True):
            if aligned and len(own) != len(answers):
                raise DataError(
                    f"{where}: {config.input} has the length {len(own)}, and {config.target} the length "
                    f"{len(answers)}; each step takes one answer"
                )
        return Table({"input": read, "target": target}, table.where)

    def reading(self, config: TrainConfig) -> Reading:
        """See ``Material``."""
        inputs = self.training.column("input")
        if isinstance(inputs[0], np.ndarray):
            return Frames(Scale.of(inputs))
        if self.aligned:
            return Words(Lexicon.of(inputs))
        return Texts(Vocabulary.frequent(inputs, config.symbols))

    @staticmethod
    def read_reading(data: Mapping[str, Any]) -> Reading:
        """See ``Material``."""
        return reading_of(data)

    def describe(self, config: TrainConfig, reading: Reading) -> AnswererDescription:
        """See ``Material``."""
        return AnswererDescription(
            reads=reading.size,
            answers=self.head.size,
            aligned=self.aligned,
            frames=isinstance(reading, Frames),
            words=len(reading.lexicon.words) if isinstance(reading, Words) else 0,
            bidirectional=config.bidirectional,
            pooling=config.pooling,
            embedding=config.embedding,
            **common(config),
        )

    def task(
        self, config: TrainConfig, layer: Any, reading: Reading, run: Path, device: torch.device, ranks: Ranks
    ) -> Task:  # fmt: skip
        """See ``Material``."""
        model = Answerer(layer, reading, self.head, self.aligned, run)
        return AnsweringTask(config, model, [encoded(model, part) for part in self.parts], ranks)

    @property
    def document(self) -> dict[str, Any]:
        """See ``Material``."""
        return super().document | self.head.to_json()


def encoded(model: Answerer, table: Table) -> Examples:
    """The examples of a table as numbers.

    Raises:
        DataError: a target is none that the model could answer, or an input none that it can read.
    """
    inputs, targets = encoded_inputs(model.reading, table), []
    for where, item, value in zip(table.where, inputs, table.column("target"), strict=True):
        target = model.head.encode(value, where)
        answers = model.reading.length(item) if model.aligned else 1
        if len(target) != answers:
            kind = f"one for each of its {answers} {model.reading.unit}s" if model.aligned else "one"
            raise DataError(f"{where}: there are {len(target)} right answers, and the model gives {kind}")
        targets.append(target)
    return Examples(inputs, targets)


def encoded_inputs(reading: Reading, table: Table) -> list[Any]:
    """The inputs of a table as numbers.

    Raises:
        DataError: the model cannot read one.
    """
    found = []
    for where, value in zip(table.where, table.column("input"), strict=True):
        accepted = reading.accept(value)
        if accepted is None:
            raise DataError(f"{where}: this is no {reading.kind}, which is what the model reads")
        found.append(reading.encode(accepted))
    return found


def _targets(table: Table, config: TrainConfig) -> Sequence[Any]:
    if config.task == "regress":
        found = columns.numbers(table, config.target, "--target")
        for where, value in zip(table.where, found, strict=True):
            if isinstance(value, np.ndarray) != isinstance(found[0], np.ndarray):
                raise DataError(f"{where}: {config.target} is a number in some examples, and a list of them in others")
        return found
    read = columns.sentences if config.task == "tag" else columns.labels
    return read(table, config.target, "--target")


def _head(config: TrainConfig, parts: Sequence[Table], aligned: bool) -> Head:
    if config.task == "regress":
        return Numbers(
            Scale.of(
                np.reshape(value, (-1, 1)) if isinstance(value, float) else value for value in parts[0].column("target")
            )
        )
    targets = (value for part in parts for value in part.column("target"))
    names = sorted({label for value in targets for label in (value if aligned else (value,))})
    if len(names) < 2:
        raise DataError(
            f"{config.data}: the column {config.target} says {', '.join(map(repr, names)) or 'nothing'} "
            "everywhere; there must be at least two answers to learn"
        )
    return Classes(tuple(names))


def _rows(part: Table) -> Iterator[tuple[Any, Any]]:
    return zip(part.column("input"), part.column("target"), strict=True)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _parts(config: TrainConfig) -> list[Table]:
    """One table; or those for training, choosing and testing, or for training and testing, where the data are a folder
    with train.* and test.*."""
    path = Path(str(config.data))
    files = [file for file in sorted(path.glob("*")) if is_table(file)] if path.is_dir() else []
    found = [(ALSO.get(file.stem, file.stem), file) for file in files]
    names = [name for name, _ in found]
    if not {"train", "test"} <= set(names):
        return [read_table(path)]
    for name, file in found:
        if name not in PARTS or names.count(name) > 1:
            what = f"is a second {name}" if name in PARTS else "is neither train, dev nor test"
            raise DataError(f"{file} {what}; leave it out of the folder, or give it a name of its own")
    return [read_table(file) for part in PARTS for name, file in found if name == part]


def _split(config: TrainConfig, table: Table, together: str) -> list[Table]:
    different = len(set(map(comparable, table.column(together))))
    if different < 3:
        raise DataError(
            f"{config.data} has {different} different {together}s: one to train on, one to choose by and one to test "
            "on take three; give more examples"
        )
    rest, test = split(table, config.held_out, SPLIT, by=together)
    return [*split(rest, config.held_out / (1 - config.held_out), SPLIT + 1, by=together), test]
