"""What a claim computes: each term a number, a column vector or a matrix, on many draws at once.

Shapes: an array has leading axes for the draws (and for candidates before them) and ``rank`` axes of its own:
none for a number, (n) for a column vector, (m, n) for a matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import product as combinations
from typing import Any, NamedTuple

import numpy as np

from unrolled.calculus import arrays
from unrolled.calculus.evaluate import evaluate
from unrolled.equations.expression import Expression, symbol
from unrolled.equations.operations import ELEMENTWISE, LAYERNORM_EPSILON
from unrolled.explain.marking.terms import Term

TOLERANCE = 1e-9  # relative to the largest component of each draw
SMALLEST = 1e-4  # below this size an error counts absolutely: what cancels leaves the rounding of numbers near 1
Array = np.ndarray[Any, np.dtype[Any]]


class Value(NamedTuple):
    """An array on many draws; the last ``rank`` axes are its own."""

    array: Array
    rank: int

    @property
    def shape(self) -> tuple[int, ...]:
        """() for a number, (n,) for a column, (m, n) for a matrix."""
        return tuple(self.array.shape[self.array.ndim - self.rank :])

    def __str__(self) -> str:
        if not self.rank:
            return "a number"
        return f"a vector of {self.shape[0]}" if self.rank == 1 else f"a {self.shape[0]}×{self.shape[1]} matrix"


class MismatchError(Exception):
    """Sizes that do not fit."""


@dataclass(frozen=True)
class Reading:
    """How a claim is read.

    In the ``scalar`` reading there is one unit everywhere: products commute, transposes vanish. With ``starred`` a ⊙ or
    * between a matrix and what follows is their product, as those write it who think of one unit.
    """

    scalar: bool = False
    starred: bool = False

    def apply(self, term: Term, args: list[Value]) -> Value:
        """The value of ``term`` from those of its arguments.

        Raises:
            MismatchError: the sizes do not fit; the message says which.
        """
        match term.op:
            case "sum":
                signed = [_negated(a) if sign == "-" else a for a, sign in zip(args, term.data, strict=True)]
                return reduce(add, signed)
            case "product":
                return reduce(multiply, args)
            case "times":
                return self._times(*args)
            case "divide":
                return _elementwise("/", *args)
            case "power":
                return _power(args[0], term.data)
            case "transpose":
                return transposed(args[0])
            case "diag":
                return self._diagonal(args[0])
            case "kron":
                return self._kron(*args)
            case "slope":
                local = Expression(term.data[0], (symbol("a"),), term.data[1])
                (derivative,) = ELEMENTWISE[term.data[0]].derivative(local, *local.args)
                return Value(np.asarray(evaluate([derivative], {symbol("a"): args[0].array})[0]), args[0].rank)
            case "concat":
                return self._concat(args)
        return self.call(term.data[0], args, term.data[1])

    def call(self, name: str, args: list[Value], constants: tuple[float, ...] = ()) -> Value:
        """A function of the language."""
        first = args[0]
        if name in ELEMENTWISE:
            if len(args) == 2:
                first, second = _matched(first, args[1], f"{name}(…, …)")
                return Value(np.asarray(ELEMENTWISE[name].value(arrays, first.array, second.array)), first.rank)
            return Value(np.asarray(ELEMENTWISE[name].value(arrays, first.array, *constants)), first.rank)
        if self.scalar:
            return _one_unit(name, args)
        if first.rank == 0 or (first.rank == 2 and 1 not in first.shape):
            raise MismatchError(f"{name} acts on a whole vector, and this is {first}.")
        return _whole(name, args)

    def _times(self, left: Value, right: Value) -> Value:
        if self.starred and left.rank == 2 and right.rank:
            return multiply(left, right)
        return _elementwise("⊙", left, right)

    def _diagonal(self, inner: Value) -> Value:
        if self.scalar:
            return inner
        if inner.rank != 1:
            raise MismatchError(f"diag takes a vector, and this is {inner}.")
        return Value(inner.array[..., None] * np.eye(inner.shape[0]), 2)

    def _kron(self, left: Value, right: Value) -> Value:
        if self.scalar:
            return multiply(left, right)
        left, right = (_matrix(each) for each in (left, right))
        (a, b), (c, d) = left.shape, right.shape
        blocks = left.array[..., :, None, :, None] * right.array[..., None, :, None, :]
        return Value(blocks.reshape(*blocks.shape[:-4], a * c, b * d), 2)

    def _concat(self, args: list[Value]) -> Value:
        if self.scalar:
            raise MismatchError("A concatenation has no scalar form.")
        if any(each.rank == 2 for each in args):
            return _stacked([_matrix(each) for each in args])
        return _stacked([Value(each.array[..., None], 1) if each.rank == 0 else each for each in args])


def _stacked(args: list[Value]) -> Value:
    rank = args[0].rank
    if len({each.shape[1:] for each in args}) > 1:
        raise MismatchError("The blocks have different widths.")
    leading = np.broadcast_shapes(*(each.array.shape[: each.array.ndim - rank] for each in args))
    parts = [np.broadcast_to(each.array, leading + each.shape) for each in args]
    return Value(np.concatenate(parts, axis=-rank), rank)


def _one_unit(name: str, args: list[Value]) -> Value:
    """Functions of whole vectors where there is one unit; a softmax is one that is not yet normalised away, with
    s′ = s (1 − s): the logistic function."""
    if name == "softmax":
        return Value(np.asarray(arrays.sigmoid(args[0].array)), 0)
    if name == "dot":
        return multiply(*args)
    if name == "layernorm":
        return Value(args[0].array * 0.0, 0)
    return args[0]


def _whole(name: str, args: list[Value]) -> Value:
    first = args[0].array
    axis = -2 if args[0].rank == 2 and args[0].shape[1] == 1 else -1
    if name == "softmax":
        raised = np.exp(first - first.max(axis, keepdims=True))
        return Value(raised / raised.sum(axis, keepdims=True), args[0].rank)
    if name == "layernorm":
        centred = first - first.mean(axis, keepdims=True)
        return Value(centred / np.sqrt((centred**2).mean(axis, keepdims=True) + LAYERNORM_EPSILON), args[0].rank)
    own = tuple(range(-args[0].rank, 0))
    if name == "dot":
        one, other = _matched(args[0], args[1], "dot(…, …)")
        return Value((one.array * other.array).sum(own), 0)
    return Value(first.sum(own) if name == "sum" else first.mean(own), 0)


def _negated(value: Value) -> Value:
    return Value(-value.array, value.rank)


def add(left: Value, right: Value) -> Value:
    """left + right."""
    left, right = _matched(left, right, "+ or −")
    return Value(left.array + right.array, left.rank)


def _elementwise(sign: str, left: Value, right: Value) -> Value:
    if left.rank == 0 or right.rank == 0:
        left, right = _raised(left, right)
    else:
        left, right = _matched(left, right, sign)
    return Value(left.array * right.array if sign == "⊙" else _divided(left.array, right.array), left.rank)


def _divided(left: Array, right: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(left / right)


def _raised(left: Value, right: Value) -> tuple[Value, Value]:
    """A number beside something larger, with axes to broadcast along."""
    rank = max(left.rank, right.rank)
    return _with_rank(left, rank), _with_rank(right, rank)


def _with_rank(value: Value, rank: int) -> Value:
    return Value(value.array[(..., *[None] * (rank - value.rank))], rank) if value.rank < rank else value


def _matched(left: Value, right: Value, sign: str) -> tuple[Value, Value]:
    """Two operands of equal shape; a number spreads over a vector, a column is a matrix of one column."""
    if left.shape == right.shape:
        return left, right
    if {left.rank, right.rank} == {0, 1}:
        return _raised(left, right)
    if {left.rank, right.rank} == {1, 2} and _matrix(left).shape == _matrix(right).shape:
        return _matrix(left), _matrix(right)
    raise MismatchError(f"{left} and {right} stand beside {sign}; they must have equal sizes.".capitalize())


def _matrix(value: Value) -> Value:
    """A number or a column as a matrix."""
    return value if value.rank == 2 else _with_rank(value, 2)


def multiply(left: Value, right: Value) -> Value:
    """A number times anything, a matrix times a matrix or a column, a column times a row."""
    if left.rank == 0 or right.rank == 0:
        left, right = _raised(left, right)
        return Value(left.array * right.array, left.rank)
    if left.rank == 1:
        if right.rank == 2 and right.shape[0] == 1:
            return Value(left.array[..., None] * right.array, 2)
        raise MismatchError(
            f"A vector of {left.shape[0]} stands as a factor before {right}: a matrix stands before a vector, two "
            "vectors take ⊙, and the derivative of an elementwise function is a diagonal matrix, diag(…)."
        )
    if left.shape[1] != right.shape[0]:
        raise MismatchError(f"{left} multiplies {right}; {left.shape[1]} and {right.shape[0]} differ.".capitalize())
    if right.rank == 2:
        return Value(left.array @ right.array, 2)
    result = (left.array @ right.array[..., None])[..., 0]
    return Value(result[..., 0], 0) if left.shape[0] == 1 else Value(result, 1)


def transposed(value: Value) -> Value:
    """A column becomes a row; a number stays."""
    if value.rank == 1:
        return Value(value.array[..., None, :], 2)
    return Value(np.swapaxes(value.array, -1, -2), 2) if value.rank == 2 else value


def _power(base: Value, exponent: float) -> Value:
    if base.rank == 2:
        if exponent != int(exponent) or exponent < 0 or base.shape[0] != base.shape[1]:
            raise MismatchError(f"{base} has no power {exponent:g}.".capitalize())
        return Value(np.linalg.matrix_power(base.array, int(exponent)), 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Value(np.asarray(arrays.pow(base.array, exponent)), base.rank)


def agreement(found: Value, expected: Value) -> Array:
    """For each candidate (the axes before that of the draws): are the two equal on all draws?"""
    found, expected = _comparable(found, expected)
    if found.shape != expected.shape:
        return np.zeros(found.array.shape[: max(0, found.array.ndim - found.rank - 1)], bool)
    difference = np.abs(found.array - expected.array)
    own = tuple(range(-found.rank, 0)) if found.rank else ()
    scale = np.maximum(np.abs(expected.array), SMALLEST)
    largest = (difference.max(own) if own else difference) / (scale.max(own) if own else scale)
    return np.asarray((largest < TOLERANCE).all(-1))  # NaN is no agreement


def _comparable(found: Value, expected: Value) -> tuple[Value, Value]:
    if found.rank == 0 and expected.rank and (expected.rank == 1 or not np.any(expected.array)):
        spread = np.broadcast_to(_with_rank(found, expected.rank).array, found.array.shape + expected.shape)
        return Value(spread, expected.rank), expected
    if {found.rank, expected.rank} == {1, 2}:
        return _matrix(found), _matrix(expected)
    if found.shape == (1, 1) and expected.rank == 0:
        return Value(found.array[..., 0, 0], 0), expected
    return found, expected


@dataclass
class Evaluation:
    """The values of all terms of a claim; ``clash`` is the first term whose sizes do not fit, if any.

    ``symbols`` gives the leaves. The identity I has no size of its own, nor has a 0 that stands for a vector, as in
    [0 ; x_0] or softmax(0); each takes the one that fits, kept in ``sizes``.
    """

    root: Term
    reading: Reading
    symbols: Mapping[Expression, Value]
    dimensions: tuple[int, ...]
    sizes: dict[Term, int] = field(default_factory=dict)
    values: dict[Term, Value] = field(default_factory=dict)
    clash: tuple[Term, str] | None = None

    def __post_init__(self) -> None:
        found: dict[Term, list[tuple[Value, dict[Term, int]]]] = {}
        for term in self.root.walk():
            found[term] = self._alternatives(term, [found[argument] for argument in term.args])
            if not found[term] and self.clash is None:
                self.clash = term, self._why
        for _, sizes in found[self.root]:
            self.choose(sizes)
            break
        else:
            self.choose({})
        self.options = found[self.root]

    def choose(self, sizes: Mapping[Term, int]) -> None:
        """Give each I and 0 its size, and compute every term that has a value; an I without one takes a middle size."""
        self.sizes = dict(sizes)
        self.values = {}
        for term in self.root.walk():
            try:
                self.values[term] = self._value(term, [self.values[argument] for argument in term.args])
            except (MismatchError, KeyError):
                continue

    def settle(self, fits: Callable[[Value], bool]) -> bool:
        """Is there a choice of sizes with which the claim fits? It is taken."""
        for value, sizes in self.options:
            if fits(value):
                self.choose(sizes)
                return True
        return False

    _why = ""

    def _alternatives(
        self, term: Term, args: list[list[tuple[Value, dict[Term, int]]]]
    ) -> list[tuple[Value, dict[Term, int]]]:
        """The values that ``term`` can have, one for each shape, with the sizes of I and 0 that they take."""
        if term.op == "identity" and not self.reading.scalar:
            return [(_identity(size), {term: size}) for size in self.dimensions]
        if term.op == "number" and term.data == 0 and not self.reading.scalar:
            vectors = [(_zero(size), {term: size}) for size in sorted({1, *self.dimensions})]
            return [(self._value(term, []), {}), *vectors]
        found: dict[tuple[int, ...], tuple[Value, dict[Term, int]]] = {}
        for chosen in combinations(*args):
            try:
                value = self._value(term, [value for value, _ in chosen])
            except MismatchError as mismatch:
                self._why = str(mismatch)
                continue
            found.setdefault(value.shape, (value, {k: v for _, sizes in chosen for k, v in sizes.items()}))
        return list(found.values())

    def _value(self, term: Term, args: list[Value]) -> Value:
        if term.op == "number":
            return _zero(self.sizes[term]) if term in self.sizes else Value(np.full(1, term.data), 0)
        if term.op == "leaf":
            if term.data not in self.symbols:
                raise MismatchError(f"{term.data} has no value here.")
            return self.symbols[term.data]
        if term.op == "unknown":
            raise MismatchError(term.data)
        if term.op == "identity":
            return Value(np.ones(1), 0) if self.reading.scalar else _identity(self.sizes.get(term, self.dimensions[0]))
        return self.reading.apply(term, args)


def _identity(size: int) -> Value:
    return Value(np.eye(size)[None], 2)


def _zero(size: int) -> Value:
    return Value(np.zeros((1, size)), 1)
