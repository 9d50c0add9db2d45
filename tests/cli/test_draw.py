"""``unrolled draw``."""

import io
import json
import subprocess
import sys

import pytest

from unrolled.cli import main


def test_svg_on_stdout_is_the_folded_graph(capsys):
    assert main(["draw", "elman"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("<svg")
    assert "folded" in out


@pytest.mark.parametrize("ending", ["svg", "tex", "json"])
def test_the_ending_is_the_format(ending, tmp_path, capsys):
    assert main(["draw", "elman", "--steps", "3", "-o", str(tmp_path / f"a.{ending}")]) == 0
    assert (tmp_path / f"a.{ending}").stat().st_size > 1000
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "options",
    [
        ["--steps", "T"], ["--steps", "2", "--layers", "2", "--bidirectional"], ["--topology", "many-to-one"],
        ["--topology", "encoder-decoder", "--steps", "3,2"], ["--steps", "4", "--truncation", "2,2"], ["--detail"],
        ["--detail", "--steps", "2"], ["--steps", "9", "--elide", "none"], ["--folded", "--each"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_options(options, capsys):
    assert main(["draw", "elman", *options, "--json"]) == 0
    scene = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert scene["nodes"]
    assert scene["arrows"]


def test_equations_from_arguments_files_and_standard_input(tmp_path, monkeypatch, capsys):
    text = "h_t = tanh(A x_t + B h_{t-1})"
    (tmp_path / "cell.txt").write_text(text)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    pictures = []
    for argument in (text, str(tmp_path / "cell.txt"), "-"):
        assert main(["draw", argument, "--steps", "2"]) == 0
        pictures.append(capsys.readouterr().out)
    assert pictures[0] == pictures[1] == pictures[2]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["elman", "--steps", "three"], 2, "--steps is 'three'"),
        (["elman", "--steps", "0"], 2, "steps = 0"),
        (["elman", "--truncation", "2"], 2, "--truncation is '2'"),
        (["elman", "--topology", "many"], 2, "the topologies are one-to-one"),
        (["elman", "--topology", "one-to-many", "--bidirectional"], 2, "runs forwards only"),
        (["elman", "--layers", "0"], 2, "layers = 0"),
        (
            ["h_t = tanh(U x_t + W h_{t-1}); y_t = V h_t + R x_t", "--bidirectional"],
            2,
            "read-out may depend on the states alone",
        ),
        (["elmann"], 2, "Did you mean elman?"),
        (["h_t = tahn(x_t)"], 2, "did you mean tanh"),
        (["elman", "-o", "a.gif"], 2, "ends in .gif"),
        (["elman", "-o", "absent/a.svg"], 1, "cannot be written"),
    ],
)
def test_mistakes_are_explained(arguments, code, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["draw", *arguments]) == code
    captured = capsys.readouterr()
    assert message in captured.err.replace("\n", " ")
    assert captured.out == ""


def test_drawing_loads_no_torch(tmp_path):
    code = "import sys; from unrolled.cli import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    command = [sys.executable, "-c", code, "draw", "elman", "--steps", "3", "-o", str(tmp_path / "a.svg")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
