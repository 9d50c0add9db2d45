"""States: told apart by their model, saved, damaged, and gone on from to the same text."""

import shutil

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unrolled.errors import CheckpointError, ConfigurationError
from unrolled.generation import GenerationState, generate, load

LENGTH = 40


def ids(tokens):
    return [token.id for token in tokens]


@pytest.mark.parametrize("name", ["characters", "bytes", "words"])
def test_the_same_text_from_a_file(opened, name, tmp_path):
    model = opened(name)
    whole = list(generate(model, "the fox", length=LENGTH, seed=5, unknown="skip"))
    for place in (0, 1, 2, 6, 20):  # within stretches and between them
        whole[place].state.save(tmp_path / "state")
        state = GenerationState.load(tmp_path / "state")
        rest = list(generate(opened(name), length=LENGTH - place - 1, seed=5, state=state))
        assert rest == whole[place + 1 :]  # to the bit of the probabilities
        assert rest[-1].state.position == LENGTH


def test_the_bytes_of_half_a_character_are_kept(native, tmp_path):
    whole = list(generate(native["bytes"], "x", length=300, seed=2))
    half = next(token.state for token in whole if token.state.pending)
    half.save(tmp_path / "state")
    rest = generate(native["bytes"], length=300 - half.position, seed=2, state=GenerationState.load(tmp_path / "state"))
    assert "".join(t.text for t in whole[half.position :]) == "".join(t.text for t in rest)


def test_a_state_in_which_nothing_was_read_yet(opened, tmp_path):
    model = opened("characters")
    token = next(generate(model, "the fox", length=1))
    first = GenerationState(None, model.vocabulary.encode("the fox"), token.state.origin)
    first.save(tmp_path / "state")
    assert next(generate(model, state=GenerationState.load(tmp_path / "state"))) == token


def test_equal_states_are_equal_files(opened, tmp_path):
    model = opened("characters")
    for name in ("a", "b"):
        list(generate(model, "the", length=9))[-1].state.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]  # and no temporary file


def test_a_state_of_another_model_is_refused(native, tmp_path):
    run = native["characters"]
    next(generate(run, "dog")).state.save(tmp_path / "native")
    next(generate(load(run), "dog")).state.save(tmp_path / "torch")
    from_native, from_torch = (GenerationState.load(tmp_path / name) for name in ("native", "torch"))
    for model, state, reason in (
        (native["other"], from_native, "the parameters of one have the sha256"),
        (load(native["other"]), from_torch, "the parameters of one have the sha256"),
        (run, from_torch, "by torch in float32, the other by the native core in fp32"),
        (load(run), from_native, "by the native core in fp32, the other by torch"),
        (native["other"], next(generate(run, "dog")).state, "the parameters"),
        (load(native["other"]), next(generate(load(run), "dog")).state, "the parameters"),
    ):
        with pytest.raises(ConfigurationError, match=f"another model.*{reason}"):
            generate(model, state=state)
    with pytest.raises(ConfigurationError, match="fp32, the other by the native core in int8"):
        generate(run, state=from_native, precision="int8")


def test_the_model_counts_and_not_its_folder(native, tmp_path):
    state = next(generate(native["characters"], "dog")).state
    shutil.copytree(native["characters"], tmp_path / "copy")
    assert ids(generate(tmp_path / "copy", length=9, state=state)) == ids(
        generate(native["characters"], length=9, state=state)
    )


def test_a_layer_that_learned_more_is_another_model(runs, tmp_path):
    model = load(runs["characters"])
    next(generate(model, "dog")).state.save(tmp_path / "state")
    with torch.no_grad():
        next(model.layer.parameters()).add_(1e-3)
    with pytest.raises(ConfigurationError, match="the parameters of one"):
        generate(model, state=GenerationState.load(tmp_path / "state"))


@pytest.fixture(scope="module")
def saved(runs, tmp_path_factory):
    """The bytes of a file, and where damaged ones may lie."""
    path = tmp_path_factory.mktemp("saved") / "state"
    list(generate(load(runs["bytes"]), "é", length=7, seed=1))[-1].state.save(path)
    return path.read_bytes(), path.with_name("damaged")


def content(state):
    recurrent = {name: np.asarray(value).tobytes() for name, value in state.recurrent.items()}
    origin = state.origin.executor, state.origin.precision, state.origin.sha256
    return recurrent, state.unread.tobytes(), state.position, state.pending, origin


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_a_damaged_file_is_refused(saved, data):
    whole, path = saved
    place = data.draw(st.integers(0, len(whole) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "longer", "drop"]))
    changed = {
        "flip": whole[:place] + bytes([whole[place] ^ (1 << data.draw(st.integers(0, 7)))]) + whole[place + 1 :],
        "cut": whole[:place],
        "longer": whole + bytes([place % 256]),
        "drop": whole[:place] + whole[place + 1 :],
    }[kind]
    path.write_bytes(whole)
    expected = content(GenerationState.load(path))
    path.write_bytes(changed)
    try:
        found = content(GenerationState.load(path))
    except CheckpointError:
        return
    assert found == expected  # such as a space in the header that became another


def test_files_that_hold_no_state(runs, tmp_path):
    with pytest.raises(CheckpointError, match=r"there is no file .*; a state to go on from is written by --save-state"):
        GenerationState.load(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="cannot be read"):
        GenerationState.load(tmp_path)
    with pytest.raises(CheckpointError, match="holds no state of a text"):
        GenerationState.load(runs["characters"] / "model.safetensors")


def test_a_file_that_cannot_be_written(runs, tmp_path):
    state = next(generate(load(runs["characters"]), "dog")).state
    with pytest.raises(CheckpointError, match=r"the state cannot be written to .*absent.*No such file"):
        state.save(tmp_path / "absent" / "state")
