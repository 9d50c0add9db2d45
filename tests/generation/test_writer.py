"""A run writes what its layer writes, in stretches, and can be continued from any symbol."""

from __future__ import annotations

import pytest

from unrolled.cli import main
from unrolled.errors import BackendError, CheckpointError, ConfigurationError
from unrolled.generation import generate, load
from unrolled.generation.torch_writer import TorchWriter
from unrolled.generation.writer import NativeWriter, writer
from unrolled.native.core import Absent, find_core

pytestmark = pytest.mark.skipif(isinstance(find_core(), Absent), reason="there is no core")


@pytest.fixture(autouse=True)
def _unforced(monkeypatch):
    monkeypatch.delenv("UNROLLED_BACKEND", raising=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("writer")
    (folder / "text.txt").write_text("FIRST: the quick brown fox jumps over the lazy dog.\nSECOND: and why?\n" * 60)
    options = ["--recurrence", "lstm", "--layers", "2", "--hidden", "16", "--batch", "4", "--sequence-length", "20"]
    assert main(["train", str(folder / "text.txt"), *options, "--steps", "20", "--run", str(folder / "run")]) == 0
    return folder / "run"


def ids(tokens):
    return [token.id for token in tokens]


def test_a_run_writes_what_its_layer_writes(run):
    for seed in range(5):
        options = {"length": 150, "seed": seed, "stream": 3, "temperature": 0.9}
        assert ids(generate(run, "the ", **options)) == ids(generate(load(run), "the ", **options))


def test_without_a_core_torch_writes(run, monkeypatch):
    assert isinstance(writer(run), NativeWriter)
    native = ids(generate(run, "the ", length=30))
    monkeypatch.setenv("UNROLLED_BACKEND", "reference")
    assert isinstance(writer(run), TorchWriter)
    assert ids(generate(run, "the ", length=30)) == native
    with pytest.raises(BackendError, match="bf16"):
        generate(run, precision="bf16")
    monkeypatch.delenv("UNROLLED_BACKEND")
    monkeypatch.setattr("unrolled.generation.writer.find_core", lambda: Absent("it was never built"))
    assert isinstance(writer(run), TorchWriter)
    monkeypatch.setenv("UNROLLED_BACKEND", "native")
    with pytest.raises(BackendError, match="never built"):
        writer(run)


def test_any_symbol_can_be_continued(run):
    whole = list(generate(run, "dog", length=100, seed=7))
    assert [token.state.position for token in whole] == list(range(1, 101))
    for place in (0, 1, 2, 5, 40, 62, 98):  # within stretches and between them
        rest = generate(run, length=99 - place, seed=7, state=whole[place].state)
        assert ids(rest) == ids(whole[place + 1 :])


def test_the_state_of_another_model_is_refused(run):
    native = next(iter(generate(run, "dog", length=1))).state
    layer = next(iter(generate(load(run), "dog", length=1))).state
    with pytest.raises(ConfigurationError, match="another model"):
        generate(run, state=layer)
    with pytest.raises(ConfigurationError, match="another model"):
        generate(load(run), state=native)


def test_bf16_is_nearly_the_same_model(run):
    exact, half = (list(generate(run, "the ", length=1, precision=p, temperature=1.0)) for p in ("fp32", "bf16"))
    assert exact[0].probability == pytest.approx(half[0].probability, rel=0.05)


def test_a_run_that_does_not_hold_together(run, tmp_path):
    import shutil

    broken = tmp_path / "run"
    shutil.copytree(run, broken)
    (broken / "program.json").unlink()
    with pytest.raises(CheckpointError, match=r"program\.json is missing"):
        writer(broken)
    shutil.copy(run / "vocabulary.json", broken / "program.json")
    with pytest.raises(CheckpointError):
        writer(broken)
