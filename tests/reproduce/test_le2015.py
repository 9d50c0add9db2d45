"""``unrolled reproduce le2015``: the problem by its definition, 1/6 by integration, an update against plain torch."""

import json
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from unrolled.cli import main
from unrolled.reproduce.le2015 import Run, _baseline, judgements
from unrolled.reproduce.le2015.adding import batch
from unrolled.reproduce.le2015.criteria import (
    AS_GOOD,
    BATCH,
    CONSTANT,
    CRITERIA,
    ERROR,
    HARDER,
    HIDDEN,
    IRNN,
    LENGTHS,
    LSTM,
    SOLVED,
    TANH,
)
from unrolled.reproduce.le2015.learning import Budget, Check, learn, mean_squared_error
from unrolled.reproduce.le2015.networks import DEVIATION, KINDS, new_network
from unrolled.reproduce.le2015.rates import best, race


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("length", [2, 7, 20])
def test_each_half_has_one_mark_and_the_sum_is_of_the_marked(length):
    x, d = batch(length, 3000, seeded())
    numbers, marks = x.numpy()[..., 0], x.numpy()[..., 1]
    half = length // 2
    assert set(np.unique(marks)) <= {0, 1}
    assert (marks[:half].sum(0) == 1).all()
    assert (marks[half:].sum(0) == 1).all()
    for sequence, marked, total in zip(numbers.T, marks.T, d.numpy(), strict=True):
        first, second = np.flatnonzero(marked)
        assert sequence[first] + sequence[second] == total


def test_numbers_are_uniform_and_every_place_of_a_half_is_as_likely():
    x, _ = batch(10, 20_000, seeded())
    numbers, marks = x.numpy()[..., 0].ravel(), x.numpy()[..., 1]
    assert stats.kstest(numbers[:20_000], "uniform").pvalue > 0.001
    for half in (marks[:5], marks[5:]):
        assert stats.chisquare(half.sum(1)).pvalue > 0.001


def test_a_constant_makes_a_sixth_at_the_least():
    """The error of answering a, integrated over both numbers, and its variance at a = 1."""
    errors = {a: integrate.dblquad(lambda u, v, a=a: (u + v - a) ** 2, 0, 1, 0, 1)[0] for a in (0.9, 1.0, 1.1)}
    assert errors[1.0] == pytest.approx(CONSTANT, rel=1e-9)
    assert min(errors, key=errors.get) == 1.0
    fourth = integrate.dblquad(lambda u, v: (u + v - 1) ** 4, 0, 1, 0, 1)[0]
    assert math.sqrt((fourth - errors[1.0] ** 2) / 10_000) == pytest.approx(ERROR, rel=1e-9)
    assert _baseline(10_000).holds


def test_how_each_network_starts():
    tanh, irnn, lstm = (new_network(kind, 3) for kind in KINDS)
    bound = 1 / math.sqrt(HIDDEN)
    for parameter in tanh.parameters():
        assert parameter.abs().max() <= bound
    assert stats.kstest(tanh.W.detach().numpy().ravel(), stats.uniform(-bound, 2 * bound).cdf).pvalue > 0.001
    assert torch.equal(irnn.W, torch.eye(HIDDEN))
    assert not irnn.b.any()
    assert not irnn.c.any()
    small = torch.cat([irnn.U.flatten(), irnn.V.flatten()]).detach().numpy()
    assert stats.kstest(small, stats.norm(0, DEVIATION).cdf).pvalue > 0.001
    assert torch.equal(lstm.b_if + lstm.b_hf, torch.ones(HIDDEN))
    others = [parameter for name, parameter in lstm.named_parameters() if name not in ("b_if", "b_hf")]
    assert all(parameter.abs().max() <= bound for parameter in others)


def plainly(twin, x, d):
    """The gradient of the tanh network's loss, in plain torch, and its norm."""
    h = torch.zeros(BATCH, HIDDEN)
    for x_t in x:
        h = torch.tanh(x_t @ twin["U"].T + h @ twin["W"].T + twin["b"])
    answers = (h @ twin["V"].T + twin["c"])[:, 0]
    gradients = torch.autograd.grad((answers - d).square().mean(), list(twin.values()))
    return gradients, torch.cat([each.flatten() for each in gradients]).norm()


@pytest.mark.parametrize("clipped", [True, False])
def test_updates_are_adam_down_the_clipped_gradient(clipped):
    """Three updates of the tanh network, by Adam as it was published; without clipping they would be others."""
    rate, length, seed = 0.01, 9, 5
    layer = new_network("tanh", 1)
    twin = {name: parameter.detach().clone().requires_grad_() for name, parameter in layer.named_parameters()}
    list(learn(layer, length, rate, seed, Budget(updates=3, every=3, sequences=50)))
    random = seeded(seed)
    means, squares = ([torch.zeros_like(each) for each in twin.values()] for _ in range(2))
    for update in (1, 2, 3):
        gradients, norm = plainly(twin, *batch(length, BATCH, random))
        assert norm > 1 or update > 1
        for parameter, gradient, m, v in zip(twin.values(), gradients, means, squares, strict=True):
            g = gradient / max(norm, 1) if clipped else gradient
            m += 0.1 * (g - m)
            v += 0.001 * (g**2 - v)
            step = m / (1 - 0.9**update) / ((v / (1 - 0.999**update)).sqrt() + 1e-8)
            parameter.data -= rate * step
    away = max(float((getattr(layer, name) - each).detach().abs().max()) for name, each in twin.items())
    assert away < 1e-3 * rate if clipped else away > 0.1 * rate


def test_the_error_is_that_of_the_answers():
    layer = new_network("tanh", 1)
    with torch.no_grad():
        layer.V.zero_()
        layer.c.fill_(0.25)
    _, d = batch(6, 130, seeded(4))
    assert mean_squared_error(layer, 6, 130, seeded(4)) == pytest.approx(float(((d - 0.25) ** 2).mean()), rel=1e-5)
    with torch.no_grad():
        layer.c.fill_(math.nan)
    assert mean_squared_error(layer, 6, 130, seeded(4)) == math.inf


def test_a_short_problem_is_learnt_and_then_learning_ends():
    budget = Budget(updates=2000, every=100, sequences=500)
    *_, last = learn(new_network("LSTM", 0), 4, 0.01, 0, budget)
    assert last.solved
    assert last.update < 2000
    assert last.error <= SOLVED


def test_the_rate_that_solves_it_goes_before_the_one_of_the_least_error():
    assert best({0.1: Check(200, 0.01, False), 0.2: Check(200, 0.016, True), 0.3: Check(200, math.inf, False)}) == 0.2
    assert best({0.1: Check(200, 0.2, False), 0.2: Check(200, 0.1, False)}) == 0.2
    *_, last = race("IRNN", Budget(updates=2, every=1, sequences=20))
    assert {check.update for check in last.values()} == {2}


def run(untrained, error, solved=None):
    return Run([Check(0, untrained, False), Check(solved or 10_000, error, solved is not None)])


def runs(irnn, lstm, tanh):
    kinds = {"IRNN": irnn, "LSTM": lstm, "tanh": tanh}
    return {(kind, length): each for length in LENGTHS for kind, each in kinds.items()}


def test_what_the_paper_says_holds_where_it_happens():
    solves, slower, fails = run(1.1, 0.016, 4000), run(1.1, 0.016, 5000), run(1.1, 0.16)
    found = {row.what: row for row in judgements(runs([solves, solves, fails], [solves] * 3, [fails] * 3))}
    judged = (*IRNN.values(), *LSTM.values(), *TANH.values(), *AS_GOOD.values())
    assert all(found[criterion.what].holds for criterion in judged)
    assert not found[HARDER.what].holds  # as many updates at both lengths
    longer = runs([solves] * 3, [solves] * 3, [fails] * 3) | {("IRNN", 200): [slower] * 3}
    assert {row.what: row for row in judgements(longer)}[HARDER.what].holds


def test_untrained_networks_and_networks_that_fail_meet_nothing():
    start = {kind: [learn(new_network(kind, seed), 150, 0.001, 0, Budget(0, 1, 200)) for seed in range(3)]
             for kind in KINDS}  # fmt: skip
    group = {kind: [Run(list(each)) for each in checks] for kind, checks in start.items()}
    for each in (runs(group["IRNN"], group["LSTM"], group["tanh"]), runs(*[[run(1, math.inf)] * 3] * 3)):
        assert [row.holds for row in judgements(each)] == [False] * (len(CRITERIA) - 1)


def test_all_of_it_runs(capsys, tmp_path):
    page = tmp_path / "results.md"
    arguments = ["--quick", "--quiet", "--json", "--runs", str(tmp_path / "runs"), "-o", str(page)]
    assert main(["reproduce", "le2015", *arguments]) == 0
    (section,) = json.loads(capsys.readouterr().out)["sections"]
    found = {row["what"]: row for row in section["rows"]}
    assert all(found[criterion.what]["wanted"] == criterion.wanted for criterion in CRITERIA)
    assert not any(found[criterion.what]["holds"] for criterion in CRITERIA[1:])
    assert (tmp_path / "figures" / "le2015-adding.svg").exists()


def test_less_than_the_criteria_ask_for_is_said(capsys, tmp_path):
    arguments = ["--quick", "--quiet", "--set", "networks=1", "--runs", str(tmp_path / "runs")]
    assert main(["reproduce", "le2015", *arguments]) == 0
    assert "networks of each kind 1 in place of 3" in capsys.readouterr().out
