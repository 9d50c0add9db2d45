"""``unrolled diagnose``: what it prints of gradients, of small changes, and of how far back inputs are felt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unrolled.cli.output import say
from unrolled.diagnose import TruncationBias
from unrolled.diagnose.flow import GradientFlow
from unrolled.diagnose.horizon import InfluenceHorizon, layers_needed, receptive_field
from unrolled.diagnose.jacobians import JacobianReport
from unrolled.diagnose.lyapunov import LyapunovSpectrum

ROWS = (0, 1, 2, 3, 5, 10, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000)


def show_truncation(found: TruncationBias) -> None:
    """The bias for each k2, and from which on it is small."""
    say(
        f"The gradient of the losses at {found.losses} steps in {found.lanes} lanes, cut every k2 steps, beside the "
        f"exact one; {found.batches} batches.\n"
    )
    worst = {
        k: min(((biases[n].cosine, name) for name, biases in found.parameters.items()), default=(1.0, ""))
        for n, k in enumerate(found.back)
    }
    say(f"   k2   {'cosine':<22}  {'norm':<22}  worst parameter")
    for k, bias in zip(found.back, found.whole, strict=True):
        cosine, norm = (f"{m:.3f} ({low:.3f} to {high:.3f})" for m, (low, high) in _parts(bias))
        say(f"{k:5}   {cosine:<22}  {norm:<22}  {worst[k][1]} {worst[k][0]:.3f}")
    enough = found.enough()
    print()
    if enough is None:
        say(f"Even {found.back[-1]} steps do not reach a cosine of 0.99.")
    else:
        say(f"From {enough} steps on the cosine is at least 0.99: --sequence-length {enough} loses little.")


def _parts(bias: Any) -> list[tuple[float, tuple[float, float]]]:
    return [(bias.cosine, bias.cosines), (bias.norm, bias.norms)]


def show_flow(found: GradientFlow) -> None:
    """The norm of ∂L/∂h at some steps, for each loss, and how far back it reaches."""
    say(
        f"The norm of ∂L/∂h so many steps before the last one; the mean of {found.lanes} lanes of {found.steps} steps. "
        "many-to-one: the loss of the last step; many-to-many: the sum of the losses of all steps.\n"
    )
    columns = {
        f"{name}, {loss}": norms for loss, flow in found.losses.items() for name, norms in flow.states.items()
    }  # fmt: skip
    shown = [back for back in ROWS if back < found.steps]
    _table("steps before", shown, {name: [norms[-1 - back] for back in shown] for name, norms in columns.items()})
    print()
    for loss, flow in found.losses.items():
        reach = "; ".join(f"{name} {steps} steps" for name, steps in flow.reach().items())
        say(f"{loss}: at least 1 % of the largest norm still stands at {reach} before the last one.")


def show_lyapunov(found: LyapunovSpectrum) -> None:
    """The largest exponents and a few others, how many are positive, and what the largest means."""
    parts = ", ".join(f"{name} ({size})" for name, size in found.states.items())
    say(
        f"{len(found.exponents)} Lyapunov exponents of the state {parts}, in nats per step; {found.lanes} lanes of "
        f"{found.steps} steps after {found.warm_up} of warm-up.\n"
    )
    count = len(found.exponents)
    for i in sorted({0, 1, 2, 3, 4, 9, 19, count // 2, count - 1} & set(range(count))):
        say(f"  λ_{i + 1:<4} {found.exponents[i]:+.4f} ± {found.errors[i]:.4f}")
    positive = sum(exponent > 0 for exponent in found.exponents)
    say(f"\n{positive} of {count} are positive; the sum, the mean of ln |det J_t|, is {found.total:.2f}.")
    if found.exponents[0] < 0:
        say(f"Small changes vanish: in {found.lifetime:.1f} steps to 1/e at the slowest.")
    else:
        say("Small changes grow along this text: the states do not follow from the inputs alone.")


def show_jacobians(found: JacobianReport) -> None:
    """The recurrent matrices, one Jacobian, and products of them."""
    say(f"Recurrent matrices, and J_t = ∂s_t/∂s_{{t-1}} at {len(found.eigenvalues)} places.\n")
    say(f"{'':<16}  {'ρ':>8}  {'σ_max':>8}  departure from normality")
    for name, matrix in found.matrices.items():
        say(f"{name:<16}  {matrix.radius:8.3f}  {matrix.singular_values[0]:8.3f}  {matrix.departure:8.3f}")
    say(f"{'J_t, mean':<16}  {found.radius:8.3f}  {found.largest:8.3f}\n")
    shown = [k for k in ROWS if 1 <= k <= len(found.products)]
    _table("k", shown, {
        "σ_max of k Jacobians": [found.products[k - 1] for k in shown],
        "smallest": [found.products_range[k - 1][0] for k in shown],
        "largest": [found.products_range[k - 1][1] for k in shown],
        "ρ(J_t)^k": [found.radius**k for k in shown],
        "σ_max(J_t)^k": [found.largest**k for k in shown],
    })  # fmt: skip


def show_horizon(found: Mapping[str, InfluenceHorizon]) -> None:
    """The influence against k for each run, and of each what is measured and predicted."""
    places = {report.positions * report.lanes for report in found.values()}
    say(f"The norm of ∂h_t/∂x_(t−k), over that at k = 0: the geometric mean of {max(places)} places.\n")
    shown = [k for k in ROWS if k <= min(report.back for report in found.values())]
    _table("k", shown, {
        name: [report.typical[k] / (report.typical[0] or 1.0) for k in shown] for name, report in found.items()
    })  # fmt: skip
    for name, report in found.items():
        say(f"\n{name}")
        low, high = (_steps(each, report) for each in report.steps_band)
        predicted = "no end" if report.predicted is None else f"{report.predicted:.0f} steps"
        horizon = f"{_steps(report.steps, report)} steps (95 %: {low} to {high})"
        say(f"  horizon, to {report.share:.0%}: {horizon}, predicted {predicted}")
        low, high = (f"{each:.4f}" for each in report.rate_band)
        expected = f"{-report.exponent:.4f} ± {report.exponent_error:.4f}"
        say(f"  decay: {report.rate:.4f} nats a step (95 %: {low} to {high}), predicted {expected}")
        say(f"  {_convolutions(report)}")


def _convolutions(report: InfluenceHorizon) -> str:
    plain, dilated = (receptive_field(report.layers, dilated=each) for each in (False, True))
    said = f"convolutions, {report.layers} of width 3: see {plain} steps, dilated by 1, 2, 4, …: {dilated}"
    if report.steps is None:
        return said
    needed = (layers_needed(report.steps, dilated=each) for each in (False, True))
    return said + "; for the horizon measured {} layers, dilated {}".format(*needed)


def _steps(steps: int | None, report: InfluenceHorizon) -> str:
    return f"over {report.back}" if steps is None else str(steps)


def _table(first: str, keys: Sequence[int], columns: Mapping[str, Sequence[float]]) -> None:
    """A row for each key, a column for each name."""
    widths = [max(9, len(name)) for name in columns]
    titles = "  ".join(name.rjust(width) for name, width in zip(columns, widths, strict=True))
    say(f"{first:>12}  {titles}")
    for number, key in enumerate(keys):
        cells = (
            f"{values[number]:.2e}".rjust(width) for values, width in zip(columns.values(), widths, strict=True)
        )  # fmt: skip
        say(f"{key:>12}  {'  '.join(cells)}")
