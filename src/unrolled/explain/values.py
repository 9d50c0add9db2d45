"""Numbers for names: ``{"U": …, "x_0": …, "h_{-1}": …}`` as the symbols of an expression, checked against the sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from unrolled.calculus.unroll import read_symbol
from unrolled.equations.expression import Expression, Time, symbol
from unrolled.equations.printing import symbol_text
from unrolled.equations.sizes import ContradictionError, Size, Unifier
from unrolled.equations.system import System
from unrolled.errors import TargetError


def bind(
    system: System, values: Mapping[str, Any], needed: Iterable[Expression], scalar: bool = False
) -> tuple[dict[Expression, Any], Callable[[Size], int]]:
    """The arrays for the symbols ``needed``, and the sizes that follow from them.

    Constants and first values that the equations set need not be given.

    Raises:
        TargetError: a value is missing, unknown, or of the wrong shape.
    """
    given = {_symbol(name): array(name, value) for name, value in values.items()}
    unifier = Unifier({})
    for leaf, found in given.items():
        _check_name(system, leaf)
        if not scalar:
            _measure(system, leaf, found, unifier)
    bound: dict[Expression, Any] = {}
    for leaf in needed:
        found = given.get(leaf)
        bound[leaf] = _default(system, leaf, given, unifier, scalar) if found is None else found
        if scalar and np.ndim(bound[leaf]):
            raise TargetError(
                f"{_text(leaf)} has the shape {np.shape(bound[leaf])}; in the scalar form it is a number."
            )
    missing = [_text(leaf) for leaf, value in bound.items() if value is None]
    if missing:
        raise TargetError(f"No value was given for {', '.join(missing)}. Give one for each name.")
    return bound, lambda size: _number(unifier.resolve(size))


def measured(system: System, values: Mapping[str, Any]) -> dict[str, int]:
    """The sizes that follow from the shapes of ``values``, by the names that ``System.resolve`` takes.

    Raises:
        TargetError: a value is unknown or of the wrong shape.
    """
    unifier = Unifier({})
    for name, value in values.items():
        leaf = _symbol(name)
        _check_name(system, leaf)
        _measure(system, leaf, array(name, value), unifier)
    sizes = {name: unifier.resolve(Size.of(name)) for name in system.free_sizes}
    return {name: size.constant for name, size in sizes.items() if not size.terms}


def array(name: str, value: Any) -> Any:
    """``value`` as an array of float64 or complex128; ``name`` says in an error what it is."""
    try:
        found = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of different lengths; a tensor that numpy cannot read
        raise TargetError(f"{name} is no number and no array of numbers: {error}") from None
    if found.dtype.kind not in "biufc":
        raise TargetError(f"{name} is no number and no array of numbers: its elements are {found.dtype}.")
    return found.astype(complex if found.dtype.kind == "c" else float)


def _check_name(system: System, leaf: Expression) -> None:
    if leaf.data[0] not in system.shapes and leaf.data[0] not in dict(system.constants):
        known = ", ".join(system.shapes)
        raise TargetError(f"There is no {leaf.data[0]} in these equations; the names are {known}.")


def _symbol(text: str) -> Expression:
    name = read_symbol(text)
    return symbol(name.name, name.time)


def _text(leaf: Expression) -> str:
    return symbol_text(*leaf.data)


def _measure(system: System, leaf: Expression, array: Any, unifier: Unifier) -> None:
    shape = system.shapes.get(leaf.data[0], ())  # a constant is a number
    if array.ndim != len(shape):
        wanted = {0: "a number", 1: "a vector", 2: "a matrix"}[len(shape)]
        raise TargetError(f"{_text(leaf)} is {wanted}, but the value has the shape {array.shape}.")
    for size, actual in zip(shape, array.shape, strict=True):
        try:
            unifier.unify(size, Size(actual))
        except ContradictionError:
            raise TargetError(
                f"{_text(leaf)} has the shape {array.shape}, but {size} is {unifier.resolve(size)} elsewhere."
            ) from None


def _default(system: System, leaf: Expression, given: Mapping[Expression, Any], unifier: Unifier, scalar: bool) -> Any:
    """The value of what the equations set: a constant, a first state."""
    name, time = leaf.data
    if time is None:
        return dict(system.constants).get(name)
    first = dict(system.initial).get(name)
    if time != Time("", -1) or first is None:
        return None
    if first.op != "number":
        return given.get(first)  # a learned first state
    shape = () if scalar else tuple(_number(unifier.resolve(size)) for size in system.shapes[name])
    return np.full(shape, first.data[0])


def _number(size: Size) -> int:
    if size.terms:
        raise TargetError(f"The size {size} does not follow from the values given.")
    return size.constant
