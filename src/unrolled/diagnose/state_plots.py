"""Pictures of hidden states, with matplotlib: units over a text, paths, trees of tokens, changes that fade.

Shapes: an activation (T,), a path (points, 2).
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from unrolled.diagnose.clustering import Branch
from unrolled.diagnose.plots import BLUE, BROWN, COLORS, GREEN, GREY, ORANGE, PURPLE, panels
from unrolled.diagnose.shading import colors, scaled, shown, text_lines
from unrolled.diagnose.state_space import Space, StateSpace
from unrolled.diagnose.states import Activation
from unrolled.diagnose.token_tree import TokenTree
from unrolled.diagnose.units import Trackers
from unrolled.diagnose.what_if import Curve, WhatIf
from unrolled.errors import DataError

Array = NDArray[np.float64]

COLUMNS, NARROWEST = 68, 40  # cells of a line of text, at most, and of the picture at least
CELL, LINE, TITLE, GAP = 0.1, 0.2, 0.17, 0.15  # inches: width of a cell, height of a line, of one of a title, between
LETTER = 0.075  # inches: the width of a letter of a title
ADVANCE = 0.602  # width of a letter of DejaVu Sans Mono over its size
LEAF = 0.135  # inches for a leaf of a tree
CLASSES = {
    "vowel": ORANGE, "consonant": BLUE, "capital": GREEN, "digit": PURPLE, "punctuation": BROWN,
    "space": GREY, "word": BLUE,
}  # fmt: skip


def units_plot(symbols: Sequence[str], activations: Mapping[str, Array], columns: int = COLUMNS) -> Any:
    """A text, once for each activation, whose title is its key: blue where it is negative, orange where it is positive.
    Of each the largest magnitude has the strongest colour.

    Raises:
        BackendError: matplotlib is not installed.
    """
    lines = text_lines(symbols, columns)
    columns = min(columns, max([NARROWEST, *(cell_len("".join(map(shown, symbols[a.start : a.stop]))) for a in lines)]))
    titles = [textwrap.wrap(title, int(columns * CELL / LETTER)) for title in activations]
    text = LINE * len(lines)
    size = (columns * CELL + 0.2, sum(GAP + TITLE * len(title) + text for title in titles) + 0.1)
    figure, axes = panels(1)
    axes.remove()  # every axes gets its place by the size of a letter
    figure.set_layout_engine("none")
    figure.set_size_inches(*size)
    bottom = size[1]
    for title, values in zip(titles, activations.values(), strict=True):
        bottom -= GAP + TITLE * len(title) + text
        axes = figure.add_axes((0.1 / size[0], bottom / size[1], columns * CELL / size[0], text / size[1]))
        axes.set_title("\n".join(title), fontsize=9, loc="left", pad=4)
        _shade(axes, symbols, values, lines, columns)
    return figure


def trackers_plot(found: Trackers) -> Any:
    """A text in the activations of the units that are worth a name.

    Raises:
        DataError: there are none.
    """
    if not found.activations:
        raise DataError("There is nothing to draw: no unit was found that follows something nameable.")
    return units_plot(found.piece, {title: np.array(values) for title, values in found.activations.items()})


def activation_plot(found: Activation) -> Any:
    """A text in the activation of one unit."""
    return units_plot(found.symbols, {found.unit: np.array(found.values)})


def _shade(axes: Any, symbols: Sequence[str], values: Array, lines: Sequence[range], columns: int) -> None:
    """Cells in their colours, and the symbols over them."""
    picture = np.ones((len(lines), columns, 3))
    painted = colors(scaled(values))
    style = {"family": "DejaVu Sans Mono", "fontsize": CELL * 72 / ADVANCE, "parse_math": False}
    for row, line in enumerate(lines):
        seen = [shown(symbols[place]) for place in line]
        cells = [place for place, each in zip(line, seen, strict=True) for _ in range(cell_len(each))][:columns]
        picture[row, : len(cells)] = painted[cells]
        text = "".join(seen)
        at = [0] if len(text) == cell_len(text) else np.cumsum([0, *map(cell_len, text[:-1])]).tolist()
        for place, each in zip(at, [text] if len(at) == 1 else text, strict=True):
            axes.text(place, row + 0.5, each, va="center_baseline", ha="left", clip_on=True, **style)
    axes.imshow(picture, extent=(0, columns, len(lines), 0), aspect="auto", interpolation="nearest")
    axes.set_axis_off()


def trajectory_plot(found: StateSpace) -> Any:
    """The path of a piece of text along two principal components, before which other states lie in grey, of the trained
    network and of an untrained one."""
    spaces = {"trained": found.trained, **({"untrained": found.controls[0]} if found.controls else {})}
    figure, all_axes = panels(len(spaces))
    figure.set_size_inches(5.2 * len(spaces), 5)
    for axes, (title, space) in zip(np.atleast_1d(all_axes), spaces.items(), strict=True):
        axes.set_title(title)
        _draw_path(axes, space, found.symbols)
    return figure


def _draw_path(axes: Any, space: Space, symbols: Sequence[str]) -> None:
    axes.plot(*space.cloud.T, ".", color=GREY, alpha=0.25, markersize=2, rasterized=True)
    axes.plot(*space.path.T, "-", color=BLUE, linewidth=0.7, alpha=0.6)
    for number, (place, symbol) in enumerate(zip(space.path, symbols, strict=True)):
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
        bold = "bold" if number in (0, len(symbols) - 1) else "normal"
        axes.annotate(
            "␣" if symbol == " " else shown(symbol), place, ha="center", va="center", fontsize=8, color=ORANGE,
            family="DejaVu Sans Mono", bbox=box, parse_math=False, weight=bold,
        )  # fmt: skip
    share = space.components.shares
    axes.set_xlabel(f"first component, {share[0]:.0%} of the variance")
    axes.set_ylabel(f"second component, {share[1]:.0%}" if len(share) > 1 else "")


def dendrogram_plot(found: TokenTree) -> Any:
    """The tree of tokens of the trained network, and that of an untrained one, the tokens in the colours of their
    classes."""
    trees = {f"trained: purity {found.purity:.2f}": found.tree}
    if found.controls:
        trees[f"untrained: purity {found.control_purities[0]:.2f}"] = found.controls[0]
    figure, all_axes = panels(len(trees))
    figure.set_size_inches(4 * len(trees), 1.2 + LEAF * len(found.classes))
    tints = {token: CLASSES[kind] for token, kind in found.classes.items()}
    for axes, (title, tree) in zip(np.atleast_1d(all_axes), trees.items(), strict=True):
        draw_tree(axes, tree, tints)
        axes.set_title(title)
    present = [kind for kind in CLASSES if kind in found.classes.values()]
    handles = [figure.gca().plot([], [], "s", color=CLASSES[kind], label=kind)[0] for kind in present]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(present), frameon=False, fontsize=8)
    return figure


def draw_tree(axes: Any, tree: Branch, tints: Mapping[str, str]) -> None:
    """A dendrogram with its leaves down the right side, each in its colour."""
    heights: dict[tuple[str, ...], float] = {(name,): float(row) for row, name in enumerate(tree.names)}
    for branch in sorted(tree.walk(), key=lambda each: len(each.names)):
        if branch.parts:
            ends = [heights[part.names] for part in branch.parts]
            heights[branch.names] = sum(ends) / 2
            axes.plot([branch.distance] * 2, ends, color=BLUE, linewidth=1)
            for part, end in zip(branch.parts, ends, strict=True):
                axes.plot([part.distance, branch.distance], [end] * 2, color=BLUE, linewidth=1)
    axes.yaxis.tick_right()
    axes.set_yticks(range(len(tree.names)), ["␣" if name == " " else shown(name) for name in tree.names])
    for name, label in zip(tree.names, axes.get_yticklabels(), strict=True):
        label.set(color=tints.get(name, "black"), parse_math=False, va="center", fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set(xlim=(1.02 * tree.distance or 1, 0), ylim=(len(tree.names) - 0.5, -0.5), xlabel="distance")


def what_if_plot(found: WhatIf) -> Any:
    """How far each state, and the prediction, has moved at each step, with the band of all other changes."""
    figure, (left, right) = panels(2)
    figure.set_size_inches(9.2, 3.6)
    for number, (name, curve) in enumerate(found.states.items()):
        _draw_curve(left, curve, COLORS[number % len(COLORS)], name if len(found.states) > 1 else "")
    _draw_curve(right, found.variation, BLUE, "")
    left.set_title("distance of the states, over their length")
    right.set_title("probability that has moved")
    breaks = [step for step, symbol in enumerate(found.symbols) if "\n" in symbol]
    for axes in (left, right):
        axes.set_xlabel("steps since the change" + ("; dotted: line breaks" if breaks else ""))
        axes.set_yscale("log")
        for step in breaks:
            axes.axvline(step, color=GREY, linewidth=0.8, linestyle=":")
    if len(found.states) > 1:
        left.legend(frameon=False)
    change = f"{shown(found.instead)!r} in place of {shown(found.was)!r}, symbol {found.position:,}"
    figure.suptitle(f"{change}; the band: 10 % to 90 % of all {found.others} changes", fontsize=10, parse_math=False)
    return figure


def _draw_curve(axes: Any, curve: Curve, color: str, name: str) -> None:
    steps = range(len(curve.values))
    least = 1e-6  # far below what can be seen or matters, so that a change that is forgotten wholly is drawn too
    low, high, values = (np.maximum(each, least) for each in (curve.low, curve.high, curve.values))
    axes.fill_between(steps, low, high, color=color, alpha=0.18, linewidth=0)
    axes.plot(steps, values, color=color, linewidth=1.3, label=name)
    axes.set_ylim(bottom=max(least, float(min(low.min(), values.min())) / 2))
