"""A run writes what its layer writes, in stretches, and can be continued from any symbol."""

from __future__ import annotations

import numpy as np
import pytest

from unrolled.errors import BackendError, CheckpointError
from unrolled.generation import Sampler, generate, load
from unrolled.generation.torch_writer import TorchWriter
from unrolled.generation.writer import NativeWriter, open_writer
from unrolled.native.core import Absent


@pytest.fixture(scope="module")
def run(native):
    return native["characters"]


def ids(tokens):
    return [token.id for token in tokens]


def test_a_run_writes_what_its_layer_writes(run):
    for seed in range(5):  # none of these draws is at an edge, where the last bit of a logit decides
        options = {"length": 150, "seed": seed, "stream": 3, "temperature": 0.9}
        assert ids(generate(run, "the ", **options)) == ids(generate(load(run), "the ", **options))


def test_without_a_core_torch_writes(run, monkeypatch):
    assert isinstance(open_writer(run), NativeWriter)
    native = ids(generate(run, "the ", length=30))
    monkeypatch.setenv("UNROLLED_BACKEND", "reference")
    assert isinstance(open_writer(run), TorchWriter)
    assert ids(generate(run, "the ", length=30)) == native
    with pytest.raises(BackendError, match="bf16"):
        generate(run, precision="bf16")
    monkeypatch.delenv("UNROLLED_BACKEND")
    monkeypatch.setattr("unrolled.generation.writer.find_core", lambda: Absent("it was never built"))
    assert isinstance(open_writer(run), TorchWriter)
    monkeypatch.setenv("UNROLLED_BACKEND", "native")
    with pytest.raises(BackendError, match="never built"):
        open_writer(run)


def test_any_symbol_can_be_continued(run):
    whole = list(generate(run, "dog", length=100, seed=7))
    assert [token.state.position for token in whole] == list(range(1, 101))
    for place in (0, 1, 2, 5, 40, 62, 98):  # within stretches and between them
        rest = generate(run, length=99 - place, seed=7, state=whole[place].state)
        assert ids(rest) == ids(whole[place + 1 :])


def test_bf16_is_nearly_the_same_model(run):
    exact, half = (list(generate(run, "the ", length=1, precision=p, temperature=1.0)) for p in ("fp32", "bf16"))
    assert exact[0].probability == pytest.approx(half[0].probability, rel=0.05)


def test_a_run_that_does_not_hold_together(run, tmp_path):
    import shutil

    broken = tmp_path / "run"
    shutil.copytree(run, broken)
    (broken / "program.json").unlink()
    with pytest.raises(CheckpointError, match=r"program\.json is missing"):
        open_writer(broken)
    shutil.copy(run / "vocabulary.json", broken / "program.json")
    with pytest.raises(CheckpointError):
        open_writer(broken)


@pytest.mark.parametrize("name", ["characters", "bytes"])
def test_reading_side_by_side_is_reading_alone(native, name):
    """Whatever lies beside it, to the bit: ragged lengths, texts that begin and texts that go on."""
    writer = open_writer(native[name])
    random = np.random.default_rng(1)
    size = len(writer.vocabulary)
    for lengths in ([1], [4, 4], [3, 1, 7, 1, 3], [1, 2, 30]):
        unread = [random.integers(0, size, length) for length in lengths]
        states = [writer.read([None], [random.integers(0, size, 2)])[0][0] if n % 2 else None for n in lengths]
        together, logits = writer.read(states, unread)
        for n, (state, ids_) in enumerate(zip(states, unread, strict=True)):
            [own], [own_logits] = writer.read([state], [ids_])
            assert np.array_equal(own_logits, logits[n])
            assert all(np.array_equal(a, b) for a, b in zip(own, together[n], strict=True))


def test_writing_side_by_side_is_writing_alone(opened):
    writer = open_writer(opened("characters"))
    unread, count = [np.array([3, 1, 2]), np.array([5]), np.array([1, 1])], min(9, writer.most)
    arguments = [8, 2, 5], [0, 10, 3]
    _, drawn = writer.write([None] * 3, unread, count, Sampler(0.9), 7, *arguments)
    for n in range(3):
        _, alone = writer.write([None], unread[n : n + 1], count, Sampler(0.9), 7, *([a[n]] for a in arguments))
        assert alone[0] == drawn[n]
        assert len(drawn[n]) == count


def test_what_writes_is_used_as_it_is(opened):
    writer = open_writer(opened("characters"))
    assert open_writer(writer) is writer
    assert ids(generate(writer, "the", length=20)) == ids(generate(opened("characters"), "the", length=20))
    with pytest.raises(BackendError, match="open the run again in int8"):
        generate(writer, precision="int8")
