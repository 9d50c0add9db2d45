"""Which sequence of a System depends on which, and through which weights."""

from __future__ import annotations

from dataclasses import dataclass

from unrolled.equations.expression import BEFORE, NOW, Expression, walk
from unrolled.equations.system import System

Path = tuple[tuple[str, bool], ...]  # the weights from the outermost inwards: (name, is it transposed)
_MOST_PATHS = 4  # a label that names more than this is cut short


@dataclass(frozen=True)
class Link:
    """``target`` at step t reads ``source`` at t, or at t−1 where ``before`` is set.

    ``paths`` are the ways to it, each the weights on that way; a way without a weight is an empty path. ``more`` tells
    that there are others.
    """

    source: str
    target: str
    before: bool
    paths: tuple[Path, ...]
    more: bool = False


def links(system: System) -> tuple[Link, ...]:
    """Every dependence between sequences, in the order of the equations.

    >>> from unrolled.equations.library import load
    >>> [(link.source, link.target, link.paths) for link in links(load("elman"))]
    [('x', 'h', ((('U', False),),)), ('h', 'h', ((('W', False),),)), ('h', 'y', ((('V', False),),))]
    """
    found = []
    for target, right in system.equations:
        for (source, before), paths in _ways(right).items():
            found.append(Link(source, target, before, paths[:_MOST_PATHS], len(paths) > _MOST_PATHS))
    return tuple(found)


def _ways(root: Expression) -> dict[tuple[str, bool], tuple[Path, ...]]:
    """From each sequence below ``root``, the distinct ways up to it, at most one more than a label shows."""
    done: dict[Expression, dict[tuple[str, bool], tuple[Path, ...]]] = {}
    for node in walk([root]):
        if node.op == "symbol":
            name, time = node.data
            done[node] = {(name, time == BEFORE): ((),)} if time in (NOW, BEFORE) else {}
            continue
        ways: dict[tuple[str, bool], tuple[Path, ...]] = {}
        for argument in node.args:
            weight = _weight(node, argument)
            for leaf, paths in done[argument].items():
                longer = tuple((*weight, *path) for path in paths)
                ways[leaf] = tuple(dict.fromkeys((*ways.get(leaf, ()), *longer)))[: _MOST_PATHS + 1]
        done[node] = ways
    return done[root]


def _weight(node: Expression, argument: Expression) -> Path:
    """The parameter that ``node`` multiplies ``argument`` by, if it does."""
    if node.op not in ("matmul", "scale", "mul"):
        return ()
    other = node.args[0] if argument is node.args[1] else node.args[1]
    transposed = other.op == "transpose"
    leaf = other.args[0] if transposed else other
    if leaf.op == "symbol" and leaf.data[1] is None:
        return ((leaf.data[0], transposed),)
    return ()
