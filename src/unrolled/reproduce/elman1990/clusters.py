"""Hierarchical clustering: which words lie near each other, as a tree.

Shapes: vectors (n, size), one for each name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unrolled.diagnose.plots import BLUE
from unrolled.reproduce.elman1990.network import Array


@dataclass(frozen=True)
class Branch:
    """A leaf, or two branches that join at a distance."""

    names: tuple[str, ...]
    distance: float = 0.0
    parts: tuple[Branch, ...] = ()

    def walk(self) -> Iterator[Branch]:
        """This branch and all within it."""
        yield self
        for part in self.parts:
            yield from part.walk()


def cluster(names: Sequence[str], vectors: Array) -> Branch:
    """The tree in which, again and again, the two nearest branches join; the distance of two branches is the mean
    Euclidean distance between a leaf of the one and a leaf of the other (average linkage).

    >>> sorted(len(each.names) for each in cluster("abc", np.array([[0.0], [1.0], [5.0]])).walk())
    [1, 1, 1, 2, 3]
    """
    between = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    np.fill_diagonal(between, np.inf)
    branches = [Branch((name,)) for name in names]
    while len(branches) > 1:
        i, j = sorted(map(int, np.unravel_index(between.argmin(), between.shape)))
        one, other = branches[i], branches[j]
        sizes = len(one.names), len(other.names)
        merged = (sizes[0] * between[i] + sizes[1] * between[j]) / sum(sizes)
        branches[i] = Branch(one.names + other.names, float(between[i, j]), (one, other))
        between[i], between[:, i] = merged, merged
        between[i, i] = np.inf
        between = np.delete(np.delete(between, j, 0), j, 1)
        del branches[j]
    return branches[0]


def draw_tree(axes: Any, tree: Branch, colors: Mapping[str, str]) -> None:
    """A dendrogram with its leaves down the right side, each in its colour."""
    rows = {name: row for row, name in enumerate(tree.names)}
    heights: dict[Branch, float] = {}
    for branch in sorted(tree.walk(), key=lambda each: len(each.names)):
        if not branch.parts:
            heights[branch] = rows[branch.names[0]]
            continue
        ends = [heights[part] for part in branch.parts]
        heights[branch] = sum(ends) / 2
        axes.plot([branch.distance] * 2, ends, color=BLUE, linewidth=1)
        for part, end in zip(branch.parts, ends, strict=True):
            axes.plot([part.distance, branch.distance], [end] * 2, color=BLUE, linewidth=1)
    axes.set_yticks(range(len(rows)), tree.names)
    for label in axes.get_yticklabels():
        label.set_color(colors.get(label.get_text(), "black"))
    axes.yaxis.tick_right()
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set(xlim=(1.02 * tree.distance, 0), ylim=(len(rows) - 0.5, -0.5), xlabel="distance")
