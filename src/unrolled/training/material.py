"""What a model is trained on, read and split: a text, or examples with their answers."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from unrolled.answering import Answerer, AnswererDescription, Lexicon, Tagger, TaggerDescription
from unrolled.answering.answerer import vocabulary_of
from unrolled.checkpoint.model import Description, ModelDescription, TrainedModel
from unrolled.checkpoint.run import RunDirectory
from unrolled.data.corpora import Corpus, read_corpus
from unrolled.data.examples import Table, read_table, split, without_duplicates
from unrolled.data.vocabulary import Vocabulary
from unrolled.equations import library
from unrolled.errors import CheckpointError, DataError
from unrolled.training.classification import ClassificationTask, Labelled
from unrolled.training.config import TrainConfig, from_dict
from unrolled.training.language import LanguageTask
from unrolled.training.tagging import Sentences, TaggingTask
from unrolled.training.task import Task

Symbols = Vocabulary | Lexicon
SPLIT = 0  # the seed of the split: all runs on the same examples are tested on the same ones
PARTS = ("train", "dev", "test")  # names of files in a folder that was split already


class Material(ABC):
    """``sha256`` is the fingerprint of the data and of their split, ``document`` what a run says of them."""

    name: str
    sha256: str
    reader: ClassVar[type[Description]]
    symbols: ClassVar[type[Vocabulary] | type[Lexicon]] = Vocabulary

    @abstractmethod
    def vocabulary(self, config: TrainConfig) -> Symbols:
        """What a model of these data reads."""

    @abstractmethod
    def describe(self, config: TrainConfig, vocabulary: Any) -> Description:
        """The model that a configuration asks for."""

    @abstractmethod
    def task(self, config: TrainConfig, layer: Any, vocabulary: Any, run: Path, device: torch.device) -> Task:
        """The task of training ``layer`` on these data."""

    @property
    @abstractmethod
    def document(self) -> dict[str, Any]:
        """Plain data for config.json."""


def _common(config: TrainConfig) -> dict[str, Any]:
    """What every description of a model says."""
    names = ("hidden", "layers", "dropout", "dtype", "precision")
    return {"recurrence": str(library.load(config.recurrence))} | {name: getattr(config, name) for name in names}


class TextMaterial(Material):
    """A text whose end is held out."""

    reader = ModelDescription

    def __init__(self, corpus: Corpus) -> None:
        self.corpus, self.name, self.sha256 = corpus, corpus.name, corpus.sha256

    def vocabulary(self, config: TrainConfig) -> Vocabulary:
        """See ``Material``."""
        return Vocabulary.of(self.corpus.text, config.symbols)

    def describe(self, config: TrainConfig, vocabulary: Vocabulary) -> ModelDescription:
        """See ``Material``."""
        return ModelDescription(
            vocabulary=len(vocabulary),
            embedding=config.embedding,
            **_common(config),
        )

    def task(self, config: TrainConfig, layer: Any, vocabulary: Vocabulary, run: Path, device: torch.device) -> Task:
        """See ``Material``."""
        return LanguageTask(config, TrainedModel(layer, vocabulary, run), self.corpus, device)

    @property
    def document(self) -> dict[str, Any]:
        """See ``Material``."""
        about = {
            "name": self.name,
            "sha256": self.sha256,
            "training_characters": len(self.corpus.training),
            "validation_characters": len(self.corpus.validation),
        }
        return {"corpus": about}


class ExamplesMaterial(Material):
    """Examples in three parts, without duplicates; where they are split here, the same input is never in two parts."""

    def __init__(self, config: TrainConfig) -> None:
        assert config.data is not None  # the configuration says so
        self.name = Path(config.data).absolute().stem
        parts = [self.read(table, config.input, config.target) for table in _parts(config)]
        if len(parts) == 1:
            parts = _split(config, without_duplicates(parts[0]))
        self.training, self.validation, self.test = self.parts = parts
        self.classes = sorted({label for part in parts for label in self.labels(part)})
        if len(self.classes) < 2:
            raise DataError(
                f"{config.data}: the column {config.target} says {', '.join(map(repr, self.classes)) or 'nothing'} "
                "everywhere; there must be at least two answers to learn"
            )
        plain = [[*zip(part.column("input"), part.column("target"), strict=True)] for part in parts]
        self.sha256 = hashlib.sha256(json.dumps(plain, ensure_ascii=True).encode()).hexdigest()

    @staticmethod
    @abstractmethod
    def read(table: Table, column: str, target: str) -> Table:
        """The columns "input" and "target" of a table, each checked to be what the task takes."""

    @staticmethod
    @abstractmethod
    def labels(part: Table) -> Iterable[str]:
        """All answers in a part."""

    @property
    def document(self) -> dict[str, Any]:
        """See ``Material``."""
        sizes = dict(zip(("training", "validation", "test"), map(len, self.parts), strict=True))
        return {"corpus": {"name": self.name, "sha256": self.sha256, **sizes}, "classes": self.classes}


class ClassesMaterial(ExamplesMaterial):
    """Texts with their classes."""

    reader = AnswererDescription

    @staticmethod
    def read(table: Table, column: str, target: str) -> Table:
        """See ``ExamplesMaterial``."""
        return Table({"input": _texts(table, column), "target": _labels(table, target)}, table.where)

    @staticmethod
    def labels(part: Table) -> Iterable[str]:
        """See ``ExamplesMaterial``."""
        return part.column("target")

    def vocabulary(self, config: TrainConfig) -> Vocabulary:
        """See ``Material``."""
        return vocabulary_of(self.training.column("input"), config.symbols)

    def describe(self, config: TrainConfig, vocabulary: Vocabulary) -> AnswererDescription:
        """See ``Material``."""
        return AnswererDescription(
            vocabulary=len(vocabulary),
            classes=len(self.classes),
            bidirectional=config.bidirectional,
            **_common(config),
            pooling=config.pooling,
            embedding=config.embedding,
        )

    def task(self, config: TrainConfig, layer: Any, vocabulary: Vocabulary, run: Path, device: torch.device) -> Task:
        """See ``Material``."""
        model = Answerer(layer, vocabulary, self.classes, run)
        return ClassificationTask(config, model, [labelled(model, part) for part in self.parts])


class TagsMaterial(ExamplesMaterial):
    """Sentences with a tag for each word."""

    reader = TaggerDescription
    symbols = Lexicon

    @staticmethod
    def read(table: Table, column: str, target: str) -> Table:
        """See ``ExamplesMaterial``."""
        words, tags = _tokens(table, column, "--input"), _tokens(table, target, "--target")
        for where, sentence, own in zip(table.where, words, tags, strict=True):
            if len(sentence) != len(own):
                raise DataError(
                    f"{where}: {column} has the length {len(sentence)}, and {target} the length {len(own)}; each word "
                    "takes one tag"
                )
        return Table({"input": words, "target": tags}, table.where)

    @staticmethod
    def labels(part: Table) -> Iterable[str]:
        """See ``ExamplesMaterial``."""
        return (tag for tags in part.column("target") for tag in tags)

    def vocabulary(self, config: TrainConfig) -> Lexicon:
        """See ``Material``."""
        return Lexicon.of(self.training.column("input"))

    def describe(self, config: TrainConfig, vocabulary: Lexicon) -> TaggerDescription:
        """See ``Material``."""
        return TaggerDescription(
            letters=len(vocabulary.letters),
            words=len(vocabulary.words),
            tags=len(self.classes),
            bidirectional=config.bidirectional,
            **_common(config),
            embedding=config.embedding or config.hidden,
        )

    def task(self, config: TrainConfig, layer: Any, vocabulary: Lexicon, run: Path, device: torch.device) -> Task:
        """See ``Material``."""
        model = Tagger(layer, vocabulary, self.classes, run)
        return TaggingTask(config, model, [tagged(model, part) for part in self.parts])


KINDS: Mapping[str, type[ExamplesMaterial]] = {"classify": ClassesMaterial, "tag": TagsMaterial}


def material_of(config: TrainConfig, corpus: Corpus | None = None) -> Material:
    """The data that a configuration names; ``corpus`` in place of a configured text.

    Raises:
        DataError: they cannot be read, or there are too few.
    """
    if config.task in KINDS:
        return KINDS[config.task](config)
    return TextMaterial(corpus or read_configured(config))


def read_configured(config: TrainConfig) -> Corpus:
    """The corpus that a configuration names."""
    return read_corpus(config.text, config.data, raw=config.symbols == "bytes", limit=config.limit)


def examples_of(run: Path | str, file: str | None) -> Table:
    """The examples in a file, as the columns "input" and "target"; without one what a run tested on.

    Raises:
        CheckpointError: the data of the run have changed; DataError: the file cannot be read.
    """
    document = RunDirectory.open(run).read("config")
    config = from_dict(document["train"])
    if file is not None:
        return KINDS[config.task].read(read_table(file), config.input, config.target)
    material = KINDS[config.task](config)
    if material.sha256 != document["corpus"]["sha256"]:
        raise CheckpointError(f"the data that {run} was trained on have changed since; give the examples")
    return material.test


def labelled(model: Answerer, table: Table) -> Labelled:
    """Texts and classes as numbers.

    Raises:
        DataError: a label is none of the model's classes.
    """
    numbers = _numbers(table.column("target"), table.where, model.classes)
    ids = [model.vocabulary.encode(each, "replace") for each in table.column("input")]
    return Labelled(ids, np.array(numbers, np.int64))


def tagged(model: Tagger, table: Table) -> Sentences:
    """Sentences with the numbers of their tags.

    Raises:
        DataError: a tag is none of the model's.
    """
    targets = [
        torch.tensor(_numbers(tags, [where] * len(tags), model.tags), dtype=torch.int64)
        for where, tags in zip(table.where, table.column("target"), strict=True)
    ]
    return Sentences(table.column("input"), targets)


def _numbers(labels: Sequence[str], where: Sequence[str], classes: Sequence[str]) -> list[int]:
    numbers = {name: k for k, name in enumerate(classes)}
    for place, name in zip(where, labels, strict=True):
        if name not in numbers:
            known = ", ".join(classes[:8]) + (", …" if len(classes) > 8 else "")
            raise DataError(f"{place}: {name!r} is no class of the model, which knows {known}")
    return [numbers[name] for name in labels]


def _parts(config: TrainConfig) -> list[Table]:
    """One table, or those for training, choosing and testing where the data are a folder with train.* and test.*."""
    path = Path(str(config.data))
    found = {file.stem: file for file in sorted(path.glob("*")) if file.stem in PARTS} if path.is_dir() else {}
    if not {"train", "test"} <= set(found):
        return [read_table(path)]
    training, test = read_table(found["train"]), read_table(found["test"])
    if "dev" in found:
        return [training, read_table(found["dev"]), test]
    return [*split(training, config.held_out, SPLIT), test]


def _split(config: TrainConfig, table: Table) -> list[Table]:
    different = len(set(table.column("input")))
    if different < 3:
        raise DataError(
            f"{config.data} has {different} different inputs: one to train on, one to choose by and one to test on "
            "take three; give more examples"
        )
    rest, test = split(table, config.held_out, SPLIT, by="input")
    return [*split(rest, config.held_out / (1 - config.held_out), SPLIT + 1, by="input"), test]


def _column(table: Table, name: str, flag: str) -> Sequence[Any]:
    try:
        return table.column(name)
    except DataError as error:
        raise DataError(f"{error}; name the right one with {flag}") from None


def _texts(table: Table, column: str) -> list[str]:
    found = []
    for i, value in enumerate(_column(table, column, "--input")):
        if isinstance(value, tuple):  # tokens
            value = " ".join(value)
        if not isinstance(value, str):
            raise DataError(
                f"{table.where[i]}: the column {column} holds {type(value).__name__}s; --input is one of text"
            )
        found.append(value)
    return found


def _labels(table: Table, column: str) -> list[str]:
    values = _column(table, column, "--target")
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise DataError(
                f"{table.where[i]}: the column {column} holds {value!r}, and a class is a text; write it in quotes"
            )
    return list(values)


def _tokens(table: Table, column: str, flag: str) -> list[tuple[str, ...]]:
    found = []
    for i, value in enumerate(_column(table, column, flag)):
        if isinstance(value, str):
            value = tuple(value.split())
        if not isinstance(value, tuple):
            kind = type(value).__name__
            raise DataError(f"{table.where[i]}: the column {column} holds a {kind}, and a tagger takes lists of words")
        found.append(value)
    return found
