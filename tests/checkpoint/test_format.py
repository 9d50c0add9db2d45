"""Files of a run: what was written is read, and nothing else is."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.checkpoint import atomic
from unrolled.checkpoint.format import (
    document_bytes,
    parse_tensors,
    read_document,
    read_tensors,
    tensor_bytes,
    write_document,
)
from unrolled.errors import CheckpointError

TENSORS = {
    "W": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array([1.5, -0.0, np.nan], dtype=np.float64),
    "step": np.array(7.0, dtype=np.float32),
    "ids": np.zeros((0, 4), dtype=np.int64),
    "random": np.arange(5, dtype=np.uint8),
}

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(content=st.dictionaries(st.text().filter(lambda key: key not in ("format", "sha256")), plain, max_size=4))
def test_any_plain_data_comes_back(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("documents") / "x.json"
    write_document(path, content)
    assert read_document(path) == content


def test_a_name_that_is_no_utf8_comes_back(tmp_path):
    write_document(tmp_path / "x.json", {"prime": "caf\udce9"})
    assert read_document(tmp_path / "x.json") == {"prime": "caf\udce9"}


def test_tensors_come_back_with_type_shape_and_bits(tmp_path):
    atomic.write(tmp_path / "x.safetensors", tensor_bytes(TENSORS, {"step": 3, "text": "ü"}))
    arrays, about = read_tensors(tmp_path / "x.safetensors")
    assert about == {"step": 3, "text": "ü"}
    assert set(arrays) == set(TENSORS)
    for name, array in TENSORS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        assert arrays[name].tobytes() == array.tobytes()


def test_views_are_stored_as_they_look():
    transposed = np.arange(6.0).reshape(2, 3).T
    arrays, _ = parse_tensors(tensor_bytes({"a": transposed}), "x")
    assert (arrays["a"] == transposed).all()


def test_equal_content_is_equal_bytes():
    backwards = dict(reversed(TENSORS.items()))
    assert len({tensor_bytes(t, {"a": 1, "b": 2}) for t in (TENSORS, backwards) for _ in range(5)}) == 1


@given(data=st.data())
def test_no_changed_tensor_file_is_believed(data):
    good = bytearray(tensor_bytes(TENSORS, {"step": 3}))
    place = data.draw(st.integers(0, len(good) - 1))
    good[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        arrays, about = parse_tensors(bytes(good), "x")
    except CheckpointError:
        return
    # what survives a flip is blank space in the header: the content is the one that was written
    assert about == {"step": 3}
    assert all(arrays[name].tobytes() == array.tobytes() for name, array in TENSORS.items())


@given(data=st.data())
def test_no_changed_document_is_believed(data, tmp_path_factory):
    content = {"learning_rate": 0.001, "text": "plays", "layers": [1, 2]}
    good = bytearray(document_bytes(content))
    place = data.draw(st.integers(0, len(good) - 1))
    good[place] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("documents") / "x.json"
    path.write_bytes(good)
    with contextlib.suppress(CheckpointError):
        assert read_document(path) == content  # only blank space was changed


@pytest.mark.parametrize("data", [b"", b"\x00" * 8, b"\xff" * 40, b"[1]", b'{"a": 1}', b"[" * 100_000])
def test_rubbish_is_refused_with_a_reason(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(CheckpointError):
        read_tensors(tmp_path / "x")
    with pytest.raises(CheckpointError):
        read_document(tmp_path / "x")


def test_cut_files_are_refused(tmp_path):
    whole = tensor_bytes(TENSORS)
    for length in range(0, len(whole), 7):
        with pytest.raises(CheckpointError):
            parse_tensors(whole[:length], "x")


def test_another_version_is_named(tmp_path):
    document = json.loads(document_bytes({"a": 1}))
    document["format"] = 99
    (tmp_path / "x.json").write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match="has format 99, and this version of unrolled reads format 1"):
        read_document(tmp_path / "x.json")


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    write_document(tmp_path / "x.json", {"a": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        write_document(tmp_path / "x.json", {"a": 2})
    monkeypatch.undo()
    assert read_document(tmp_path / "x.json") == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
