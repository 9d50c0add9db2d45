"""Pairs of an input and a text about it: of a class or of numbers (caption), or of another text (translate)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unrolled.answering import Labels, Reading, Texts, Vectors
from unrolled.answering.translator import Dictionary, Translator, TranslatorDescription
from unrolled.data.scale import Scale
from unrolled.data.table import Table
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import DataError
from unrolled.training import columns
from unrolled.training.config import TrainConfig
from unrolled.training.examples import ExamplesMaterial, encoded_inputs
from unrolled.training.material import common
from unrolled.training.ranks import Ranks
from unrolled.training.task import Task
from unrolled.training.translation import Pairs, TranslatingTask


class PairsMaterial(ExamplesMaterial):
    """Inputs with a text each."""

    description = TranslatorDescription

    @staticmethod
    def read(table: Table, config: TrainConfig) -> Table:
        """See ``ExamplesMaterial``."""
        target = columns.texts(table, config.target, "--target")
        if config.task == "translate":
            source: Any = columns.texts(table, config.input, "--input")
        elif columns.is_numeric(table, config.input, "--input"):
            source = columns.vectors(table, config.input, "--input")
        else:
            source = columns.labels(table, config.input, "--input")
        return Table({"input": source, "target": target}, table.where)

    @staticmethod
    def together(table: Table, config: TrainConfig) -> str:
        """A class has many texts, so that it is these that must not be in two parts."""
        return "target" if config.task == "caption" and isinstance(table.column("input")[0], str) else "input"

    def reading(self, config: TrainConfig) -> Dictionary:
        """See ``Material``."""
        texts = self.training.column("target")
        return Dictionary(self._source(config), Vocabulary.frequent([*texts, *texts], config.symbols))

    def _source(self, config: TrainConfig) -> Reading:
        inputs = self.training.column("input")
        if config.task == "translate":
            return Texts(Vocabulary.frequent(inputs, config.symbols))
        if isinstance(inputs[0], np.ndarray):
            return Vectors(Scale.of(inputs))
        return Labels(tuple(sorted({name for part in self.parts for name in part.column("input")})))

    @staticmethod
    def read_reading(data: Mapping[str, Any]) -> Dictionary:
        """See ``Material``."""
        return Dictionary.from_json(data)

    def describe(self, config: TrainConfig, reading: Dictionary) -> TranslatorDescription:
        """See ``Material``."""
        return TranslatorDescription(
            reads=reading.source.size,
            symbols=len(reading.target),
            longest=self._longest(reading),
            text=config.task == "translate",
            attention=config.attention,
            bidirectional=config.bidirectional,
            enters=config.enters,
            stop=config.stop,
            embedding=config.embedding,
            **common(config),
        )

    def _longest(self, reading: Dictionary) -> int:
        texts = (text for part in self.parts for text in part.column("target"))
        return max(len(reading.target.encode(text, "replace")) for text in texts)

    def task(
        self, config: TrainConfig, layer: Any, reading: Dictionary, run: Path, device: torch.device, ranks: Ranks
    ) -> Task:  # fmt: skip
        """See ``Material``."""
        model = Translator(layer, reading, self._longest(reading), run)
        return TranslatingTask(config, model, [paired(model, part) for part in self.parts], ranks)


def paired(model: Translator, table: Table) -> Pairs:
    """The pairs of a table as numbers.

    Raises:
        DataError: an input is none that the model can read.
    """
    inputs, texts = encoded_inputs(model.reading, table), table.column("target")
    targets = [model.dictionary.target.encode(text, "replace") for text in texts]
    for where, target in zip(table.where, targets, strict=True):
        longest = model.layer.longest
        if longest is not None and len(target) > longest:
            raise DataError(
                f"{where}: the text has {len(target)} symbols, and the longest that this model can draw has "
                f"{longest}; leave it out, or train with --stop end"
            )
    return Pairs(table.column("input"), inputs, texts, targets)
