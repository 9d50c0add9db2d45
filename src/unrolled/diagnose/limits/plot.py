"""A picture of what limits a model: what each change takes off the loss of held-out text."""

from __future__ import annotations

from typing import Any

from unrolled.diagnose.limits.probes import Gain
from unrolled.diagnose.limits.samples import ERRORS, Mean
from unrolled.diagnose.limits.summary import Limit, Summary
from unrolled.diagnose.limits.verdicts import worth
from unrolled.diagnose.plots import GREY, ORANGE, panels


def limits_plot(found: Summary) -> Any:
    """A point for each change that was tried, with three standard errors, and the nats from which on a gain counts;
    orange where it says that this limits the model."""
    figure, axes = panels(1)
    figure.set_size_inches(7.2, 2.6)
    rows = _rows(found)
    for place, (_, gain, limit) in enumerate(reversed(rows)):
        tells = limit == "data" or gain.surely(worth(found.measured))
        color = ORANGE if tells and limit in found.limits else GREY
        axes.errorbar(gain.nats, place, xerr=ERRORS * gain.error, fmt="o", color=color, capsize=3, markersize=5)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.axvline(worth(found.measured), color=GREY, linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(rows)), [name for name, *_ in reversed(rows)], fontsize=8)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("nats less on held-out text, ± 3 standard errors (dashed: a gain counts from here on)", fontsize=8)
    return figure


def _rows(found: Summary) -> list[tuple[str, Mean, Limit]]:
    measured, probes = found.measured, found.measured.probes
    rows: list[tuple[str, Mean | None, Limit]] = [
        (f"{probes.updates} more updates, rate {probes.best.rate:g}", probes.best.gain.held_out, "optimisation"),
        (f"… and {probes.units} units for {measured.units}", _held_out(probes.wider), "capacity"),
        (
            f"… and gradients through {probes.back} steps for {measured.back}",
            _held_out(probes.longer),
            "memory",
        ),
        ("held-out less training loss", measured.gap, "data"),
    ]
    if measured.lag is not None:
        rows.insert(3, (f"the symbol {measured.lag.lag} steps back", measured.lag.gain, "memory"))
    return [(name, gain, limit) for name, gain, limit in rows if gain is not None]


def _held_out(gain: Gain | None) -> Mean | None:
    return None if gain is None else gain.held_out
