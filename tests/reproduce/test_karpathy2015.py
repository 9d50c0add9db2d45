"""``unrolled reproduce karpathy2015``: sizes that match, the three statements, and all of it from end to end."""

import json

import pytest

from unrolled.cli import main
from unrolled.nn import language_model
from unrolled.reproduce.karpathy2015.criteria import PUBLISHED, consistently, depth_pairs, gate_pairs, mixed, winners
from unrolled.reproduce.karpathy2015.grid import matching, parameters

PAPER = {
    (cell, layers, size): loss
    for (cell, layers), row in PUBLISHED.items()
    for size, loss in zip((64, 128, 256, 512), row, strict=True)
}


def test_the_papers_own_table_meets_its_statements():
    assert consistently(depth_pairs(PAPER))
    assert consistently(gate_pairs(PAPER))
    assert winners(PAPER) == {"lstm", "gru"}
    assert mixed(PAPER)


def test_networks_that_are_all_the_same_meet_none():
    same = dict.fromkeys(PAPER, 4.2)
    assert not consistently(depth_pairs(same))
    assert not consistently(gate_pairs(same))
    assert not mixed(same)


def test_one_better_cell_is_not_mixed():
    grid = {key: loss - 0.5 * (key[0] == "gru") for key, loss in PAPER.items()}
    assert winners(grid) == {"gru"}
    assert not mixed(grid)


@pytest.mark.parametrize("layers", [1, 3])
def test_the_lstm_is_its_own_size(layers):
    assert matching("lstm", layers, 24, symbols=40) == 24


@pytest.mark.parametrize("cell", ["vanilla", "gru"])
def test_no_other_size_has_a_number_of_parameters_that_is_nearer(cell):
    wanted = sum(each.numel() for each in language_model("lstm", 40, 24, 2).parameters())
    assert wanted == parameters("lstm", 2, 24, 40)
    away = {hidden: abs(parameters(cell, 2, hidden, 40) - wanted) for hidden in range(1, 97)}
    assert matching(cell, 2, 24, symbols=40) == min(away, key=away.get)


def test_all_of_it_runs(tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text("so it goes, and on it goes, and so on it goes; so it went.\n" * 80)
    options = [f"text={text}", "layers=1,2", "sizes=8", "steps=20"]
    arguments = [word for option in options for word in ("--set", option)]
    runs = ["--quick", "--quiet", "--json", "--runs", str(tmp_path / "runs")]
    assert main(["reproduce", "karpathy2015", *arguments, *runs]) == 0
    table, statements = json.loads(capsys.readouterr().out)["sections"]
    assert [row["what"] for row in table["rows"]][:3] == ["RNN, 1 layer", "RNN, 2 layers", "LSTM, 1 layer"]
    assert "--recurrence vanilla --layers 1" in table["commands"][0]
    assert len(statements["rows"]) == 3


@pytest.mark.parametrize(
    ("option", "code", "said"),
    [
        ("depth=3", 2, "no setting of karpathy2015; its settings are text="),
        ("layers=two", 2, "write whole numbers above 0"),
        ("sizes=0", 2, "write whole numbers above 0"),
        ("text=nowhere.txt", 1, "nowhere.txt does not exist"),
    ],
)
def test_settings_that_are_none(tmp_path, capsys, option, code, said):
    assert main(["reproduce", "karpathy2015", "--runs", str(tmp_path / "runs"), "--set", option]) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
