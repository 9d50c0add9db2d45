"""Answers of students made at random: right ones, rewritten, and ones with a single mistake; and what they compute.

An answer is a tree of its own, written out and evaluated here in plain numpy: nothing of the package takes part.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

MISTAKES = ("index", "letter", "sign", "factor", "transpose", "function", "exponent", "dropped term")


@dataclass(frozen=True, eq=False)
class Node:
    """``op``: name, number, sum (``data``: signs), product, function, power, transpose, diag, kron, identity."""

    op: str
    args: tuple[Node, ...] = ()
    data: object = None


def name(text: str) -> Node:
    return Node("name", (), text)


def number(value: int) -> Node:
    return Node("number", (), value)


def total(*terms: Node | tuple[str, Node]) -> Node:
    pairs = [term if isinstance(term, tuple) else ("+", term) for term in terms]
    return Node("sum", tuple(term for _, term in pairs), tuple(sign for sign, _ in pairs))


def product(*factors: Node) -> Node:
    return Node("product", factors)


def apply(function: str, argument: Node) -> Node:
    return Node("function", (argument,), function)


def power(base: Node, exponent: int) -> Node:
    return Node("power", (base,), exponent)


def diag(inner: Node) -> Node:
    return Node("diag", (inner,))


def transpose(inner: Node) -> Node:
    return Node("transpose", (inner,))


def below(node: Node) -> Iterator[Node]:
    yield node
    for argument in node.args:
        yield from below(argument)


def exchange(root: Node, old: Node, new: Node) -> Node:
    """``root`` with the node ``old`` exchanged."""
    if root is old:
        return new
    args = tuple(exchange(argument, old, new) for argument in root.args)
    return root if all(a is b for a, b in zip(args, root.args, strict=True)) else replace(root, args=args)


# ── as text ──────────────────────────────────────────────────────────────────────────────────────────────────────


def write(root: Node, before: str) -> tuple[str, dict[int, tuple[int, int]]]:
    """The text of an answer after ``before``, and where each node stands in it (a term with its sign)."""
    out, spans = [before], {}

    def emit(text: str) -> None:
        out.append(text)

    def here() -> int:
        return sum(map(len, out))

    def put(node: Node, brackets: bool = False) -> None:
        if brackets:
            emit("(")
        start = here()
        match node.op:
            case "name":
                emit(node.data)
            case "number":
                emit(str(node.data))
            case "identity":
                emit("I")
            case "sum":
                for i, (sign, term) in enumerate(zip(node.data, node.args, strict=True)):
                    begin = here()
                    emit({(True, "+"): "", (True, "-"): "-"}.get((i == 0, sign), f" {sign} "))
                    put(term, term.op == "sum" or (term.op == "kron" and len(node.args) > 1))
                    spans[id(term)] = begin, here()
            case "product":
                for i, factor in enumerate(node.args):
                    emit(" " if i else "")
                    put(factor, factor.op in ("sum", "product", "kron"))
            case "function":
                emit(f"{node.data}(")
                put(node.args[0])
                emit(")")
            case "diag":
                emit("diag(")
                put(node.args[0])
                emit(")")
            case "power":
                put(node.args[0], node.args[0].op not in ("name", "number"))
                emit(f"^{node.data}")
            case "transpose":
                put(node.args[0], node.args[0].op not in ("name",))
                emit("^T")
            case "kron":
                put(node.args[0], node.args[0].op == "sum")
                emit(" ⊗ ")
                put(node.args[1])
        spans.setdefault(id(node), (start, here()))
        if brackets:
            emit(")")

    put(root)
    return "".join(out), spans


# ── as numbers ───────────────────────────────────────────────────────────────────────────────────────────────────


class ShapeError(Exception):
    """Sizes that do not fit."""


FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "σ": lambda a: 1 / (1 + np.exp(-a)),
    "relu": lambda a: np.maximum(a, 0),
    "sin": np.sin,
    "exp": np.exp,
}


def compute(node: Node, values: dict[str, np.ndarray], identity: int) -> np.ndarray:
    """Numbers, columns (n, 1) and matrices; where all are numbers the order of factors does not count."""
    args = [compute(argument, values, identity) for argument in node.args]
    match node.op:
        case "name":
            return values[node.data]
        case "number":
            return np.array(float(node.data))
        case "identity":
            return np.eye(identity)
        case "sum":
            return _sum([a if sign == "+" else -a for sign, a in zip(node.data, args, strict=True)])
        case "product":
            result = args[0]
            for factor in args[1:]:
                if result.ndim and factor.ndim:
                    if result.shape[1] != factor.shape[0]:
                        raise ShapeError
                    result = result @ factor
                else:
                    result = result * factor
            return result
        case "function":
            if node.data == "softmax":
                if args[0].ndim == 0:
                    return FUNCTIONS["σ"](args[0])
                raised = np.exp(args[0])
                return raised / raised.sum()
            return FUNCTIONS[node.data](args[0])
        case "power":
            if args[0].ndim and args[0].shape[1] > 1:
                raise ShapeError
            return args[0] ** node.data
        case "transpose":
            return args[0].T
        case "diag":
            if args[0].ndim and args[0].shape[1] > 1:
                raise ShapeError
            return np.diag(args[0][:, 0]) if args[0].ndim else args[0]
        case "kron":
            return np.kron(*args) if args[0].ndim else args[0] * args[1]
    raise AssertionError(node.op)


def _sum(terms: list[np.ndarray]) -> np.ndarray:
    shapes = {term.shape for term in terms if term.ndim}
    numbers = any(term.ndim == 0 for term in terms)
    if len(shapes) > 1 or (numbers and any(shape[1] > 1 for shape in shapes)):
        raise ShapeError
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result


# ── rewritten ────────────────────────────────────────────────────────────────────────────────────────────────────


def rewritten(root: Node, dice: random.Random, numbers: bool) -> Node:
    """The same in another way: sums reordered, products expanded, and for ``numbers`` factors reordered."""
    for _ in range(dice.randint(1, 4)):
        places = [node for node in below(root) if node.op in ("sum", "product")]
        place = dice.choice(places)
        if place.op == "sum":
            order = dice.sample(range(len(place.args)), len(place.args))
            new = Node("sum", tuple(place.args[i] for i in order), tuple(place.data[i] for i in order))
        else:
            sums = [i for i, factor in enumerate(place.args) if factor.op == "sum"]
            if sums and dice.random() < 0.7 and not (not numbers and _has_number(place.args[sums[0]])):
                new = _expanded(place, sums[0])
            elif numbers:
                new = Node("product", tuple(dice.sample(place.args, len(place.args))))
            else:
                continue
        root = _flat(exchange(root, place, new))
    return root


def _has_number(node: Node) -> bool:
    return any(term.op == "number" for term in node.args)


def _expanded(place: Node, at: int) -> Node:
    """a (b + c) d as a b d + a c d."""
    inner = place.args[at]
    terms = []
    for sign, term in zip(inner.data, inner.args, strict=True):
        factors = [f for f in (*place.args[:at], *_factors(term), *place.args[at + 1 :]) if not _is_one(f)]
        copies = tuple(_copy(factor) for factor in factors)
        terms.append((sign, copies[0] if len(copies) == 1 else Node("product", copies)))
    return total(*terms)


def _factors(term: Node) -> tuple[Node, ...]:
    return term.args if term.op == "product" else (term,)


def _is_one(node: Node) -> bool:
    return node.op == "number" and node.data == 1


def _copy(node: Node) -> Node:
    """Nodes of its own, so that a change of one place stays in one place."""
    return Node(node.op, tuple(_copy(argument) for argument in node.args), node.data)


def _flat(node: Node) -> Node:
    """Sums within sums as one sum."""
    args = tuple(_flat(argument) for argument in node.args)
    if node.op != "sum":
        return node if args == node.args else replace(node, args=args)
    pairs = []
    for sign, term in zip(node.data, args, strict=True):
        inner = zip(term.data, term.args, strict=True) if term.op == "sum" else [("+", term)]
        pairs += [(sign if own == "+" else "-" if sign == "+" else "+", each) for own, each in inner]
    return total(*pairs)


# ── with a mistake ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Names:
    """What may be put for what: ``steps`` of sequences, ``letters`` of parameters."""

    steps: tuple[str, ...]
    letters: tuple[str, ...]


def mistaken(root: Node, kind: str, names: Names, dice: random.Random) -> tuple[Node, Node] | None:
    """The answer with one mistake, and the node to which the mistake belongs; None where there is no place for it."""
    changes = list(_changes(root, kind, names, dice))
    if not changes:
        return None
    old, new, place = dice.choice(changes)
    return exchange(root, old, new), place


def _changes(root: Node, kind: str, names: Names, dice: random.Random) -> Iterator[tuple[Node, Node, Node]]:
    """(the node that is exchanged, by what, the node that is the place of the mistake)."""
    for node in below(root):
        for new, place in getattr(_Change, kind.replace(" ", "_"))(node, names, dice):
            yield node, new, place


class _Change:
    """One mistake each: the new node, and the node in it at which the mistake is."""

    @staticmethod
    def index(node: Node, names: Names, dice: random.Random) -> Iterator[tuple[Node, Node]]:
        if node.op == "name" and node.data in names.steps:
            letter = node.data.split("_")[0]
            for other in names.steps:
                if other.split("_")[0] == letter and other != node.data:
                    yield (new := name(other)), new

    @staticmethod
    def letter(node: Node, names: Names, dice: random.Random) -> Iterator[tuple[Node, Node]]:
        if node.op == "name" and node.data in names.letters:
            for other in names.letters:
                if other != node.data:
                    yield (new := name(other)), new

    @staticmethod
    def sign(node: Node, names: Names, dice: random.Random) -> Iterator[tuple[Node, Node]]:
        for i in range(len(node.args) if node.op == "sum" else 0):
            turned = tuple(("-" if s == "+" else "+") if i == j else s for j, s in enumerate(node.data))
            yield Node("sum", node.args, turned), node.args[i]

    @staticmethod
    def factor(node: Node, names: Names, dice: random.Random) -> Iterator[tuple[Node, Node]]:
        if node.op == "product":
            for i in range(len(node.args)):
                rest = node.args[:i] + node.args[i + 1 :]
                yield (new := rest[0] if len(rest) == 1 else Node("product", rest)), new
            two = number(2)
            yield Node("product", (two, *node.args)), two

    @staticmethod
    def transpose(node: Node, names: Names, dice: random.Random) -> Iterator[tuple[Node, Node]]:
        if node.op == "transpose":
            yield node.args[0], node.args[0]
        if node.op == "name" and (node.data in names.letters or node.data in names.steps):
            yield (new := Node("transpose", (node,))), new

    @staticmethod
    def function(node: Node, names: Names, dice: random.Random) -> Iterator[tuple[Node, Node]]:
        if node.op == "function":
            for other in FUNCTIONS:
                if other != node.data:
                    yield (new := Node("function", node.args, other)), new

    @staticmethod
    def exponent(node: Node, names: Names, dice: random.Random) -> Iterator[tuple[Node, Node]]:
        if node.op == "power":
            yield node.args[0], node.args[0]
            yield (new := power(node.args[0], node.data + 1)), new
        if node.op == "name" and node.data in names.steps:
            yield (new := power(node, 2)), new

    @staticmethod
    def dropped_term(node: Node, names: Names, dice: random.Random) -> Iterator[tuple[Node, Node]]:
        for i in range(len(node.args) if node.op == "sum" and len(node.args) > 1 else 0):
            args, signs = node.args[:i] + node.args[i + 1 :], node.data[:i] + node.data[i + 1 :]
            yield (new := args[0] if signs == ("+",) else Node("sum", args, signs)), new


# ── the questions ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Question:
    """A left side, a right answer, and a network run by hand that gives every name numbers."""

    equations: str
    left: str
    right: Node
    names: Names
    numbers: bool
    run: Callable[[np.random.Generator, bool], dict[str, np.ndarray]]
    initial: dict[str, float] | None = None

    def same(self, one: Node, other: Node, layout: bool = False) -> bool:
        """Do both compute the same on many draws? With ``layout`` transposes of each other are the same too."""
        for seed in range(6):
            values = self.run(np.random.default_rng(seed), self.numbers)
            try:
                a, b = (compute(node, values, 3) for node in (one, other))
            except ShapeError:
                return False
            if layout and a.shape == b.T.shape and np.allclose(a, b.T, rtol=1e-9, atol=1e-12):
                continue
            if a.shape != b.shape or not np.allclose(a, b, rtol=1e-9, atol=1e-12):
                return False
        return True


def elman_run(generator: np.random.Generator, numbers: bool) -> dict[str, np.ndarray]:
    """h_t = tanh(U x_t + W h_{t-1} + b), o_t = V h_t, with derivatives of h with respect to U, W and b."""

    def draw(*shape: int) -> np.ndarray:
        shape = () if numbers else shape
        return generator.uniform(0.2, 0.9, shape) * generator.choice([-1, 1], shape)

    n, m, k = 3, 4, 2
    values = {"U": draw(n, m) / 2, "W": draw(n, n) / 2, "V": draw(k, n), "b": draw(n, 1) / 3, "h_{-1}": draw(n, 1)}
    for t in range(4):
        values[f"x_{t}"] = draw(m, 1)
        before = values[f"h_{t - 1}" if t else "h_{-1}"]
        times = np.multiply if numbers else np.matmul
        values[f"h_{t}"] = h = np.tanh(times(values["U"], values[f"x_{t}"]) + times(values["W"], before) + values["b"])
        slope = 1 - h**2 if numbers else np.diag((1 - h**2)[:, 0])
        eye = 1.0 if numbers else np.eye(n)
        local = {"U": values[f"x_{t}"], "W": before, "b": None}
        for letter, factor in local.items():
            direct = eye if factor is None else factor if numbers else np.kron(factor.T, eye)
            earlier = values.get(f"∂h_{t - 1}/∂{letter}")
            whole = direct if earlier is None else direct + times(values["W"], earlier)
            values[f"∂h_{t}/∂{letter}"] = np.asarray(times(slope, whole))
    return values


ELMAN = "h_t = tanh(U x_t + W h_{t-1} + b); o_t = V h_t; y_t = softmax(o_t)"
STEPS = (*(f"{letter}_{t}" for letter in "xh" for t in range(4)), "h_{-1}")
LETTERS = ("U", "W", "V", "b")


def _state(step: int, depth: int) -> Node:
    """h_step written out ``depth`` steps deep."""
    inner = name(f"h_{step - 1}" if step else "h_{-1}") if depth == 1 or step == 0 else _state(step - 1, depth - 1)
    argument = total(product(name("U"), name(f"x_{step}")), product(name("W"), inner), name("b"))
    return apply("tanh", argument)


def _one_minus_square(step: int) -> Node:
    return total(number(1), ("-", power(name(f"h_{step}"), 2)))


def _scalar_derivative(step: int, letter: str, depth: int) -> Node:
    direct = {"U": name(f"x_{step}"), "W": name(f"h_{step - 1}" if step else "h_{-1}"), "b": number(1)}[letter]
    if step == 0:  # nobody writes a factor 1, and between two of them no one could say which is the wrong one
        return _one_minus_square(0) if letter == "b" else product(_one_minus_square(0), direct)
    earlier = name(f"∂h_{step - 1}/∂{letter}") if depth == 1 else _scalar_derivative(step - 1, letter, depth - 1)
    inner = product(name("W"), *(earlier.args if earlier.op == "product" else (earlier,)))
    return product(_one_minus_square(step), total(direct, inner))


def _matrix_derivative(step: int, letter: str, depth: int) -> Node:
    before = name(f"h_{step - 1}" if step else "h_{-1}")
    factor = {"U": name(f"x_{step}"), "W": before, "b": None}[letter]
    direct = Node("identity") if factor is None else Node("kron", (transpose(factor), Node("identity")))
    slope = diag(_one_minus_square(step))
    if step == 0:
        return product(slope, direct)
    earlier = name(f"∂h_{step - 1}/∂{letter}") if depth == 1 else _matrix_derivative(step - 1, letter, depth - 1)
    return product(slope, total(direct, product(name("W"), earlier)))


def question(dice: random.Random, kind: str | None = None) -> Question:
    """A question with its right answer, of a form in which a mistake of ``kind`` is possible."""
    forms = ["expansion", "scalar", "matrix"]
    forms = {"transpose": ["expansion", "matrix"], "function": ["expansion"], "exponent": ["scalar", "matrix"]}.get(
        kind or "", forms
    )
    form = dice.choice(forms)
    step, depth = dice.randint(1, 3), dice.randint(1, 3)
    letter = dice.choice("UWb")
    names = Names(STEPS, LETTERS)
    if form == "expansion":
        target = dice.choice("hoy")
        inner = _state(step, depth)
        output = product(name("V"), inner)
        right = {"h": inner, "o": output, "y": apply("softmax", output)}[target]
        return Question(ELMAN, f"{target}_{step}", right, names, False, elman_run)
    make = _scalar_derivative if form == "scalar" else _matrix_derivative
    left = f"∂h_{step}/∂{letter}"
    return Question(ELMAN, left, make(step, letter, depth), names, form == "scalar", elman_run)


def questions(seed: int, kind: str | None = None) -> Iterator[tuple[Question, random.Random]]:
    """Questions without end."""
    for i in itertools.count():
        dice = random.Random(f"{seed} {kind} {i}")
        yield question(dice, kind), dice
