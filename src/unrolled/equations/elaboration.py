"""From statements to a System: the expression of each equation, and the sizes that it implies."""

from __future__ import annotations

import copyreg
from collections.abc import Iterable
from dataclasses import dataclass, field

from unrolled.equations.expression import Expression, Time, number, symbol
from unrolled.equations.kinds import NEUTRAL, VECTOR, Kinds, products
from unrolled.equations.operations import ELEMENTWISE, VECTOR_FUNCTIONS
from unrolled.equations.roles import Roles, ungroup, unique
from unrolled.equations.sizes import ContradictionError, Size, Unifier
from unrolled.equations.syntax import Name, Node, parse
from unrolled.equations.system import System, Use
from unrolled.errors import EquationError, SizeError


def system(source: str, outputs: Iterable[str] | None = None, names: Iterable[str] = ()) -> System:
    """The System that ``source`` describes.

    ``outputs`` names what the recurrence returns (by default inferred), ``names`` the words that are one name.

    Raises:
        EquationError: the text is no recurrence; SizeError where its sizes contradict each other.
    """
    words = tuple(names)
    text, statements = parse(source, words)
    roles = Roles(text, statements, None if outputs is None else tuple(outputs), words)
    return _Elaboration(roles, Kinds(roles)).build()


def _as_text(made: System) -> tuple[object, ...]:
    """How a System is pickled and copied: as its text, which tells every choice but that of no outputs."""
    return system, (str(made), None if made.outputs else ())


copyreg.pickle(System, _as_text)  # type: ignore[arg-type]  # the stub knows only the shortest of the forms


@dataclass
class _Elaboration:
    roles: Roles
    kinds: Kinds
    uses: list[Use] = field(default_factory=list)

    def build(self) -> System:
        roles = self.roles
        local = Unifier(self._preference())
        equations = [(name, self._equation(name, local)) for name in roles.right]
        initial = [(name, self._first_value(name)) for name in roles.initial]
        shapes = self._shapes(local)
        return System(
            tuple(equations), tuple(initial), tuple(roles.constants.items()), self._declarations(), roles.inputs,
            roles.states, roles.intermediates, roles.outputs, roles.parameters, shapes,
            tuple(Use(u.name, tuple(local.resolve(s) for s in u.shape), u.start, u.end) for u in self.uses),
            roles.text.source,
        )  # fmt: skip

    def _preference(self) -> dict[str, int]:
        ordered = (*reversed(self.roles.states), *self.roles.outputs, *self.roles.inputs, *self.roles.right)
        return {name: i for i, name in enumerate(unique(ordered))}

    def _equation(self, name: str, sizes: Unifier) -> Expression:
        right = self.roles.right[name]
        built, size = self._build(right, sizes)
        if self.kinds.ranks[name] == VECTOR and size is not None:
            self._unify(sizes, Size.of(name), size, right, f"{name}_t")
        return built

    def _unify(self, sizes: Unifier, one: Size, other: Size, node: Node, beside: str) -> None:
        try:
            sizes.unify(one, other)
        except ContradictionError:
            raise SizeError(
                f"This has size {sizes.resolve(other)}, but {beside} has size {sizes.resolve(one)}; "
                "beside each other they must be equal.",
                self.roles.text.source, *self.roles.text.span(node.start, node.end),
            ) from None  # fmt: skip

    def _build(self, node: Node, sizes: Unifier) -> tuple[Expression, Size | None]:
        """The expression of ``node`` and its size (None: a scalar, which broadcasts)."""
        node = ungroup(node)
        match node.kind:
            case "number":
                return number(node.value), None
            case "name":
                return self._build_name(node)
            case "sum":
                return self._fold(node, node.args, [{"+": "add", "-": "sub"}[s] for s in node.value[1:]], sizes)
            case "term":
                runs = list(products(node))
                operators = [o for o in node.value if o != "·"]
                built = [self._product(run, node, sizes) for run in runs]
                for i, operator in enumerate(operators):
                    if operator == "/" and len(runs[i + 1]) > 1:
                        raise self.roles.error(
                            "What does this divide by? Put brackets: a / (b c), or (a / b) c.", runs[i + 1][0]
                        )
                return self._fold_built(node, built, ["div" if o == "/" else "mul" for o in operators], runs, sizes)
            case "juxtaposition":
                return self._product(list(node.args), node, sizes)
            case "negative":
                inner, size = self._build(node.args[0], sizes)
                return (number(-inner.data[0]) if inner.op == "number" else Expression("neg", (inner,))), size
            case "positive":
                return self._build(node.args[0], sizes)
            case "power":
                inner, size = self._build(node.args[0], sizes)
                return Expression("pow", (inner,), (node.value,)), size
            case "concat":
                return self._concat(node, sizes)
            case "function":
                return self._function(node, sizes)
        raise self.roles.error("Only a matrix that multiplies something can be transposed: write W^T v.", node)

    def _build_name(self, node: Node) -> tuple[Expression, Size | None]:
        name = self.roles.name(node)
        built = symbol(name.name, name.time)
        if name.time is not None:
            return built, Size.of(name.name) if self.kinds.ranks[name.name] == VECTOR else None
        if self.kinds.parameters[name.name] == "scalar":
            return built, None
        size = Size.of(f"{name.name}#{len(self.uses)}")
        self._use(name.name, (size,), node)
        return built, size

    def _use(self, name: str, shape: tuple[Size, ...], node: Node) -> None:
        self.uses.append(Use(name, shape, *self.roles.text.span(node.start, node.end)))

    def _fold(
        self, node: Node, parts: Iterable[Node], operators: list[str], sizes: Unifier
    ) -> tuple[Expression, Size | None]:
        parts = list(parts)
        return self._fold_built(node, [self._build(p, sizes) for p in parts], operators, [[p] for p in parts], sizes)

    def _fold_built(
        self, node: Node, built: list[tuple[Expression, Size | None]], operators: list[str], runs: list[list[Node]],
        sizes: Unifier,
    ) -> tuple[Expression, Size | None]:  # fmt: skip
        """Elementwise operations from left to right; a scalar broadcasts."""
        total, size = built[0]
        for (operand, other), operator, run in zip(built[1:], operators, runs[1:], strict=True):
            total = Expression(operator, (total, operand))
            if size is not None and other is not None:
                self._unify(sizes, size, other, run[0], "what stands before it")
            size = other if size is None else size
        return total, size

    def _product(self, factors: list[Node], node: Node, sizes: Unifier) -> tuple[Expression, Size | None]:
        """Juxtaposed factors, from the right: matrices and scalars applied to the last one."""
        built, size = self._build(factors[-1], sizes)
        for factor in reversed(factors[:-1]):
            inner = ungroup(factor)
            self._refuse_function_letter(inner)
            matrix = ungroup(inner.args[0]) if inner.kind == "transpose" else inner
            if matrix.kind == "name" and self._is_matrix(name := self.roles.name(matrix)):
                if size is None:
                    raise self.roles.error(
                        f"The matrix {name.name} multiplies a scalar. For a vector times a scalar write "
                        f"{name.name} ⊙ …, for a scalar declare it: '{name.name} : scalar'.",
                        factor,
                    )
                rows, columns = (Size.of(f"{name.name}#{len(self.uses)}{edge}") for edge in ("r", "c"))
                self._use(name.name, (rows, columns), matrix)
                left = symbol(name.name)
                if inner.kind == "transpose":
                    left, rows, columns = Expression("transpose", (left,)), columns, rows
                self._unify(sizes, columns, size, factors[-1], f"the columns of {name.name}")
                built, size = Expression("matmul", (left, built)), rows
            else:
                scalar, width = self._build(factor, sizes)
                if width is not None:
                    raise self._not_a_factor(factor, factors)
                built = Expression("scale", (scalar, built))
        return built, size

    def _refuse_function_letter(self, factor: Node) -> None:
        """f(U x_t + …) on a blackboard is a function that was named earlier, not the matrix f."""
        letter = factor.kind == "name" and self.roles.name(factor)
        called = self.roles.text.text[factor.end : factor.end + 1] == "("
        if called and letter and letter.name in ("f", "g", "φ", "ψ") and letter.name not in self.roles.declared:
            raise self.roles.error(
                f"{letter.name}(…) reads as a function, and there is none of that name: write tanh(…), σ(…), … "
                f"If {letter.name} is a matrix or a scalar, put a blank before the bracket: {letter.name} (…).",
                factor,
            )

    def _is_matrix(self, name: Name) -> bool:
        return name.time is None and self.kinds.parameters[name.name] == "matrix"

    def _not_a_factor(self, factor: Node, factors: list[Node]) -> EquationError:
        here = self.roles.text.quote(factor.start, factor.end)
        last = ungroup(factors[-1])
        following = self.roles.text.quote(last.start, last.end)
        if last.kind in ("name", "transpose") and factor.kind == "name" and self._name_time(last) is None:
            return self.roles.error(
                f"Vectors are columns here: a matrix stands on their left. Write {following} {here}, or with the "
                f"transpose {following.removesuffix('^T')}^T {here}.",
                factor,
            )
        return self.roles.error(
            f"{here} is a vector and cannot multiply what follows it. Write {here} ⊙ … for the elementwise product or "
            f"dot({here}, …) for the inner one.",
            factor,
        )

    def _name_time(self, node: Node) -> Time | None:
        return self.roles.name(node).time if node.kind == "name" else None

    def _concat(self, node: Node, sizes: Unifier) -> tuple[Expression, Size | None]:
        total, parts = Size(), []
        for part in node.args:
            built, size = self._build(part, sizes)
            if size is None and self.kinds.rank(part) == NEUTRAL:
                raise self.roles.error("A concatenation joins vectors; a bare number has no size of its own.", part)
            parts.append(built)
            total += Size(1) if size is None else size
        return Expression("concat", tuple(parts)), total

    def _function(self, node: Node, sizes: Unifier) -> tuple[Expression, Size | None]:
        op, arguments = node.value, list(node.args)
        entry = ELEMENTWISE.get(op)
        wanted = entry.arity + entry.constants if entry else VECTOR_FUNCTIONS.get(op, (1,))[0]
        if len(arguments) != wanted:
            raise self.roles.error(f"{op} takes {wanted} argument{'s' * (wanted > 1)}, not {len(arguments)}.", node)
        if op == "identity":
            return self._build(arguments[0], sizes)
        constants = []
        for argument in arguments[entry.arity :] if entry else ():
            value = self.roles.constant(argument)
            if value is None:
                raise self.roles.error(
                    f"The limits of {op} are numbers: {op}(…, -1, 1). Elsewhere use min and max.", argument
                )
            constants.append(value)
        built = [self._build(a, sizes) for a in (arguments[: entry.arity] if entry else arguments)]
        if op in VECTOR_FUNCTIONS:
            return self._vector_function(op, node, built, sizes)
        size = built[0][1]
        if len(built) == 2 and built[1][1] is not None:
            if size is not None:
                self._unify(sizes, size, built[1][1], arguments[1], "the argument before it")
            size = built[1][1]
        return Expression(op, tuple(b for b, _ in built), tuple(constants)), size

    def _vector_function(
        self, op: str, node: Node, built: list[tuple[Expression, Size | None]], sizes: Unifier
    ) -> tuple[Expression, Size | None]:
        for (_, size), argument in zip(built, node.args, strict=True):
            if size is None:
                raise self.roles.error(f"{op} acts on a whole vector, and this is a scalar.", argument)
        if len(built) == 2:
            one, other = (size or Size() for _, size in built)  # neither is a scalar, see above
            self._unify(sizes, one, other, node.args[1], "the argument before it")
        return Expression(op, tuple(b for b, _ in built)), None if VECTOR_FUNCTIONS[op][1] else built[0][1]

    def _first_value(self, name: str) -> Expression:
        node = ungroup(self.roles.initial[name])
        parameter = self.roles.learned(name)
        if parameter is None:
            return number(self.roles.constant(node) or 0.0)
        if parameter in self.roles.constants:
            return number(self.roles.constants[parameter])
        wanted = "vector" if self.kinds.ranks[name] == VECTOR else "scalar"
        kind = self.kinds.parameters[parameter]
        if kind != wanted:
            raise self.roles.error(f"The first value of {name} is a {wanted}, but {parameter} is a {kind}.", node)
        self._use(parameter, (Size.of(name),) if wanted == "vector" else (), node)
        return symbol(parameter)

    def _shapes(self, local: Unifier) -> dict[str, tuple[Size, ...]]:
        """Tie the uses of each parameter together, then read every shape off."""
        shapes: dict[str, tuple[Size, ...]] = {
            name: (Size.of(name),) if self.kinds.ranks[name] == VECTOR else ()
            for name in unique([*self.roles.inputs, *self.roles.right])
        }
        for name in self.roles.parameters:
            edges = {"matrix": (f"{name}.rows", f"{name}.columns"), "vector": (f"{name}.size",), "scalar": ()}
            shapes[name] = tuple(Size.of(edge) for edge in edges[self.kinds.parameters[name]])
        # tying happens in a unifier of its own, so that ``uses`` keep saying what each place alone demands
        tied = local.copy()
        for use in self.uses:
            for edge, size in zip(shapes.get(use.name, ()), use.shape, strict=False):
                try:
                    tied.unify(edge, size)
                except ContradictionError:
                    raise SizeError(
                        f"{use.name} has size {tied.resolve(edge)} elsewhere and {tied.resolve(size)} here. "
                        "Give this use a letter of its own.",
                        self.roles.text.source, use.start, use.end,
                    ) from None  # fmt: skip
        for name, (kind, given, node) in self.roles.declared.items():
            if name in self.roles.constants or (given and len(given) != len(shapes.get(name, given))):
                raise self.roles.error(f"{name} is declared {kind}, but is used otherwise.", node)
            for edge, value in zip(shapes.get(name, ()), given, strict=False):
                self._unify(tied, edge, Size.of(value), node, name)
        return {name: tuple(tied.resolve(size) for size in shape) for name, shape in shapes.items()}

    def _declarations(self) -> tuple[tuple[str, str], ...]:
        lines = [
            (name, "×".join(map(str, shape)) if shape else kind)
            for name, (kind, shape, _) in self.roles.declared.items()
        ]
        known = {name for name, _ in lines}
        used = {n.name for _, n in self.roles.occurrences} | set(self.roles.right)
        lines += [(word, "name") for word in self.roles.words if len(word) > 1 and word not in known and word in used]
        explicit = self.roles.given_outputs is not None or self.roles.declared_outputs
        return (*sorted(lines), *((name, "output") for name in self.roles.outputs if explicit))
