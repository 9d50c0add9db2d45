"""Expressions: an immutable graph of operations in which equal parts are one object.

A node is an operation name, its arguments, and constant data. Nodes are interned: building the same expression
twice gives the same object, so that equality is identity, sharing costs nothing, and a graph unrolled over a
thousand steps is as large as its distinct nodes. Every walk is iterative: depth is no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Self
from weakref import WeakValueDictionary


class Time(NamedTuple):
    """When a symbol is meant: ``Time("t", -1)`` is t−1, ``Time("", 2)`` is step 2."""

    anchor: str
    offset: int

    def __str__(self) -> str:
        if not self.anchor:
            return str(self.offset)
        return self.anchor if self.offset == 0 else f"{self.anchor}{self.offset:+d}"


NOW = Time("t", 0)
BEFORE = Time("t", -1)

_interned: WeakValueDictionary[tuple[Any, ...], Expression] = WeakValueDictionary()


class Expression:
    """One node: ``op`` (its operation), ``args`` (nodes), ``data`` (constants such as a name or an exponent)."""

    __slots__ = ("__weakref__", "args", "data", "op")
    op: str
    args: tuple[Expression, ...]
    data: tuple[Any, ...]
    text: ClassVar[Callable[[Expression], str]]  # the canonical spelling; ``printing``, which knows it, puts it here

    def __new__(cls, op: str, args: tuple[Expression, ...] = (), data: tuple[Any, ...] = ()) -> Self:
        key = (op, args, data)
        found = _interned.get(key)
        if found is None:
            found = super().__new__(cls)
            for slot, value in zip(("op", "args", "data"), key, strict=True):
                object.__setattr__(found, slot, value)
            _interned[key] = found
        return found  # type: ignore[return-value]  # the table holds what this class made

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("an expression is immutable")

    def __reduce__(self) -> tuple[object, ...]:
        nodes = list(walk([self]))  # one by one: pickle would descend, and depth is no limit
        places = {node: place for place, node in enumerate(nodes)}
        return _rebuilt, ([(n.op, [places[argument] for argument in n.args], n.data) for n in nodes],)

    def __deepcopy__(self, memo: object) -> Expression:
        return self

    def __copy__(self) -> Expression:
        return self

    def __str__(self) -> str:
        return Expression.text(self)

    def __repr__(self) -> str:
        return f"<{self}>"

    # arithmetic for the derivative rules: elementwise, with the identities of 0 and 1 applied
    def __add__(self, other: Expression | float) -> Expression:
        other = expression(other)
        if is_number(self, 0):
            return other
        return self if is_number(other, 0) else Expression("add", (self, other))

    def __sub__(self, other: Expression | float) -> Expression:
        other = expression(other)
        return self if is_number(other, 0) else Expression("sub", (self, other))

    def __rsub__(self, other: float) -> Expression:
        return expression(other) - self

    def __mul__(self, other: Expression | float) -> Expression:
        other = expression(other)
        for one, rest in ((self, other), (other, self)):
            if is_number(one, 1):
                return rest
            if is_number(one, 0):
                return one
            if is_number(one, -1):
                return -rest
        return Expression("mul", (self, other))

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other: Expression | float) -> Expression:
        other = expression(other)
        return self if is_number(other, 1) else Expression("div", (self, other))

    def __rtruediv__(self, other: float) -> Expression:
        return expression(other) / self

    def __neg__(self) -> Expression:
        if self.op == "number":
            return number(-self.data[0])
        return self.args[0] if self.op == "neg" else Expression("neg", (self,))

    def __pow__(self, exponent: float) -> Expression:
        return self if exponent == 1 else Expression("pow", (self,), (float(exponent),))


def _rebuilt(rows: list[tuple[str, list[int], tuple[Any, ...]]]) -> Expression:
    """The last of these nodes, whose arguments are places in the list."""
    nodes: list[Expression] = []
    for op, places, data in rows:
        nodes.append(Expression(op, tuple(nodes[place] for place in places), data))
    return nodes[-1]


def number(value: float) -> Expression:
    """A constant that broadcasts."""
    return Expression("number", (), (float(value) + 0.0,))


def symbol(name: str, time: Time | None = None) -> Expression:
    """A named leaf; without ``time`` a parameter, the same at every step."""
    return Expression("symbol", (), (name, time))


def expression(value: Expression | float) -> Expression:
    """``value`` as an expression."""
    return value if isinstance(value, Expression) else number(value)


def is_number(node: Expression, value: float) -> bool:
    return node.op == "number" and node.data[0] == value


def arguments(node: Expression) -> tuple[Expression, ...]:
    """What a node is made of."""
    return node.args


def walk(
    roots: Iterable[Expression],
    stop: Container[Expression] = (),
    parts: Callable[[Expression], tuple[Expression, ...]] = arguments,
) -> Iterator[Expression]:
    """Every node below ``roots`` once, arguments before the nodes that use them; nodes in ``stop`` end the descent.

    ``parts`` says what is below a node, where that is not all of its arguments.

    >>> x = symbol("x", NOW)
    >>> [str(node) for node in walk([Expression("tanh", (x + x,))])]
    ['x_t', 'x_t + x_t', 'tanh(x_t + x_t)']
    """
    seen: set[Expression] = set()
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if ready:
                yield node
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                if node not in stop:
                    stack.extend((part, False) for part in reversed(parts(node)))


def substitute(root: Expression, replacements: Mapping[Expression, Expression]) -> Expression:
    """``root`` with every node that is a key of ``replacements`` replaced, at once and without looking inside."""
    return rewritten([root], replacements)[root]


def rewritten(
    roots: Iterable[Expression], replacements: Mapping[Expression, Expression]
) -> dict[Expression, Expression]:
    """What ``substitute`` makes of every node below ``roots``."""
    done: dict[Expression, Expression] = dict(replacements)
    for node in walk(roots, replacements):
        if node not in done:
            args = tuple(done[argument] for argument in node.args)
            done[node] = node if args == node.args else Expression(node.op, args, node.data)
    return done


def symbols(roots: Iterable[Expression]) -> list[Expression]:
    """The named leaves below ``roots`` in order of first appearance."""
    return [node for node in walk(roots) if node.op == "symbol"]
