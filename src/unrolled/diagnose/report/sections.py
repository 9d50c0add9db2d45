"""The sections of the report: of each measurement a picture, what it says, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.diagnose.dynamics_plots import flow_plot, horizon_plot, jacobian_plot, lyapunov_plot
from unrolled.diagnose.flow import GradientFlow
from unrolled.diagnose.horizon import InfluenceHorizon
from unrolled.diagnose.jacobians import JacobianReport
from unrolled.diagnose.lyapunov import LyapunovSpectrum
from unrolled.diagnose.report import readings
from unrolled.diagnose.report.colouring import coloured
from unrolled.diagnose.report.elements import Html, element, joined, table
from unrolled.diagnose.report.inline import inline
from unrolled.diagnose.report.learning import Learning, learning_plot
from unrolled.diagnose.report.readings import number, seen
from unrolled.diagnose.shading import shown
from unrolled.diagnose.state_plots import dendrogram_plot, trajectory_plot, what_if_plot
from unrolled.diagnose.state_space import StateSpace
from unrolled.diagnose.states import unit_name
from unrolled.diagnose.token_tree import TokenTree
from unrolled.diagnose.units import Trackers
from unrolled.diagnose.what_if import WhatIf

ROWS = (0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 70, 99, 100, 150, 200, 300, 500)  # steps that a table shows
BRANCHES = 8  # of the tree of tokens, in words
Rows = list[list[object]]
Part = Callable[[Any], Html]


def picture(figure: Any, name: str, shows: str, says: str, numbers: Html) -> Html:
    """A figure, the sentence below it, and its numbers, folded away."""
    return element(
        "figure",
        element("div", inline(figure, name, shows), class_="scrolls"),
        element("figcaption", says),
        folded(numbers),
    )


def folded(numbers: Html, title: str = "The numbers") -> Html:
    """What is shown when a reader asks for it."""
    return element("details", element("summary", title), numbers)


def learning(found: Learning) -> Html:
    """Learning curves; the table has the evaluations."""
    rows = [[f"{at:,}", f"{found.before(at):.4f}", f"{loss:.4f}"] for at, loss in sorted(found.held_out.items())]
    return picture(
        learning_plot(found), "learning", "Training and held-out loss, the norm of the gradient, and the learning "
        "rate, each against the step.", readings.learning_reading(found),
        table(["step", "training loss, nats", "held-out loss, nats"], rows),
    )  # fmt: skip


def horizon(found: InfluenceHorizon) -> Html:
    """The influence of an input against how long ago it was."""
    first = found.typical[0] or 1.0
    rows = [
        [k, *(number(curve[k] / first) for curve in (found.typical, found.mean, found.low, found.high))]
        for k in _rows(found.back + 1)
    ]
    summary = table(["", "measured", "95 %", "predicted"], [
        ["horizon, steps", _steps(found.steps, found), " to ".join(_steps(each, found) for each in found.steps_band),
         "none" if found.predicted is None else f"{found.predicted:.0f}"],
        ["decay, nats a step", number(found.rate), " to ".join(map(number, found.rate_band)),
         f"{number(-found.exponent)} ± {number(found.exponent_error)}"],
    ])  # fmt: skip
    places = found.positions * found.lanes
    curves = table(
        ["steps back", "geometric mean", "arithmetic mean", "10 % below", "90 % below"], rows,
        f"The norm of ∂h_t/∂x_(t−k), over that at k = 0, at {places} places.",
    )  # fmt: skip
    return picture(
        horizon_plot({"measured": found}), "horizon", "The influence of an input against how many steps ago it was, "
        "beside the slope that the largest Lyapunov exponent predicts and the receptive fields of convolutions.",
        readings.horizon_reading(found), joined(summary, curves),
    )  # fmt: skip


def flow(found: GradientFlow) -> Html:
    """The norm of the gradient at each step, and what each step adds to that of each parameter."""
    columns = {f"{state}, {loss}": n for loss, each in found.losses.items() for state, n in each.states.items()}
    rows: Rows = [[back, *(number(norms[-1 - back]) for norms in columns.values())] for back in _rows(found.steps)]
    return picture(
        flow_plot(found), "flow", "The norm of the derivative of the loss with respect to each state, step by step, "
        "and what each step adds to the gradient of each parameter.", readings.flow_reading(found),
        table(["steps before the last", *columns], rows, f"The norm of ∂L/∂h, the mean of {found.lanes} lanes."),
    )  # fmt: skip


def jacobians(found: JacobianReport) -> Html:
    """Eigenvalues and singular values of one step, and products of many."""
    matrices: Rows = [
        [name, number(each.radius), number(each.singular_values[0]), number(each.departure)]
        for name, each in found.matrices.items()
    ]
    matrices.append(["one step, mean", number(found.radius), number(found.largest), ""])
    products: Rows = [
        [k, number(found.products[k - 1]), *map(number, found.products_range[k - 1])]
        for k in _rows(len(found.products) + 1)
        if k
    ]
    return picture(
        jacobian_plot(found), "jacobians", "Eigenvalues of the Jacobian of one step beside the unit circle, its "
        "singular values, and the largest singular value of products of Jacobians.", readings.jacobian_reading(found),
        joined(
            table(["matrix", "spectral radius", "largest singular value", "departure from normality"], matrices),
            table(["steps", "largest singular value of the product", "smallest", "largest"], products),
        ),
    )  # fmt: skip


def lyapunov(found: LyapunovSpectrum) -> Html:
    """The exponents, and how the largest settles."""
    figure, count, size = lyapunov_plot(found), len(found.exponents), sum(found.states.values())
    if count < size:
        figure.axes[0].set_title(f"the {count} largest of {size:,} exponents λ_i")
    shown_rows = sorted({0, 1, 2, 3, 4, 9, 19, 49, 99, count // 2, count - 1} & set(range(count)))
    rows: Rows = [[i + 1, number(found.exponents[i]), number(found.errors[i])] for i in shown_rows]
    return picture(
        figure, "lyapunov", "Lyapunov exponents, the largest first, and how the largest settles.",
        readings.lyapunov_reading(found),
        table(["i", "exponent, nats a step", "standard error"], rows,
              f"{found.lanes} lanes of {found.steps} steps after {found.warm_up} of warm-up."),
    )  # fmt: skip


def units(found: Trackers) -> Html:
    """The text in the colours of the units that follow something nameable, and the scores of all."""
    rows: Rows = [
        [
            each.predicate, ("−" if each.sign < 0 else "") + unit_name(each.state, each.unit), f"{each.score:.2f}",
            f"{each.control:.2f}", f"{each.symbol:.2f}", f"{each.lead:+.2f} ± {each.error:.2f}".replace("-", "−"),
        ]
        for each in found.trackers
    ]  # fmt: skip
    texts = [coloured(found.piece, values, title) for title, values in found.activations.items()]
    titles = ["what is followed", "unit", "score", "best untrained", "symbol alone", "ahead by"]
    rare = f"Too rare in this text to be scored: {', '.join(found.rare)}." if found.rare else ""
    return joined(
        element("p", readings.units_reading(found), class_="reading"),
        element("p", "Blue: the unit is below zero; orange: above.", class_="key") if texts else "",
        *texts,
        folded(table(titles, rows, rare)) if rows else "",
    )


def states(found: StateSpace) -> Html:
    """The path of a line along two principal components."""
    spaces = {"trained": found.trained, **{f"untrained {n + 1}": each for n, each in enumerate(found.controls)}}
    rows: Rows = [
        [name, *(f"{share:.0%}" for share in [*space.components.shares[:2], 0.0][:2]), space.components.needed(),
         f"{space.components.dimension:.1f}"]
        for name, space in spaces.items()
    ]  # fmt: skip
    line = "".join(map(shown, found.symbols))
    return picture(
        trajectory_plot(found), "states", f"The states along “{line}” in the plane of two principal components, of "
        "the trained network and of an untrained one.", readings.states_reading(found),
        table(["network", "1st component", "2nd", "directions for 90 %", "directions that are filled"], rows),
    )  # fmt: skip


def tokens(found: TokenTree) -> Html:
    """Which symbols the network holds to be alike, as a tree beside that of an untrained network."""
    rows: Rows = [
        [place, " ".join(map(seen, branch.names))] for place, branch in enumerate(found.tree.cut(BRANCHES), 1)
    ]
    return picture(
        dendrogram_plot(found), "tokens", "Symbols as a tree, joined by the distance of the mean states at them, of "
        "the trained network and of an untrained one.", readings.tokens_reading(found),
        table(["branch", "symbols"], rows, "The largest branches of the trained network's tree.",
              words=True),
    )  # fmt: skip


def what_if(found: WhatIf) -> Html:
    """What another symbol in the middle of the text changes."""
    symbols = (found.instead, *found.symbols[1:])
    state, curve = [*found.states.items()][-1]
    rows: Rows = [
        [step, seen(symbols[step]), number(curve.values[step]), number(found.divergence.values[step]),
         number(found.variation.values[step]), " → ".join(dict.fromkeys(map(seen, found.likeliest[step])))]
        for step in _rows(len(symbols))
    ]  # fmt: skip
    titles = ["step", "symbol", f"distance of {state}", "divergence, bits", "probability moved", "likeliest next"]
    return joined(
        picture(
            what_if_plot(found), "what-if", "How far states and predictions have moved at each step since the change, "
            "in a band of all other changes.", readings.what_if_reading(found), table(titles, rows),
        ),
        coloured(symbols, found.variation.values, "The text after the change, in the probability that has moved"),
    )  # fmt: skip


TITLES: Mapping[str, str] = {
    "horizon": "How far back an input is felt",
    "flow": "How the gradient flows back",
    "jacobians": "What steps do to small changes",
    "lyapunov": "Lyapunov exponents",
    "units": "Units that keep track of something",
    "states": "Where the states lie",
    "tokens": "Which symbols are alike",
    "what-if": "What if another symbol stood there?",
}
SECTIONS: Mapping[str, Part] = {
    "horizon": horizon, "flow": flow, "jacobians": jacobians, "lyapunov": lyapunov, "units": units, "states": states,
    "tokens": tokens, "what-if": what_if,
}  # fmt: skip


@dataclass(frozen=True)
class Section:
    """A section of the page, by the ``key`` to which links lead."""

    key: str
    title: str
    content: Html


def _rows(count: int) -> Sequence[int]:
    """The steps that a table shows of so many."""
    return [row for row in ROWS if row < count]


def _steps(count: int | None, found: InfluenceHorizon) -> str:
    return f"over {found.back}" if count is None else str(count)
