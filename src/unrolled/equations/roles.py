"""Who is who in the equations: what stands on the left, which names are inputs, states, outputs, parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite, nan

from unrolled.equations.expression import BEFORE, NOW, Expression, Time, symbol
from unrolled.equations.notation import Plain
from unrolled.equations.operations import FUNCTIONS
from unrolled.equations.printing import symbol_text
from unrolled.equations.syntax import Declaration, Equation, Name, Node
from unrolled.equations.system import FIRST, dependency_order
from unrolled.errors import EquationError

LONGEST_FUNCTION = max(map(len, FUNCTIONS))


@dataclass
class Roles:
    """The statements sorted by what they do, and the role of every name; checked, so that later steps may rely on it.

    ``right`` gives the right-hand side of each equation by its name, ``initial`` the first values, ``constants`` the
    numbers, ``left`` where each of these is defined (at t, at -1, without time), ``declared`` (kind, shape, node) of
    each declaration.
    """

    text: Plain
    statements: list[Equation | Declaration]
    given_outputs: tuple[str, ...] | None
    words: tuple[str, ...]
    right: dict[str, Node] = field(default_factory=dict)
    left: dict[tuple[str, Time | None], Node] = field(default_factory=dict)
    initial: dict[str, Node] = field(default_factory=dict)
    constants: dict[str, float] = field(default_factory=dict)
    declared: dict[str, tuple[str, tuple[int | str, ...], Node]] = field(default_factory=dict)
    declared_outputs: dict[str, Node] = field(default_factory=dict)

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

    def constant(self, node: Node) -> float | None:
        """The number that ``node`` is, if it is one."""
        value = constant_value(node)
        if value is not None and not isfinite(value):
            raise self.error("This is no finite number.", node)
        return value

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
                self.declared_outputs.setdefault(name, node)
            elif name in self.declared:
                raise self.error(f"{name} is declared twice. Keep one of the two lines.", node)
            else:
                kind = statement.kind or {1: "vector", 2: "matrix"}.get(len(statement.shape), "")
                if not kind:
                    raise self.error("A shape has one or two sizes: b : 20 or A : 20×20.", node)
                self.declared[name] = kind, statement.shape, node

    def _bare(self, node: Node) -> str:
        return _with_number(node.value, ()).name  # y_t : output is as clear as y : output

    def _define(self, statement: Equation) -> None:
        node, name, time = statement.left, statement.left.value.name, statement.left.value.time
        if time in (NOW, FIRST):
            table, what = (self.right, "equation") if time == NOW else (self.initial, "first value")
            if name in table:
                raise self.error(f"{name} has two {what}s. Keep one, or give the second a name of its own.", node)
            table[name] = statement.right
            self.left[name, time] = node
        elif time is None or (not time.anchor and time.offset >= 0 and self.constant(statement.right) is not None):
            value = self.constant(statement.right)
            if value is None:
                raise self.error(
                    f"{name} has no time, so this line sets a constant and its right side must be a number "
                    f"(α = 0.5). For a sequence write {name}_t = …",
                    node,
                )
            if (name := self._bare(node)) in self.constants:
                raise self.error(f"{name} has two values. Keep one.", node)
            self.constants[name] = value
            self.left[name, None] = node
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

    def learned(self, name: str) -> str | None:
        """The parameter from which the state ``name`` starts; None where it starts from a number."""
        node = ungroup(self.initial[name])
        if self.constant(node) is not None:
            return None
        meant = _with_number(node.value, self.sequences) if node.kind == "name" else None
        if meant is None or meant.time is not None:
            raise self.error(
                f"A first value is a number or a parameter: {name}_{{-1}} = 0 or {name}_{{-1}} = h0.", node
            )
        return meant.name

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
        learned = [self.learned(name) for name in self.initial]
        names = [n.name for _, n in self.occurrences if n.time is None]
        return unique(name for name in [*names, *learned] if name is not None and name not in self.constants)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """What was asked for, else the last-defined name that no state needs at its step, else a closing softmax."""
        asked = self.given_outputs if self.given_outputs is not None else tuple(self.declared_outputs)
        for name in asked:
            if name not in self.right:
                defined = ", ".join(self.right)
                message = f"{name} cannot be an output: no equation defines it. The equations define {defined}."
                node = self.declared_outputs.get(name)
                raise EquationError(message) if node is None else self.error(message, node)
        if asked or self.given_outputs is not None:
            return unique(asked)
        last = list(self.right)[-1]
        inside = self._needed_by_states() | set(self.states)
        free = [name for name in self.right if name not in inside]
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
        others = {*self.states, *self.outputs}
        return tuple(name for name in self.right if name not in others)

    def _check_first_values(self) -> None:
        """``h_0 = 1`` sets a constant named h_0 where h is no sequence; where it is, h_{-1} is meant."""
        for statement in self.statements:
            if isinstance(statement, Equation) and (time := statement.left.value.time) is not None:
                name = statement.left.value.name
                if not time.anchor and time.offset >= 0 and name in self.sequences:
                    raise self.error(
                        f"{name} is a sequence, and the value from which it starts is {name}_{{-1}}: write "
                        f"{name}_{{-1}} = … (step 0 is the first that is computed).",
                        statement.left,
                    )

    def _check_names(self) -> None:
        self._check_first_values()
        for (left, _), node in self.left.items():
            self.check_reserved(left, node)
        for node, meant in self.occurrences:
            self.check_reserved(meant.name, node)
            self._check_time(node, meant)
        for name in self.initial:
            if name not in self.states:
                raise self.error(
                    f"{name} gets a first value but is no state: no equation uses {name}_{{t-1}}. Remove this line.",
                    self.left[name, FIRST],
                )
            if (parameter := self.learned(name)) is not None:
                node = ungroup(self.initial[name])
                self.check_reserved(parameter, node)
                self._check_time(node, Name(parameter, None))
        for name in self.constants:
            if name in self.sequences:
                raise self.error(
                    f"{name} is a sequence ({name}_t) and a constant. Give the constant another name.",
                    self.left[name, None],
                )
        _ = self.outputs

    def check_reserved(self, name: str, node: Node) -> None:
        """Time and functions cannot be names."""
        body, start, end = self.text.text, node.start, node.end
        while start > 0 and body[start - 1].isalpha() and node.start - start < LONGEST_FUNCTION:
            start -= 1
        while end < len(body) and body[end].isalpha() and end - node.end < LONGEST_FUNCTION:
            end += 1
        word = body[start:end]
        if name in FUNCTIONS or word in FUNCTIONS:
            word = word if word in FUNCTIONS else name
            raise self.text.error(f"{word} is a function and needs brackets: {word}(…).", start, end)
        if name.startswith("σ"):  # σ_g, σ′: lectures number their functions, but σ is one function here
            raise self.error(f"σ is a function, without subscript or prime: write σ(…) for {name}(…).", node)
        if name in ("t", "T"):
            hint = f" If {word} is one name, declare it: '{word} : name'." if len(word) > 1 and word.isalpha() else ""
            raise self.error(f"{name} is reserved for time. Use another letter.{hint}", node)

    def _check_time(self, node: Node, name: Name) -> None:
        letter, time = name.name, name.time
        if time is None:
            if letter in self.sequences:
                raise self.error(f"{letter} is a sequence elsewhere: write {letter}_t or {letter}_{{t-1}}.", node)
        elif not time.anchor:
            raise self.error(
                f"{symbol_text(letter, time)} names one step, but an equation holds at every step. Write {letter}_t or "
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
    def sequences(self) -> Collection[str]:
        """Every name with a time, in the order of their first appearance."""
        return dict.fromkeys([*(n.name for _, n in self.occurrences if n.time), *self.right]).keys()

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
            shown = [symbol_text(name, NOW) for name in cycle]
            shown = shown if len(shown) <= 12 else [*shown[:6], "…", *shown[-5:]]
            raise self.error(
                f"Within one step each of these needs the next: {' → '.join(shown)}. Somewhere on the way use the step "
                f"before, for example {cycle[1]}_{{t-1}}.",
                self.left[cycle[0], NOW],
            ) from None  # fmt: skip


def names_below(node: Node) -> Iterator[Node]:
    stack = [node]
    while stack:
        node = stack.pop()
        if node.kind == "name":
            yield node
        stack.extend(reversed(node.args))


def _with_number(name: Name, timed: Collection[str]) -> Name:
    """``W_1`` is a parameter, and ``W_{i,1}`` another, unless W is a sequence with steps."""
    time = name.time
    if time and not time.anchor and time.offset >= 0 and name.name not in timed:
        return Name(f"{name.name}{'' if '_' in name.name else '_'}{time.offset}", None)
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
        return None if one is None or other is None else one / other if other else nan
    return None


def _is_softmax(node: Node) -> bool:
    node = ungroup(node)
    return node.kind == "function" and node.value == "softmax"


def unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
