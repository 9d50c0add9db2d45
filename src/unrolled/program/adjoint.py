"""The adjoint of a Program, made by ``calculus.reverse`` from its own instructions: no backward is written by hand.

The instructions of each phase are lifted back into expressions over the values of the earlier phases; reverse mode
turns them into adjoints; and these are written as instructions again. In the loop a parameter's gradient is a sum over
steps, Σₜ δₜ vₜᵀ: the loop only stores δ, and the sum is one large product after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from unrolled.calculus.reverse import measure, pullback
from unrolled.calculus.shapes import Shape
from unrolled.equations.expression import Expression, number, symbol, symbols, walk
from unrolled.program.instructions import Adjoint, Instruction, Program


@lru_cache(maxsize=512)
def adjoint_of(program: Program, inputs: tuple[bool, ...], parameters: tuple[bool, ...]) -> Adjoint:
    """The Adjoint of ``program`` that computes the gradients of the inputs and parameters that are asked for."""
    return _Reversal(program, inputs, parameters).adjoint()


@dataclass
class _Reversal:
    program: Program
    want_inputs: tuple[bool, ...]
    want_parameters: tuple[bool, ...]
    shapes: list[Shape] = field(default_factory=list)
    sizes: dict[Expression, Shape] = field(default_factory=dict)
    numbers: dict[Expression, int] = field(default_factory=dict)
    phase_of: dict[int, str] = field(default_factory=dict)
    nodes: dict[int, Expression] = field(default_factory=dict)

    def adjoint(self) -> Adjoint:
        p = self.program
        self.shapes = list(p.shapes)
        self._lift()
        wanted_static = self._reaching({v for v, want in zip(p.parameters, self.want_parameters, strict=True) if want})
        wanted_before = self._reaching(
            {v for v, want in zip(p.inputs, self.want_inputs, strict=True) if want} | wanted_static
        )
        seeds = [self._new(f"s{i}", p.shapes[v]) for i, v in enumerate(p.outputs)]
        carry = [self._new(f"k{i}", p.shapes[v]) for i, v in enumerate(p.previous)]

        # after the loop: from the outputs to the values of the loop and before it
        received: dict[int, list[Expression]] = {}
        roots = self._seed(p.outputs, seeds, "after", received)
        after = self._pull(roots, "after", wanted_before | set(p.previous))
        after_list = self._write(after.values())
        static_parts: dict[int, list[Expression]] = {}
        for value, gradient in after.items():
            self._distribute(value, gradient, received, static_parts)

        # in the loop, one step at a time
        loop_seeds: dict[Expression, Expression] = {}
        for value, given in zip(p.following, carry, strict=True):
            self._add_seed(loop_seeds, self._at("loop", value), given)
        external = {v: g for v, g in received.items() if self.phase_of[v] in ("loop", "previous")}
        for value, gradients in external.items():
            if self.phase_of[value] == "loop":
                self._add_seed(loop_seeds, self.nodes[value], _total(gradients))
        loop = self._pull(loop_seeds, "loop", wanted_before | set(p.previous))
        carry_out: list[Expression | None] = []
        for value in p.previous:
            parts = ([loop.pop(value)] if value in loop else []) + external.get(value, [])
            carry_out.append(_total(parts) if parts else None)
        stored: list[Expression] = []
        for value, gradient in loop.items():
            stored += self._stored_parts(value, gradient)
        loop_list = self._write([e for e in (*carry_out, *stored) if e is not None])
        for value, gradient in loop.items():
            self._distribute(value, gradient, received, static_parts)

        # before the loop, and the sums over time
        before_seeds: dict[Expression, Expression] = {}
        for value, gradients in received.items():
            if self.phase_of[value] == "before" or value in p.inputs:
                self._add_seed(before_seeds, self.nodes[value], _total(gradients))
        before = self._pull(before_seeds, "before", wanted_before)
        for value, gradient in before.items():
            if value not in p.inputs:
                self._distribute(value, gradient, received, static_parts)
        input_gradients = [before.get(value) for value in p.inputs]
        totals = {value: _total(parts) for value, parts in static_parts.items()}
        before_list = self._write([g for g in input_gradients if g is not None] + list(totals.values()))

        # the parameters
        static_seeds: dict[Expression, Expression] = {}
        for value, gradient in totals.items():
            self._add_seed(static_seeds, self.nodes[value], gradient)
        wanted = {v for v, want in zip(p.parameters, self.want_parameters, strict=True) if want}
        static = self._pull(static_seeds, "static", wanted)
        static_list = self._write(static.values())
        lists = (after_list, loop_list, before_list, static_list)
        step_values = {v for v, phase in self.phase_of.items() if phase != "static"}
        saved = sorted({a for each in lists for i in each for a in i.args if a in step_values})
        return Adjoint(
            tuple(self.shapes), tuple(saved), tuple(self.numbers[s] for s in seeds),
            tuple(self.numbers[c] for c in carry), tuple(None if c is None else self.numbers[c] for c in carry_out),
            tuple(dict.fromkeys(self.numbers[e] for e in stored)),
            tuple(None if g is None else self.numbers[g] for g in input_gradients),
            tuple(self.numbers[static[v]] if v in static else None for v in p.parameters),
            *lists,
        )  # fmt: skip

    # ── lifting ──────────────────────────────────────────────────────────────────────────────────────────────

    def _lift(self) -> None:
        """Each value as an expression over the values of earlier phases, which are leaves."""
        p = self.program
        for value in p.inputs:
            self._leaf(value, "before")
        for value in p.parameters:
            self._leaf(value, "static")
        for value in p.previous:
            self._leaf(value, "previous")
        for phase in ("static", "before", "loop", "after"):
            for instruction in getattr(p, phase):
                self.phase_of[instruction.out] = phase
                self.nodes[instruction.out] = node = self._lifted(instruction, phase)
                self.sizes[node] = p.shapes[instruction.out]
                self.numbers.setdefault(node, instruction.out)

    def _leaf(self, value: int, phase: str) -> Expression:
        leaf = symbol(f"v{value}")
        self.phase_of.setdefault(value, phase)
        self.nodes.setdefault(value, leaf)
        self.numbers[leaf], self.sizes[leaf] = value, self.program.shapes[value]
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
        self.numbers[leaf] = len(self.shapes)
        self.shapes.append(shape)
        self.sizes[leaf] = shape
        return leaf

    def _seed(
        self, values: Iterable[int], seeds: list[Expression], phase: str, received: dict[int, list[Expression]]
    ) -> dict[Expression, Expression]:
        """Seeds for values of ``phase``; those of earlier phases have received theirs already."""
        found: dict[Expression, Expression] = {}
        for value, seed in zip(values, seeds, strict=True):
            if self.phase_of[value] == phase:
                self._add_seed(found, self.nodes[value], seed)
            else:
                received.setdefault(value, []).append(seed)
        return found

    def _add_seed(self, seeds: dict[Expression, Expression], node: Expression, seed: Expression) -> None:
        seeds[node] = seeds[node] + seed if node in seeds else seed
        measure(seeds[node], self.sizes)

    def _pull(self, seeds: dict[Expression, Expression], phase: str, wanted: set[int]) -> dict[int, Expression]:
        """Adjoints of the values of earlier phases (and of the leaves of this one)."""
        leaves = {leaf for leaf in symbols(seeds) if leaf in self.numbers}
        wrt = {leaf for leaf in leaves if self._crosses(self.numbers[leaf], phase, wanted)}
        found = pullback(seeds, wrt, self.sizes)
        return {self.numbers[leaf]: gradient for leaf, gradient in found.items()}

    def _crosses(self, value: int, phase: str, wanted: set[int]) -> bool:
        return value in wanted or self.phase_of.get(value) in ("loop", "previous")

    def _distribute(
        self,
        value: int,
        gradient: Expression,
        received: dict[int, list[Expression]],
        static: dict[int, list[Expression]],
    ) -> None:
        """Hand the adjoint of ``value`` to the phase that computes it; sum it over time where it is static."""
        if self.phase_of[value] != "static":
            received.setdefault(value, []).append(gradient)
        elif len(self.program.shapes[value]) == 2:
            static.setdefault(value, []).append(gradient)  # outer products sum over time by themselves
        else:
            static.setdefault(value, []).append(self._sum_over_time(gradient))

    def _sum_over_time(self, gradient: Expression) -> Expression:
        total = Expression("total", (gradient,))
        measure(total, self.sizes)
        return total

    def _stored_parts(self, value: int, gradient: Expression) -> list[Expression]:
        """What the loop must keep of an adjoint: itself, or the factors of the outer products of a matrix."""
        if len(self.program.shapes[value]) < 2 or self.phase_of[value] != "static":
            return [gradient]
        factors = [a for node in walk([gradient]) if node.op in ("outer", "scatter") for a in node.args]
        return [factor for factor in factors if self.numbers.get(factor, len(self.program.shapes)) >= len(
            self.program.shapes)]  # fmt: skip

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────

    def _write(self, roots: Iterable[Expression]) -> tuple[Instruction, ...]:
        """Instructions for all of ``roots`` that have no number yet."""
        wanted = list(roots)
        out: list[Instruction] = []
        for node in walk(wanted, frozenset(self.numbers)):
            # a product says itself that its matrix is transposed
            if node not in self.numbers and (node.op != "transpose" or node in wanted):
                self._write_one(node, out)
        return tuple(out)

    def _write_one(self, node: Expression, out: list[Instruction]) -> None:
        shape = measure(node, self.sizes)
        op, args, data = fused(node)
        if op == "matmul":
            matrix, vector = args
            op, data = "product", ("transposed",) if matrix.op == "transpose" else ()
            args = (matrix.args[0], vector) if data else args
        for argument in args:
            if argument not in self.numbers:
                self._write_one(argument, out)
        self.numbers[node] = len(self.shapes)
        self.shapes.append(shape)
        out.append(Instruction(op, self.numbers[node], tuple(self.numbers[a] for a in args), data))


def fused(node: Expression) -> tuple[str, tuple[Expression, ...], tuple[object, ...]]:
    """The instruction of one node, where a common pattern of derivatives is a single one."""
    return node.op, node.args, node.data


def _total(parts: list[Expression]) -> Expression:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
