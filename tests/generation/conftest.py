"""Small models that write, untrained but far from uniform: as run directories, and read by either writer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unrolled.checkpoint import RunDirectory
from unrolled.checkpoint.model import ModelDescription
from unrolled.checkpoint.tensors import module_arrays
from unrolled.data.vocabulary import Vocabulary
from unrolled.generation import load, open_writer
from unrolled.native.core import Absent, find_core

TEXT = "the quick brown fox jumps over the lazy dog.\n"


def make_run(path: Path, vocabulary: Vocabulary, recurrence: str = "gru", seed: int = 3) -> Path:
    torch.manual_seed(seed)
    description = ModelDescription(recurrence, len(vocabulary), hidden=7, layers=2)
    layer = description.build()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(4)
    train = {"train": {"task": "language"}, "model": description.to_json()}
    programs = {"programs": layer.programs()}
    run = RunDirectory.create(path, config=train, vocabulary=vocabulary.to_json(), program=programs)
    run.write_best(module_arrays(layer), {"step": 0})
    return path


@pytest.fixture(autouse=True)
def _unforced(monkeypatch):
    monkeypatch.delenv("UNROLLED_BACKEND", raising=False)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A directory for each kind of vocabulary, "other", which has other parameters, and "tiny", of three symbols."""
    folder = tmp_path_factory.mktemp("runs")
    kinds = {kind: Vocabulary.of(TEXT, kind) for kind in ("characters", "bytes", "words")}
    found = {kind: make_run(folder / kind, vocabulary) for kind, vocabulary in kinds.items()}
    found["other"] = make_run(folder / "other", kinds["characters"], seed=4)
    found["tiny"] = make_run(folder / "tiny", Vocabulary.of("abc"), "lstm")
    return found


@pytest.fixture(scope="session")
def native(runs):
    """The directories, where there is a core."""
    if isinstance(find_core(), Absent):
        pytest.skip("there is no core")
    return runs


@pytest.fixture(params=["native", "torch"])
def opened(request, runs):
    """What opens a run, by its name, for either writer."""
    if request.param == "native":
        request.getfixturevalue("native")
        return lambda name: open_writer(runs[name])
    return lambda name: load(runs[name])
