"""What a model is trained on, read and split: a text, or examples with their classes."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from unrolled.answering.answerer import Answerer, AnswererDescription, vocabulary_of
from unrolled.checkpoint.model import ModelDescription, TrainedModel
from unrolled.checkpoint.run import RunDirectory
from unrolled.data.corpora import Corpus, read_corpus
from unrolled.data.examples import Table, read_table, split, without_duplicates
from unrolled.data.vocabulary import Vocabulary
from unrolled.equations import library
from unrolled.errors import CheckpointError, DataError
from unrolled.training.classification import ClassificationTask, Labelled
from unrolled.training.config import TrainConfig, from_dict
from unrolled.training.language import LanguageTask
from unrolled.training.task import Task

Description = ModelDescription | AnswererDescription
SPLIT = 0  # the seed of the split: all runs on the same examples are tested on the same ones


class Material(ABC):
    """``sha256`` is the fingerprint of the data and of their split, ``document`` what a run says of them."""

    name: str
    sha256: str
    reader: ClassVar[type[ModelDescription] | type[AnswererDescription]]

    @abstractmethod
    def vocabulary(self, config: TrainConfig) -> Vocabulary:
        """The symbols that a model of these data reads."""

    @abstractmethod
    def describe(self, config: TrainConfig, vocabulary: Vocabulary) -> Description:
        """The model that a configuration asks for."""

    @abstractmethod
    def task(self, config: TrainConfig, layer: Any, vocabulary: Vocabulary, run: Path, device: torch.device) -> Task:
        """The task of training ``layer`` on these data."""

    @property
    @abstractmethod
    def document(self) -> dict[str, Any]:
        """Plain data for config.json."""


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
            recurrence=str(library.load(config.recurrence)),
            vocabulary=len(vocabulary),
            hidden=config.hidden,
            layers=config.layers,
            embedding=config.embedding,
            dropout=config.dropout,
            dtype=config.dtype,
            precision=config.precision,
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
    """Texts with their classes, without duplicates; the same text is never on both sides of the split."""

    reader = AnswererDescription

    def __init__(self, config: TrainConfig) -> None:
        assert config.data is not None  # the configuration says so
        table = without_duplicates(read_table(config.data))
        self.name = Path(config.data).absolute().stem
        texts, labels = _texts(table, config.input), _labels(table, config.target)
        self.classes = sorted(set(labels))
        if len(self.classes) < 2:
            raise DataError(
                f"{config.data}: the column {config.target} says {self.classes[0]!r} of every example; "
                "a classifier needs at least two classes"
            )
        if len(set(texts)) < 3:
            raise DataError(
                f"{config.data} has {len(set(texts))} different texts: one to train on, one to choose by and one "
                "to test on take three; give more examples"
            )
        plain = Table({"text": texts, "label": labels}, table.where)
        rest, self.test = split(plain, config.held_out, SPLIT, by="text")
        self.training, self.validation = split(rest, config.held_out / (1 - config.held_out), SPLIT + 1, by="text")
        parts = [[*zip(part.column("text"), part.column("label"), strict=True)] for part in self._parts()]
        self.sha256 = hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()

    def _parts(self) -> tuple[Table, Table, Table]:
        return self.training, self.validation, self.test

    def vocabulary(self, config: TrainConfig) -> Vocabulary:
        """See ``Material``."""
        return vocabulary_of(self.training.column("text"), config.symbols)

    def describe(self, config: TrainConfig, vocabulary: Vocabulary) -> AnswererDescription:
        """See ``Material``."""
        return AnswererDescription(
            recurrence=str(library.load(config.recurrence)),
            vocabulary=len(vocabulary),
            classes=len(self.classes),
            hidden=config.hidden,
            layers=config.layers,
            bidirectional=config.bidirectional,
            pooling=config.pooling,
            embedding=config.embedding,
            dropout=config.dropout,
            dtype=config.dtype,
            precision=config.precision,
        )

    def task(self, config: TrainConfig, layer: Any, vocabulary: Vocabulary, run: Path, device: torch.device) -> Task:
        """See ``Material``."""
        model = Answerer(layer, vocabulary, self.classes, run)
        return ClassificationTask(config, model, *(labelled(model, part) for part in self._parts()))

    @property
    def document(self) -> dict[str, Any]:
        """See ``Material``."""
        sizes = dict(zip(("training", "validation", "test"), map(len, self._parts()), strict=True))
        return {"corpus": {"name": self.name, "sha256": self.sha256, **sizes}, "classes": self.classes}


def material_of(config: TrainConfig, corpus: Corpus | None = None) -> Material:
    """The data that a configuration names; ``corpus`` in place of a configured text.

    Raises:
        DataError: they cannot be read, or there are too few.
    """
    if config.task == "classify":
        return ExamplesMaterial(config)
    return TextMaterial(corpus or read_configured(config))


def read_configured(config: TrainConfig) -> Corpus:
    """The corpus that a configuration names."""
    return read_corpus(config.text, config.data, raw=config.symbols == "bytes", limit=config.limit)


def examples_of(model: Answerer, file: str | None) -> Labelled:
    """The examples in a file, with the columns of the model's training; without one what its run tested on.

    Raises:
        CheckpointError: the data of the run have changed; DataError: the file cannot be read, or has other classes.
    """
    assert model.path is not None
    document = RunDirectory.open(model.path).read("config")
    config = from_dict(document["train"])
    if file is not None:
        return labelled(model, read_table(file), config.input, config.target)
    material = ExamplesMaterial(config)
    if material.sha256 != document["corpus"]["sha256"]:
        raise CheckpointError(f"the data that {model.path} was trained on have changed since; give the examples")
    return labelled(model, material.test)


def labelled(model: Answerer, table: Table, text: str = "text", label: str = "label") -> Labelled:
    """The examples of a table as numbers.

    Raises:
        DataError: a label is none of the model's classes.
    """
    numbers = {name: k for k, name in enumerate(model.classes)}
    labels = _labels(table, label)
    for i, name in enumerate(labels):
        if name not in numbers:
            known = ", ".join(model.classes[:8]) + (", …" if len(model.classes) > 8 else "")
            raise DataError(f"{table.where[i]}: {name!r} is no class of the model, which knows {known}")
    ids = [model.vocabulary.encode(each, "replace") for each in _texts(table, text)]
    return Labelled(ids, np.array([numbers[name] for name in labels], np.int64))


def _texts(table: Table, column: str) -> list[str]:
    found = []
    for i, value in enumerate(table.column(column)):
        if isinstance(value, tuple):  # tokens
            value = " ".join(value)
        if not isinstance(value, str):
            raise DataError(
                f"{table.where[i]}: the column {column} holds {type(value).__name__}s; --input is one of text"
            )
        found.append(value)
    return found


def _labels(table: Table, column: str) -> list[str]:
    values: Sequence[Any] = table.column(column)
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise DataError(
                f"{table.where[i]}: the column {column} holds {value!r}, and a class is a text; write it in quotes"
            )
    return list(values)
