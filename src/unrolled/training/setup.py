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
from unrolled.checkpoint.run import Checkpoint, RunDirectory
from unrolled.data.corpora import Corpus
from unrolled.equations import library
from unrolled.errors import CheckpointError, ConfigurationError, DataError
from unrolled.nn import initialise
from unrolled.training.clipping import Clipping
from unrolled.training.config import TrainConfig, flag, from_dict, resolve
from unrolled.training.job import Job
from unrolled.training.kinds import material_of
from unrolled.training.material import Material
from unrolled.training.randomness import fresh_randomness, further_randomness, own_randomness
from unrolled.training.ranks import ALONE, Ranks

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
FIXED = (*MODEL, "documents", "sequence_length", "update_every", "gradient", "batch", "seed", "run")
LIMITS = ("epochs", "steps", "minutes")


def begin(config: TrainConfig, corpus: Corpus | None = None, ranks: Ranks = ALONE) -> Job:
    """A new run, with its directory; ``corpus`` in place of the configured text."""
    device, material = ranks.agreed(lambda: _found(config, corpus, ranks))
    _check_same(device, material, ranks)
    named = ranks.told(lambda: _named(config, material))

    def make() -> tuple[Job, dict[str, Any]]:
        reading = material.reading(named)
        description = material.describe(named, reading)
        job = _assemble(named, RunDirectory(Path(str(named.run))), description, reading, material, device, ranks)
        return job, {"vocabulary": reading.to_json(), "config": _document(named, description, material)}

    job, documents = ranks.agreed(make)

    def create() -> None:
        job.run = RunDirectory.create(job.run.path, program={"programs": job.task.programs()}, **documents)

    ranks.told(create)
    ranks.spread(job.task.layer.state_dict().values())
    return job


def reopen(
    path: Path | str, changes: Mapping[str, Any] | None = None, corpus: Corpus | None = None, ranks: Ranks = ALONE
) -> Job:
    """A run as its last checkpoint left it, with the options in ``changes`` from here on."""
    run = ranks.told(lambda: RunDirectory.open(path))
    ranks.told(run.lock)
    try:
        return _reopened(run, changes or {}, corpus, ranks)
    except BaseException:
        run.unlock()  # at once: an exception keeps what it has passed through alive
        raise


def _reopened(run: RunDirectory, changes: Mapping[str, Any], corpus: Corpus | None, ranks: Ranks) -> Job:
    document, checkpoint = ranks.told(lambda: _saved(run))

    def find() -> tuple[TrainConfig, torch.device, Material]:
        config = _changed(from_dict(document["train"], str(run.path / "config.json")), changes, str(run.path))
        device, material = _found(config, corpus, ranks)
        if material.sha256 != document["corpus"]["sha256"]:
            raise DataError(
                f"the data are not the ones that {run.path} was trained on; give the same ones beside --resume, or "
                "start anew"
            )
        return config, device, material

    config, device, material = ranks.agreed(find)
    _check_same(device, material, ranks)
    reading = ranks.told(lambda: run.read_symbols(material.read_reading))

    def make() -> tuple[Job, Description]:
        description = dataclasses.replace(
            material.description.from_json(document["model"]),
            dropout=config.dropout,  # type: ignore[call-arg]  # a field of every description that is built
        )
        job = _assemble(config, run, description, reading, material, device, ranks)
        if checkpoint:
            job.restore(checkpoint)
        return job, description

    job, description = ranks.agreed(make)

    def settle() -> None:
        job.settle()
        run.write("config", _document(config, description, material))

    ranks.told(settle)
    ranks.spread(job.task.layer.state_dict().values())
    return job


def _saved(run: RunDirectory) -> tuple[dict[str, Any], Checkpoint | None]:
    """The configuration of a run and its last checkpoint; None if it was killed before the first, to begin again."""
    run.sweep()
    document = run.read("config")
    try:
        from_dict(document["train"], str(run.path / "config.json"))
        document["model"], document["corpus"]["sha256"]
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{run.path / 'config.json'} lacks what a run needs ({error})") from error
    checkpoint = run.latest() if run.steps() else None
    if checkpoint is None and (run.path / "model.safetensors").exists():
        raise CheckpointError(
            f"{run.path} holds a trained model but no checkpoint to go on from: its folder checkpoints is empty or "
            "gone. Restore it, or start a new run."
        )
    return document, checkpoint


def _found(config: TrainConfig, corpus: Corpus | None, ranks: Ranks) -> tuple[torch.device, Material]:
    """The device and the data of this process, if each process finds something to do."""
    device = device_of(ranks.device(config.device))
    if config.batch < ranks.count:
        raise ConfigurationError(
            f"--batch is {config.batch}, and there are {ranks.count} processes to share it; give --batch "
            f"{ranks.count} or more, or start fewer processes"
        )
    if config.text == "-" and ranks.count > 1:
        raise ConfigurationError(
            "standard input is read by one process, and there are several; write the text to a file, and name that"
        )
    library.load(config.recurrence)  # bad equations are reported before a text is read or fetched
    return device, material_of(config, corpus)


def _named(config: TrainConfig, material: Material) -> TrainConfig:
    """With the name of the run, and paths that also hold in another folder."""
    data = config.data if config.task == "language" else _absolute(config.data)
    run = config.run or _free_name(material.name, config)
    return dataclasses.replace(config, run=run, text=_absolute(config.text), data=data)


def _check_same(device: torch.device, material: Material, ranks: Ranks) -> None:
    if len(set(ranks.gathered((material.sha256, device.type)))) > 1:
        raise ranks.shared(
            DataError("the processes found different data or devices; give all machines the same data, and --device")
        )


def _assemble(
    config: TrainConfig,
    run: RunDirectory,
    description: Description,
    reading: Any,
    material: Material,
    device: torch.device,
    ranks: Ranks,
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
        task=material.task(config, layer, reading, run.path, device, ranks),
        optimiser=optimiser_of(config, layer),
        device=device,
        random=random if ranks.first else further_randomness(config.seed, ranks.rank, 0, device),
        clipping=Clipping(config.clipping, config.clip, config.clip_quantile),
        ranks=ranks,
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
