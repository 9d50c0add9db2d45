"""From what was measured to what is said.

A gain counts where it is at least 2 % of the held-out loss, or 0.01 nats, and more than three standard errors. Too
little data is said where the loss of held-out text is a tenth above that of training text, what a bigram model finds
between the two taken off, or where it rose to the end while that of training text fell. Whether more units or a
gradient that flows further back would help is not said of a network that still gains from training as it is: what is
faster to train cannot be told from what can do more. After fewer updates than a probe makes by itself any sure gain may
be the beginning of one that counts.
"""

from __future__ import annotations

from unrolled.diagnose.limits.evidence import FEWEST, Evidence
from unrolled.diagnose.limits.samples import Mean
from unrolled.diagnose.limits.summary import Finding, Summary, Verdict

SHARE, LEAST = 0.02, 0.01  # of the held-out loss, and nats: a gain below is none
GAP = 0.1  # of the held-out loss
OFTEN = 0.5  # of the updates that were clipped: a share worth a sentence
UNTOLD = "It still gains from training as it is, so that what trains faster cannot be told from what can do more."
THINGS = {
    "memory": "how far back it can learn to look",
    "capacity": "the size of its state",
    "optimisation": "how it was trained",
    "data": "how much text it was trained on",
}


def judge(evidence: Evidence) -> Summary:
    """All four findings, the most costly limit first."""
    optimisation = _optimisation(evidence)
    done = optimisation[0].verdict == "no sign of it"
    found = [_memory(evidence, done), _capacity(evidence, done), optimisation, _data(evidence)]
    found.sort(key=lambda each: (each[0].verdict != "limits it", -each[1]))
    findings = tuple(finding for finding, _ in found)
    return Summary(_headline(evidence, findings), findings, evidence)


def worth(evidence: Evidence) -> float:
    """The nats from which on a gain counts."""
    return max(LEAST, SHARE * evidence.held_out.nats)


def key(evidence: Evidence) -> str:
    """What the numbers mean, and from where on they count."""
    return f"± is one standard error. A gain counts from {worth(evidence):.3f} nats and three standard errors on."


def _headline(evidence: Evidence, findings: tuple[Finding, ...]) -> str:
    loss = f"{evidence.held_out.nats:.3f} nats a symbol on a sample of held-out text"
    limits = [THINGS[each.limit] for each in findings if each.verdict == "limits it"]
    if limits:
        others = f", then {' and '.join(limits[1:])}" if limits[1:] else ""
        return f"This model ({loss}) is limited by {limits[0]}{others}."
    unknown = [each.limit for each in findings if each.verdict == "cannot be told"]
    but = f"; {' and '.join(unknown)} cannot be told" if unknown else ""
    return f"Nothing that was measured limits this model ({loss}){but}."


def _optimisation(evidence: Evidence) -> tuple[Finding, float]:
    """Does training it further, with some rate, help?"""
    probes, least = evidence.probes, worth(evidence)
    best = probes.best
    limits = best.gain.surely(least)
    said = [
        f"After {probes.updates} more updates at the rate {best.rate:g}, the best of {_rates(evidence)}, the loss of "
        f"training text is {_lower(best.gain.training)}, that of held-out text {_lower(best.gain.held_out)}.",
        *_past(evidence),
    ]
    advice = _faster(evidence) if limits else ""
    verdict = _verdict(limits)
    if not limits and probes.updates < FEWEST and best.gain.surely(0.0):
        verdict = "cannot be told"
        said.append(f"It gains, and {probes.updates} updates are too few to tell by how much: it takes {FEWEST}.")
    return Finding("optimisation", verdict, tuple(said), advice), best.gain.held_out.nats


def _faster(evidence: Evidence) -> str:
    best, rate = evidence.probes.best.rate, evidence.rate
    if best > rate:
        return f"Train with a higher learning rate: --learning-rate {best:g} in place of {rate:g}."
    if best < rate:
        return f"Train with a lower learning rate: --learning-rate {best:g} in place of {rate:g}, or --schedule cosine."
    return "Train for longer: --resume RUN with more --epochs; --schedule cosine lets the rate fall to zero at the end."


def _rates(evidence: Evidence) -> str:
    return ", ".join(f"{each.rate:g}" for each in evidence.probes.further)


def _past(evidence: Evidence) -> list[str]:
    """What of its training is worth a sentence."""
    past, said = evidence.past, []
    if past.clipped is not None and past.clipped > OFTEN:
        said.append(f"Of {past.updates:,} updates {past.clipped:.0%} were clipped.")
    if past.accidents:
        times = "once" if past.accidents == 1 else f"{past.accidents:,} times"
        said.append(f"A loss or gradient was not finite {times}.")
    return said


def _capacity(evidence: Evidence, done: bool) -> tuple[Finding, float]:
    """Do more units help more than the same training of the same network?"""
    probes, least = evidence.probes, worth(evidence)
    if probes.wider is None:
        why = "These equations have no larger network that computes the same: none could be compared."
        return Finding("capacity", "cannot be told", (why,)), 0.0
    said = (
        f"With {probes.units} units in place of {evidence.units}, and as many more updates, the loss of held-out text "
        f"is {_lower(probes.wider.held_out)} than with {evidence.units} and these updates.",
    )
    if not done:
        return Finding("capacity", "cannot be told", (*said, UNTOLD)), 0.0
    limits = probes.wider.surely(least)
    advice = f"More units: --hidden {probes.units}, or another layer." if limits else ""
    return Finding("capacity", _verdict(limits), said, advice), probes.wider.held_out.nats


def _memory(evidence: Evidence, done: bool) -> tuple[Finding, float]:
    """Does what lies beyond its reach tell anything, or does a gradient that flows further back help?"""
    lag, longer, least = evidence.lag, evidence.probes.longer, worth(evidence)
    tells = lag is not None and lag.gain.surely(least)
    told = lag is not None and tells and (done or (lag.lag > evidence.back and not evidence.online))
    gains = longer is not None and longer.surely(least) and not evidence.online  # that was cut nowhere
    helps = gains and done
    said = (_felt(evidence), _beyond(evidence), _further_back(evidence))
    if lag is None and longer is None:
        return Finding("memory", "cannot be told", said), 0.0
    cost = max(lag.gain.nats if lag and told else 0.0, longer.held_out.nats if longer and helps else 0.0)
    untold = not done and (tells or gains) and not told
    verdict: Verdict = "cannot be told" if untold else _verdict(told or helps)
    advice = _look_back(evidence, told) if told or helps else ""
    return Finding("memory", verdict, (*said, UNTOLD) if untold else said, advice), cost


def _felt(evidence: Evidence) -> str:
    horizon = f"more than {evidence.seen}" if evidence.horizon is None else str(evidence.horizon)
    flowed = "was carried forwards, and cut nowhere" if evidence.online else f"flowed back {evidence.back}"
    return f"An input is felt for {horizon} steps (to 1 %); the gradient {flowed} in training."


def _beyond(evidence: Evidence) -> str:
    if evidence.lag is None:
        return f"What symbols further back tell was not asked: {evidence.silence}."
    lag, gain = evidence.lag.lag, evidence.lag.gain
    if gain.surely(0.0):
        return (
            f"Of the symbols more than {evidence.reach} steps back the one {lag} steps back tells most of the next "
            f"beyond what the model knows: {gain} nats."
        )
    return (
        f"Of no single symbol more than {evidence.reach} steps back is it sure that it tells more of the next than the "
        f"model knows (the best guess, {lag} steps back: {gain} nats)."
    )


def _further_back(evidence: Evidence) -> str:
    longer = evidence.probes.longer
    if longer is None:
        return (
            f"Windows of {evidence.probes.back} steps were not tried: the text is too short for them, or one of them "
            "has more symbols than an update of the run."
        )
    return (
        f"With a gradient that flows back {evidence.probes.back} steps, and as many more updates, the loss of held-out "
        f"text is {_lower(longer.held_out)} than with {evidence.back} and these updates."
    )


def _look_back(evidence: Evidence, told: bool) -> str:
    """What to change: the windows where these are too short, else what carries the state."""
    needed = 2 * evidence.lag.lag if told and evidence.lag else evidence.probes.back
    if not told or (needed > 2 * evidence.back and not evidence.online):
        return f"Let the gradient flow further back: --sequence-length {needed}."
    return (
        "Let the state last longer: gates (--recurrence gru or lstm, --forget-bias 1), --initialisation orthogonal, or "
        "a larger --spectral-radius."
    )


def _data(evidence: Evidence) -> tuple[Finding, float]:
    """Is held-out text much harder than text it was trained on, or did it become so?"""
    excess, turn, least = _excess(evidence), evidence.past.turn, worth(evidence)
    turned = turn is not None and turn.rise >= least and turn.fall >= least
    said = [
        f"The loss is {evidence.training} on training text and {evidence.held_out} on held-out text, which is "
        f"{_lower(-evidence.gap)}."
    ]
    if evidence.shift is not None:
        said.append(f"For a bigram model, which counts pairs of symbols, it is {_lower(-evidence.shift)}.")
    if turn is not None and turned:
        said.append(
            f"The loss of held-out text was least at step {turn.step:,}; from there to the end it rose by "
            f"{turn.rise:.3f}, while that of training text fell by {turn.fall:.3f}."
        )
    limits = turned or (excess.surely(LEAST) and excess.nats > GAP * evidence.held_out.nats)
    advice = f"More text than {evidence.symbols:,} symbols; without it --dropout, --weight-decay, or fewer units."
    return Finding("data", _verdict(limits), tuple(said), advice if limits else ""), excess.nats


def _excess(evidence: Evidence) -> Mean:
    """The gap between held-out and training text, less what counts of pairs surely find between the two."""
    shift = evidence.shift
    return evidence.gap if shift is None or not shift.surely(0.0) else evidence.gap + -shift


def _verdict(limits: bool) -> Verdict:
    return "limits it" if limits else "no sign of it"


def _lower(gain: Mean) -> str:
    """What a gain does to a loss.

    >>> _lower(Mean(0.25, 0.01)), _lower(Mean(-0.002, 0.001))
    ('0.250 ± 0.010 lower', '0.002 ± 0.001 higher')
    """
    return f"{abs(gain.nats):.3f} ± {gain.error:.3f} {'lower' if gain.nats >= 0 else 'higher'}"
