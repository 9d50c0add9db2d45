"""Models with a fault that was put into them: the summary names it and no other, and accuses nothing in a healthy one.

pytest -m long tests/diagnose/limits/test_planted.py      # with other texts and first weights, and other faults
"""

import hashlib

import pytest

import planted
from unrolled.diagnose.limits import summarise
from unrolled.training.evaluation import result_of

LENGTH, UPDATES, LAG = 60_000, 150, 20


def healthy(folder, seed, **options):
    return planted.trained(
        folder, planted.markov(LENGTH, seed), **{"learning_rate": 0.02, "epochs": 8, "seed": seed, **options}
    )


def looks_back_too_little(folder, seed):
    """The gradient flows back 8 steps, and all that can be known stands 20 back."""
    return planted.trained(folder, planted.echo(LENGTH, LAG, seed), sequence_length=8, batch=60, epochs=3, seed=seed)


def vanishes(folder, seed):
    """The gradient could flow back far enough, but fades on the way."""
    options = {"recurrence": "vanilla", "spectral_radius": 0.3, "sequence_length": 40, "epochs": 5}
    return planted.trained(folder, planted.echo(LENGTH, LAG, seed), seed=seed, **options)


def small(folder, seed):
    return healthy(folder, seed, hidden=2, epochs=12)


def slow(folder, seed):
    return healthy(folder, seed, learning_rate=3e-5, epochs=1)


def wild(folder, seed):
    return healthy(folder, seed, learning_rate=0.5, schedule="constant", epochs=3)


def stopped_early(folder, seed):
    return healthy(folder, seed, epochs=1, learning_rate=0.002, schedule="constant")


def little_text(folder, seed):
    """Most of which 128 units learn by heart."""
    options = {"hidden": 128, "learning_rate": 0.01, "schedule": "constant", "epochs": 30, "evaluate_every": 50}
    return planted.trained(folder, planted.markov(12_000, seed), seed=seed, **options)


FAULTS = (
    (looks_back_too_little, ("memory",)), (small, ("capacity",)), (slow, ("optimisation",)), (little_text, ("data",)),
    (healthy, ()),
)  # fmt: skip
OTHERS = ((vanishes, ("memory",)), (wild, ("optimisation",)), (stopped_early, ("optimisation",)))


def limits(folder, fault, seed):
    return result_of(summarise(fault(folder, seed), updates=UPDATES))


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "expected"), FAULTS)
def test_the_fault_is_named_and_no_other(tmp_path, fault, expected):
    found = limits(tmp_path, fault, 1)
    assert found.limits == expected
    assert all(bool(each.advice) == (each.limit in expected) for each in found.findings)


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
@pytest.mark.parametrize(("fault", "expected"), [*FAULTS, *OTHERS])
def test_with_other_texts_and_other_faults(tmp_path, fault, expected, seed):
    assert limits(tmp_path, fault, seed).limits == expected


@pytest.mark.slow
def test_a_healthy_model_is_as_good_as_one_can_be(tmp_path):
    """Which is why nothing may be said against it: its loss is the entropy of the chain that wrote the text."""
    found = limits(tmp_path, healthy, 1)
    assert found.measured.training.nats == pytest.approx(planted.entropy(), rel=0.02)
    assert found.headline.startswith("Nothing that was measured limits this model")


@pytest.mark.slow
def test_a_run_is_left_as_it_is_and_the_answer_is_always_the_same(tmp_path):
    run = slow(tmp_path, 1)
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in run.rglob("*") if path.is_file()}
    first, second = (result_of(summarise(run, updates=3)) for _ in range(2))
    assert first == second
    assert before == {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in run.rglob("*") if path.is_file()}
