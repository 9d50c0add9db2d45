"""What is usually said for tanh, beside σ, relu, hard tanh and the identity: the same run with each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from types import MappingProxyType

from unrolled.reproduce.bench import Bench, written
from unrolled.reproduce.claims import Claim
from unrolled.reproduce.nonlinearity import criteria
from unrolled.reproduce.nonlinearity.criteria import CENTRED, HALF, MARGIN, NEAR
from unrolled.reproduce.nonlinearity.units import UNITS, Behaviour, Measured, measured
from unrolled.reproduce.report import Report, Row, Section

NAME = "nonlinearity"
SETTINGS: Mapping[str, str] = MappingProxyType({"text": "", "hidden": "128", "steps": "1500", "seeds": "1,2,3"})

LEARNT = 0.5  # nats that training must gain before anything is said of what was learnt
By = Mapping[str, Sequence[Behaviour]]  # by non-linearity, one for each seed
Figure = Callable[[Behaviour], float]


def reproduce(bench: Bench) -> Report:
    """What each network does, and the claims."""
    (hidden,), (steps,), seeds = (bench.numbers(name) for name in ("hidden", "steps", "seeds"))
    found = [[measured(bench, phi, hidden, steps, seed) for seed in seeds] for phi in UNITS]
    runs = dict(zip(UNITS, found, strict=True))
    text = bench.settings["text"]
    about = (
        "h_t = φ(U x_t + W h_{t-1} + b) with five φ, all else the same, the first weights too: nats per character on "
        f"the last 5 % of {'the text ' + Path(text).name if text else 'the source code of the Python that ran it'}. "
        f"Each number is the median of the seeds {', '.join(map(str, seeds))}. The claims are those of lectures; what "
        "must be measured for them was written down before. "
        f"{written(NAME, bench.changed(SETTINGS))}"
    )
    return Report(NAME, about, [_behaviours(runs), _claims(runs)])


def _behaviours(runs: Mapping[str, Sequence[Measured]]) -> Section:
    rows = []
    for phi, each in runs.items():
        before, after = [one.before for one in each], [one.after for one in each]
        rows.append(
            Row(
                f"φ = {UNITS[phi].name}",
                f"{_of(after, _nats):.3f} nats; mean activation {_of(after, _mean):+.2f}, at most "
                f"{_of(after, _most):.3g}, {_of(after, _flat):.0%} of the units with |φ′| < 0.05; leading exponent "
                f"{_of(before, _exponent):+.3f} before training, {_of(after, _exponent):+.3f} after",
            )
        )
    first = next(iter(runs.values()))[0]
    text = (
        "The leading Lyapunov exponent λ says how the gradient fares through time: exp(λ) is what a step leaves of it "
        "in the direction that keeps it longest."
    )
    return Section("Five non-linearities", [first.command], rows, text)


def _claims(runs: Mapping[str, Sequence[Measured]]) -> Section:
    before: By = {phi: [one.before for one in each] for phi, each in runs.items()}
    after: By = {phi: [one.after for one in each] for phi, each in runs.items()}
    centred = _of(after["tanh"], _mean), _of(after["sigmoid"], _mean)
    vanishing = _of(before["tanh"], _exponent) - _of(before["sigmoid"], _exponent)
    largest = {phi: _of(each, _most) for phi, each in after.items()}
    leave = {phi for phi, most in largest.items() if most > criteria.GROWS}
    rows = [
        _row(
            criteria.ZERO_CENTRED,
            f"{centred[0]:+.3f}, {centred[1]:+.3f}",
            abs(centred[0]) <= CENTRED and abs(centred[1] - HALF) <= NEAR,
        ),
        _row(criteria.VANISHES, f"{vanishing:.2f}", vanishing >= math.log(criteria.QUARTER) * criteria.HALF_OF_IT),
        _row(
            criteria.BOUNDED,
            ", ".join(f"{UNITS[phi].name} {most:.3g}" for phi, most in largest.items()),
            leave == {"relu", "identity"},
        ),
    ]
    judged: tuple[tuple[Claim, str, Callable[[float], bool]], ...] = (
        (criteria.LINEAR, "identity", lambda d: d > MARGIN),
        (criteria.BEST_BOUNDED, "sigmoid", lambda d: d > MARGIN),
        (criteria.HARD, "hard", lambda d: abs(d) <= MARGIN),
        (criteria.RELU, "relu", lambda d: d >= -MARGIN),
    )
    return Section("What is said for tanh", [], rows + [_learnt(*each, before, after) for each in judged])


def _row(claim: Claim, measured: str, holds: bool) -> Row:
    return Row(claim.what, measured, claim.wanted, holds, claim.said)


def _learnt(claim: Claim, phi: str, holds: Callable[[float], bool], before: By, after: By) -> Row:
    """A claim about what is learnt, φ less tanh: the untrained, among which nothing is, do not meet it."""
    untrained, trained = (_of(by[phi], _nats) - _of(by["tanh"], _nats) for by in (before, after))
    learnt = all(_of(before[each], _nats) - _of(after[each], _nats) > LEARNT for each in (phi, "tanh"))
    return _row(claim, f"{trained:+.3f}; untrained {untrained:+.3f}", learnt and holds(trained))


def _of(each: Sequence[Behaviour], figure: Figure) -> float:
    return median(map(figure, each))


def _nats(each: Behaviour) -> float:
    return each.nats


def _mean(each: Behaviour) -> float:
    return each.mean


def _most(each: Behaviour) -> float:
    return each.most


def _flat(each: Behaviour) -> float:
    return each.flat


def _exponent(each: Behaviour) -> float:
    return each.exponent
