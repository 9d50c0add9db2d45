"""Random well-typed recurrences, as text: what a person might write, and much that nobody would.

``recurrences()`` is a hypothesis strategy of ``Example``: several states, several phases in a step (a matrix times what
depends on another product of the loop), shared, vector and scalar parameters, transposes, concatenations (also below a
matrix), reductions, learned first states, several outputs, outputs that feed back, inputs of ids. Values stay of the
order of one, so that float64 tells a wrong derivative from rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from hypothesis import strategies as st

from unrolled.equations.elaboration import system
from unrolled.equations.system import System
from unrolled.errors import EquationError

UNARY = ("tanh", "σ", "relu", "abs", "softplus", "sin", "cos", "sign", "positive", "heaviside")
BOUNDED = ("tanh", "σ", "sin", "cos")


@dataclass(frozen=True)
class Example:
    """The equations, the sizes that they need, and the inputs that come as integer symbols."""

    text: str
    sizes: tuple[tuple[str, int], ...]
    ids: tuple[str, ...] = ()

    @cached_property
    def system(self) -> System:
        return system(self.text)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return self.system.resolve(dict(self.sizes))


@dataclass
class _Author:
    """Writes expressions of a wanted size (None: a scalar) from what is known so far."""

    draw: st.DrawFn
    known: dict[str, int | None] = field(default_factory=dict)  # what may be read, with its time → size
    matrices: dict[str, tuple[int, int]] = field(default_factory=dict)
    vectors: dict[str, int] = field(default_factory=dict)
    scalars: list[str] = field(default_factory=list)

    def one(self, *options: str) -> str:
        return self.draw(st.sampled_from(options))

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(1, 100)) <= percent

    def vector(self, size: int, depth: int) -> str:
        kinds = ["known", "product", "parameter"]
        if depth > 0:
            kinds += [
                "product",
                "concatenated product",
                "sum",
                "sum",
                "times",
                "unary",
                "unary",
                "unary",
                "unary",
                "layer",
                "layer",
                "scaled",
                "divided",
                "power",
            ]
            kinds += ["max", "clip", "within", "whole", "log", "exp", "sqrt", "negative", "derivative", "fixed"]
            kinds += ["concatenation"] * (size > 1)
        return getattr(self, "_" + self.one(*kinds).replace(" ", "_"))(size, depth)

    def scalar(self, depth: int) -> str:
        kinds = ["parameter", "number", "known"]
        if depth > 0:
            kinds += ["dot", "sum of", "mean", "unary", "plus"]
        kind = self.one(*kinds)
        if kind == "number":
            return self.number()
        if kind == "known" and (found := [name for name, size in self.known.items() if size is None]):
            return self.one(*found)
        if kind in ("parameter", "known"):
            return self._scalar_parameter()
        if kind == "unary":
            return f"{self.one(*BOUNDED)}({self.scalar(depth - 1)})"
        if kind == "plus":
            return f"({self.scalar(depth - 1)} {self.one('+', '-')} {self.scalar(depth - 1)})"
        n = self.draw(st.integers(1, 3))
        if kind == "dot":
            return f"dot({self.vector(n, depth - 1)}, {self.vector(n, 0)})"
        return f"{kind.removesuffix(' of')}({self.vector(n, depth - 1)})"

    def number(self) -> str:
        return self.one("0.5", "2", "1", "0.25", "1.5")

    def matrix(self, rows: int, columns: int) -> str:
        """A matrix of that shape, perhaps one that stands elsewhere too, perhaps as a transpose."""
        found = [name for name, shape in self.matrices.items() if shape == (rows, columns)]
        found += [name + "^T" for name, shape in self.matrices.items() if shape == (columns, rows)]
        if found and self.chance(40):
            return self.one(*found)
        name = f"W{len(self.matrices)}"
        if self.chance(20):
            self.matrices[name] = columns, rows
            return name + "^T"
        self.matrices[name] = rows, columns
        return name

    def _scalar_parameter(self) -> str:
        if self.scalars and self.chance(50):
            return self.one(*self.scalars)
        self.scalars.append(f"k{len(self.scalars)}")
        return self.scalars[-1]

    def _known(self, size: int, depth: int) -> str:
        found = [name for name, other in self.known.items() if other == size]
        return self.one(*found) if found else self._product(size, depth)

    def _parameter(self, size: int, depth: int) -> str:
        found = [name for name, other in self.vectors.items() if other == size]
        if found and self.chance(50):
            return self.one(*found)
        name = f"b{len(self.vectors)}"
        self.vectors[name] = size
        return name

    def _product(self, size: int, depth: int) -> str:
        """A matrix times something known, or times a whole expression: another phase of the step."""
        if depth > 0 and self.chance(50):
            n = self.draw(st.integers(1, 3))
            return f"{self.matrix(size, n)} ({self.vector(n, depth - 1)})"
        found = [(name, n) for name, n in self.known.items() if n is not None]
        name, n = self.draw(st.sampled_from(found))
        return f"{self.matrix(size, n)} {name}"

    def _layer(self, size: int, depth: int) -> str:
        """A v + …, with a matrix of its own, which may be transposed."""
        name, n = self.draw(st.sampled_from([(name, n) for name, n in self.known.items() if n is not None]))
        matrix = f"W{len(self.matrices)}"
        turned = self.chance(50)
        self.matrices[matrix] = (n, size) if turned else (size, n)
        return f"({matrix}{'^T' * turned} {name} + {self.vector(size, depth - 1)})"

    def _concatenated_product(self, size: int, depth: int) -> str:
        sizes = self.draw(st.lists(st.integers(1, 3), min_size=2, max_size=3))
        parts = [self.vector(n, depth - 2) for n in sizes]
        return f"{self.matrix(size, sum(sizes))} [{' ; '.join(parts)}]"

    def _concatenation(self, size: int, depth: int) -> str:
        first = self.draw(st.integers(1, size - 1))
        # a scalar, joined to others, is a vector of one
        head = self.scalar(1) if first == 1 and self.chance(30) else ""
        head = head if head.startswith(("dot(", "sum(", "mean(")) else self.vector(first, depth - 1)
        return f"[{head} ; {self.vector(size - first, depth - 1)}]"

    def _sum(self, size: int, depth: int) -> str:
        other = self.scalar(depth - 1) if self.chance(20) else self.vector(size, depth - 1)
        one, two = self.vector(size, depth - 1), other
        return f"({two} - {one})" if self.chance(20) else f"({one} {self.one('+', '+', '-')} {two})"

    def _times(self, size: int, depth: int) -> str:
        other = self.scalar(depth - 1) if self.chance(20) else self.vector(size, depth - 1)
        return f"({self.vector(size, depth - 1)} ⊙ {other})"

    def _unary(self, size: int, depth: int) -> str:
        return f"{self.one(*UNARY)}({self.vector(size, depth - 1)})"

    def _scaled(self, size: int, depth: int) -> str:
        factor = self.one(
            "λ", "2", "β", f"({self.scalar(depth - 1)})", f"dot(x_t, {self.vector(self.known['x_t'] or 1, 0)})"
        )
        return f"({factor} ({self.vector(size, depth - 1)}))"

    def _divided(self, size: int, depth: int) -> str:
        below = self.scalar(depth - 1) if self.chance(20) else self.vector(size, depth - 1)
        return f"({self.vector(size, depth - 1)} / (1.5 + ({below})^2))"

    def _power(self, size: int, depth: int) -> str:
        inner = self.vector(size, depth - 1)
        return self.one(f"(σ({inner}))^{{-1}}", f"(tanh({inner}))^2", f"(sin({inner}))^3", f"(0.5 + σ({inner}))^1.5")

    def _max(self, size: int, depth: int) -> str:
        other = self.scalar(depth - 1) if self.chance(20) else self.vector(size, depth - 1)
        pair = [self.vector(size, depth - 1), other]
        return f"{self.one('max', 'min')}({', '.join(pair if self.chance(70) else pair[::-1])})"

    def _clip(self, size: int, depth: int) -> str:
        return f"clip({self.vector(size, depth - 1)}, {self.one('-0.3', '0')}, {self.one('0.4', '1/2')})"

    def _within(self, size: int, depth: int) -> str:
        return f"within({self.vector(size, depth - 1)}, -0.3, 0.4)"

    def _whole(self, size: int, depth: int) -> str:
        return f"{self.one('softmax', 'layernorm')}({self.vector(size, depth - 1)})"

    def _log(self, size: int, depth: int) -> str:
        return f"log(1.5 + ({self.vector(size, depth - 1)})^2)"

    def _exp(self, size: int, depth: int) -> str:
        return f"exp(tanh({self.vector(size, depth - 1)}))"

    def _sqrt(self, size: int, depth: int) -> str:
        return f"sqrt(1.5 + ({self.vector(size, depth - 1)})^2)"

    def _negative(self, size: int, depth: int) -> str:
        return f"(-{self.vector(size, 0)})"

    def _derivative(self, size: int, depth: int) -> str:
        """What derivatives look like, written forwards."""
        inner = self.vector(size, 0)
        return f"({self.vector(size, 0)} ⊙ {self.one(f'(1 - ({inner})^2)', f'(({inner}) ⊙ (1 - ({inner})))')})"

    def _fixed(self, size: int, depth: int) -> str:
        """What needs no input and no state: the same at every step."""
        return f"{self.one(*BOUNDED)}({self._parameter(size, 0)} + {self._parameter(size, 0)})"


@st.composite
def recurrences(draw: st.DrawFn, ids: bool = True) -> Example:
    """Random well-typed recurrences; without ``ids`` every input is a vector."""
    author = _Author(draw)
    sizes: dict[str, int | None] = {"x": draw(st.integers(1, 3))}
    if author.chance(40):
        sizes["z"] = draw(st.sampled_from([1, 2, 3, None, None]))
    inputs = tuple(sizes)
    states = ("h", "c", "s")[: draw(st.integers(1, 3))]
    sizes |= {name: draw(st.sampled_from([1, 2, 3])) for name in states}
    if author.chance(20):
        sizes[states[-1]] = None
    outputs = ("y", "o")[: draw(st.integers(0, 2))]
    sizes |= {name: draw(st.sampled_from([1, 2, 3])) for name in outputs}
    between = ("a", "g")[: draw(st.integers(0, 2))]
    sizes |= {name: draw(st.sampled_from([1, 2, 3, None])) for name in between}

    author.known = {f"{name}_t": sizes[name] for name in inputs}
    author.known |= {f"{name}_{{t-1}}": sizes[name] for name in states}
    if outputs and author.chance(30):
        author.known["y_{t-1}"] = sizes["y"]  # the output feeds back
    equations, broadcast = [], set[str]()
    for name in (*between, *states, *outputs):
        size = sizes[name]
        if size is not None and author.chance(4):  # a scalar, repeated to the size of a vector
            broadcast.add(name)
            right = f"tanh({author.scalar(1)})"
        elif size is None:
            right = f"{author.one(*BOUNDED)}({author.scalar(2)})"
        elif name in states and author.chance(15):  # what only keeps something
            right = author.vector(size, 0)
        elif f"{name}_{{t-1}}" in author.known:
            right = f"tanh({author.vector(size, 2)})"
            right = f"(0.5 {name}_{{t-1}} + {right})" if author.chance(30) else right
        else:
            right = author.vector(size, 3)
        equations.append(f"{name}_t = {right}")
        author.known[f"{name}_t"] = size
    return _finished(author, sizes, inputs, equations, broadcast, ids)


def _finished(
    author: _Author, sizes: dict[str, int | None], inputs: tuple[str, ...], equations: list[str], broadcast: set[str],
    ids: bool,
) -> Example:  # fmt: skip
    """The equations with first values and the declarations that they need."""
    body = "\n".join(equations)
    defined = [name for name in sizes if name not in inputs]
    lines = [f"{name} : scalar" for name, size in sizes.items() if size is None and f"{name}_" in body]
    lines += [f"{name} : vector" for name in sorted(broadcast)]
    lines += [f"{name} : scalar" for name in author.scalars if name in body]
    lines += ["β = 0.5"] * ("β" in body)
    # declaring the shapes is needed only where a size follows from nothing; elsewhere inference has to find it
    told = author.chance(30)
    if not _vectors_are_inferred("\n".join([*lines, body]), sizes):
        lines += [f"{name} : vector" for name in defined if sizes[name] is not None and name not in broadcast]
    probe = system("\n".join([*lines, body]))
    free = set(probe.free_sizes) - set(sizes)
    if told or free:
        lines += [f"{name} : {m}×{n}" for name, (m, n) in author.matrices.items() if name in probe.parameters]
        lines += [f"{name} : {n}" for name, n in author.vectors.items() if name in probe.parameters]
    for name in probe.states:
        match author.one("", "", "number", "learned", "shared"):
            case "number":
                equations.append(f"{name}_{{-1}} = {author.one('0', '0.5', '-0.25')}")
            case "learned":
                equations.append(f"{name}_{{-1}} = {name}0")
            case "shared" if shared := [v for v, n in author.vectors.items() if n == sizes[name] and v in body]:
                equations.append(f"{name}_{{-1}} = {author.one(*shared)}")
    if author.chance(40):
        chosen = author.draw(st.lists(st.sampled_from(defined), min_size=1, max_size=3, unique=True))
        lines += [f"{name} : output" for name in chosen]
    text = "\n".join([*lines, *equations])
    made = system(text)
    given = {name: sizes[name] or 1 for name in made.free_sizes}
    # something has to say in which precision to compute
    ids = ids and bool(made.parameters or made.states)
    symbols = [name for name in made.inputs if sizes[name] is not None and ids and author.chance(30)]
    return Example(text, tuple(given.items()), tuple(symbols))


def _vectors_are_inferred(text: str, sizes: dict[str, int | None]) -> bool:
    """Whether every vector is known for one: a sequence made of its own sum alone is a scalar unless declared."""
    try:
        shapes = system(text).shapes
    except EquationError as error:
        if "is a scalar" in error.message or "multiplies a scalar" in error.message:
            return False
        raise
    return all(shapes[name] for name, size in sizes.items() if size is not None and name in shapes)
