"""``unrolled reproduce capacity``: the two problems by hand, and all of it from end to end."""

import json
import math
from collections import Counter

import torch

from unrolled.cli import main
from unrolled.nn import Recurrent
from unrolled.reproduce.capacity.by_heart import examples, learn, most_frequent
from unrolled.reproduce.capacity.recall import BLANK, TESTED, batch, recall, right


def test_symbols_are_read_and_then_wanted_in_their_order():
    ids, symbols = batch(4, 7, torch.Generator().manual_seed(0))
    assert ids.shape == (8, 7)
    assert (ids[:4] == symbols).all()
    assert (ids[4:] == BLANK).all()
    assert symbols.max() < BLANK


def test_a_network_that_keeps_one_symbol_recalls_one_and_not_two():
    """h_t = h_{t-1} + U x_t with U = I and nothing for the blank: the state counts the symbols, but not their order."""
    layer = Recurrent("h_t = h_{t-1} + U x_t; y_t = softmax(V h_t)", x=9, h=8, y=9, dtype=torch.float64)
    with torch.no_grad():
        layer.U.copy_(torch.eye(8, 9))
        layer.V.copy_(torch.eye(9, 8))
    random = torch.Generator().manual_seed(1)
    assert right(layer, 1, random) == 1
    # of two it says one twice: half is right, or all of it where the two are the same, as 1 in 8 are
    deviation = 0.5 * math.sqrt(1 / 8 * 7 / 8 / TESTED)
    assert abs(right(layer, 2, random) - (1 + 1 / 8) / 2) < 4 * deviation


def test_the_rule_counts_pairs():
    ids, classes = examples(200, rule=True, random=torch.Generator().manual_seed(0))
    for sequence, found in zip(ids.T.tolist(), classes.tolist(), strict=True):
        counts = Counter(symbol // 2 for symbol in sequence)
        assert found == max(range(4), key=lambda pair: (counts[pair], -pair))
    assert most_frequent(torch.tensor([[6], [0]])).tolist() == [0]  # the first of two that are as frequent


def test_random_classes_follow_from_nothing():
    ids, classes = examples(4000, rule=False, random=torch.Generator().manual_seed(0))
    assert abs((classes == most_frequent(ids)).double().mean().item() - 0.25) < 0.03


def test_a_small_network_learns_to_recall_and_an_untrained_one_does_not():
    found = recall(12, seed=1, tries=400, longest=1)
    assert (found.untrained, found.capacity) == (0, 1)


def test_by_heart_is_more_than_chance_and_no_help():
    found = learn(16, seed=1, rule=False, updates=60)
    assert found.known > found.untrained
    assert abs(found.new - 0.25) < 0.05


def test_all_of_it_runs(capsys, tmp_path):
    arguments = ["--quick", "--quiet", "--json", "--set", "hidden=2,4", "--set", "seeds=1"]
    assert main(["reproduce", "capacity", *arguments, "--runs", str(tmp_path / "runs")]) == 0
    recalled, learnt = json.loads(capsys.readouterr().out)["sections"]
    assert [len(recalled["rows"]), len(learnt["rows"])] == [4, 5]
