"""The adjoint of a Program, made by ``calculus.reverse`` from its own instructions: no backward is written by hand.

The instructions of each phase are lifted back into expressions over the values of the earlier phases; reverse mode
turns them into adjoints; and these are written as instructions again. In the loop a parameter's gradient is a sum over
steps, Σₜ δₜ vₜᵀ: the loop only stores δ, and the sum is one large product after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from unrolled.calculus.reverse import measure, pullback
from unrolled.calculus.shapes import Shape
from unrolled.equations.expression import Expression, number, symbol, symbols, walk
from unrolled.program.instructions import Adjoint, Instruction, Program
from unrolled.program.writing import Writer

Instructions = tuple[Instruction, ...]


@lru_cache(maxsize=512)
def adjoint_of(program: Program, inputs: tuple[bool, ...], parameters: tuple[bool, ...]) -> Adjoint:
    """The Adjoint of ``program`` that computes the gradients of the inputs and parameters that are asked for."""
    return _Reversal(program, inputs, parameters).adjoint()


@dataclass
class _Reversal:
    program: Program
    want_inputs: tuple[bool, ...]
    want_parameters: tuple[bool, ...]
    writer: Writer = field(default_factory=Writer)
    sizes: dict[Expression, Shape] = field(default_factory=dict)
    phase_of: dict[int, str] = field(default_factory=dict)
    nodes: dict[int, Expression] = field(default_factory=dict)
    # what step values and static values have received from the phases that are done
    received: dict[int, list[Expression]] = field(default_factory=dict)
    sums: dict[int, list[Expression]] = field(default_factory=dict)
    wanted: set[int] = field(default_factory=set)  # the static and before values whose adjoints are asked for
    fixed: list[Instruction] = field(default_factory=list)  # what needs static values only, whoever reads it
    static_values: set[int] = field(default_factory=set)  # the forward ones, and what ``fixed`` computes

    def adjoint(self) -> Adjoint:
        p = self.program
        self.writer.shapes = list(p.shapes)
        self._lift()
        wanted = {v for v, want in zip(p.parameters, self.want_parameters, strict=True) if want}
        self.wanted = self._reaching(wanted | {v for v, want in zip(p.inputs, self.want_inputs, strict=True) if want})
        seeds = [self._new(f"s{i}", p.shapes[v]) for i, v in enumerate(p.outputs)]
        carry = [self._new(f"k{i}", p.shapes[v]) for i, v in enumerate(p.previous)]
        after = self._after(seeds)
        loop, carry_out, stored = self._loop(carry)  # as numbers: the expressions may be computed again later
        before, inputs, totals = self._before()
        static, parameters = self._static(totals, wanted)
        step_values = {v for v, phase in self.phase_of.items() if phase != "static"}
        lists = (tuple(self.fixed), after, loop, before, static)
        saved = sorted({a for each in lists for i in each for a in i.args if a in step_values})
        number = self.writer.numbers.__getitem__
        return Adjoint(
            tuple(self.writer.shapes), tuple(saved), tuple(map(number, seeds)), tuple(map(number, carry)),
            carry_out, stored, tuple(None if g is None else number(g) for g in inputs),
            tuple(number(parameters[v]) if v in parameters else None for v in p.parameters), *lists,
        )  # fmt: skip

    def _after(self, seeds: list[Expression]) -> Instructions:
        """After the loop: from the outputs to the values of the loop and before it."""
        roots: dict[Expression, Expression] = {}
        for value, seed in zip(self.program.outputs, seeds, strict=True):
            if self.phase_of[value] == "after":
                self._add_seed(roots, self.nodes[value], seed)
            else:
                self.received.setdefault(value, []).append(seed)
        found = self._pull(roots, "after", self.wanted | set(self.program.previous))
        written = self._write(found.values())
        self._distribute(found)
        return written

    def _loop(self, carry: list[Expression]) -> tuple[Instructions, tuple[int | None, ...], tuple[int, ...]]:
        """In the loop, one step at a time: its list, the carry that leaves it, and what it stores."""
        p = self.program
        seeds: dict[Expression, Expression] = {}
        for value, given in zip(p.following, carry, strict=True):
            self._add_seed(seeds, self._at("loop", value), given)
        for value, gradients in self.received.items():
            if self.phase_of[value] == "loop":
                self._add_seed(seeds, self.nodes[value], _total(gradients))
        found = self._pull(seeds, "loop", self.wanted | set(p.previous))
        carry_out: list[Expression | None] = []
        for value in p.previous:
            parts = ([found.pop(value)] if value in found else []) + self.received.get(value, [])
            carry_out.append(_total(parts) if parts else None)
        stored = [part for value, gradient in found.items() for part in self._stored_parts(value, gradient)]
        written = self._write(each for each in (*carry_out, *stored) if each is not None)
        self._distribute({value: self._as_stored(gradient) for value, gradient in found.items()})
        number = self.writer.numbers.__getitem__
        kept = tuple(dict.fromkeys(number(each) for each in stored if number(each) not in self.static_values))
        left = tuple(None if each is None else number(each) for each in carry_out)
        self._forget({instruction.out for instruction in written} - set(kept))
        return written, left, kept

    def _before(self) -> tuple[Instructions, list[Expression | None], dict[int, Expression]]:
        """Before the loop, and the sums over time: its list, the gradients of inputs and of static values."""
        inputs = self.program.inputs
        seeds: dict[Expression, Expression] = {}
        for value, gradients in self.received.items():
            if self.phase_of[value] == "before":
                self._add_seed(seeds, self.nodes[value], _total(gradients))
        found = self._pull(seeds, "before", self.wanted)
        self._distribute({value: gradient for value, gradient in found.items() if value not in inputs})
        asked = [found.get(value) for value in inputs]
        totals = {value: _total(parts) for value, parts in self.sums.items()}
        return self._write([*(g for g in asked if g is not None), *totals.values()]), asked, totals

    def _static(self, totals: dict[int, Expression], wanted: set[int]) -> tuple[Instructions, dict[int, Expression]]:
        """The parameters, from the static values that are made of them."""
        seeds: dict[Expression, Expression] = {}
        for value, gradient in totals.items():
            self._add_seed(seeds, self.nodes[value], gradient)
        found = self._pull(seeds, "static", wanted)
        return self._write(found.values()), found

    # ── lifting ──────────────────────────────────────────────────────────────────────────────────────────────

    def _lift(self) -> None:
        """Each value as an expression over the values of earlier phases, which are leaves."""
        p = self.program
        for value in p.inputs:
            self._leaf(value, "before")
        for value in p.parameters:
            self._leaf(value, "static")
        self.static_values = {*p.parameters, *(instruction.out for instruction in p.static)}
        for value in p.previous:
            self._leaf(value, "previous")
        for phase in ("static", "before", "loop", "after"):
            for instruction in getattr(p, phase):
                self.phase_of[instruction.out] = phase
                self.nodes[instruction.out] = node = self._lifted(instruction, phase)
                measure(node, self.sizes)
                self.sizes[node] = p.shapes[instruction.out]
                self.writer.numbers.setdefault(node, instruction.out)

    def _leaf(self, value: int, phase: str) -> Expression:
        leaf = symbol(f"v{value}")
        self.phase_of.setdefault(value, phase)
        self.nodes.setdefault(value, leaf)
        self.writer.numbers[leaf], self.sizes[leaf] = value, self.program.shapes[value]
        return leaf

    def _as_stored(self, gradient: Expression) -> Expression:
        """What the loop stores as the leaf that it is after the loop: no rewriting may look into it."""
        value = self.writer.numbers.get(gradient)
        if value is None:  # a sum of outer products, of which the factors are stored
            return gradient
        leaf = symbol(f"v{value}")
        self.writer.numbers[leaf], self.sizes[leaf] = value, self.writer.shapes[value]
        return leaf

    def _at(self, phase: str, value: int) -> Expression:
        """``value`` as ``phase`` sees it: its expression if it is computed there, else a leaf."""
        return self.nodes[value] if self.phase_of[value] == phase else self._leaf(value, phase)

    def _lifted(self, instruction: Instruction, phase: str) -> Expression:
        args = [self._at(phase, value) for value in instruction.args]
        op, data = instruction.op, instruction.data
        if op == "number":
            return number(data[0])
        if op in ("product", "affine"):
            *init, matrix, vector = args
            left = Expression("transpose", (matrix,)) if data else matrix
            self.sizes.setdefault(left, self.sizes[matrix][::-1] if data else self.sizes[matrix])
            product = Expression("matmul", (left, vector))
            self.sizes[product] = self.program.shapes[instruction.out]
            return Expression("add", (init[0], product)) if init else product
        if op == "dtanh":
            return args[0] * (1 - args[1] ** 2)
        if op == "dsigmoid":
            return args[0] * (args[1] * (1 - args[1]))
        if op == "lookup" and data:
            args[0] = Expression("transpose", (args[0],))
            self.sizes[args[0]] = self.sizes[args[0].args[0]][::-1]
            data = ()
        return Expression(op, tuple(args), data)

    def _reaching(self, sources: set[int]) -> set[int]:
        """The static and before values that depend on ``sources``."""
        found = set(sources)
        for instruction in (*self.program.static, *self.program.before):
            if found & set(instruction.args):
                found.add(instruction.out)
        return found

    # ── reverse mode, phase by phase ─────────────────────────────────────────────────────────────────────────

    def _new(self, name: str, shape: Shape) -> Expression:
        leaf = symbol(name)
        self.writer.leaf(leaf, shape)
        self.sizes[leaf] = shape
        return leaf

    def _add_seed(self, seeds: dict[Expression, Expression], node: Expression, seed: Expression) -> None:
        seeds[node] = seeds[node] + seed if node in seeds else seed
        measure(seeds[node], self.sizes)

    def _pull(self, seeds: dict[Expression, Expression], phase: str, wanted: set[int]) -> dict[int, Expression]:
        """Adjoints of the values of earlier phases (and of the leaves of this one)."""
        leaves = {leaf for leaf in symbols(seeds) if leaf in self.writer.numbers}
        wrt = {leaf for leaf in leaves if self._crosses(self.writer.numbers[leaf], phase, wanted)}
        found = pullback(seeds, wrt, self.sizes)
        return {self.writer.numbers[leaf]: gradient for leaf, gradient in found.items()}

    def _crosses(self, value: int, phase: str, wanted: set[int]) -> bool:
        return value in wanted or self.phase_of.get(value) in ("loop", "previous")

    def _distribute(self, found: Mapping[int, Expression]) -> None:
        """Hand each adjoint to the phase that computes the value; sum it over time where the value is static."""
        for value, gradient in found.items():
            if self.phase_of[value] != "static":
                self.received.setdefault(value, []).append(gradient)
            elif len(self.program.shapes[value]) == 2:
                self.sums.setdefault(value, []).append(gradient)  # outer products sum over time by themselves
            else:
                self.sums.setdefault(value, []).append(self._sum_over_time(gradient))

    def _sum_over_time(self, gradient: Expression) -> Expression:
        total = Expression("total", (gradient,))
        measure(total, self.sizes)
        return total

    def _stored_parts(self, value: int, gradient: Expression) -> list[Expression]:
        """What the loop must keep of an adjoint: itself, or the factors of the outer products of a matrix."""
        if len(self.program.shapes[value]) < 2 or self.phase_of[value] != "static":
            return [gradient]
        factors = [a for node in walk([gradient]) if node.op in ("outer", "scatter") for a in node.args]
        forward = len(self.program.shapes)
        return [factor for factor in factors if self.writer.numbers.get(factor, forward) >= forward]

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, roots: Iterable[Expression]) -> Instructions:
        """Instructions for all of ``roots`` that have no number yet; those that need no step value go to ``fixed``."""
        wanted, out = list(roots), list[Instruction]()
        for root in wanted:
            measure(root, self.sizes)
        for _, instruction in self.writer.write(wanted, self.sizes):
            if self.static_values.issuperset(instruction.args):
                self.static_values.add(instruction.out)
                self.fixed.append(instruction)
            else:
                out.append(instruction)
        return tuple(out)

    def _forget(self, values: set[int]) -> None:
        """These exist within a step only: whoever needs such an expression after the loop computes it again."""
        for node in [node for node, value in self.writer.numbers.items() if value in values]:
            del self.writer.numbers[node]


def _total(parts: list[Expression]) -> Expression:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
