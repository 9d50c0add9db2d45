"""A claim as a tree of terms: each an operation, its arguments, and where it stands in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from unrolled.equations.claims import BAR, DOT
from unrolled.equations.expression import Expression, Time, symbol
from unrolled.equations.kinds import products
from unrolled.equations.notation import Plain
from unrolled.equations.operations import ELEMENTWISE, FUNCTIONS, VECTOR_FUNCTIONS
from unrolled.equations.printing import symbol_text
from unrolled.equations.roles import constant_value, ungroup
from unrolled.equations.syntax import Name, Node
from unrolled.equations.system import System
from unrolled.errors import EquationError


@dataclass(frozen=True, eq=False)
class Term:
    """One part of a claim; ``start`` and ``end`` are plain characters, two equal parts are different terms.

    ``op`` is number, leaf (a symbol or a derivative), unknown (a name that is not there; ``data`` says so), identity,
    sum (``data``: the signs), product (juxtaposed factors), times (⊙ and *), divide, kron, power, call, slope (f′),
    transpose, diag or concat.
    """

    op: str
    args: tuple[Term, ...]
    data: Any
    start: int
    end: int

    @property
    def length(self) -> int:
        """How many characters it takes."""
        return self.end - self.start

    def walk(self) -> Iterator[Term]:
        """This term and all below, arguments first."""
        for argument in self.args:
            yield from argument.walk()
        yield self

    def leaves(self) -> list[Expression]:
        """The symbols and derivatives that stand in it."""
        return [term.data for term in self.walk() if term.op == "leaf"]


@dataclass
class Reader:
    """From the nodes of a claim to terms over the names of ``system``.

    ``rows`` is the letter of a tape's rows where the claim is one (w_5 is then row 5).
    """

    system: System
    text: Plain
    rows: str = ""
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        constants = {name for name, _ in self.system.constants}
        self.names = frozenset({*self.system.sequences, *self.system.parameters, *constants})

    def term(self, node: Node) -> Term:
        """The term that ``node`` means.

        Raises:
            EquationError: it cannot be read in one way, as a / b c, or a function has a wrong number of arguments.
        """
        node = ungroup(node)
        match node.kind:
            case "number":
                return Term("number", (), node.value, node.start, node.end)
            case "name":
                return self._name(node)
            case "derivative":
                return self._derivative(node)
            case "sum":
                return self._term("sum", node, node.args, node.value)
            case "negative":
                return self._negative(node)
            case "positive":
                return self.term(node.args[0])
            case "juxtaposition":
                return self._term("product", node, node.args)
            case "term":
                return self._chain(node)
            case "power":
                return self._term("power", node, node.args, node.value)
            case "transpose" | "concat":
                return self._term(node.kind, node, node.args)
        return self._function(node)

    def _term(self, op: str, node: Node, args: tuple[Node, ...], data: Any = None) -> Term:
        return Term(op, tuple(self.term(argument) for argument in args), data, node.start, node.end)

    def _negative(self, node: Node) -> Term:
        inner = self.term(node.args[0])
        if inner.op == "number":
            return Term("number", (), -inner.data, node.start, node.end)
        return Term("sum", (inner,), ("-",), node.start, node.end)

    def _chain(self, node: Node) -> Term:
        """Products joined by ⊙, *, / and ⊗, from left to right; · only juxtaposes."""
        runs = list(products(node))
        operators = [operator for operator in node.value if operator != "·"]
        total = self._run(runs[0])
        for operator, run in zip(operators, runs[1:], strict=True):
            if operator == "/" and len(run) > 1:
                raise self.text.error(
                    "What does this divide by? Put brackets: a / (b c), or (a / b) c.", run[0].start, run[-1].end
                )
            right = self._run(run)
            op = {"/": "divide", "⊗": "kron"}.get(operator, "times")
            total = Term(op, (total, right), None, total.start, right.end)
        return total

    def _run(self, factors: list[Node]) -> Term:
        if len(factors) == 1:
            return self.term(factors[0])
        return Term("product", tuple(map(self.term, factors)), None, factors[0].start, factors[-1].end)

    def _function(self, node: Node) -> Term:
        name, arguments = node.value, list(node.args)
        if name == "diag":
            return self._checked("diag", node, 1, ())
        entry = ELEMENTWISE.get(name)
        constants = []
        for argument in arguments[entry.arity :] if entry and entry.constants else ():
            value = constant_value(argument)
            if value is None or not isfinite(value):
                raise self.text.error(f"The limits of {name} are numbers.", argument.start, argument.end)
            constants.append(value)
        wanted = entry.arity + entry.constants if entry else VECTOR_FUNCTIONS.get(name, (1, False))[0]
        if name == "identity":
            self._checked("call", node, 1, ())
            return self.term(arguments[0])
        if node.kind == "slope" and (entry is None or wanted != 1):
            raise self.text.error(f"{name}' is not known here: write the derivative out.", node.start, node.end)
        return self._checked("slope" if node.kind == "slope" else "call", node, wanted, tuple(constants))

    def _checked(self, op: str, node: Node, wanted: int, constants: tuple[float, ...]) -> Term:
        given = len(node.args)
        if given != wanted:
            many = "s" * (wanted > 1)
            raise self.text.error(f"{node.value} takes {wanted} argument{many}, not {given}.", node.start, node.end)
        args = node.args[: given - len(constants)]
        return self._term(op, node, args, (node.value, constants) if op != "diag" else None)

    def _name(self, node: Node) -> Term:
        found = self.meaning(node.value)
        if isinstance(found, str) and (word := self._function_around(node)):
            raise self.text.error(
                f"{word} is a function and needs brackets: {word}(…).", node.start, node.start + len(word)
            )
        if isinstance(found, Expression):
            return Term("leaf", (), found, node.start, node.end)
        if found == "identity":
            return Term("identity", (), None, node.start, node.end)
        return Term("unknown", (), found, node.start, node.end)

    def _function_around(self, node: Node) -> str | None:
        """The function of which ``node`` is the first letter, where its brackets are missing."""
        found = re.match(r"[^\W\d_]+", self.text.text[node.start :])
        return found.group() if found and found.group() in FUNCTIONS else None

    def _derivative(self, node: Node) -> Term:
        of, wrt = (self.meaning(argument.value) for argument in node.args)
        for found, argument in zip((of, wrt), node.args, strict=True):
            if not isinstance(found, Expression):
                message = found if found != "identity" else "I is the identity matrix here."
                return Term("unknown", (), message, argument.start, argument.end)
        assert isinstance(of, Expression)  # the loop has looked
        if of.data[0] not in self.system.definitions:
            message = f"{of} is not computed by the equations: it has no derivative."
            return Term("unknown", (), message, node.args[0].start, node.args[0].end)
        return Term("leaf", (), Expression("partial", (of, wrt)), node.start, node.end)  # type: ignore[arg-type]  # both are expressions

    def meaning(self, name: Name) -> Expression | str:
        """The symbol that a name stands for, "identity", or a message that says why it stands for none."""
        letter, time = name.name, name.time
        if letter in self.system.sequences:
            return self._sequence(letter, time)
        row = self.row(name)
        if row is not None:
            return row
        if self.rows == "w" and name == Name("v", None) and "v" not in self.names:
            return symbol("v")  # the adjoint of a target that is a vector
        if time is not None and not time.anchor and time.offset >= 0:
            letter, time = f"{letter}{'' if '_' in letter else '_'}{time.offset}", None
        if letter in self.names and time is None:
            return symbol(letter)
        if time is None and re.fullmatch(r"I(_[a-z]+)?", letter):
            return "identity"
        if letter in self.names:
            return f"{letter} has no time: it is the same at every step."
        known = ", ".join([*self.system.sequences, *self.system.parameters])
        return f"There is no {symbol_text(name.name, name.time)} in these equations; the names are {known}."

    def _sequence(self, letter: str, time: Time | None) -> Expression | str:
        if time is None:
            return f"{letter} is a sequence: write a step, {letter}_1 or {letter}_t."
        first = -1 if letter in self.system.states else 0
        if not time.anchor and time.offset < first:
            return f"{symbol_text(letter, time)} is before the first step."
        return symbol(letter, time)

    def row(self, name: Name) -> Expression | None:
        """The symbol of a row of a tape: w_5, its adjoint w̄_5, a part of it w̄_5^{(1)}, its tangent ẇ_5."""
        if not self.rows or name.time is None or name.time.anchor:
            return None
        found = re.fullmatch(rf"(?P<letter>{self.rows})(?P<mark>[{BAR}{DOT}]?)(?:_(?P<index>\d+))?", name.name)
        if found is None or name.time.offset < 0:
            return None
        letter = {"": "w", BAR: "w̄", DOT: "ẇ"}[found["mark"]]
        if found["index"]:  # w̄_5^{(1)}: the first of the parts that add up to w̄_5
            return symbol(f"{letter}_{found['index']}^({name.time.offset})")
        return symbol(f"{letter}_{name.time.offset}")


def unreadable(term: Term, text: Plain, message: str) -> EquationError:
    """An error that points at ``term``."""
    return text.error(message, term.start, term.end)
