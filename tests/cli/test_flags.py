"""The flags of ``unrolled train`` are a promise to scripts: a change here is a change for users."""

import pytest

from unrolled.cli import application
from unrolled.cli.flags import TrainFlags, given
from unrolled.training.config import TrainConfig

FLAGS = [
    "--attention",
    "--batch",
    "--bidirectional",
    "--bptt-memory",
    "--bytes",
    "--clip",
    "--clip-quantile",
    "--clipping",
    "--config",
    "--data",
    "--debug",
    "--decay",
    "--decay-after",
    "--device",
    "--documents",
    "--dropout",
    "--dtype",
    "--embedding",
    "--enters",
    "--epochs",
    "--evaluate-every",
    "--evaluation-lanes",
    "--forget-bias",
    "--gradient",
    "--held-out",
    "--hidden",
    "--initialisation",
    "--input",
    "--json",
    "--keep",
    "--layers",
    "--learning-rate",
    "--limit",
    "--minutes",
    "--no-attention",
    "--no-bidirectional",
    "--on-accident",
    "--pooling",
    "--precision",
    "--preset",
    "--prime",
    "--quiet",
    "--recurrence",
    "--resume",
    "--run",
    "--sample-length",
    "--schedule",
    "--seed",
    "--sequence-length",
    "--spectral-radius",
    "--steps",
    "--stop",
    "--symbols",
    "--target",
    "--task",
    "--temperature",
    "--threads",
    "--update-every",
    "--warm-up",
    "--weight-decay",
    "--words",
]


def flags_of(command):
    arguments = application()[command].assemble_argument_collection()
    return sorted(name for argument in arguments for name in argument.names if name.startswith("--"))


def test_the_flags_of_train():
    assert flags_of("train") == FLAGS


def test_the_flags_of_sample_and_eval():
    assert flags_of("eval") == ["--debug", "--device", "--json", "--quiet", "--share", "--unknown"]
    common = ["--debug", "--device", "--json", "--length", "--precision", "--prime", "--quiet", "--seed", "--stream"]
    ends = ["--allowed", "--beams", "--length-penalty", "--prompts", "--save-state", "--state", "--until"]
    assert flags_of("sample") == sorted([*common, *ends, "--temperature", "--top-k", "--top-p", "--unknown"])


def test_the_flags_of_report():
    assert flags_of("report") == ["--debug", "--limits", "--no-limits", "--output", "--quiet", "--updates"]


def test_the_flags_of_replay():
    assert flags_of("replay") == ["--debug", "--device", "--json"]


def test_only_what_is_given_counts():
    assert given(None) == {}
    assert given(TrainFlags()) == {}
    assert given(TrainFlags(layers=3, prime="")) == {"layers": 3, "prime": ""}


@pytest.mark.parametrize("option", ["recurrence", "learning_rate", "sequence_length", "schedule"])
def test_the_help_names_the_default(option, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    application()(["train", "--help"])
    line = next(x for x in capsys.readouterr().out.splitlines() if "--" + option.replace("_", "-") + " " in x)
    assert f"[default: {getattr(TrainConfig(), option)}]" in line
