"""``unrolled reproduce nonlinearity``: what is measured of a network, by hand, and all of it from end to end."""

import json

import numpy as np
import pytest
import torch

from unrolled.cli import main
from unrolled.data.corpora import split
from unrolled.nn import language_model
from unrolled.reproduce.nonlinearity.units import LANES, UNITS, behaviour, first, slope
from unrolled.training import TrainConfig, loop

F = {
    "tanh": np.tanh,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "relu": lambda a: np.maximum(a, 0),
    "hard": lambda a: np.clip(a, -1, 1),
    "identity": lambda a: a,
}


@pytest.mark.parametrize("phi", list(UNITS))
def test_the_slope_is_the_derivative(phi):
    a = np.linspace(-2.9, 2.9, 24)  # no kink within 1e-5 of them
    expected = (F[phi](a + 1e-6) - F[phi](a - 1e-6)) / 2e-6
    np.testing.assert_allclose(slope(phi, torch.from_numpy(F[phi](a))).numpy(), np.abs(expected), atol=1e-9)


@pytest.mark.parametrize("phi", list(UNITS))
def test_the_behaviour_is_that_of_the_network_by_hand(phi):
    torch.manual_seed(2)
    layer = language_model(UNITS[phi].equation, vocabulary=5, hidden=6, dtype=torch.float64)
    with torch.no_grad():
        layer.U.mul_(2.5 if phi == "hard" else 8)  # some units are saturated, and never all of a hard tanh
    steps, ids = 400, torch.randint(5, (LANES * 400,))
    found = behaviour(layer, phi, ids)
    U, W, b = (getattr(layer, name).detach().numpy() for name in ("U", "W", "b"))
    h, direction, states, slopes, growth = np.zeros((LANES, 6)), np.ones((LANES, 6)), [], [], []
    for x in ids.view(LANES, -1).T.numpy():
        a = U.T[x] + h @ W.T + b
        h = F[phi](a)
        states.append(h)
        slopes.append((F[phi](a + 1e-6) - F[phi](a - 1e-6)) / 2e-6)
        direction = slopes[-1] * (direction @ W.T)  # a small change of the state, of length 1 before the step
        growth.append(np.log(np.linalg.norm(direction, axis=1)))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    states = np.stack(states)
    assert found.mean == pytest.approx(states.mean(), abs=1e-12)
    assert found.most == pytest.approx(np.abs(states).max(), abs=1e-12)
    assert found.flat == pytest.approx((np.stack(slopes) < 0.05).mean(), abs=1e-12)
    assert (found.flat == 0) == (phi == "identity")
    assert found.exponent == pytest.approx(np.mean(growth[steps // 4 :]), abs=0.01)


def test_all_of_it_runs(tmp_path, capsys):
    text = tmp_path / "text.txt"
    text.write_text("so it goes, and on it goes, and so on it goes; so it went.\n" * 80)
    arguments = ["--set", f"text={text}", "--set", "seeds=1", "--set", "hidden=6", "--set", "steps=20"]
    runs = ["--quick", "--quiet", "--json", "--runs", str(tmp_path / "runs")]
    assert main(["reproduce", "nonlinearity", *arguments, *runs]) == 0
    five, claims = json.loads(capsys.readouterr().out)["sections"]
    assert [row["what"] for row in five["rows"]] == [f"φ = {unit.name}" for unit in UNITS.values()]
    # nothing was learnt, so that nothing holds that is said of learning
    assert not any(row["holds"] for row in claims["rows"] if "nats per character" in row["what"])


def test_what_is_measured_before_training_is_the_network_that_training_begins_with(tmp_path):
    text = "so it goes, and on it goes, and so on it goes; so it went.\n" * 20
    options = TrainConfig(
        recurrence=UNITS["tanh"].equation, layers=1, hidden=5, batch=2, sequence_length=5, seed=7,
        run=str(tmp_path / "run"),
    )  # fmt: skip
    job = loop.begin(options, split("text", text))
    job.run.unlock()
    found = first("tanh", job.task.model.vocabulary, job.task.layer, seed=7)
    begun = job.task.layer.state_dict()
    assert found.state_dict().keys() == begun.keys()
    assert all(torch.equal(value, begun[name]) for name, value in found.state_dict().items())
