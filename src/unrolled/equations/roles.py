"""Who is who in the equations: what stands on the left, which names are inputs, states, outputs, parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from unrolled.equations.expression import BEFORE, NOW, Expression, symbol
from unrolled.equations.notation import Plain
from unrolled.equations.operations import FUNCTIONS
from unrolled.equations.syntax import Declaration, Equation, Name, Node
from unrolled.equations.system import FIRST, dependency_order
from unrolled.errors import EquationError


@dataclass
class Roles:
    """The statements sorted by what they do, and the role of every name; checked, so that later steps may rely on it.

    ``right`` and ``left`` give both sides of each equation by its name, ``initial`` the first values, ``constants`` the
    numbers, ``declared`` (kind, shape, node) of each declaration.
    """

    text: Plain
    statements: list[Equation | Declaration]
    given_outputs: tuple[str, ...] | None
    words: tuple[str, ...]
    right: dict[str, Node] = field(default_factory=dict)
    left: dict[str, Node] = field(default_factory=dict)
    initial: dict[str, Node] = field(default_factory=dict)
    constants: dict[str, float] = field(default_factory=dict)
    declared: dict[str, tuple[str, tuple[int | str, ...], Node]] = field(default_factory=dict)
    declared_outputs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._collect()
        if not self.right:
            raise self.text.error("There is no equation here: write at least one, such as h_t = tanh(U x_t + …).", 0)
        self._check_names()
        self._check_cycles()

    def error(self, message: str, node: Node) -> EquationError:
        """An error that points at ``node``."""
        return self.text.error(message, node.start, node.end)

    def name(self, node: Node) -> Name:
        """What a name node on a right-hand side means."""
        return self._numbered[id(node)]

    def declared_kind(self, name: str) -> str:
        return self.declared[name][0] if name in self.declared else ""

    def _collect(self) -> None:
        for statement in self.statements:
            if isinstance(statement, Declaration):
                self._declare(statement)
            else:
                self._define(statement)

    def _declare(self, statement: Declaration) -> None:
        for node in statement.names:
            name = self._bare(node)
            if statement.kind == "output":
                self.declared_outputs.append(name)
            elif name in self.declared:
                raise self.error(f"{name} is declared twice. Keep one of the two lines.", node)
            else:
                kind = statement.kind or {1: "vector", 2: "matrix"}.get(len(statement.shape), "")
                if not kind:
                    raise self.error("A shape has one or two sizes: b : 20 or A : 20×20.", node)
                self.declared[name] = kind, statement.shape, node

    def _bare(self, node: Node) -> str:
        name: Name = node.value
        if name.time is None:
            return name.name
        if not name.time.anchor and name.time.offset >= 0:
            return f"{name.name}_{name.time.offset}"
        return name.name  # y_t : output is as clear as y : output

    def _define(self, statement: Equation) -> None:
        node, name, time = statement.left, statement.left.value.name, statement.left.value.time
        if time in (NOW, FIRST):
            table, what = (self.right, "equation") if time == NOW else (self.initial, "first value")
            if name in table:
                raise self.error(f"{name} has two {what}s. Keep one, or give the second a name of its own.", node)
            table[name] = statement.right
            self.left.setdefault(name, node)
        elif time is None or (not time.anchor and time.offset >= 0 and constant_value(statement.right) is not None):
            value = constant_value(statement.right)
            if value is None:
                raise self.error(
                    f"{name} has no time, so this line sets a constant and its right side must be a number "
                    f"(α = 0.5). For a sequence write {name}_t = …",
                    node,
                )
            self.constants[self._bare(node)] = value
        elif not time.anchor:
            raise self.error(
                f"An equation holds at every step t; write {name}_t = … on its left. The value before the first step, "
                f"from which the sequence starts, is {name}_{{-1}}.",
                node,
            )
        else:
            raise self.error(
                f"The left side is a name at time t; {node.value.name}_{{{time}}} is another step. "
                f"Shift the equation: {name}_t = … with everything on its right shifted too.",
                node,
            )

    @cached_property
    def occurrences(self) -> list[tuple[Node, Name]]:
        """Every name on a right-hand side, with ``W_1`` read as the parameter W_1 where W is no sequence."""
        found = [(n, n.value) for right in self.right.values() for n in names_below(right)]
        timed = {name.name for _, name in found if name.time and name.time.anchor} | set(self.right)
        return [(node, _with_number(name, timed)) for node, name in found]

    @cached_property
    def _numbered(self) -> dict[int, Name]:
        return {id(node): name for node, name in self.occurrences}

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        return unique(n.name for _, n in self.occurrences if n.time and n.name not in self.right)

    @cached_property
    def states(self) -> tuple[str, ...]:
        used = {n.name for _, n in self.occurrences if n.time == BEFORE}
        return tuple(name for name in self.right if name in used)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        learned = [n.value.name for n in self.initial.values() if n.kind == "name"]
        names = [n.name for _, n in self.occurrences if n.time is None]
        return unique(name for name in [*names, *learned] if name not in self.constants)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """What was asked for, else the last-defined name that no state needs at its step, else a closing softmax."""
        asked = self.given_outputs if self.given_outputs is not None else tuple(self.declared_outputs)
        for name in asked:
            if name not in self.right:
                raise EquationError(
                    f"{name} cannot be an output: no equation defines it. The equations define {', '.join(self.right)}."
                )
        if asked or self.given_outputs is not None:
            return unique(asked)
        last = list(self.right)[-1]
        inside = self._needed_by_states()
        free = [name for name in self.right if name not in self.states and name not in inside]
        if free:
            return (free[-1],)
        return (last,) if _is_softmax(self.right[last]) else ()

    def _needed_by_states(self) -> set[str]:
        needed, stack = set(), list(self.states)  # type: set[str], list[str]
        while stack:
            for node in names_below(self.right[stack.pop()]):
                name = node.value
                if name.time == NOW and name.name in self.right and name.name not in needed:
                    needed.add(name.name)
                    stack.append(name.name)
        return needed

    @cached_property
    def intermediates(self) -> tuple[str, ...]:
        """Defined names that are neither state nor output."""
        return tuple(name for name in self.right if name not in self.states and name not in self.outputs)

    def _check_names(self) -> None:
        for left, node in self.left.items():
            self.check_reserved(left, node)
        for node, meant in self.occurrences:
            self.check_reserved(meant.name, node)
            self._check_time(node, meant)
        for name, node in self.initial.items():
            if name not in self.states:
                raise self.error(
                    f"{name} gets a first value but is no state: no equation uses {name}_{{t-1}}. Remove this line.",
                    self.left[name] if name not in self.right else node,
                )
        for name in (*self.constants, *self.declared):
            if name in self.constants and name in self.sequences:
                raise EquationError(f"{name} is a sequence ({name}_t) and a constant. Give the constant another name.")
        _ = self.outputs

    def check_reserved(self, name: str, node: Node) -> None:
        """Time and functions cannot be names."""
        if name in ("t", "T"):
            word = self._word_around(node)
            if word in FUNCTIONS:
                raise self.error(f"{word} is a function and needs brackets: {word}(…).", node)
            hint = f" If {word} is one name, declare it: '{word} : name'." if len(word) > 1 else ""
            raise self.error(f"{name} is reserved for time. Use another letter.{hint}", node)
        if name in FUNCTIONS:
            raise self.error(f"{name} is a function and needs brackets: {name}(…).", node)

    def _word_around(self, node: Node) -> str:
        body, start, end = self.text.text, node.start, node.end
        while start > 0 and body[start - 1].isalpha():
            start -= 1
        while end < len(body) and body[end].isalpha():
            end += 1
        return body[start:end]

    def _check_time(self, node: Node, name: Name) -> None:
        letter, time = name.name, name.time
        if time is None:
            if letter in self.sequences:
                raise self.error(f"{letter} is a sequence elsewhere: write {letter}_t or {letter}_{{t-1}}.", node)
        elif not time.anchor:
            raise self.error(
                f"{letter}_{time} names one step, but an equation holds at every step. Write {letter}_t or "
                f"{letter}_{{t-1}}; a first value is set by a line {letter}_{{-1}} = 0.",
                node,
            )
        elif time.offset > 0:
            raise self.error(
                f"{letter}_{{{time}}} is in the future: a step may use this step and the one before. "
                f"Shift the equation by {time.offset}, or feed the network a shifted input.",
                node,
            )
        elif time.offset < -1:
            fresh = self._fresh("gkmpq")
            raise self.error(
                f"{letter}_{{{time}}} is {-time.offset} steps back; only t and t-1 exist. Add a state that remembers: "
                f"{fresh}_t = {letter}_{{t-1}}, and write {fresh}_{{t-1}} for {letter}_{{t-2}}.",
                node,
            )
        elif time == BEFORE and letter not in self.right:
            fresh = self._fresh("zgkmpq")
            raise self.error(
                f"{letter} is an input (no equation defines it), and the input of the step before is not kept. Add a "
                f"state that keeps it: {fresh}_t = {letter}_t, and write {fresh}_{{t-1}}.",
                node,
            )

    @cached_property
    def sequences(self) -> tuple[str, ...]:
        return unique([*(n.name for _, n in self.occurrences if n.time), *self.right])

    def _fresh(self, letters: str) -> str:
        taken = {name.name for _, name in self.occurrences} | set(self.right)
        return next((letter for letter in letters if letter not in taken), letters[0] + "'")

    def _check_cycles(self) -> None:
        placeholder = {
            name: Expression("list", tuple(symbol(n.value.name, n.value.time) for n in names_below(right)))
            for name, right in self.right.items()
        }
        try:
            dependency_order(placeholder)
        except ValueError as error:
            cycle = error.args[0]
            raise self.error(
                "Within one step each of these needs the next: " + " → ".join(f"{name}_t" for name in cycle)
                + f". Somewhere on the way use the step before, for example {cycle[1]}_{{t-1}}.",
                self.left[cycle[0]],
            ) from None  # fmt: skip


def names_below(node: Node) -> Iterator[Node]:
    stack = [node]
    while stack:
        node = stack.pop()
        if node.kind == "name":
            yield node
        stack.extend(reversed(node.args))


def _with_number(name: Name, timed: set[str]) -> Name:
    time = name.time
    if time and not time.anchor and time.offset >= 0 and name.name not in timed:
        return Name(f"{name.name}_{time.offset}", None)
    return name


def ungroup(node: Node) -> Node:
    while node.kind == "group":
        node = node.args[0]
    return node


def constant_value(node: Node) -> float | None:
    """The value of a right-hand side that is a number: 0.5, -1, 1/2."""
    node = ungroup(node)
    if node.kind == "number":
        return float(node.value)
    if node.kind in ("negative", "positive"):
        value = constant_value(node.args[0])
        return value if value is None or node.kind == "positive" else -value
    if node.kind == "term" and node.value == ("/",):
        one, other = (constant_value(argument) for argument in node.args)
        return None if one is None or not other else one / other
    return None


def _is_softmax(node: Node) -> bool:
    node = ungroup(node)
    return node.kind == "function" and node.value == "softmax"


def unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
