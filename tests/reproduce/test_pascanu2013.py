"""``unrolled reproduce pascanu2013``: the problem by its definition, updates against plain torch, what is judged."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.stats import binomtest

from unrolled.cli import main
from unrolled.reproduce.pascanu2013 import experiment, learning
from unrolled.reproduce.pascanu2013.criteria import BATCH, CRITERIA, HIDDEN, LENGTHS, NETWORKS, SEQUENCES, WRONG
from unrolled.reproduce.pascanu2013.experiment import Found, best, decided, gain, grid, judgements, rate
from unrolled.reproduce.pascanu2013.learning import Budget, Outcome, Setting, learn, misclassified, share_wrong
from unrolled.reproduce.pascanu2013.networks import BASIC, DEVIATIONS, ORTHOGONAL, RADIUS, SMART, new_network
from unrolled.reproduce.pascanu2013.temporal import batch
from unrolled.reproduce.success import Rate


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("length", [10, 50, 73])
def test_one_of_a_and_b_in_the_second_tenth_and_one_in_the_fifth(length):
    ids, classes = batch(length, 2000, seeded())
    for sequence, found in zip(ids.T.tolist(), classes.tolist(), strict=True):
        word = "".join("ABcdef"[symbol] for symbol in sequence)
        first, second = (place for place, symbol in enumerate(word) if symbol in "AB")
        assert length // 10 <= first < 2 * length // 10
        assert 4 * length // 10 <= second < 5 * length // 10
        assert ("AA", "AB", "BA", "BB")[found] == word[first] + word[second]


def test_classes_places_and_other_letters_are_all_as_likely():
    ids, classes = (each.numpy() for each in batch(50, 20_000, seeded()))
    assert stats.chisquare(np.bincount(classes)).pvalue > 0.001
    assert stats.chisquare(np.bincount(ids[30])[2:]).pvalue > 0.001
    for begin in (5, 20):
        assert stats.chisquare((ids[begin : begin + 5] < 2).sum(1)).pvalue > 0.001


def test_how_networks_start():
    basic, smart, orthogonal = (new_network(start, 1) for start in (BASIC, SMART, ORTHOGONAL))
    for layer in (basic, smart, orthogonal):
        assert not layer.b.any()
        assert not layer.c.any()
    for layer, names in ((basic, "UWV"), (smart, "UV")):
        deviation = DEVIATIONS[BASIC if layer is basic else SMART]
        for name in names:
            weights = layer.get_parameter(name).detach().numpy().ravel()
            assert stats.kstest(weights, stats.norm(0, deviation).cdf).pvalue > 0.001
    assert np.abs(np.linalg.eigvals(smart.W.detach().numpy())).max() == pytest.approx(RADIUS, rel=1e-4)
    w = orthogonal.W.detach().double()
    torch.testing.assert_close(w @ w.T, torch.eye(HIDDEN, dtype=torch.double), atol=1e-5, rtol=0)


def plainly(twin, ids, classes):
    """The gradient in plain torch, from one-hot symbols."""
    h = torch.zeros(ids.shape[1], HIDDEN)
    for x in torch.nn.functional.one_hot(ids, 6).float():
        h = torch.tanh(x @ twin["U"].T + h @ twin["W"].T + twin["b"])
    logits = h @ twin["V"].T + twin["c"]
    loss = -logits.log_softmax(-1)[torch.arange(len(classes)), classes].mean()
    return torch.autograd.grad(loss, list(twin.values()))


@pytest.mark.parametrize("clipped", [True, False])
def test_updates_are_steps_down_the_gradient(clipped, monkeypatch):
    """Three updates written out; weights are so large that the gradient is long, and clipping matters."""
    setting, seed = Setting(BASIC, 0.1, clipped), 3
    made = []

    def larger(start, seed):
        made.append(new_network(start, seed))
        with torch.no_grad():
            made[-1].V.mul_(30)
        return made[-1]

    monkeypatch.setattr(learning, "new_network", larger)
    twin = {name: each.detach().clone().requires_grad_() for name, each in larger(BASIC, seed).named_parameters()}
    learn(20, setting, seed, Budget(updates=3, every=3, sequences=20))
    random, norms = seeded(seed), []
    for _ in range(3):
        gradients = plainly(twin, *batch(20, BATCH, random))
        norms.append(torch.cat([each.flatten() for each in gradients]).norm())
        for parameter, gradient in zip(twin.values(), gradients, strict=True):
            parameter.data -= setting.rate * (gradient / max(norms[-1], 1) if clipped else gradient)
    assert norms[0] > 1.5
    for name, expected in twin.items():
        torch.testing.assert_close(made[-1].get_parameter(name), expected, atol=2e-5, rtol=1e-4, check_stride=False)


def test_clipped_or_not_first_weights_and_sequences_are_the_same():
    """Where no gradient is longer than 1, so is all else."""
    budget = Budget(updates=4, every=4, sequences=200)
    one = learn(20, Setting(SMART, 0.01), 2, budget)
    other = learn(20, Setting(SMART, 0.01, clipped=False), 2, budget)
    assert one == other


class Oracle:
    """Answers right, but for every ``nth`` sequence (0: none)."""

    def __init__(self, nth):
        self.nth = nth

    def logits(self, ids):
        classes = []
        for sequence in ids.T.tolist():
            first, second = (symbol for symbol in sequence if symbol < 2)
            classes.append(2 * first + second)
        answers = torch.nn.functional.one_hot(torch.tensor(classes), 4)
        if self.nth:
            answers[:: self.nth] = 1 - answers[:: self.nth]
        return answers.double(), {}


def test_the_share_that_is_wrong():
    assert share_wrong(Oracle(0), 20, 1200, seeded()) == 0
    assert share_wrong(Oracle(50), 20, 1000, seeded()) == 20 / 1000
    assert misclassified(Oracle(250), 20, Budget(sequences=2000), seeded()) == 8 / 2000


def test_a_short_problem_is_learnt():
    found = learn(10, Setting(ORTHOGONAL, 0.3), 0, Budget(updates=3000, every=100, sequences=2000))
    assert found.succeeded
    assert found.wrong < WRONG
    assert found.untrained > 0.5


def test_a_loss_that_is_no_number_ends_it():
    assert not learn(20, Setting(BASIC, 1e30, clipped=False), 0, Budget(updates=50, every=10, sequences=20)).succeeded


def outcome(solved=None, wrong=0.7):
    return Outcome(0.75, 0.0 if solved else wrong, solved)


def test_the_setting_with_which_most_succeed_and_then_earliest():
    one, two, three = (Setting(BASIC, each) for each in (0.1, 0.2, 0.3))
    assert best({one: [outcome(500), outcome()], two: [outcome(900), outcome(800)], three: [outcome()] * 2}) == two
    assert best({one: [outcome(500)], two: [outcome(400)]}) == two
    assert best({one: [outcome(wrong=0.6)], two: [outcome(wrong=0.5)]}) == two
    assert len(set(grid((BASIC, SMART), True))) == 10


class Quiet:
    def say(self, what):
        pass


@pytest.mark.parametrize(("solve", "own_rate"), [({0.1}, None), ({0.1, 0.03}, 0.03), (set(), None)])
def test_what_is_tried_follows_from_the_pilots(monkeypatch, solve, own_rate):
    """Clipped networks succeed at the rates ``solve``, fastest at the largest; without clipping only the smallest."""
    tried = []

    def learnt(length, setting, seed, budget):
        tried.append((length, setting, seed))
        solved = setting.rate in solve and (setting.clipped or setting.rate == min(solve))
        return outcome(round(100 / setting.rate) if solved else None)

    monkeypatch.setattr(experiment, "learn", learnt)
    found = experiment.with_and_without(Quiet(), [BASIC, SMART], 100, 3, 2, Budget())
    pilots = [(setting.clipped, seed) for length, setting, seed in tried if seed >= 100]
    assert pilots == [(True, seed) for _ in range(10) for seed in (100, 101)] + [
        (False, seed) for _ in range(10 if solve else 0) for seed in (100, 101)
    ]
    assert {length for length, _, seed in tried if seed >= 100} == {100}
    arms = [(setting.clipped, setting.rate, length, seed) for length, setting, seed in tried if seed < 100]
    rates = [(True, found.setting.rate), (False, found.setting.rate), *([(False, own_rate)] if own_rate else [])]
    assert arms == [(*each, length, seed) for each in rates for length in LENGTHS for seed in range(3)]
    if solve:
        assert found.setting == Setting(BASIC, max(solve))
    assert (found.own is None) == (own_rate is None)


def arms(clipped, plain):
    """Of ten networks at each length so many succeed, the first ones of each arm."""
    made = [
        {length: [outcome(1000)] * each + [outcome()] * (10 - each) for length, each in zip(LENGTHS, arm, strict=True)}
        for arm in (clipped, plain)
    ]
    return Found(50, ({}, {}), Setting(BASIC, 0.1), made[0], made[1], None)


def test_what_the_paper_says_holds_where_it_happens():
    found = arms([10, 9, 8, 6], [9, 6, 3, 0])
    assert all(row.holds for row in judgements(found))
    assert decided(found.clipped, found.plain) == (15, 0)
    p = binomtest(15, 15, alternative="greater").pvalue
    assert judgements(found)[1].measured.startswith(f"{p:.3g}")
    assert rate(found.clipped[50]) == Rate(10, 10)
    alike = arms([10, 10, 10, 10], [10, 10, 10, 10])
    assert [row.holds for row in judgements(alike)] == [True, False, False, False]
    assert not any(row.holds for row in judgements(arms([0] * 4, [0] * 4)))
    assert [row.holds for row in judgements(arms([5, 9, 0, 0], [0, 0, 5, 5]))] == [False, False, True, False]


def test_the_gain_by_hand():
    clipped = dict(zip(LENGTHS, (Rate(9, 10), Rate(8, 10), Rate(7, 10), Rate(0, 10)), strict=True))
    plain = dict(zip(LENGTHS, (Rate(8, 10), Rate(5, 10), Rate(1, 10), Rate(0, 10)), strict=True))
    assert gain(clipped, plain) == pytest.approx(0.6 - 0.1)


@pytest.mark.parametrize("start", [BASIC, SMART, ORTHOGONAL])
def test_untrained_networks_do_not_pass(start):
    nothing = Budget(updates=0, sequences=SEQUENCES)
    arm = {length: [learn(length, Setting(start, 0.1), seed, nothing) for seed in range(2)] for length in LENGTHS}
    found = Found(50, ({}, {}), Setting(start, 0.1), arm, arm, None)
    assert not any(row.holds for row in judgements(found))
    solved = {length: [replace(each, untrained=0.0, solved=200) for each in arm[length]] for length in LENGTHS}
    assert not judgements(replace(found, clipped=solved))[0].holds  # they could do it before training


def test_all_of_it_runs(capsys, tmp_path):
    page = tmp_path / "results.md"
    arguments = ["--quick", "--quiet", "--json", "--runs", str(tmp_path / "runs"), "-o", str(page)]
    assert main(["reproduce", "pascanu2013", *arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    for section in report["sections"]:
        found = {row["what"]: row for row in section["rows"]}
        assert all(found[criterion.what]["wanted"] == criterion.wanted for criterion in CRITERIA)
        assert not any(found[criterion.what]["holds"] for criterion in CRITERIA)
    assert f"networks at each length 1 in place of {NETWORKS}" in report["about"]
    assert (tmp_path / "figures" / "pascanu2013-clipping.svg").exists()
