"""What a model is trained on, and what it is made of for that: the base of all data, and a text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch

from unrolled.checkpoint import RunDirectory
from unrolled.checkpoint.model import Description, ModelDescription, TrainedModel
from unrolled.data.corpora import Corpus, read_corpus
from unrolled.data.tokens import LongCorpus
from unrolled.data.vocabulary import Vocabulary
from unrolled.equations import library
from unrolled.errors import CheckpointError
from unrolled.training.config import TrainConfig, from_dict
from unrolled.training.language import LanguageTask
from unrolled.training.ranks import Ranks
from unrolled.training.task import Task


class Material(ABC):
    """``sha256`` is the fingerprint of the data and of their split, ``document`` what a run says of them."""

    name: str
    sha256: str
    description: ClassVar[type[Description]]

    @abstractmethod
    def reading(self, config: TrainConfig) -> Any:
        """What a model of these data reads, with a ``to_json``: the document "vocabulary" of a run."""

    @staticmethod
    @abstractmethod
    def read_reading(data: Mapping[str, Any]) -> Any:
        """What ``reading`` made and its ``to_json`` wrote."""

    @abstractmethod
    def describe(self, config: TrainConfig, reading: Any) -> Description:
        """The model that a configuration asks for."""

    @abstractmethod
    def task(
        self, config: TrainConfig, layer: Any, reading: Any, run: Path, device: torch.device, ranks: Ranks
    ) -> Task:  # fmt: skip
        """The task of training ``layer`` on these data, of which each process takes its share."""

    @property
    @abstractmethod
    def document(self) -> dict[str, Any]:
        """Plain data for config.json."""


def common(config: TrainConfig) -> dict[str, Any]:
    """What every description of a model says."""
    names = ("hidden", "layers", "dropout", "dtype", "precision")
    return {"recurrence": str(library.load(config.recurrence))} | {name: getattr(config, name) for name in names}


class TextMaterial(Material):
    """A text whose end is held out."""

    description = ModelDescription

    def __init__(self, corpus: Corpus | LongCorpus) -> None:
        self.corpus, self.name, self.sha256 = corpus, corpus.name, corpus.sha256

    def reading(self, config: TrainConfig) -> Vocabulary:
        """See ``Material``."""
        return self.corpus.vocabulary(config.symbols, config.documents)

    @staticmethod
    def read_reading(data: Mapping[str, Any]) -> Vocabulary:
        """See ``Material``."""
        return Vocabulary.from_json(data)

    def describe(self, config: TrainConfig, reading: Vocabulary) -> ModelDescription:
        """See ``Material``."""
        return ModelDescription(vocabulary=len(reading), embedding=config.embedding, **common(config))

    def task(
        self, config: TrainConfig, layer: Any, reading: Vocabulary, run: Path, device: torch.device, ranks: Ranks
    ) -> Task:  # fmt: skip
        """See ``Material``."""
        return LanguageTask(config, TrainedModel(layer, reading, run), self.corpus, device, ranks)

    @property
    def document(self) -> dict[str, Any]:
        """See ``Material``."""
        about = {
            "name": self.name,
            "sha256": self.sha256,
            "training_characters": self.corpus.training_characters,
            "validation_characters": self.corpus.validation_characters,
        }
        return {"corpus": about}


def read_configured(config: TrainConfig) -> Corpus | LongCorpus:
    """The corpus that a configuration names."""
    return read_corpus(config.text, config.data, raw=config.symbols == "bytes", limit=config.limit)


def own_text(run: RunDirectory, text: Corpus | LongCorpus | None = None) -> tuple[TrainConfig, Corpus | LongCorpus]:
    """How a language model was trained, and on what, read again where no ``text`` is given.

    Raises:
        DataError: the text cannot be read; CheckpointError: it is no longer the same.
    """
    document = run.read("config")
    config = from_dict(document["train"], str(run.path / "config.json"))
    corpus = read_configured(config) if text is None else text
    if corpus.sha256 != document["corpus"]["sha256"]:
        raise CheckpointError(
            f"the text that {run.path} was trained on has changed since; give the TEXT to measure on, or put the old "
            "one back"
        )
    return config, corpus
