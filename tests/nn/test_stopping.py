"""Stop strategies: each is a proper distribution over all finite sequences, and learns how long they are."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unrolled.errors import ConfigurationError, DataError
from unrolled.nn import EncoderDecoder, EndProbability, EndSymbol, OneToMany, PredictedLength, stop_of
from writing import F64, STOPS, all_sequences, ids

CONTEXT = torch.tensor([[0.3, -1.2, 0.7]], dtype=F64)


def model(stop: str, **options) -> OneToMany:
    made = OneToMany("gru", context=3, symbols=2, hidden=3, stop=stop, longest=4, dtype=F64, **options)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return made


def mass(made: OneToMany, longest: int) -> Tensor:
    """p of all sequences of at most ``longest`` symbols together."""
    every = all_sequences(2, longest)
    return torch.exp(-made.nats(CONTEXT.expand(len(every), 3), every)).sum()


def still_running(made: OneToMany, longest: int) -> Tensor:
    """p that more than ``longest`` symbols are written, from the outcomes of every beginning of that length."""
    state, outcomes = made.begin(CONTEXT)
    log_p = torch.zeros(1, dtype=F64)
    for _ in range(longest + 1):
        log_p = (log_p[:, None] + outcomes[:, :-1]).flatten()
        each = torch.arange(len(outcomes)).repeat_interleave(2)
        state, outcomes = made.step(made.select(state, each), torch.tensor([0, 1]).repeat(len(outcomes)))
    return log_p.exp().sum()


def test_all_lengths_together_are_certain() -> None:
    made = model("length")
    torch.testing.assert_close(mass(made, 4), torch.ones((), dtype=F64), rtol=0, atol=1e-14)
    p = made.length_log_probabilities(CONTEXT)[0].exp()
    for n in range(4):
        torch.testing.assert_close(mass(made, n), p[: n + 1].sum(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("stop", ["end", "probability"])
def test_what_has_ended_and_what_runs_on_are_certain(stop: str) -> None:
    made = model(stop)
    for n in range(5):
        ended = mass(made, n)
        assert 0 < ended < 1
        torch.testing.assert_close(ended + still_running(made, n), torch.ones((), dtype=F64), rtol=0, atol=1e-14)


def test_outcomes_by_hand() -> None:
    scores = [0.5, -1.0, 2.0]
    e = [math.exp(each) for each in scores]
    found = EndSymbol().outcomes(torch.tensor(scores, dtype=F64)).exp()
    assert found.tolist() == pytest.approx([each / sum(e) for each in e])
    found = EndProbability().outcomes(torch.tensor(scores, dtype=F64)).exp()
    end = 1 / (1 + math.exp(-2.0))
    goes_on = [(1 - end) * each / (e[0] + e[1]) for each in e[:2]]
    assert found.tolist() == pytest.approx([*goes_on, end])
    found = PredictedLength(3, context=1).outcomes(torch.tensor([scores] * 2, dtype=F64), torch.tensor([2, 0])).exp()
    assert found[0].tolist() == pytest.approx([*(each / sum(e) for each in e), 0])
    assert found[1].tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("size", [30.0, 1000.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_great_scores_are_no_trouble(size: float, sign: int) -> None:
    """Where e is ±1000, 1 − σ(e) rounds to 0 or 1; the logarithm is −1000 all the same, and has a gradient."""
    scores = torch.tensor([[0.0, 0.0, sign * size]], dtype=F64, requires_grad=True)
    for stop in (EndSymbol(), EndProbability()):
        found = stop.outcomes(scores)
        (gradient,) = torch.autograd.grad(found.sum(), scores)
        assert found.isfinite().all()
        assert gradient.isfinite().all()
    found = EndProbability().outcomes(scores.detach())[0]
    improbable = found[2] if sign < 0 else found[0] + math.log(2)
    assert float(improbable) == pytest.approx(-size - math.log1p(math.exp(-size)), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, F64, torch.bfloat16])
def test_outcomes_have_the_type_of_the_scores(dtype: torch.dtype) -> None:
    for stop in (EndSymbol(), EndProbability(), PredictedLength(3, context=1)):
        assert stop.outcomes(torch.zeros(2, 4, dtype=dtype), torch.tensor([0, 1])).dtype == dtype


@pytest.mark.parametrize("stop", STOPS)
def test_how_often_each_length_is_learnt(stop: str) -> None:
    """Of two sequences, 0.7 and 0.3 of the data, the model of greatest likelihood gives these very probabilities."""
    made, both = OneToMany("gru", context=1, symbols=2, hidden=6, stop=stop, longest=4, dtype=F64), ids([0], [0, 1, 0])
    weights, optimiser = torch.tensor([0.7, 0.3], dtype=F64), torch.optim.Adam(made.parameters(), 0.05)
    for step in range(200):
        for group in optimiser.param_groups:
            group["lr"] = 0.05 * (1 - step / 200)
        optimiser.zero_grad()
        (weights @ made.nats(torch.ones(2, 1, dtype=F64), both)).backward()
        optimiser.step()
    p = torch.exp(-made.nats(torch.ones(2, 1, dtype=F64), both))
    torch.testing.assert_close(p, weights, rtol=0, atol=0.01)


def test_strategies_by_name() -> None:
    assert isinstance(stop_of("end", 5, 3), EndSymbol)
    assert isinstance(stop_of("probability", 5, 3), EndProbability)
    made = stop_of("length", 5, 3)
    assert isinstance(made, PredictedLength)
    assert made.lengths(torch.zeros(2, 3)).shape == (2, 6)
    assert [stop_of(name, 5, 3).lengths(torch.zeros(2, 3)) for name in ("end", "probability")] == [None, None]


def test_a_strategy_of_ones_own_width() -> None:
    made = OneToMany("gru", 3, 2, 4, stop=PredictedLength(4, width=5, context=3), embedding=6, dtype=F64)
    assert made.body.sizes["x"] == 6 + 5
    assert {p.dtype for p in made.parameters()} == {F64}
    assert made.nats(CONTEXT, ids([0, 1])).isfinite().all()


def test_what_is_refused_and_why() -> None:
    with pytest.raises(ConfigurationError, match="'never'; it can be end, probability, length"):
        stop_of("never", 5, 3)
    with pytest.raises(ConfigurationError, match="longest is -1"):
        PredictedLength(-1, context=3)
    with pytest.raises(ConfigurationError, match="contexts of the size 5; here it is 3"):
        model(PredictedLength(4, context=5))
    with pytest.raises(ConfigurationError, match="contexts of the size 5; here it is 8"):
        EncoderDecoder("gru", 3, 2, 4, stop=PredictedLength(4, context=5))
    with pytest.raises(DataError, match=r"A sequence of 5 symbols: this model draws lengths from 0 to 4\. Leave it"):
        model("length").nats(CONTEXT, ids([0, 1, 0, 1, 0]))
    with pytest.raises(DataError, match="A sequence of 5 symbols"):
        model("length").begin(CONTEXT, torch.tensor([5]))
    with pytest.raises(DataError, match="A sequence of -1 symbols"):
        model("length").begin(CONTEXT, torch.tensor([-1]))
    with pytest.raises(DataError, match="draws the length first: give begin"):
        model("length").begin(CONTEXT)
    with pytest.raises(DataError, match="leave lengths out"):
        model("end").begin(CONTEXT, torch.tensor([1]))
