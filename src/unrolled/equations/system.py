"""A System: the equations of one recurrence as pure data, with the roles and sizes that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from unrolled.equations.expression import BEFORE, NOW, Expression, Time, number, substitute, symbol, walk
from unrolled.equations.printing import number_text, symbol_text, text
from unrolled.equations.sizes import ContradictionError, Size, Unifier
from unrolled.errors import SizeError

FIRST = Time("", -1)


@dataclass(frozen=True)
class Use:
    """One place where a name stands: its shape there, and where that is in the source."""

    name: str
    shape: tuple[Size, ...]
    start: int
    end: int


@dataclass(frozen=True)
class System:
    """The equations and everything inferred from them.

    ``equations`` are (name, right-hand side) in the order of the text, ``initial`` the first values that the text sets,
    ``constants`` the numbers that are not trained, ``declarations`` the lines ``name : kind``. Roles are tuples of
    names. ``shapes`` gives each name a tuple of sizes: () for a scalar, one for a vector, (rows, columns) for a matrix.
    Two Systems are equal when their equations, first values, constants, declarations and outputs are.
    """

    equations: tuple[tuple[str, Expression], ...]
    initial: tuple[tuple[str, Expression], ...]
    constants: tuple[tuple[str, float], ...]
    declarations: tuple[tuple[str, str], ...]
    inputs: tuple[str, ...]
    states: tuple[str, ...]
    intermediates: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]
    shapes: Mapping[str, tuple[Size, ...]] = field(compare=False, hash=False)
    uses: tuple[Use, ...] = field(compare=False, repr=False)
    source: str = field(compare=False, repr=False)

    def __str__(self) -> str:
        lines = [f"{name} : {kind}" for name, kind in self.declarations]
        lines += [f"{symbol_text(name, None)} = {number_text(value)}" for name, value in self.constants]
        lines += [f"{symbol_text(name, NOW)} = {text(right)}" for name, right in self.equations]
        lines += [f"{symbol_text(name, FIRST)} = {text(value)}" for name, value in self.initial]
        return "\n".join(lines)

    @property
    def sizes(self) -> Mapping[str, Size]:
        """The size of every sequence: a number, a free size, or a sum of these (1 for a scalar sequence)."""
        return {name: (self.shapes[name] or (Size(1),))[0] for name in self.sequences}

    @property
    def free_sizes(self) -> tuple[str, ...]:
        """The sizes that must be given."""
        found = {name for shape in self.shapes.values() for size in shape for name, _ in size.terms}
        order = self._order()
        return tuple(sorted(found, key=lambda name: order.get(name, len(order))))

    @property
    def sequences(self) -> tuple[str, ...]:
        """Every name with a time: the inputs, then what the equations define."""
        return self.inputs + tuple(name for name, _ in self.equations)

    @property
    def definitions(self) -> dict[str, Expression]:
        return dict(self.equations)

    def in_order(self) -> tuple[str, ...]:
        """The defined names, each after the names of the same step that it needs."""
        return dependency_order(self.definitions)

    def flat(self) -> dict[str, Expression]:
        """Each defined name in terms of inputs, states one step before, and parameters only; constants as numbers."""
        definitions = self.definitions
        done: dict[Expression, Expression] = {symbol(name): number(value) for name, value in self.constants}
        for name in self.in_order():
            done[symbol(name, NOW)] = substitute(definitions[name], done)
        return {name: done[symbol(name, NOW)] for name in definitions}

    def resolve(self, given: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
        """Every shape in numbers, from the sizes that are ``given`` by the name of a sequence or of a free size.

        Raises:
            SizeError: a size is missing, unknown, not positive, or contradicts another.
        """
        named = {**self._named_sizes(), **self.sizes}
        known = {*named, *self.free_sizes}
        for name, value in given.items():
            if name not in known:
                raise SizeError(f"There is no size {name!r} here; the sizes are {', '.join(sorted(known))}.")
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise SizeError(f"The size {name} = {value!r} is not a positive whole number.")
        unifier = Unifier(self._order())
        try:
            for name, value in given.items():
                unifier.unify(named.get(name, Size.of(name)), Size(value))
        except ContradictionError:
            raise self._explain(given) from None
        shapes = {name: tuple(unifier.resolve(size) for size in shape) for name, shape in self.shapes.items()}
        unknown = {name for shape in shapes.values() for size in shape for name, _ in size.terms}
        missing = [name for name in self.free_sizes if name in unknown] + sorted(unknown - {*self.free_sizes})
        if missing:
            needed = ", ".join(f"{n}=…" if n.isidentifier() else f'sizes={{"{n}": …}}' for n in missing)
            raise SizeError(f"The size of {', '.join(missing)} does not follow from what was given: write {needed}.")
        return {name: tuple(size.constant for size in shape) for name, shape in shapes.items()}

    def _named_sizes(self) -> dict[str, Size]:
        """The sizes that declarations name, ``A : n×m``, as far as equations say what they are."""
        return {
            edge: size
            for name, kind in self.declarations
            if "×" in kind or len(self.shapes.get(name, ())) == 1
            for edge, size in zip(kind.split("×"), self.shapes.get(name, ()), strict=False)
            if not edge.isdigit() and edge not in ("scalar", "vector", "name", "output")
        }

    def _order(self) -> dict[str, int]:
        return {name: i for i, name in enumerate((*reversed(self.states), *self.outputs, *self.inputs, *self.shapes))}

    def _explain(self, given: Mapping[str, int]) -> SizeError:
        """Which parameter would need two shapes at once, judged by the sequences beside each of its uses."""
        unifier = Unifier({})
        for name, value in given.items():
            unifier.bindings[name] = Size(value)
        shapes: dict[str, Use] = {}
        for use in self.uses:
            shape = tuple(unifier.resolve(size) for size in use.shape)
            first = shapes.setdefault(use.name, use)
            before = tuple(unifier.resolve(size) for size in first.shape)
            clash = any(not (a - b).terms and (a - b).constant for a, b in zip(before, shape, strict=False))
            if clash:
                one, other = ("×".join(map(str, each)) for each in (before, shape))
                return SizeError(
                    f"{use.name} is {one} in one place and {other} here. One letter has one shape: give this use a "
                    "letter of its own, or make the sizes agree.",
                    self.source, use.start, use.end,
                )  # fmt: skip
        listed = ", ".join(f"{name} = {value}" for name, value in given.items())
        equal = "; ".join(f"{name} is {size}" for name, size in self.sizes.items())
        return SizeError(f"The sizes {listed} contradict the equations, in which {equal}.")


def dependency_order(definitions: Mapping[str, Expression]) -> tuple[str, ...]:
    """Names so that each stands after those of the same step that its expression uses. ValueError(cycle) on a cycle."""
    needs = {
        name: [n.data[0] for n in walk([right]) if n.op == "symbol" and n.data[1] == NOW and n.data[0] in definitions]
        for name, right in definitions.items()
    }
    order: dict[str, None] = {}
    for root in definitions:
        path = {root: iter(needs[root])} if root not in order else {}
        while path:
            name, rest = next(reversed(path.items()))
            following = next((n for n in rest if n not in order), None)
            if following is None:
                order[name] = None
                del path[name]
            elif following in path:
                names = list(path)
                raise ValueError([*names[names.index(following) :], following])
            else:
                path[following] = iter(needs[following])
    return tuple(order)


def previous(names: Iterable[str]) -> tuple[Expression, ...]:
    return tuple(symbol(name, BEFORE) for name in names)
