"""``unrolled reproduce bengio1994``: the neurons one by one in numpy, an update against plain torch."""

import json

import numpy as np
import pytest
import torch
from scipy import stats

from unrolled.cli import main
from unrolled.reproduce.bengio1994 import Found, best, judgements, rate_of
from unrolled.reproduce.bengio1994.criteria import (
    CRITERIA,
    LENGTHS,
    NEURONS,
    NOISE,
    READ,
    TARGET,
    WEIGHT,
)
from unrolled.reproduce.bengio1994.neurons import Neurons, learn, noise, targets, wrong
from unrolled.reproduce.success import Rate


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def alone(neurons, number, disturbance):
    """The last values (B,) of one neuron, step by step in float64; ``disturbance`` (T - 3, B)."""
    w = neurons.w[number].item()
    triples = neurons.triples.detach().numpy()[:, :, number].astype(float)
    last = []
    for sequence, column in enumerate(disturbance.T):
        x = 0.0
        for h in (*triples[int(sequence >= len(disturbance.T) // 2)], *column):
            x = np.tanh(w * x + h)
        last.append(x)
    return np.array(last)


def test_each_neuron_is_alone():
    neurons = Neurons(5, seed=1)
    disturbance = noise(9, 3, 5, seeded())
    assert disturbance.shape == (9 - READ, 6, 5)
    found = neurons(disturbance).detach().numpy()
    for number in range(5):
        expected = alone(neurons, number, disturbance.numpy()[..., number].astype(float))
        np.testing.assert_allclose(found[:, number], expected, atol=1e-5)


def test_how_neurons_start_and_what_they_read():
    neurons = Neurons(400, seed=2)
    assert torch.equal(neurons.w, torch.full((400,), WEIGHT))
    first = neurons.triples.detach().numpy().ravel()
    assert stats.kstest(first, stats.uniform(-1, 2).cdf).pvalue > 0.001
    assert stats.kstest(noise(13, 20, 20, seeded()).numpy().ravel(), stats.norm(0, NOISE).cdf).pvalue > 0.001
    assert targets(2).flatten().tolist() == pytest.approx([TARGET, TARGET, -TARGET, -TARGET])


def test_an_update_is_a_step_down_the_gradient_by_finite_differences():
    rate, length, count = 0.3, 7, 3
    neurons = Neurons(count, seed=4)
    before = Neurons(count, seed=4)
    learn(neurons, length, rate, seed=6, updates=1, batch=4)
    disturbance = noise(length, 2, count, seeded(6)).numpy().astype(float)
    wanted = np.array([TARGET, TARGET, -TARGET, -TARGET])

    def error(number, w, triples):
        x = np.zeros(4)
        for h in np.repeat(triples, 2, 0).T:
            x = np.tanh(w * x + h)
        for h in disturbance[..., number]:
            x = np.tanh(w * x + h)
        return ((x - wanted) ** 2).mean()

    for number in range(count):
        w, triples = before.w[number].item(), before.triples.detach().numpy()[..., number].astype(float)
        slope = (error(number, w + 1e-5, triples) - error(number, w - 1e-5, triples)) / 2e-5
        assert neurons.w[number].item() == pytest.approx(w - rate * slope, abs=1e-5)
        for place in np.ndindex(2, READ):
            moved = np.zeros((2, READ))
            moved[place] = 1e-5
            slope = (error(number, w, triples + moved) - error(number, w, triples - moved)) / 2e-5
            assert neurons.triples[place][number].item() == pytest.approx(triples[place] - rate * slope, abs=1e-5)


def test_the_share_of_wrong_signs():
    neurons = Neurons(3, seed=0)
    with torch.no_grad():
        neurons.w.copy_(torch.tensor([3.0, 3.0, 0.0]))
        neurons.triples.copy_(torch.tensor([[3.0, -3.0, 3.0], [-3.0, -3.0, -3.0]])[:, None].expand(2, READ, 3))
    right, half, forgets = wrong(neurons, 40, 1000, seeded()).tolist()
    assert right == 0  # w = 3 holds either state against this noise
    assert half == 0.5  # the same triple for both classes
    assert forgets == pytest.approx(0.5, abs=0.06)  # w = 0 keeps nothing
    assert rate_of(neurons, 40, 1000) == Rate(1, 3)


def test_a_negative_weight_keeps_the_bit_at_lengths_of_one_parity():
    neurons = Neurons(1, seed=0)
    with torch.no_grad():
        neurons.w.fill_(-3)
        neurons.triples.copy_(torch.tensor([3.0, -3.0])[:, None, None].expand(2, READ, 1))
    assert [round(wrong(neurons, length, 200, seeded()).item()) for length in (11, 12, 13)] == [0, 1, 0]


def test_the_rate_with_which_most_succeed():
    pilot = {rate: {5: Rate(successes, 100)} for rate, successes in ((0.1, 90), (0.01, 97), (0.3, 97))}
    assert best(pilot) == 0.01


def rates(*successes):
    return dict(zip(LENGTHS, (Rate(each, 100) for each in successes), strict=True))


def test_what_the_paper_says_holds_where_it_happens():
    before, falling = rates(*[10] * 9), rates(98, 90, 80, 60, 40, 30, 20, 10, 5)
    steady = rates(*[95] * 9)
    assert all(row.holds for row in judgements(Found(before, falling, steady, {})))
    assert [row.holds for row in judgements(Found(before, steady, before, {}))] == [True, False, False, False]
    # p = 0.05 is met by neurons that were never trained, if they forget as well
    forget = rates(12, *[0] * 8)
    assert [row.holds for row in judgements(Found(forget, falling, steady, {}))] == [True, False, True, True]


def test_untrained_neurons_do_not_pass():
    start = Neurons(NEURONS, 0)
    found = {length: rate_of(start, length, 400) for length in LENGTHS}
    assert not any(row.holds for row in judgements(Found(found, found, found, {})))


def test_all_of_it_runs(capsys, tmp_path):
    page = tmp_path / "results.md"
    arguments = ["--quick", "--quiet", "--json", "--runs", str(tmp_path / "runs"), "-o", str(page)]
    assert main(["reproduce", "bengio1994", *arguments]) == 0
    (section,) = json.loads(capsys.readouterr().out)["sections"]
    found = {row["what"]: row for row in section["rows"]}
    assert all(found[criterion.what]["wanted"] == criterion.wanted for criterion in CRITERIA)
    assert not any(found[criterion.what]["holds"] for criterion in CRITERIA)
    assert (tmp_path / "figures" / "bengio1994-latch.svg").exists()
