"""What each parameter is (matrix, vector, scalar), told by how it stands; and which sequences are scalars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from unrolled.equations.expression import NOW
from unrolled.equations.operations import VECTOR_FUNCTIONS
from unrolled.equations.roles import Roles, ungroup
from unrolled.equations.syntax import Node
from unrolled.errors import EquationError

NEUTRAL, SCALAR, VECTOR = range(3)


@dataclass
class Kinds:
    """``parameters``: name → "matrix", "vector" or "scalar"; ``ranks``: sequence → SCALAR or VECTOR."""

    roles: Roles
    parameters: dict[str, str] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._infer_kinds()
        self._infer_ranks()
        for state in self.roles.initial:  # a parameter that only starts a state is what the state is
            if (parameter := self.roles.learned(state)) is not None and parameter not in self.parameters:
                self.parameters[parameter] = "vector" if self.ranks[state] == VECTOR else "scalar"

    def _infer_kinds(self) -> None:
        marks: dict[str, dict[str, Node]] = {name: {} for name in (*self.roles.parameters, *self.roles.constants)}
        for right in self.roles.right.values():
            self._mark(right, "vector", marks)
        for name, found in marks.items():
            declared = self.roles.declared_kind(name)
            if not found and not declared and name not in self.roles.constants:
                continue
            if name in self.roles.constants:
                kind = "scalar"
            elif declared in ("scalar", "vector", "matrix"):
                kind = declared
            else:
                kind = next((kind for kind in ("matrix", "scalar") if kind in found), "vector")
            wrong = "matrix" if kind != "matrix" else "vector" if "vector" in found else "scalar"
            if wrong in found:
                raise self._kind_clash(name, kind, wrong, found[wrong])
            self.parameters[name] = kind

    def _kind_clash(self, name: str, kind: str, wrong: str, node: Node) -> EquationError:
        stands = {
            "matrix": "multiplies what follows it, as a matrix does",
            "vector": "stands beside + or ⊙ or inside a function, as a vector does",
            "scalar": "multiplies as a scalar",
        }[wrong]
        return self.roles.error(
            f"{name} is a {kind} elsewhere, but here it {stands}. One letter has one job: use another letter here"
            + (f", or write {name} ⊙ … for an elementwise product." if wrong == "matrix" else "."),
            node,
        )

    def _mark(self, node: Node, place: str, marks: dict[str, dict[str, Node]]) -> None:
        """Note how each parameter below ``node`` is used; ``place`` is what a name standing here would be."""
        while node.kind == "group":
            node = node.args[0]
        if node.kind == "name":
            name = self.roles.name(node)
            if name.time is None:
                if place in ("factor", "scalar"):
                    greek = _lower_greek(name.name) or name.name in self.roles.constants
                    scalar = greek or self.roles.declared_kind(name.name) == "scalar"
                    place = "scalar" if scalar else "matrix" if place == "factor" else "vector"
                marks[name.name].setdefault(place, node)
            return
        if node.kind == "transpose":
            inner = ungroup(node.args[0])
            if inner.kind != "name" or self.roles.name(inner).time is not None:
                raise self.roles.error("Only a matrix parameter can be transposed: W^T. For aᵀb write dot(a, b).", node)
            marks[self.roles.name(inner).name].setdefault("matrix", node)
            return
        if node.kind in ("juxtaposition", "term"):
            for factors in products(node):
                for factor in factors[:-1]:
                    inner = ungroup(factor)
                    self._mark(inner, "factor" if inner.kind in ("name", "transpose") else "scalar", marks)
                self._mark(factors[-1], "scalar" if place == "scalar" else "vector", marks)
            return
        inside = place if place == "scalar" and node.kind in ("sum", "negative", "positive", "power") else "vector"
        for argument in node.args:
            self._mark(argument, inside, marks)

    def _infer_ranks(self) -> None:
        inputs = set(self.roles.inputs)
        for name in self.roles.sequences:
            declared = self.roles.declared_kind(name)
            if declared == "matrix":
                raise self.roles.error(
                    f"{name} is a sequence; each of its steps is a vector.", self.roles.declared[name][2]
                )
            given = {"scalar": SCALAR, "vector": VECTOR}.get(declared)
            self.ranks[name] = given or (VECTOR if name in inputs else NEUTRAL)
        grounds = {name: list(self._grounds(right)) for name, right in self.roles.right.items()}
        users: dict[str, list[str]] = {}
        for name, found in grounds.items():
            self.ranks[name] = max(self.ranks[name], *(ground for ground in found if isinstance(ground, int)), NEUTRAL)
            for ground in found:
                if isinstance(ground, str):
                    users.setdefault(ground, []).append(name)
        self._spread(users, list(self.ranks))
        # what nothing determines is a vector, and this may determine others
        undetermined = [name for name, rank in self.ranks.items() if rank == NEUTRAL]
        self.ranks |= dict.fromkeys(undetermined, VECTOR)
        self._spread(users, undetermined)
        for name in self.roles.right:
            if self.roles.declared_kind(name) == "scalar" and self.ranks[name] == VECTOR:
                raise self.roles.error(
                    f"{name} is declared a scalar, but its equation gives a vector.", self.roles.left[name, NOW]
                )

    def _spread(self, users: dict[str, list[str]], changed: list[str]) -> None:
        """Raise the rank of what uses the ``changed`` names, and so on."""
        while changed:
            name = changed.pop()
            for user in users.get(name, ()):
                if self.ranks[user] < self.ranks[name]:
                    self.ranks[user] = self.ranks[name]
                    changed.append(user)

    def rank(self, node: Node) -> int:
        """What ``node`` gives: a vector, a scalar, or (NEUTRAL) a number that takes the size of what is beside it."""
        return max(ground if isinstance(ground, int) else self.ranks[ground] for ground in self._grounds(node))

    def _grounds(self, node: Node) -> Iterator[int | str]:
        """Ranks and sequences: the highest of these ranks, and of the ranks of these sequences, is that of ``node``."""
        stack = [node]
        while stack:
            node = ungroup(stack.pop())
            if node.kind == "number":
                yield NEUTRAL
            elif node.kind == "name":
                name = self.roles.name(node)
                scalar = name.time is None and self.parameters[name.name] == "scalar"
                yield name.name if name.time else NEUTRAL if scalar else VECTOR
            elif node.kind == "function" and node.value in VECTOR_FUNCTIONS:
                yield SCALAR if VECTOR_FUNCTIONS[node.value][1] else VECTOR
            elif node.kind in ("concat", "transpose"):
                yield VECTOR
            else:
                stack.extend(node.args)


def products(node: Node) -> Iterator[list[Node]]:
    """The runs of factors in a term: juxtaposed, or joined by ·."""
    parts = [list(p.args) if p.kind == "juxtaposition" else [p] for p in node.args]
    if node.kind == "juxtaposition":
        yield list(node.args)
        return
    run = parts[0]
    for operator, part in zip(node.value, parts[1:], strict=True):
        if operator == "·":
            run = run + part
        else:
            yield run
            run = part
    yield run


def _lower_greek(name: str) -> bool:
    return "α" <= name[0] <= "ω"
