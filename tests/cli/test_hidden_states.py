"""``unrolled diagnose`` on hidden states: from a run to what stands on the screen, in the picture and in JSON."""

import json

import pytest

from unrolled.checkpoint import load
from unrolled.cli import main
from unrolled.cli.hidden_states import read_change
from unrolled.data.corpora import split
from unrolled.diagnose.states import hidden_states
from unrolled.errors import ConfigurationError
from unrolled.training import TrainConfig, train

TEXT = "the quick brown fox (a fox: no dog) jumps.\nThe END of it\n" * 60


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("states")
    (folder / "text.txt").write_text(TEXT)
    config = TrainConfig(
        recurrence="gru", layers=2, hidden=6, batch=4, sequence_length=9, steps=3, run=str(folder / "run")
    )  # fmt: skip
    list(train(config, corpus=split("fox", TEXT)))
    return str(folder / "run")


@pytest.fixture
def text(run) -> str:
    return run.replace("/run", "/text.txt")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--states"], ["The state h, layer 2, 6 units", "untrained 3"]),
        (["--tokens"], ["joined by distance", "names shuffled"]),
        (["--units"], ["Of 12 units", "position in the line", "Too rare in this text to be scored: inside quotes"]),
        (["--unit", "h[3], layer 1"], ["h[3], layer 1, from", "the quick brown fox"]),
        (["--what-if", r"5=\n"], [r"'\n' in place of 'u' at position 5", "h, layer 1: below a tenth from step"]),
    ],
)
def test_what_is_printed_and_written(run, text, capsys, flags, said):
    assert main(["diagnose", run, text, *flags, "--json"]) == 0
    name = flags[0].removeprefix("--")
    report = json.loads(capsys.readouterr().out)[name]
    assert main(["diagnose", run, text, *flags]) == 0
    printed = capsys.readouterr().out
    assert all(each in printed for each in said)
    if name == "unit":
        states = hidden_states(load(run), TEXT[:2000])
        assert report["values"] == states.states["h, layer 1"][:2000, 3].tolist()
    if name == "what-if":
        assert len(report["variation"]["values"]) == 100
    if name == "units":
        assert (report["symbols"], report["controls"]) == (len(TEXT), 10)


@pytest.mark.parametrize("flags", [["--states"], ["--tokens"], ["--unit", "0"], ["--what-if", "5=x"]])
def test_pictures(run, text, tmp_path, capsys, flags):
    assert main(["diagnose", run, text, *flags, "-o", str(tmp_path / "a.svg")]) == 0
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


def test_units_in_a_picture_only_where_there_are_some(run, text, tmp_path, capsys):
    assert main(["diagnose", run, text, "--units"]) == 0
    table = capsys.readouterr().out
    code = main(["diagnose", run, text, "--units", "-o", str(tmp_path / "a.svg")])
    out, err = capsys.readouterr()
    assert out == table  # it was measured, whether or not there is something to draw
    assert (tmp_path / "a.svg").exists() == (code == 0)
    assert code == 0 or (code == 1 and "nothing to draw" in err)


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--unit", "99"], 1, r"no unit h[99], layer 2; there are h[0], layer 1 to h[5], layer 1; h[0], layer 2 to"),
        (["--what-if", "5"], 2, "as in 120=x"),
        (["--what-if", "five=x"], 2, "as in 120=x"),
        (["--what-if", "5="], 2, "as in 120=x"),
        (["--what-if", "999999=x"], 1, "no character 999999"),
        (["--what-if", "5=€"], 1, "EURO SIGN"),
        (["--what-if", "5=u"], 1, "stands at position 5 already"),
    ],
)
def test_what_cannot_be_asked(run, text, capsys, flags, code, message):
    assert main(["diagnose", run, text, *flags]) == code
    assert message in capsys.readouterr().err


def test_changes_as_they_are_written():
    assert read_change("12==") == (12, "=")
    assert read_change("-1= ") == (-1, " ")
    assert read_change(r"0=\\") == (0, "\\")
    with pytest.raises(ConfigurationError, match="as in 120=x"):
        read_change(r"0=\q")
