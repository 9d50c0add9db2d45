"""The bias of a truncated gradient, against gradients cut by hand in one autograd graph."""

import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from unrolled.cli import main
from unrolled.data.corpora import split
from unrolled.diagnose import truncation_bias
from unrolled.diagnose.truncation import WARM_UP
from unrolled.errors import DataError
from unrolled.nn import language_model
from unrolled.training import TrainConfig, train
from unrolled.training.evaluation import result_of

V = 7
IDS = np.random.default_rng(0).integers(0, V, 3000)


def layer(scale: float = 1.0):
    torch.manual_seed(0)
    found = language_model("vanilla", V, hidden=6, dtype=torch.float64)
    with torch.no_grad():
        found.W.mul_(scale)
    return found


def by_hand(model, lanes: int, cut: int | None, losses: int) -> torch.Tensor:
    """Step by step, the state detached every ``cut`` steps of those with losses, never before that for None."""
    steps = WARM_UP + 2 * losses
    total = torch.zeros(())
    for lane in range(lanes):
        symbols = torch.from_numpy(IDS[lane * steps : (lane + 1) * steps + 1])
        state = None
        for t in range(steps):
            logits, state = model.logits(symbols[t : t + 1], state)
            if t == WARM_UP - 1:
                state = {name: value.detach() for name, value in state.items()}
            first = WARM_UP + losses
            if t >= first:
                total = total + functional.cross_entropy(logits, symbols[t + 1 : t + 2]) / (lanes * losses)
            if cut is not None and t >= first - 1 and (t + 1 - first) % cut == 0:
                state = {name: value.detach() for name, value in state.items()}
    return torch.cat([each.flatten() for each in torch.autograd.grad(total, list(model.parameters()))])


def test_cosine_and_norm_by_hand():
    model = layer(2.0)
    found = result_of(truncation_bias(model, IDS, back=(1, 3, 7), lanes=2, batches=1))
    exact = by_hand(model, 2, None, 7)
    for k, bias in zip(found.back, found.whole, strict=True):
        truncated = by_hand(model, 2, k, 7)
        assert bias.norm == pytest.approx((truncated.norm() / exact.norm()).item(), rel=1e-9)
        assert bias.cosine == pytest.approx(functional.cosine_similarity(truncated, exact, 0).item(), rel=1e-9)
    assert found.parameters.keys() == {name for name, _ in model.named_parameters()}
    assert all(each.cosine == pytest.approx(1) for each in found.parameters["V"])  # a read-out sees no time


def test_a_network_without_memory_loses_nothing():
    found = result_of(truncation_bias(layer(0.0), IDS, back=(2, 5), lanes=3, batches=2))
    assert found.batches == 2
    # W itself still has a gradient, which the first step of a window lacks the state for only where it was cut
    assert all(bias.cosine == pytest.approx(1) for name in ("U", "V", "b", "c") for bias in found.parameters[name])
    assert found.enough(0.5) == 2


def test_the_layer_is_left_as_it_was():
    model = layer().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result_of(truncation_bias(model, IDS, back=(2,), lanes=2))
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_cannot_be_measured():
    with pytest.raises(DataError, match="300 symbols, and 16 lanes of 500 steps take 8,001"):
        result_of(truncation_bias(layer(), IDS[:300]))
    with pytest.raises(DataError, match="cannot flow back"):
        result_of(truncation_bias(layer(), IDS, back=(0, 3)))


def test_the_command(tmp_path, capsys):
    text = "the quick brown fox jumps over the lazy dog. " * 400
    run = str(tmp_path / "run")
    config = TrainConfig(recurrence="gru", layers=1, hidden=6, batch=4, sequence_length=9, steps=3, run=run)
    list(train(config, corpus=split("pangram", text)))
    (tmp_path / "text.txt").write_text(text)
    arguments = ["diagnose", run, str(tmp_path / "text.txt"), "--truncation", "--lanes", "4", "--back", "1,4,16"]
    assert main([*arguments, "-o", str(tmp_path / "bias.svg")]) == 0
    assert "cosine" in capsys.readouterr().out
    assert (tmp_path / "bias.svg").read_text().startswith("<?xml")
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["truncation"]["back"] == [1, 4, 16]
    assert main(["diagnose", "--truncation"]) == 2
    assert main(["diagnose", run, "--truncation", "--back", "few"]) == 2
    assert main([*arguments, "-o", str(tmp_path / "bias.doc")]) == 1
    assert "bias.doc cannot be written" in capsys.readouterr().err
