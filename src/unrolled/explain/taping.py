"""Making the Wengert list of a sequence at a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unrolled.calculus import tape as calculus
from unrolled.calculus.scalar import refuse_concatenation
from unrolled.calculus.unroll import Unrolling, measured_zeros, parse_target, read_symbol
from unrolled.equations.expression import Expression as Node
from unrolled.equations.expression import Time, number, symbol, symbols, walk
from unrolled.equations.printing import symbol_text
from unrolled.equations.sizes import Size, Unifier
from unrolled.equations.syntax import Name
from unrolled.equations.system import System
from unrolled.errors import TargetError
from unrolled.explain.tape import Tape, TapeRow
from unrolled.explain.values import array


def tape(
    system: System,
    target: str,
    wrt: str | tuple[str, ...] | None = None,
    sizes: Mapping[str, int] | None = None,
    seed: Any = None,
    initial: Mapping[str, float] | None = None,
    mode: str = "reverse",
) -> Tape:
    """The tape of ``target`` at a numbered step: scalar as in a worked exercise, in matrices where ``sizes`` are given.

    ``wrt`` names parameters, inputs or states at a step (all by default); an earlier state such as h_0 becomes a leaf.
    A vector target takes a ``seed`` v, and the gradient is vᵀ ∂target/∂θ. ``mode`` is "reverse" or "forward".

    Raises:
        TargetError: there is no such target or leaf, or a vector target has no seed (then ``derive`` is what is meant).
    """
    if mode not in ("reverse", "forward"):
        raise TargetError(f"There is no mode {mode!r}: write reverse or forward.")
    if wrt is not None and not wrt:
        raise TargetError("wrt names no leaf: name one or more, or leave it out for all.")
    name = parse_target(system, target)
    assert name.time is not None  # a target has a step
    step = name.time.offset
    asked_for = (wrt,) if isinstance(wrt, str) else wrt
    wanted = None if asked_for is None else [read_symbol(each, names=system.shapes) for each in asked_for]
    keep = frozenset(
        (each.name, each.time.offset)
        for each in wanted or ()
        if each.time is not None and not each.time.anchor and each.name in system.definitions
    )
    unrolling = Unrolling(system, initial or {}, keep)
    node = unrolling(name.name, step)
    if all(each.op in ("number", "zeros") for each in walk([node])):
        raise TargetError(f"{target} is {node}: there is nothing to list.")
    if sizes is None:
        refuse_concatenation(system)
    asked = None if wanted is None else frozenset(_leaf(each, symbols([node])) for each in wanted)
    named = {unrolling(each, k): symbol_text(each, Time("", k)) for k in range(step + 1) for each in system.in_order()}
    if sizes is None:
        shapes, own = {}, ()  # type: dict[Node, tuple[int, ...]], tuple[int, ...]
    else:
        node, named, shapes, own = _in_sizes(unrolling.system, sizes, name.name, node, named)
    seed = None if seed is None else array("the seed", seed)
    _check_seed(target, seed, own)
    made = calculus.Tape(node, sizes is None, shapes, asked, number(1) if seed is None else symbol("v"), named).rows()
    rows = tuple(
        TapeRow(
            row.index, str(row.formula) if row.is_leaf else row.name, row.formula,
            "leaf" if row.is_leaf else calculus.rule(row.node), row.adjoint, row.parts, row.tangent,
        )
        for row in made
    )  # fmt: skip
    return Tape(unrolling.system, target, rows, sizes is None, mode, seed)


def _in_sizes(
    system: System, sizes: Mapping[str, int], target: str, node: Node, named: Mapping[Node, str]
) -> tuple[Node, dict[Node, str], dict[Node, tuple[int, ...]], tuple[int, ...]]:
    """The target and the named values with sizes in numbers, the shapes of the leaves and of the target."""
    leaves = symbols([node])
    occurring = [system.shapes.get(leaf.data[0], ()) for leaf in leaves]
    occurring += [each.data for each in walk([node]) if each.op == "zeros"]
    needed = {name for shape in occurring for size in shape for name, _ in size.terms}
    others = {each: 1 for each in system.free_sizes if each not in needed}  # sizes of what does not occur
    shapes = system.resolve({**others, **sizes})
    unifier = Unifier({})
    for name, shape in shapes.items():
        for unknown, number_ in zip(system.shapes[name], shape, strict=True):
            unifier.unify(unknown, Size(number_))
    done = measured_zeros([node, *named], lambda size: unifier.resolve(size).constant)
    by_leaf = {leaf: shapes.get(leaf.data[0], ()) or (1,) for leaf in leaves}
    return done[node], {done[each]: name for each, name in named.items()}, by_leaf, shapes[target]


def _check_seed(target: str, seed: Any, shape: tuple[int, ...]) -> None:
    if seed is None and shape:
        raise TargetError(
            f"{target} is a vector of {shape[0]}: its gradient needs a seed v, which gives vᵀ ∂{target}/∂θ. For the "
            "whole derivative use derive."
        )
    if seed is not None and np.shape(seed) != shape:
        wanted = f"a vector of {shape[0]}" if shape else "a number"
        raise TargetError(f"The seed has the shape {np.shape(seed)}, but {target} is {wanted}.")


def _leaf(name: Name, leaves: list[Node]) -> Node:
    leaf = symbol(name.name, name.time)
    if leaf not in leaves:
        known = ", ".join(symbol_text(*each.data) for each in leaves)
        raise TargetError(f"{symbol_text(name.name, name.time)} does not occur here; the leaves are {known}.")
    return leaf
