"""From numbers to words: each rule by itself, on evidence that was made up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import NONE, evidence, gain
from unrolled.diagnose.limits.lags import LagGain
from unrolled.diagnose.limits.past import Past, Turn
from unrolled.diagnose.limits.plot import limits_plot
from unrolled.diagnose.limits.probes import Further
from unrolled.diagnose.limits.samples import Mean
from unrolled.diagnose.limits.verdicts import judge

GREAT, UNSURE = Mean(0.5, 0.01), Mean(0.5, 0.3)


def further(great, rate=0.001):
    return (Further(rate, gain(great)), Further(0.01, gain(NONE)))


def finding(found, limit):
    return next(each for each in found.findings if each.limit == limit)


def test_nothing_is_said_against_a_healthy_model():
    found = judge(evidence())
    assert found.limits == ()
    assert (
        found.headline
        == "Nothing that was measured limits this model (2.000 nats a symbol on a sample of held-out text)."
    )
    assert {each.verdict for each in found.findings} == {"no sign of it"}


@pytest.mark.parametrize(("changes", "expected", "advice"), [
    ({"further": further(GREAT)}, "optimisation", "--learning-rate 0.001 in place of 0.01"),
    ({"further": further(GREAT, 0.1)}, "optimisation", "higher learning rate: --learning-rate 0.1"),
    ({"further": (Further(0.01, gain(GREAT)),)}, "optimisation", "Train for longer"),
    ({"wider": gain(GREAT)}, "capacity", "--hidden 64"),
    ({"longer": gain(GREAT)}, "memory", "--sequence-length 200"),
    ({"lag": LagGain(120, GREAT)}, "memory", "--sequence-length 240"),
    ({"lag": LagGain(30, GREAT)}, "memory", "--initialisation orthogonal"),
    ({"gap": GREAT}, "data", "More text than 50,000 symbols"),
    ({"past": Past(1000, None, 0, Turn(300, 0.2, 0.4))}, "data", "More text"),
])  # fmt: skip
def test_what_is_large_and_sure_is_named(changes, expected, advice):
    found = judge(evidence(**changes))
    assert found.limits == (expected,)
    assert found.findings[0].limit == expected
    assert advice in found.findings[0].advice


@pytest.mark.parametrize("changes", [
    {"further": further(UNSURE)}, {"wider": gain(UNSURE)}, {"longer": gain(UNSURE)}, {"lag": LagGain(120, UNSURE)},
    {"gap": UNSURE}, {"gap": GREAT, "shift": Mean(0.4, 0.01)},
    {"wider": gain(GREAT, training=NONE)},  # less was forgotten, and nothing learnt
    {"longer": gain(GREAT, training=NONE)},
    {"past": Past(1000, None, 0, Turn(300, 0.2, 0.0))},  # both rose: no matter of too little text
    {"gap": Mean(0.19, 0.001)},
    {"wider": gain(Mean(0.039, 0.0001))},
])  # fmt: skip
def test_what_is_unsure_or_small_or_of_another_cause_is_not(changes):
    assert judge(evidence(**changes)).limits == ()


def test_of_a_network_that_still_learns_no_more_is_said():
    found = judge(evidence(further=further(GREAT), wider=gain(GREAT), longer=gain(GREAT), lag=LagGain(30, GREAT)))
    assert found.limits == ("optimisation",)
    assert finding(found, "capacity").verdict == finding(found, "memory").verdict == "cannot be told"
    # but a gradient that never flowed so far cannot have taught it, whatever the training
    assert "memory" in judge(evidence(further=further(GREAT), lag=LagGain(120, GREAT))).limits


def test_what_could_not_be_tried_is_not_judged():
    found = judge(evidence(wider=None, longer=None, lag=None, silence="pairs of 9,000 symbols are too many"))
    assert found.limits == ()
    assert finding(found, "capacity").verdict == finding(found, "memory").verdict == "cannot be told"
    assert "memory and capacity cannot be told" in found.headline
    assert any("9,000 symbols" in sentence for sentence in finding(found, "memory").evidence)


def test_the_most_costly_comes_first():
    found = judge(evidence(wider=gain(Mean(0.2, 0.01)), gap=GREAT, lag=LagGain(120, Mean(0.3, 0.01))))
    assert found.limits == ("data", "memory", "capacity")
    assert "how much text it was trained on, then how far back it can learn to look and the size" in found.headline


means = st.builds(Mean, st.floats(-3, 3), st.floats(0, 1) | st.just(math.inf))


@given(means, means, means, means, means)
def test_a_limit_is_never_named_without_a_sure_gain(one, two, three, four, five):
    found = judge(evidence(further=further(one), wider=gain(two), longer=gain(three), lag=LagGain(60, four), gap=five))
    sure = {"optimisation": (one,), "capacity": (two,), "memory": (three, four), "data": (five,)}
    for limit in found.limits:
        assert any(each.surely(0) for each in sure[limit])
    for each in found.findings:
        assert bool(each.advice) == (each.limit in found.limits)
        assert all(sentence.endswith(".") for sentence in each.evidence)


def test_as_plain_data():
    found = judge(evidence(gap=Mean(0.1, math.inf))).to_dict()
    assert found["measured"]["gap"] == {"nats": 0.1, "error": None}
    assert found["findings"][0]["verdict"] == "no sign of it"


def test_the_picture_has_a_row_for_each_change():
    axes = limits_plot(judge(evidence())).axes[0]
    assert len(axes.get_yticklabels()) == 5
    assert len(limits_plot(judge(evidence(wider=None, lag=None))).axes[0].get_yticklabels()) == 3


def test_a_longer_gradient_that_helps_a_network_that_still_learns_is_no_lack_of_a_sign():
    found = finding(judge(evidence(further=further(GREAT), longer=gain(GREAT))), "memory")
    assert found.verdict == "cannot be told"
    assert found.evidence[-1].startswith("It still gains")


def test_after_few_updates_a_sure_gain_leaves_it_open():
    small = evidence(further=further(Mean(0.03, 0.001)), wider=gain(GREAT), updates=3)
    found = judge(small)
    assert found.limits == ()
    assert finding(found, "optimisation").verdict == finding(found, "capacity").verdict == "cannot be told"
    assert judge(evidence(further=further(Mean(0.03, 0.001)), wider=gain(GREAT), updates=150)).limits == ("capacity",)


def test_a_gradient_that_was_carried_forwards_was_not_cut():
    far = evidence(lag=LagGain(120, GREAT), longer=gain(GREAT), online=True)
    found = finding(judge(far), "memory")
    assert "carried forwards, and cut nowhere" in found.evidence[0]
    assert "--sequence-length" not in found.advice
    assert "--forget-bias" in found.advice
    assert judge(evidence(longer=gain(GREAT), online=True)).limits == ()
    assert judge(evidence(further=further(GREAT), lag=LagGain(120, GREAT), online=True)).limits == ("optimisation",)
    assert evidence(horizon=70, online=True).reach == 70
    assert evidence(horizon=None, online=True).reach == 100
    assert (evidence(horizon=70).reach, evidence(horizon=None).reach) == (50, 50)


@pytest.mark.parametrize(("accidents", "said"), [(1, "not finite once."), (12, "not finite 12 times.")])
def test_accidents_are_counted(accidents, said):
    sentences = finding(judge(evidence(past=Past(1000, None, accidents, None))), "optimisation").evidence
    assert sentences[-1].endswith(said)
