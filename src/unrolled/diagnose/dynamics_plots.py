"""Pictures of gradients that flow back, of small changes that grow or vanish, and of how far back inputs are felt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.diagnose.horizon import receptive_field
from unrolled.diagnose.linear import one_unit
from unrolled.diagnose.plots import BLUE, COLORS, GREY, ORANGE, panels

if TYPE_CHECKING:
    from unrolled.diagnose.flow import Flow, GradientFlow
    from unrolled.diagnose.horizon import InfluenceHorizon
    from unrolled.diagnose.jacobians import JacobianReport
    from unrolled.diagnose.linear import LinearReport
    from unrolled.diagnose.lyapunov import LyapunovSpectrum

SMALLEST = 1e-8  # of the largest: what is below is not drawn
FEW = 300  # dots that are drawn one by one
LABELS = 6  # curves that have a name in a picture


def flow_plot(found: GradientFlow) -> Any:
    """‖∂L/∂h_t‖ of each state over time, for each loss, and what each step adds to the gradient of each parameter."""
    figure, axes = panels(1 + len(found.losses))
    rows = len(next(iter(found.losses.values())).parameters)
    figure.set_size_inches(4.6 * len(axes), max(3.2, 0.6 + 0.13 * rows))
    largest = max(max(norms) for flow in found.losses.values() for norms in flow.states.values())
    curves = sum(len(flow.states) for flow in found.losses.values())
    for place, ((loss, flow), style) in enumerate(zip(found.losses.items(), ("--", "-"), strict=False)):
        for number, (name, norms) in enumerate(flow.states.items()):
            once = name if place == 0 and len(flow.states) <= LABELS else None
            label = f"{name}: {loss}" if curves <= LABELS else once
            color = COLORS[number % len(COLORS)]
            axes[0].plot(_before_last(found.steps), _shown(norms, largest), style, color=color, label=label)
        if curves > LABELS:
            axes[0].plot([], [], style, color=GREY, label=loss)
    axes[0].set(yscale="log", xlabel="steps before the last", title="norm of ∂L/∂h at each step")
    axes[0].legend(frameon=False, fontsize=8)
    largest = max(max(norms) for flow in found.losses.values() for norms in flow.parameters.values())
    for each, (loss, flow) in zip(axes[1:], found.losses.items(), strict=True):
        drawn = _parameters(each, flow, largest)
        each.set_title(f"what each step adds, {loss}")
    figure.colorbar(drawn, ax=axes[-1], label="log₁₀ of the norm")
    return figure


def _parameters(axes: Any, flow: Flow, largest: float) -> Any:
    norms = np.array(list(flow.parameters.values()))
    steps = norms.shape[1]
    drawn = axes.imshow(
        np.log10(np.maximum(norms, largest * SMALLEST)), aspect="auto", cmap="magma", interpolation="nearest",
        extent=(0.5 - steps, 0.5, len(norms) - 0.5, -0.5), vmin=np.log10(largest * SMALLEST), vmax=np.log10(largest),
    )  # fmt: skip
    axes.set_yticks(range(len(norms)), list(flow.parameters), fontsize=7, parse_math=False)
    axes.set_xlabel("steps before the last")
    return drawn


def lyapunov_plot(found: LyapunovSpectrum) -> Any:
    """The exponents, with two standard errors, and how the largest settles."""
    figure, (left, right) = panels(2)
    values, errors = np.array(found.exponents), np.array(found.errors)
    shown = np.isfinite(values)
    number = np.arange(1, len(values) + 1)[shown]
    low, high = ((values + sign * 2 * np.nan_to_num(errors, posinf=0.0))[shown] for sign in (-1, 1))
    left.fill_between(number, low, high, color=BLUE, alpha=0.3, linewidth=0)
    left.plot(number, values[shown], ".", color=BLUE, markersize=4)
    left.set(xlabel="i", ylabel="nats per step", title=f"the exponents λ_i of {len(values)} components of the state")
    right.plot(np.arange(1, found.steps + 1), found.running, color=ORANGE)
    right.set(xlabel="steps counted", title="the largest, as it settles")
    for axes in (left, right):
        axes.axhline(0, color=GREY, linewidth=0.8, linestyle="--")
    return figure


def horizon_plot(reports: Mapping[str, InfluenceHorizon]) -> Any:
    """The influence of an input against how long ago it was, of each run, beside the slope that its exponent predicts,
    and what a convolutional network of as many layers sees."""
    figure, axes = panels(1)
    figure.set_size_inches(7.5, 4.2)
    for number, (name, found) in enumerate(reports.items()):
        _influence(axes, name, found, COLORS[number % len(COLORS)], alone=len(reports) == 1)
    back = max(found.back for found in reports.values())
    share = next(iter(reports.values())).share
    axes.axhline(share, color=GREY, linewidth=0.8, linestyle=":", label=f"{share:.0%}")
    for layers in sorted({found.layers for found in reports.values()}):
        _convolutions(axes, layers, back)
    axes.plot([], [], "--", color=GREY, linewidth=1, label="predicted slope (largest Lyapunov exponent)")
    axes.set(yscale="log", xlim=(0, back), xlabel="k, steps back", ylabel="norm of ∂h_t/∂x_{t−k}, over that at k = 0")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _influence(axes: Any, name: str, found: InfluenceHorizon, color: str, alone: bool) -> None:
    k, first = np.arange(found.back + 1), found.typical[0] or 1.0
    typical = np.array(found.typical) / first
    if alone:
        low, high = (np.maximum(np.array(each) / first, SMALLEST) for each in (found.low, found.high))
        axes.fill_between(k, low, high, color=color, alpha=0.2, linewidth=0, label="80 % of the places")
        axes.plot(k, _shown(np.array(found.mean) / first, 1), ":", color=color, label="arithmetic mean")
    felt = f"over {found.back}" if found.steps is None else f"{found.steps}"
    axes.plot(k, _shown(typical, 1), color=color, label=f"{name}: felt for {felt} steps")
    middle = found.back // 2
    if np.isfinite(found.exponent) and typical[middle]:
        line = typical[middle] * np.exp(found.exponent * (k - middle))
        axes.plot(k, np.where(line <= 1, _shown(line, 1), np.nan), "--", color=color, linewidth=1)


def _convolutions(axes: Any, layers: int, back: int) -> None:
    """Where the receptive fields of convolutional networks end."""
    plain, dilated = (receptive_field(layers, dilated=each) for each in (False, True))
    number = f"{layers} convolution{'s' * (layers > 1)}"
    same = {f"{number}: {plain} steps": plain}
    fields = same if plain == dilated else same | {f"{number}, dilated: {dilated} steps": dilated}
    for (label, seen), style in zip(fields.items(), ("-.", (0, (1, 1))), strict=False):
        if seen - 1 <= back:
            axes.axvline(seen - 1, color="black", linewidth=0.9, linestyle=style, label=label)


def jacobian_plot(found: JacobianReport) -> Any:
    """The eigenvalues of J_t beside the unit circle, its singular values beside |λ|, and products of many J_t."""
    figure, (plane, sizes, growth) = panels(3)
    _circle(plane, [value for place in found.eigenvalues for value in place], BLUE)
    plane.set_title("eigenvalues of J_t")
    number = np.arange(1, len(found.eigenvalues[0]) + 1)
    for rows, color, label in (
        (found.singular_values, ORANGE, "singular values"),
        ([[abs(value) for value in place] for place in found.eigenvalues], BLUE, "|eigenvalues|"),
    ):
        sizes.plot(number, np.mean(np.array(rows), 0), ".", color=color, markersize=4, label=label)
    sizes.axhline(1, color=GREY, linewidth=0.8, linestyle="--")
    sizes.set(xlabel="i", title="of J_t, mean over the places", ylim=(0, None))
    sizes.legend(frameon=False, fontsize=8)
    k = np.arange(1, len(found.products) + 1)
    low, high = (np.array(each) for each in zip(*found.products_range, strict=True))
    largest = max(found.products)
    growth.fill_between(k, np.maximum(low, largest * SMALLEST), high, color=BLUE, alpha=0.2, linewidth=0)
    growth.plot(k, _shown(found.products, largest), color=BLUE, label="σ_max of the product")
    for base, color, label in ((found.largest, ORANGE, "σ_max(J_t)ᵏ"), (found.radius, GREY, "ρ(J_t)ᵏ")):
        growth.plot(k, _within(base**k, largest * SMALLEST, 100 * largest), "--", color=color, linewidth=1, label=label)
    growth.set(yscale="log", xlabel="k", title="products of k Jacobians")
    growth.legend(frameon=False, fontsize=8)
    return figure


def linear_plot(found: LinearReport) -> Any:
    """The eigenvalues of W beside the unit circle, its singular values, and ‖W^t‖ beside ρᵗ and σ_maxᵗ."""
    figure, (plane, growth) = panels(2)
    _circle(plane, found.eigenvalues, BLUE)
    plane.set_title("eigenvalues of W")
    t, largest = np.arange(len(found.growth)), max(found.growth)
    growth.plot(t, _shown(found.growth, largest), color=BLUE, label="‖Wᵗ‖")
    for base, color, label in ((found.singular_values[0], ORANGE, "σ_max(W)ᵗ"), (found.radius, GREY, "ρ(W)ᵗ")):
        growth.plot(t, _within(base**t, largest * SMALLEST, 100 * largest), "--", color=color, linewidth=1, label=label)
    growth.set(yscale="log", xlabel="t", title=f"largest at t = {found.peak[0]}: {found.peak[1]:.3g}")
    growth.legend(frameon=False, fontsize=8)
    return figure


def powers_plot(weights: Sequence[float] = (0.5, 0.9, 1.0, 1.1, -0.95), steps: int = 50) -> Any:
    """w^t, all that one linear unit can do, for each weight."""
    figure, axes = panels(1)
    for number, w in enumerate(weights):
        axes.plot(one_unit(w, steps), color=COLORS[number % len(COLORS)], label=f"w = {w:g}")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set(xlabel="t", title="wᵗ", ylim=(-1.1, 4))
    axes.legend(frameon=False, fontsize=8)
    return figure


def _circle(axes: Any, values: Sequence[complex], color: str) -> None:
    """Numbers in the complex plane, and the unit circle."""
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(turn), np.sin(turn), color=GREY, linewidth=0.8)
    axes.plot(*np.array([(value.real, value.imag) for value in values]).T, ".", color=color, markersize=4, alpha=0.6,
              rasterized=len(values) > FEW)  # fmt: skip
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xlabel="real part", ylabel="imaginary part")


def _before_last(steps: int) -> NDArray[np.int64]:
    return np.arange(steps) - (steps - 1)


def _shown(values: ArrayLike, largest: float) -> NDArray[np.float64]:
    """Without what is too small to draw."""
    return _within(values, largest * SMALLEST, np.inf)


def _within(values: ArrayLike, low: float, high: float) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    return np.where((numbers > low) & (numbers < high), numbers, np.nan)
