"""The computation graph with the numbers of a tape in its nodes."""

import math

import pytest

from unrolled import Recurrence
from unrolled.cli import main
from unrolled.errors import TargetError

VALUES = {"U": 0.5, "W": 0.3, "x_0": 1.0, "x_1": -0.5, "h_{-1}": 0.2}


def numbers(drawing):
    return {node.key: [float(line.plain.replace("−", "-")) for line in node.lines[1:]] for node in drawing.scene.nodes}


def test_every_node_below_the_target_shows_its_value_and_its_adjoint():
    shown = numbers(Recurrence("elman").tape("h_1").evaluate(VALUES).draw())
    # by hand: h_0 = tanh(0.5 + 0.06), h_1 = tanh(-0.25 + 0.3 h_0), the gradient of h_1 going back through both
    h_0 = math.tanh(0.56)
    h_1 = math.tanh(-0.25 + 0.3 * h_0)
    outer, inner = 1 - h_1**2, (1 - h_1**2) * 0.3 * (1 - h_0**2)
    expected = {
        "h_1": (h_1, 1), "W h_0": (0.3 * h_0, outer), "h_0": (h_0, 0.3 * outer), "U x_0": (0.5, inner),
        "U x_0 + W h_{-1}": (0.56, inner), "x_0": (1, 0.5 * inner), "W": (0.3, outer * h_0 + inner * 0.2),
    }  # fmt: skip
    for key, pair in expected.items():
        assert shown[key] == pytest.approx(pair, rel=0.05), key  # the picture shows two digits
    assert shown["y_0"] == shown["V h_1"] == []


def test_elementwise_products_and_vectors_have_their_numbers():
    cell = Recurrence("f_t = σ(a ⊙ x_t); h_t = f_t ⊙ h_{t-1}")
    one = numbers(cell.tape("h_0").evaluate({"a": 0.0, "x_0": 3.0, "h_{-1}": 4.0}).draw())
    assert one["f_0 ⊙ h_{-1}"] == [2.0, 1.0]
    assert one["a ⊙ x_0"] == [0.0, 1.0]  # 4 σ′(0)
    tape = cell.tape("h_0", sizes={"h": 2}, seed=[1.0, 0.0])
    two = tape.evaluate({"a": [0.0, 0.0], "x_0": [3.0, 5.0], "h_{-1}": [4.0, 6.0]}).draw()
    assert [line.plain for node in two.scene.nodes if node.key == "h_0" for line in node.lines[1:]] == ["2 3", "1 0"]


def test_a_tape_without_numbers_is_not_drawn(capsys):
    with pytest.raises(TargetError, match="evaluate"):
        Recurrence("elman").tape("h_0").draw()


def test_the_command_writes_the_picture(tmp_path, capsys):
    path = tmp_path / "tape.svg"
    given = ",".join(f"{name}={value}" for name, value in VALUES.items())
    assert main(["tape", "elman", "--of", "h_1", "--values", given, "-o", str(path)]) == 0
    assert "0.56" in path.read_text()
