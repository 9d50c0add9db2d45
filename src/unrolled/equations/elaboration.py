"""From statements to a System: roles of names, kinds of parameters, sizes; every error points into the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from unrolled.equations.expression import BEFORE, NOW, Expression, Time, number, symbol
from unrolled.equations.notation import Plain
from unrolled.equations.operations import ELEMENTWISE, FUNCTIONS, VECTOR_FUNCTIONS
from unrolled.equations.sizes import Contradiction, Size, Unifier
from unrolled.equations.syntax import Declaration, Equation, Name, Node, parse
from unrolled.equations.system import FIRST, System, Use, dependency_order
from unrolled.errors import EquationError, SizeError

NEUTRAL, SCALAR, VECTOR = range(3)


def system(source: str, outputs: Iterable[str] | None = None, names: Iterable[str] = ()) -> System:
    """The System that ``source`` describes.

    ``outputs`` names what the recurrence returns (by default inferred), ``names`` the words that are one name.

    Raises:
        EquationError: the text is no recurrence; SizeError where its sizes contradict each other.
    """
    words = tuple(names)
    text, statements = parse(source, words)
    return _Elaboration(text, statements, None if outputs is None else tuple(outputs), words).build()


@dataclass
class _Elaboration:
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
    kinds: dict[str, str] = field(default_factory=dict)  # parameter → matrix, vector, scalar
    ranks: dict[str, int] = field(default_factory=dict)  # sequence → SCALAR or VECTOR
    uses: list[Use] = field(default_factory=list)

    def build(self) -> System:
        self._collect()
        if not self.right:
            raise self.text.error("There is no equation here: write at least one, such as h_t = tanh(U x_t + …).", 0)
        self._check_names()
        self._order()
        self._infer_kinds()
        self._infer_ranks()
        local = Unifier(self._preference())
        equations = [(name, self._equation(name, local)) for name in self.right]
        initial = [(name, self._first_value(name)) for name in self.initial]
        shapes = self._shapes(local)
        return System(
            tuple(equations), tuple(initial), tuple(self.constants.items()), self._declarations(), self.inputs,
            self.states, self._intermediates(), self.outputs, self.parameters, shapes,
            tuple(Use(u.name, tuple(local.resolve(s) for s in u.shape), u.start, u.end) for u in self.uses),
            self.text.source,
        )  # fmt: skip

    def _error(self, message: str, node: Node) -> EquationError:
        return self.text.error(message, node.start, node.end)

    # ── what stands on the left ──────────────────────────────────────────────────────────────────────────────

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
                raise self._error(f"{name} is declared twice. Keep one of the two lines.", node)
            else:
                kind = statement.kind or {1: "vector", 2: "matrix"}.get(len(statement.shape), "")
                if not kind:
                    raise self._error("A shape has one or two sizes: b : 20 or A : 20×20.", node)
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
        if time == NOW or time == FIRST:
            table, what = (self.right, "equation") if time == NOW else (self.initial, "first value")
            if name in table:
                raise self._error(f"{name} has two {what}s. Keep one, or give the second a name of its own.", node)
            table[name] = statement.right
            self.left.setdefault(name, node)
        elif time is None or (not time.anchor and time.offset >= 0 and _constant(statement.right) is not None):
            value = _constant(statement.right)
            if value is None:
                raise self._error(
                    f"{name} has no time, so this line sets a constant and its right side must be a number "
                    f"(α = 0.5). For a sequence write {name}_t = …",
                    node,
                )
            self.constants[self._bare(node)] = value
        elif not time.anchor:
            raise self._error(
                f"An equation holds at every step t; write {name}_t = … on its left. The value before the first step, "
                f"from which the sequence starts, is {name}_{{-1}}.",
                node,
            )
        else:
            raise self._error(
                f"The left side is a name at time t; {node.value.name}_{{{time}}} is another step. "
                f"Shift the equation: {name}_t = … with everything on its right shifted too.",
                node,
            )

    # ── names and roles ──────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _occurrences(self) -> list[tuple[Node, Name]]:
        """Every name on a right-hand side, with ``W_1`` read as the parameter W_1 where W is no sequence."""
        found = [(n, n.value) for right in self.right.values() for n in _names(right)]
        timed = {name.name for _, name in found if name.time and name.time.anchor} | set(self.right)
        return [(node, _numbered(name, timed)) for node, name in found]

    @cached_property
    def _numbered(self) -> dict[int, Name]:
        return {id(node): name for node, name in self._occurrences}

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        return _unique(n.name for _, n in self._occurrences if n.time and n.name not in self.right)

    @cached_property
    def states(self) -> tuple[str, ...]:
        used = {n.name for _, n in self._occurrences if n.time == BEFORE}
        return tuple(name for name in self.right if name in used)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        learned = [n.value.name for n in self.initial.values() if n.kind == "name"]
        names = [n.name for _, n in self._occurrences if n.time is None]
        return _unique(name for name in [*names, *learned] if name not in self.constants)

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
            return _unique(asked)
        last = list(self.right)[-1]
        inside = self._needed_by_states()
        free = [name for name in self.right if name not in self.states and name not in inside]
        if free:
            return (free[-1],)
        return (last,) if _is_softmax(self.right[last]) else ()

    def _needed_by_states(self) -> set[str]:
        needed, stack = set(), list(self.states)  # type: set[str], list[str]
        while stack:
            for node in _names(self.right[stack.pop()]):
                name = node.value
                if name.time == NOW and name.name in self.right and name.name not in needed:
                    needed.add(name.name)
                    stack.append(name.name)
        return needed

    def _intermediates(self) -> tuple[str, ...]:
        return tuple(name for name in self.right if name not in self.states and name not in self.outputs)

    def _check_names(self) -> None:
        for name, node in self.left.items():
            self._check_reserved(name, node)
        for node, name in self._occurrences:
            self._check_reserved(name.name, node)
            self._check_time(node, name)
        for name, node in self.initial.items():
            if name not in self.states:
                raise self._error(
                    f"{name} gets a first value but is no state: no equation uses {name}_{{t-1}}. Remove this line.",
                    self.left[name] if name not in self.right else node,
                )
        for name in (*self.constants, *self.declared):
            if name in self.constants and name in self.sequences:
                raise EquationError(f"{name} is a sequence ({name}_t) and a constant. Give the constant another name.")
        _ = self.outputs

    def _check_reserved(self, name: str, node: Node) -> None:
        if name in ("t", "T"):
            word = self._word_around(node)
            if word in FUNCTIONS:
                raise self._error(f"{word} is a function and needs brackets: {word}(…).", node)
            hint = f" If {word} is one name, declare it: '{word} : name'." if len(word) > 1 else ""
            raise self._error(f"{name} is reserved for time. Use another letter.{hint}", node)
        if name in FUNCTIONS:
            raise self._error(f"{name} is a function and needs brackets: {name}(…).", node)

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
                raise self._error(f"{letter} is a sequence elsewhere: write {letter}_t or {letter}_{{t-1}}.", node)
        elif not time.anchor:
            raise self._error(
                f"{letter}_{time} names one step, but an equation holds at every step. Write {letter}_t or "
                f"{letter}_{{t-1}}; a first value is set by a line {letter}_{{-1}} = 0.",
                node,
            )
        elif time.offset > 0:
            raise self._error(
                f"{letter}_{{{time}}} is in the future: a step may use this step and the one before. "
                f"Shift the equation by {time.offset}, or feed the network a shifted input.",
                node,
            )
        elif time.offset < -1:
            fresh = self._fresh("gkmpq")
            raise self._error(
                f"{letter}_{{{time}}} is {-time.offset} steps back; only t and t-1 exist. Add a state that remembers: "
                f"{fresh}_t = {letter}_{{t-1}}, and write {fresh}_{{t-1}} for {letter}_{{t-2}}.",
                node,
            )
        elif time == BEFORE and letter not in self.right:
            fresh = self._fresh("zgkmpq")
            raise self._error(
                f"{letter} is an input (no equation defines it), and the input of the step before is not kept. Add a "
                f"state that keeps it: {fresh}_t = {letter}_t, and write {fresh}_{{t-1}}.",
                node,
            )

    @cached_property
    def sequences(self) -> tuple[str, ...]:
        return _unique([*(n.name for _, n in self._occurrences if n.time), *self.right])

    def _fresh(self, letters: str) -> str:
        taken = {name.name for _, name in self._occurrences} | set(self.right)
        return next((letter for letter in letters if letter not in taken), letters[0] + "'")

    def _order(self) -> None:
        placeholder = {
            name: Expression("list", tuple(symbol(n.value.name, n.value.time) for n in _names(right)))
            for name, right in self.right.items()
        }
        try:
            dependency_order(placeholder)
        except ValueError as error:
            cycle = error.args[0]
            raise self._error(
                "Within one step each of these needs the next: " + " → ".join(f"{name}_t" for name in cycle)
                + f". Somewhere on the way use the step before, for example {cycle[1]}_{{t-1}}.",
                self.left[cycle[0]],
            ) from None  # fmt: skip

    # ── kinds of parameters, ranks of sequences ──────────────────────────────────────────────────────────────

    def _infer_kinds(self) -> None:
        marks: dict[str, dict[str, Node]] = {name: {} for name in (*self.parameters, *self.constants)}
        for right in self.right.values():
            self._mark(right, "vector", marks)
        for name, found in marks.items():
            declared = self.declared.get(name, ("", (), None))[0]
            if name in self.constants:
                kind = "scalar"
            elif declared in ("scalar", "vector", "matrix"):
                kind = declared
            else:
                kind = next((kind for kind in ("matrix", "scalar") if kind in found), "vector")
            wrong = "matrix" if kind != "matrix" else "vector" if "vector" in found else "scalar"
            if wrong in found:
                raise self._kind_clash(name, kind, wrong, found[wrong])
            self.kinds[name] = kind

    def _kind_clash(self, name: str, kind: str, wrong: str, node: Node) -> EquationError:
        stands = {
            "matrix": "multiplies what follows it, as a matrix does",
            "vector": "stands beside + or ⊙ or inside a function, as a vector does",
            "scalar": "multiplies as a scalar",
        }[wrong]
        return self._error(
            f"{name} is a {kind} elsewhere, but here it {stands}. One letter has one job: use another letter here"
            + (f", or write {name} ⊙ … for an elementwise product." if wrong == "matrix" else "."),
            node,
        )

    def _mark(self, node: Node, place: str, marks: dict[str, dict[str, Node]]) -> None:
        """Note how each parameter below ``node`` is used; ``place`` is what a name standing here would be."""
        while node.kind == "group":
            node = node.args[0]
        if node.kind == "name":
            name = self._name(node)
            if name.time is None:
                if place in ("factor", "scalar"):
                    greek = _lower_greek(name.name) or name.name in self.constants
                    scalar = greek or self.declared.get(name.name, ("",))[0] == "scalar"
                    place = "scalar" if scalar else "matrix" if place == "factor" else "vector"
                marks[name.name].setdefault(place, node)
            return
        if node.kind == "transpose":
            inner = _ungroup(node.args[0])
            if inner.kind != "name" or self._name(inner).time is not None:
                raise self._error("Only a matrix parameter can be transposed: W^T. For aᵀb write dot(a, b).", node)
            marks[self._name(inner).name].setdefault("matrix", node)
            return
        if node.kind in ("juxtaposition", "term"):
            for factors in _products(node):
                for factor in factors[:-1]:
                    inner = _ungroup(factor)
                    self._mark(inner, "factor" if inner.kind in ("name", "transpose") else "scalar", marks)
                self._mark(factors[-1], "scalar" if place == "scalar" else "vector", marks)
            return
        inside = place if place == "scalar" and node.kind in ("sum", "negative", "positive", "power") else "vector"
        for argument in node.args:
            self._mark(argument, inside, marks)

    def _name(self, node: Node) -> Name:
        return self._numbered[id(node)]

    def _infer_ranks(self) -> None:
        for name in self.sequences:
            declared = self.declared.get(name, ("",))[0]
            if declared == "matrix":
                raise self._error(f"{name} is a sequence; each of its steps is a vector.", self.declared[name][2])
            given = {"scalar": SCALAR, "vector": VECTOR}.get(declared)
            self.ranks[name] = given or (VECTOR if name in self.inputs else NEUTRAL)
        for last in (False, True):
            changed = True
            while changed:
                changed = False
                for name, right in self.right.items():
                    rank = max(self.ranks[name], self._rank(right))
                    changed |= rank != self.ranks[name]
                    self.ranks[name] = rank
            if not last:  # what nothing determines is a vector, and this may determine others
                self.ranks = {name: rank or VECTOR for name, rank in self.ranks.items()}
        for name, node in self.left.items():
            if self.declared.get(name, ("",))[0] == "scalar" and self.ranks[name] == VECTOR:
                raise self._error(f"{name} is declared a scalar, but its equation gives a vector.", node)

    def _rank(self, node: Node) -> int:
        node = _ungroup(node)
        if node.kind == "number":
            return NEUTRAL
        if node.kind == "name":
            name = self._name(node)
            return self.ranks[name.name] if name.time else VECTOR if self.kinds[name.name] != "scalar" else NEUTRAL
        if node.kind == "function" and node.value in VECTOR_FUNCTIONS:
            return SCALAR if VECTOR_FUNCTIONS[node.value][1] else VECTOR
        if node.kind in ("concat", "transpose"):
            return VECTOR
        return max(self._rank(argument) for argument in node.args)

    # ── expressions and their sizes ──────────────────────────────────────────────────────────────────────────

    def _preference(self) -> dict[str, int]:
        ordered = (*reversed(self.states), *self.outputs, *self.inputs, *self.right)
        return {name: i for i, name in enumerate(_unique(ordered))}

    def _equation(self, name: str, sizes: Unifier) -> Expression:
        right = self.right[name]
        built, size = self._build(right, sizes)
        if self.ranks[name] == VECTOR and size is not None:
            self._unify(sizes, Size.of(name), size, right, f"{name}_t")
        return built

    def _unify(self, sizes: Unifier, one: Size, other: Size, node: Node, beside: str) -> None:
        try:
            sizes.unify(one, other)
        except Contradiction:
            raise SizeError(
                f"This has size {sizes.resolve(other)}, but {beside} has size {sizes.resolve(one)}; "
                "beside each other they must be equal.",
                self.text.source, *self.text.span(node.start, node.end),
            ) from None  # fmt: skip

    def _build(self, node: Node, sizes: Unifier) -> tuple[Expression, Size | None]:
        """The expression of ``node`` and its size (None: a scalar, which broadcasts)."""
        node = _ungroup(node)
        match node.kind:
            case "number":
                return number(node.value), None
            case "name":
                return self._build_name(node)
            case "sum":
                return self._fold(node, node.args, [{"+": "add", "-": "sub"}[s] for s in node.value[1:]], sizes)
            case "term":
                runs = list(_products(node))
                operators = [o for o in node.value if o != "·"]
                built = [self._product(run, node, sizes) for run in runs]
                for i, operator in enumerate(operators):
                    if operator == "/" and len(runs[i + 1]) > 1:
                        raise self._error(
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
        raise self._error("Only a matrix that multiplies something can be transposed: write W^T v.", node)

    def _build_name(self, node: Node) -> tuple[Expression, Size | None]:
        name = self._name(node)
        built = symbol(name.name, name.time)
        if name.time is not None:
            return built, Size.of(name.name) if self.ranks[name.name] == VECTOR else None
        if self.kinds[name.name] == "scalar":
            return built, None
        size = Size.of(f"{name.name}#{len(self.uses)}")
        self._use(name.name, (size,), node)
        return built, size

    def _use(self, name: str, shape: tuple[Size, ...], node: Node) -> None:
        self.uses.append(Use(name, shape, *self.text.span(node.start, node.end)))

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
            inner = _ungroup(factor)
            matrix = _ungroup(inner.args[0]) if inner.kind == "transpose" else inner
            if (
                matrix.kind == "name"
                and (name := self._name(matrix)).time is None
                and self.kinds[name.name] == "matrix"
            ):
                if size is None:
                    raise self._error(
                        f"The matrix {name.name} multiplies a scalar. For a vector times a scalar write {name.name} ⊙ …, "
                        f"for a scalar declare it: '{name.name} : scalar'.",
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

    def _not_a_factor(self, factor: Node, factors: list[Node]) -> EquationError:
        here = self.text.text[factor.start : factor.end].strip()
        last = _ungroup(factors[-1])
        following = self.text.text[last.start : last.end].strip()
        if last.kind in ("name", "transpose") and factor.kind == "name" and self._name_time(last) is None:
            return self._error(
                f"Vectors are columns here: a matrix stands on their left. Write {following} {here}, or with the "
                f"transpose {following.removesuffix('⊺')}^T {here}.",
                factor,
            )
        return self._error(
            f"{here} is a vector and cannot multiply what follows it. Write {here} ⊙ … for the elementwise product or "
            f"dot({here}, …) for the inner one.",
            factor,
        )

    def _name_time(self, node: Node) -> Time | None:
        return self._name(node).time if node.kind == "name" else None

    def _concat(self, node: Node, sizes: Unifier) -> tuple[Expression, Size | None]:
        total, parts = Size(), []
        for part in node.args:
            built, size = self._build(part, sizes)
            if size is None and self._rank(part) == NEUTRAL:
                raise self._error("A concatenation joins vectors; a bare number has no size of its own.", part)
            parts.append(built)
            total += Size(1) if size is None else size
        return Expression("concat", tuple(parts)), total

    def _function(self, node: Node, sizes: Unifier) -> tuple[Expression, Size | None]:
        op, arguments = node.value, list(node.args)
        entry = ELEMENTWISE.get(op)
        wanted = entry.arity + entry.constants if entry else VECTOR_FUNCTIONS.get(op, (1,))[0]
        if len(arguments) != wanted:
            raise self._error(f"{op} takes {wanted} argument{'s' * (wanted > 1)}, not {len(arguments)}.", node)
        if op == "identity":
            return self._build(arguments[0], sizes)
        constants = []
        for argument in arguments[entry.arity :] if entry else ():
            value = _constant(argument)
            if value is None:
                raise self._error(
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
                raise self._error(f"{op} acts on a whole vector, and this is a scalar.", argument)
        if len(built) == 2:
            assert built[0][1] is not None and built[1][1] is not None
            self._unify(sizes, built[0][1], built[1][1], node.args[1], "the argument before it")
        return Expression(op, tuple(b for b, _ in built)), None if VECTOR_FUNCTIONS[op][1] else built[0][1]

    def _first_value(self, name: str) -> Expression:
        node = _ungroup(self.initial[name])
        value = _constant(node)
        if value is not None:
            return number(value)
        if node.kind != "name" or node.value.time is not None:
            raise self._error(
                f"A first value is a number or a parameter: {name}_{{-1}} = 0 or {name}_{{-1}} = h0.", node
            )
        parameter = node.value.name
        self._check_reserved(parameter, node)
        if parameter in self.constants:
            return number(self.constants[parameter])
        kind = self.kinds.setdefault(parameter, "vector")
        if kind != "vector" or self.ranks[name] != VECTOR:
            raise self._error(f"The first value of {name} is a vector, but {parameter} is a {kind}.", node)
        self._use(parameter, (Size.of(name),), node)
        return symbol(parameter)

    def _shapes(self, local: Unifier) -> dict[str, tuple[Size, ...]]:
        """Tie the uses of each parameter together, then read every shape off."""
        shapes: dict[str, tuple[Size, ...]] = {
            name: (Size.of(name),) if self.ranks[name] == VECTOR else ()
            for name in _unique([*self.inputs, *self.right])
        }
        for name in self.parameters:
            edges = {"matrix": (f"{name}.rows", f"{name}.columns"), "vector": (f"{name}.size",), "scalar": ()}
            shapes[name] = tuple(Size.of(edge) for edge in edges[self.kinds[name]])
        # tying happens in a unifier of its own, so that ``uses`` keep saying what each place alone demands
        tied = Unifier(local.preference, dict(local.bindings), list(local.pending))
        for use in self.uses:
            for edge, size in zip(shapes.get(use.name, ()), use.shape, strict=False):
                try:
                    tied.unify(edge, size)
                except Contradiction:
                    raise SizeError(
                        f"{use.name} has size {tied.resolve(edge)} elsewhere and {tied.resolve(size)} here. "
                        "Give this use a letter of its own.",
                        self.text.source, use.start, use.end,
                    ) from None  # fmt: skip
        for name, (kind, given, node) in self.declared.items():
            if name in self.constants or (given and len(given) != len(shapes.get(name, given))):
                raise self._error(f"{name} is declared {kind}, but is used otherwise.", node)
            for edge, value in zip(shapes.get(name, ()), given, strict=False):
                self._unify(tied, edge, Size.of(value), node, name)
        return {name: tuple(tied.resolve(size) for size in shape) for name, shape in shapes.items()}

    def _declarations(self) -> tuple[tuple[str, str], ...]:
        lines = [
            (name, "×".join(map(str, shape)) if shape else kind) for name, (kind, shape, _) in self.declared.items()
        ]
        known = {name for name, _ in lines}
        used = {n.name for _, n in self._occurrences} | set(self.right)
        lines += [(word, "name") for word in self.words if len(word) > 1 and word not in known and word in used]
        explicit = self.given_outputs is not None or self.declared_outputs
        return (*sorted(lines), *((name, "output") for name in self.outputs if explicit))


def _names(node: Node) -> Iterator[Node]:
    stack = [node]
    while stack:
        node = stack.pop()
        if node.kind == "name":
            yield node
        stack.extend(reversed(node.args))


def _numbered(name: Name, timed: set[str]) -> Name:
    time = name.time
    if time and not time.anchor and time.offset >= 0 and name.name not in timed:
        return Name(f"{name.name}_{time.offset}", None)
    return name


def _ungroup(node: Node) -> Node:
    while node.kind == "group":
        node = node.args[0]
    return node


def _products(node: Node) -> Iterator[list[Node]]:
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


def _constant(node: Node) -> float | None:
    """The value of a right-hand side that is a number: 0.5, -1, 1/2."""
    node = _ungroup(node)
    if node.kind == "number":
        return float(node.value)
    if node.kind in ("negative", "positive"):
        value = _constant(node.args[0])
        return value if value is None or node.kind == "positive" else -value
    if node.kind == "term" and node.value == ("/",):
        one, other = (_constant(argument) for argument in node.args)
        return None if one is None or not other else one / other
    return None


def _is_softmax(node: Node) -> bool:
    node = _ungroup(node)
    return node.kind == "function" and node.value == "softmax"


def _lower_greek(name: str) -> bool:
    return "α" <= name[0] <= "ω"


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
