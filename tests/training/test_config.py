"""Options: precedence, names, ranges."""

import dataclasses

import pytest

from unrolled.errors import ConfigurationError
from unrolled.training.config import PRESETS, TrainConfig, from_dict, read_toml, resolve


def toml(tmp_path, text):
    path = tmp_path / "options.toml"
    path.write_text(text)
    return path


def test_the_default_is_the_lectures_network():
    config = TrainConfig()
    assert (config.recurrence, config.layers, config.hidden) == ("vanilla", 3, 512)
    assert config.limits == {"epochs": 50}


def test_precedence_is_defaults_preset_file_flags(tmp_path):
    path = toml(tmp_path, 'hidden = 99\nlearning-rate = 0.5\nrecurrence = "lstm"\n')
    config = resolve({"recurrence": "elman"}, file=path, preset="tiny")
    assert config.recurrence == "elman"
    assert (config.hidden, config.learning_rate) == (99, 0.5)
    assert config.layers == PRESETS["tiny"]["layers"] == 1
    assert config.batch == TrainConfig().batch


def test_a_flag_that_repeats_the_default_still_wins(tmp_path):
    assert resolve({"layers": 3}, preset="tiny").layers == 3


def test_every_preset_is_a_configuration():
    assert all(resolve({}, preset=name) for name in PRESETS)
    with pytest.raises(ConfigurationError, match="the presets are default, tiny"):
        resolve({}, preset="tny")


def test_a_text_replaces_a_download_named_before(tmp_path):
    path = toml(tmp_path, 'data = "shakespeare"\n')
    assert resolve({"text": "a.txt"}, file=path).data is None
    assert resolve({"data": "shakespeare"}, file=toml(tmp_path, 'text = "a.txt"\n')).text is None
    with pytest.raises(ConfigurationError, match="give one of them"):
        TrainConfig(text="a.txt", data="shakespeare")


def test_unknown_options_are_refused_with_a_suggestion(tmp_path):
    with pytest.raises(ConfigurationError, match=r"options\.toml has an option 'hiden' .* did you mean hidden\?"):
        read_toml(toml(tmp_path, "hiden = 3"))
    with pytest.raises(ConfigurationError, match="the options are text, data"):
        from_dict({"zzzzzz": 1})


@pytest.mark.parametrize("text", ["hidden = ", "hidden 3", "\udcff"])
def test_bad_toml(tmp_path, text):
    path = tmp_path / "options.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigurationError, match="is not TOML"):
        read_toml(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_toml(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("option", "value", "flag"),
    [
        ("layers", 0, "--layers"),
        ("layers", 1.5, "--layers"),
        ("learning_rate", 0, "--learning-rate"),
        ("learning_rate", "fast", "--learning-rate"),
        ("dropout", 1.0, "--dropout"),
        ("schedule", "linear", "--schedule"),
        ("seed", 2**63, "--seed"),
        ("minutes", -1, "--minutes"),
        ("data", "bible", "--data"),
    ],
)
def test_values_out_of_range_are_named_as_flags(option, value, flag):
    with pytest.raises(ConfigurationError, match=f"^{flag} is "):
        TrainConfig(**{option: value})


def test_a_whole_number_serves_as_a_fraction():
    assert isinstance(TrainConfig(minutes=2).minutes, float)


def test_plain_data_and_back():
    config = TrainConfig(recurrence="gru", minutes=3, text="a")
    assert from_dict(config.to_dict()) == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.layers = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "classify", "data": "d", "stop": "length"}, "--stop is an option of --task caption and translate"),
        ({"task": "caption", "data": "d", "pooling": "max"}, "--pooling is an option"),
        ({"task": "tag", "data": "d", "symbols": "words"}, "--symbols is an option"),
        ({"attention": True}, "--attention is an option of --task translate"),
        ({"task": "caption", "data": "d", "bidirectional": True}, "cannot read in both directions"),
        ({"task": "classify", "data": "d", "held_out": 0.5}, "lies above 0 and below 0.5"),
        ({"task": "classify", "text": "d"}, r"with --data, not as TEXT \(d\)"),
    ],
)
def test_options_that_would_change_nothing(options, words):
    with pytest.raises(ConfigurationError, match=words):
        resolve(options)
