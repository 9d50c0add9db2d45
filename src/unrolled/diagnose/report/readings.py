"""What the numbers of each measurement say, in a sentence or a few."""

from __future__ import annotations

import math

from unrolled.diagnose.flow import MANY, ONE, GradientFlow
from unrolled.diagnose.horizon import InfluenceHorizon, layers_needed, receptive_field
from unrolled.diagnose.jacobians import JacobianReport
from unrolled.diagnose.lyapunov import LyapunovSpectrum
from unrolled.diagnose.report.learning import LAST, Learning
from unrolled.diagnose.shading import shown
from unrolled.diagnose.state_space import StateSpace
from unrolled.diagnose.token_tree import TokenTree
from unrolled.diagnose.units import Trackers
from unrolled.diagnose.what_if import WhatIf

DIGITS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
BEFORE = 10  # steps before the last at which the gradient's flow is told
FADED = 0.1  # of the largest effect of a change, below which it is called forgotten


def number(value: float | None) -> str:
    """Three digits, and a power of ten where it is very small or large.

    >>> number(0.01234), number(-3.2e-7), number(1234567.0), number(float("-inf")), number(0)
    ('0.0123', '−3.2 · 10⁻⁷', '1.23 · 10⁶', '−∞', '0')
    """
    if value is None or math.isnan(value):
        return "none"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    digits, _, power = f"{value:.3g}".replace("-", "−", 1 if value < 0 else 0).partition("e")
    return f"{digits} · 10{str(int(power)).translate(DIGITS)}" if power else digits


def steps(count: int | None) -> str:
    """How many steps, in words.

    >>> steps(1), steps(12), steps(None)
    ('1 step', '12 steps', 'no number of steps')
    """
    return "no number of steps" if count is None else f"{count:,} step{'s' * (count != 1)}"


def percent(share: float) -> str:
    """A share of one.

    >>> percent(0.01), percent(0.5), percent(0.0012)
    ('1 %', '50 %', '0.12 %')
    """
    return f"{number(100 * share)} %"


def seen(symbol: str) -> str:
    r"""A symbol in a line of words.

    >>> seen(" "), seen("\n"), seen("a")
    ('␣', '↵', 'a')
    """
    return "␣" if symbol == " " else shown(symbol)


def learning_reading(found: Learning) -> str:
    """Losses at the best step, and how often the gradient was clipped."""
    said = []
    if found.held_out:
        best = min(found.held_out, key=lambda step: found.held_out[step])
        loss, training = found.held_out[best], found.before(best)
        said.append(
            f"The loss on held-out text was lowest at step {best:,}, {loss:.4f} nats a symbol; on the training text it "
            f"was {training:.4f} then (the mean of {LAST} steps at most), {abs(loss - training):.4f} "
            f"{'lower' if training < loss else 'higher'}."
        )
    else:
        said.append("The run was never evaluated on held-out text.")
    if found.threshold is None:
        said.append(found.rule or "The gradient was not clipped.")
    else:
        said.append(
            f"The gradient was longer than {found.threshold:g}, where it is clipped, at {found.clipped:,} of "
            f"{len(found.steps):,} steps."
        )
    return " ".join(said)


def horizon_reading(found: InfluenceHorizon) -> str:
    """How far back an input is felt, measured and predicted, and which convolutions see as far."""
    share, predicted = percent(found.share), _predicted(found)
    if found.steps is None:
        return (
            f"After {found.back} steps, as far back as was looked, an input typically still has at least {share} of "
            f"its first influence; {predicted}. {found.layers} convolutions of width 3 would see "
            f"{receptive_field(found.layers)} steps, dilated ones {receptive_field(found.layers, dilated=True)}."
        )
    low, high = (f"over {found.back}" if each is None else f"{each}" for each in found.steps_band)
    plain, dilated = (layers_needed(found.steps, dilated=each) for each in (False, True))
    return (
        f"After {steps(found.steps)} (95 %: {low} to {high}) an input typically has less than {share} of its first "
        f"influence left; {predicted}. To see as far, convolutions of width 3 take {plain} layers, or {dilated} where "
        f"they are dilated; as many layers as here, {found.layers}, see {receptive_field(found.layers)} steps, or "
        f"{receptive_field(found.layers, dilated=True)} dilated."
    )


def _predicted(found: InfluenceHorizon) -> str:
    if found.predicted is None:
        return "the largest Lyapunov exponent is not negative and predicts no end"
    return f"the largest Lyapunov exponent predicts {found.predicted:.0f}"


def flow_reading(found: GradientFlow) -> str:
    """How much of the gradient is left before the last step, of each loss, in the state that reaches furthest."""
    said, back = [], min(BEFORE, found.steps - 1)
    names = {ONE: "the loss of the last step alone", MANY: "the sum of the losses of all steps"}
    for loss, flow in found.losses.items():
        reach = flow.reach()
        state = max(reach, key=lambda name: reach[name])
        norms = flow.states[state]
        said.append(
            f"Of {names[loss]} the gradient with respect to {state} has a norm of {number(norms[-1])} at the last step "
            f"and, {steps(back)} before it, of {number(norms[-1 - back])}; 1 % of its largest norm still stands "
            f"{steps(reach[state])} before the last."
        )
    return " ".join(said)


def jacobian_reading(found: JacobianReport) -> str:
    """What one step does to a small change, and what many do."""
    radii = [each.radius for each in found.matrices.values()]
    matrices = ""
    if radii:
        low, high = number(min(radii)), number(max(radii))
        span = low if low == high else f"{low} to {high}"
        matrices = f" The spectral radius of the recurrent matrices alone is {span}, that of one step's Jacobian "
        matrices += f"{number(found.radius)}."
    return (
        f"One step stretches a small change of the state up to {number(found.largest)}-fold (the mean of "
        f"{len(found.eigenvalues)} places); {steps(len(found.products))} one after the other stretch it at most "
        f"{number(found.products[-1])}-fold.{matrices}"
    )


def lyapunov_reading(found: LyapunovSpectrum) -> str:
    """The largest exponent and what it means, and how many are positive."""
    largest, size = found.exponents[0], sum(found.states.values())
    positive = sum(exponent > 0 for exponent in found.exponents)
    count = f"the {size:,}" if len(found.exponents) == size else f"the {len(found.exponents)} largest of {size:,}"
    meaning = (
        f"a small change of the state shrinks to 1/e in {number(found.lifetime)} steps in the direction that keeps it "
        "longest"
        if largest < 0
        else "small changes of the state grow along this text"
    )
    return (
        f"The largest exponent is {_signed(largest)} ± {number(found.errors[0])} nats a step: {meaning}. Of {count} "
        f"exponents {positive if positive else 'none'} {'is' if positive < 2 else 'are'} positive."
    )


def units_reading(found: Trackers) -> str:
    """How many units keep track of something, beside what untrained networks do."""
    if not found.trackers:
        return "This text shows none of the things that are looked for often enough to score a unit."
    beside = (
        f"chosen on the first half of {found.symbols:,} symbols and scored on the second, beside {found.controls} "
        "untrained networks and the last symbol alone"
    )
    if not found.found:
        best = found.trackers[0]
        return (
            f"Of {found.units:,} units none follows something nameable better than its rivals do ({beside}); nearest "
            f"to it comes “{best.predicate}”, with a score of {best.score:.2f}, untrained {best.control:.2f}, the "
            f"symbol alone {best.symbol:.2f}."
        )
    named = ", ".join(f"“{each.predicate}” ({each.score:.2f}, untrained {each.control:.2f})" for each in found.found)
    return f"Of {found.units:,} units some follow {named}: {beside}."


def states_reading(found: StateSpace) -> str:
    """How many directions the states fill, trained and not."""
    parts = found.trained.components
    controls = [each.components.needed() for each in found.controls]
    low, high = min(controls, default=0), max(controls, default=0)
    untrained = f" ({low if low == high else f'{low} to {high}'} in untrained networks)" if controls else ""
    two = percent(float(parts.shares[:2].sum()))
    return (
        f"90 % of the variance of {found.state} lies along {parts.needed()} of {parts.mean.shape[0]:,} directions"
        f"{untrained}; the two that are drawn hold {two}."
    )


def tokens_reading(found: TokenTree) -> str:
    """How well the tree keeps kinds of symbols together, trained and not."""
    kinds = ", ".join(dict.fromkeys(found.classes.values()))
    controls = ", ".join(f"{each:.2f}" for each in found.control_purities)
    return (
        f"The tree keeps symbols of a kind ({kinds}) together with a purity of {found.purity:.2f}; untrained networks "
        f"with {controls}; with the names shuffled it is {found.chance:.2f}."
    )


def what_if_reading(found: WhatIf) -> str:
    """Where which symbol is changed, how much of the prediction moves, and when that is forgotten."""
    moved = found.variation.values
    most, gone = max(moved), found.variation.forgotten(FADED)
    end = f"falls below a tenth of its most for good at step {gone}" if gone is not None else "is not forgotten"
    later = f", {percent(most)} at step {moved.index(most)}, the most," if moved.index(most) else ""
    return (
        f"At position {found.position:,} of the text “{seen(found.instead)}” is read in place of “{seen(found.was)}”: "
        f"{percent(moved[0])} of the probability of the next symbol moves at once{later} and what moves {end}, of "
        f"{len(moved)} steps that were followed."
    )


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value)
