"""From a configuration to a job: the text, the vocabulary, the model, the optimiser, the run directory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unrolled.checkpoint.device import device_of
from unrolled.checkpoint.model import Description
from unrolled.checkpoint.run import RunDirectory
from unrolled.data.corpora import Corpus
from unrolled.equations import library
from unrolled.errors import CheckpointError, ConfigurationError, DataError
from unrolled.nn import initialise
from unrolled.training.clipping import Clipping
from unrolled.training.config import TrainConfig, flag, from_dict, resolve
from unrolled.training.job import Job
from unrolled.training.kinds import material_of
from unrolled.training.material import Material
from unrolled.training.randomness import fresh_randomness, own_randomness

# What a resumed run cannot change: another value would make another model, or another text.
MODEL = (
    "task",
    "input",
    "target",
    "held_out",
    "bidirectional",
    "pooling",
    "stop",
    "enters",
    "attention",
    "symbols",
    "limit",
    "recurrence",
    "layers",
    "hidden",
    "embedding",
    "initialisation",
    "forget_bias",
    "spectral_radius",
    "dtype",
    "precision",
)
FIXED = (*MODEL, "documents", "sequence_length", "update_every", "batch", "seed", "run")
LIMITS = ("epochs", "steps", "minutes")


def begin(config: TrainConfig, corpus: Corpus | None = None) -> Job:
    """A new run, with its directory; ``corpus`` in place of the configured text."""
    device = device_of(config.device)
    library.load(config.recurrence)  # bad equations are reported before a text is read or fetched
    material = material_of(config, corpus)
    reading = material.reading(config)
    description = material.describe(config, reading)
    config = dataclasses.replace(
        config,
        run=config.run or _free_name(material.name, config),
        text=_absolute(config.text),
        data=config.data if config.task == "language" else _absolute(config.data),
    )
    assert config.run is not None  # set the line above
    job = _assemble(config, RunDirectory(Path(config.run)), description, reading, material, device)
    job.run = RunDirectory.create(
        config.run,
        vocabulary=reading.to_json(),
        program={"programs": job.task.programs()},
        config=_document(config, description, material),
    )
    return job


def reopen(path: Path | str, changes: Mapping[str, Any] | None = None, corpus: Corpus | None = None) -> Job:
    """A run as its last checkpoint left it, with the options in ``changes`` from here on."""
    run = RunDirectory.open(path)
    run.lock()
    try:
        return _reopened(run, changes or {}, corpus)
    except BaseException:
        run.unlock()  # at once: an exception keeps what it has passed through alive
        raise


def _reopened(run: RunDirectory, changes: Mapping[str, Any], corpus: Corpus | None) -> Job:
    run.sweep()
    document = run.read("config")
    try:
        saved = from_dict(document["train"], str(run.path / "config.json"))
        model, fingerprint = document["model"], document["corpus"]["sha256"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{run.path / 'config.json'} lacks what a run needs ({error})") from error
    checkpoint = run.latest() if run.steps() else None  # None: killed before the first, so that it begins again
    if checkpoint is None and (run.path / "model.safetensors").exists():
        raise CheckpointError(
            f"{run.path} holds a trained model but no checkpoint to go on from: its folder checkpoints is empty or "
            "gone. Restore it, or start a new run."
        )
    config = _changed(saved, changes, str(run.path))
    material = material_of(config, corpus)
    if material.sha256 != fingerprint:
        raise DataError(
            f"the data are not the ones that {run.path} was trained on; give the same ones beside --resume, or start "
            "anew"
        )
    description = dataclasses.replace(
        material.description.from_json(model),
        dropout=config.dropout,  # type: ignore[call-arg]  # a field of every description that is built
    )
    reading = run.read_symbols(material.read_reading)
    job = _assemble(config, run, description, reading, material, device_of(config.device))
    if checkpoint:
        job.restore(checkpoint)
    job.settle()
    run.write("config", _document(config, description, material))
    return job


def _assemble(
    config: TrainConfig,
    run: RunDirectory,
    description: Description,
    reading: Any,
    material: Material,
    device: torch.device,
) -> Job:
    if config.threads:
        torch.set_num_threads(config.threads)
    random = fresh_randomness(config.seed, device)
    with own_randomness(random, device):
        layer = _built(description, device)
        initialise(layer, config.initialisation, forget_bias=config.forget_bias, spectral_radius=config.spectral_radius)
    return Job(
        config=config,
        run=run,
        task=material.task(config, layer, reading, run.path, device),
        optimiser=optimiser_of(config, layer),
        device=device,
        random=random,
        clipping=Clipping(config.clipping, config.clip, config.clip_quantile),
    )


def _built(description: Description, device: torch.device) -> Any:
    try:
        return description.build(device)
    except RuntimeError as error:
        if "allocate" not in str(error) and "out of memory" not in str(error):
            raise
        raise ConfigurationError(f"so large a model does not fit into memory: {error}; make it smaller") from error


def optimiser_of(config: TrainConfig, layer: nn.Module) -> torch.optim.Optimizer:
    """AdamW, which is Adam where there is no weight decay."""
    return torch.optim.AdamW(layer.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)


def _changed(saved: TrainConfig, changes: Mapping[str, Any], path: str) -> TrainConfig:
    for name in FIXED:
        if name in changes and changes[name] != getattr(saved, name):
            raise ConfigurationError(
                f"{flag(name)} cannot change in a run that goes on (it is {getattr(saved, name)!r} in {path}); "
                "leave it out, or start a new run"
            )
    if any(name in changes for name in LIMITS):  # a new limit replaces the old ones of every kind
        changes = {**dict.fromkeys(LIMITS), **changes}
    config = resolve(changes, base=saved)
    data = config.data if config.task == "language" else _absolute(config.data)
    return dataclasses.replace(config, run=path, text=_absolute(config.text), data=data)


def _document(config: TrainConfig, description: Description, material: Material) -> dict[str, Any]:
    return {"train": config.to_dict(), "model": description.to_json(), **material.document}


def _absolute(text: str | None) -> str | None:
    """A path that also holds when the run goes on from another folder."""
    return text if text in (None, "-") else str(Path(text).absolute())


def _free_name(name: str, config: TrainConfig) -> str:
    cell = config.recurrence if config.recurrence in library.CELLS else "equations"
    number = 1
    while Path("runs", f"{name}-{cell}-{number}").exists():
        number += 1
    return str(Path("runs", f"{name}-{cell}-{number}"))
