"""Hierarchical clustering: which vectors lie near each other, as a tree.

Shapes: vectors (n, size), one for each name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError


@dataclass(frozen=True)
class Branch:
    """A leaf, or two branches that join at a distance; ``names`` are its leaves, in the order of drawing."""

    names: tuple[str, ...]
    distance: float = 0.0
    parts: tuple[Branch, ...] = ()

    def walk(self) -> Iterator[Branch]:
        """This branch and all within it."""
        waiting = [self]
        while waiting:
            branch = waiting.pop()
            yield branch
            waiting += reversed(branch.parts)

    def cut(self, count: int) -> list[Branch]:
        """The branches that are left when the last joins are undone until there are ``count`` (or only leaves).

        >>> [branch.names for branch in cluster("abc", np.array([[0.0], [1.0], [5.0]])).cut(2)]
        [('a', 'b'), ('c',)]
        """
        found = [self]
        while len(found) < count and any(branch.parts for branch in found):
            at = max(range(len(found)), key=lambda i: (bool(found[i].parts), found[i].distance))
            found[at : at + 1] = found[at].parts
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the leaves in order, and the joins as a list, each by the first and last leaf of its two parts
        and the distance; no depth of nesting that a reader of JSON would refuse."""
        place = {name: number for number, name in enumerate(self.names)}
        joins = [
            {"parts": [[place[part.names[0]], place[part.names[-1]]] for part in branch.parts], "at": branch.distance}
            for branch in self.walk()
            if branch.parts
        ]
        return {"names": list(self.names), "joins": joins}


def cluster(names: Sequence[str], vectors: NDArray[np.float64]) -> Branch:
    """The tree in which, again and again, the two nearest branches join; the distance of two branches is the mean
    Euclidean distance between a leaf of the one and a leaf of the other (average linkage).

    Raises:
        DataError: there is no name, one comes twice, there is not one vector for each, or a vector is not finite.

    >>> sorted(len(each.names) for each in cluster("abc", np.array([[0.0], [1.0], [5.0]])).walk())
    [1, 1, 1, 2, 3]
    """
    _check(names, vectors)
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


def tree_purity(tree: Branch, classes: Mapping[str, str]) -> float:
    """How well a tree keeps classes together, without a cut (Heller & Ghahramani 2005): the mean over all pairs of
    leaves of one class of the share of that class in the smallest branch that holds both. NaN where no class has two.

    >>> tree_purity(cluster("abc", np.array([[0.0], [1.0], [5.0]])), {"a": "x", "b": "x", "c": "y"})
    1.0
    """
    shares: list[tuple[int, float]] = []
    for branch in tree.walk():
        if branch.parts:
            whole = [classes[name] for name in branch.names]
            one, other = ([classes[name] for name in part.names] for part in branch.parts)
            shares += [(one.count(c) * other.count(c), whole.count(c) / len(whole)) for c in sorted(set(one))]
    pairs = sum(count for count, _ in shares)
    return math.fsum(count * share for count, share in shares) / pairs if pairs else math.nan


def _check(names: Sequence[str], vectors: NDArray[np.float64]) -> None:
    if not names or vectors.ndim != 2 or len(names) != len(vectors):
        raise DataError(
            f"A tree takes one vector for each name, and there are {len(names)} names and an array of the shape "
            f"{vectors.shape}; give an array ({len(names) or 'n'}, size)."
        )
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise DataError(f"The name {twice!r} comes twice; the leaves of a tree need different names.")
    if not np.isfinite(vectors).all():
        bad = names[int(np.argmin(np.isfinite(vectors).all(1)))]
        raise DataError(f"The vector of {bad!r} is not finite; leave it out.")
