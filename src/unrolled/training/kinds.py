"""Which data belong to which task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unrolled.checkpoint.run import RunDirectory
from unrolled.data.corpora import Corpus
from unrolled.data.examples import read_table
from unrolled.data.table import Table
from unrolled.errors import CheckpointError
from unrolled.training.config import TrainConfig, from_dict
from unrolled.training.examples import AnswersMaterial, ExamplesMaterial
from unrolled.training.material import Material, TextMaterial, read_configured
from unrolled.training.pairs import PairsMaterial

KINDS: Mapping[str, type[ExamplesMaterial]] = {
    "classify": AnswersMaterial,
    "tag": AnswersMaterial,
    "regress": AnswersMaterial,
    "caption": PairsMaterial,
    "translate": PairsMaterial,
}


def material_of(config: TrainConfig, corpus: Corpus | None = None) -> Material:
    """The data that a configuration names; ``corpus`` in place of a configured text.

    Raises:
        DataError: they cannot be read, or there are too few.
    """
    if config.task in KINDS:
        return KINDS[config.task](config)
    return TextMaterial(corpus or read_configured(config))


def input_of(directory: RunDirectory) -> str:
    """The column that the model of a run reads.

    Raises:
        CheckpointError: config.json does not say it.
    """
    name = directory.read("config")["train"].get("input")
    if not isinstance(name, str):
        raise CheckpointError(f"{directory.path}: config.json does not say which column is read")
    return name


def examples_of(run: Path | str, file: str | None) -> Table:
    """The examples in a file, as the columns "input" and "target"; without one what a run tested on.

    Raises:
        CheckpointError: the data of the run have changed; DataError: the file cannot be read.
    """
    document = RunDirectory.open(run).read("config")
    try:
        config, fingerprint = from_dict(document["train"]), document["corpus"]["sha256"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{run}: config.json lacks what a run needs ({error})") from error
    if file is not None:
        return KINDS[config.task].read(read_table(file), config)
    material = KINDS[config.task](config)
    if material.sha256 != fingerprint:
        raise CheckpointError(f"the data that {run} was trained on have changed since; give the examples")
    return material.test
