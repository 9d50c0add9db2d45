"""The schedule: which part of the equations runs when, and the rewriting that lets most of it leave the time loop.

A node is *static* if it depends on parameters only, *before* if it also depends on inputs, and *loop* or *after* if it
depends on a state: loop where a state depends on it in turn, after otherwise. Four rewritings enlarge what is outside
the loop or make one large product of several small ones:

1. a sum that mixes phases is regrouped, so that ``W h + U x + b`` becomes ``(U x + b) + W h``;
2. a product with a concatenation, ``W [h ; x]``, is divided into ``W₁ h + W₂ x``;
3. matrices that multiply the same vector in the same phase (the gates) are stacked into one;
4. where each slice of such a product has something added that is known before the loop, that is added at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite

import numpy as np

from unrolled.calculus.evaluate import evaluate
from unrolled.calculus.reverse import measure, slice_of
from unrolled.calculus.shapes import Shape
from unrolled.equations.expression import Expression, is_number, number, walk
from unrolled.equations.operations import LAYERNORM_EPSILON
from unrolled.errors import EquationError

STATIC, BEFORE, LOOP, AFTER = range(4)


@dataclass
class Schedule:
    """The rewritten roots and the phase of every node below them."""

    sizes: dict[Expression, Shape]
    phases: dict[Expression, int]
    ids: frozenset[Expression]
    states: list[Expression] = field(default_factory=list)
    outputs: list[Expression] = field(default_factory=list)

    def phase(self, node: Expression) -> int:
        """The phase of ``node`` as far as its leaves tell: AFTER is told from LOOP only at the end."""
        for each in walk([node], self.phases):
            if each not in self.phases:
                self.phases[each] = max((self.phases[argument] for argument in each.args), default=STATIC)
        return self.phases[node]


def schedule(
    states: Iterable[Expression],
    outputs: Iterable[Expression],
    leaves: Mapping[Expression, tuple[int, Shape]],
    ids: Iterable[Expression] = (),
) -> Schedule:
    """Schedule the values of the ``states`` after a step and the ``outputs``; ``leaves`` gives phase and shape.

    The inputs ``ids`` come as integer symbols: a matrix is applied to them by look-up, for anything else they become
    one-hot vectors.
    """
    shapes, phases = {leaf: shape for leaf, (_, shape) in leaves.items()}, {leaf: p for leaf, (p, _) in leaves.items()}
    plan = Schedule(shapes, phases, frozenset(ids))
    states, outputs = list(states), list(outputs)
    roots = [_dense(plan, root) for root in _rewrite(plan, [*states, *outputs], _regroup)]
    _separate_after(plan, roots[: len(states)], roots)
    roots = _stack(plan, roots)
    roots = _add_at_once(plan, roots)
    _separate_after(plan, roots[: len(states)], roots)
    plan.states, plan.outputs = roots[: len(states)], roots[len(states) :]
    return plan


def _rewrite(
    plan: Schedule, roots: list[Expression], rule: Callable[[Schedule, Expression], Expression]
) -> list[Expression]:
    """Apply ``rule`` to every node from the leaves up."""
    done: dict[Expression, Expression] = {}
    for node in walk(roots):
        args = tuple(done[argument] for argument in node.args)
        new = rule(plan, Expression(node.op, args, node.data))
        measure(new, plan.sizes)
        plan.phase(new)
        done[node] = new
    return [done[root] for root in roots]


def _regroup(plan: Schedule, node: Expression) -> Expression:
    """Rewritings 1 and 2, and the forms that programs do not have: scale, layernorm."""
    args = node.args
    if node.op == "matmul":
        return _apply(plan, *args)
    if any(argument in plan.ids for argument in args):
        args = tuple(_dense(plan, argument) for argument in args)
        node = Expression(node.op, args, node.data)
    if args and all(argument.op == "number" for argument in args) and node.op not in ("concat", "expand"):
        return _fold(node)
    if node.op == "div" and is_number(args[1], 0):
        raise EquationError(f"{node} divides by zero.")
    if node.op == "scale":
        return Expression("mul", args)
    if node.op == "layernorm":
        centred = args[0] - Expression("mean", (args[0],))
        return centred / Expression("sqrt", (Expression("mean", (centred**2,)) + LAYERNORM_EPSILON,))
    if node.op == "concat" and any(part.op == "number" for part in args):
        return Expression("concat", tuple(_at_size(part, 1) if part.op == "number" else part for part in args))
    if node.op in ("add", "sub"):
        return _sum_by_phase(plan, node)
    return node


def _fold(node: Expression) -> Expression:
    with np.errstate(all="ignore"):
        value = float(evaluate([node], {})[0])
    if not isfinite(value):
        raise EquationError(f"{node} is no finite number. Write what it stands for.")
    return number(value)


def _at_size(node: Expression, size: int) -> Expression:
    return Expression("expand", (node,), (size,))


def _dense(plan: Schedule, node: Expression) -> Expression:
    """An input of ids as one-hot vectors, anything else as it is."""
    if node not in plan.ids:
        return node
    dense = Expression("one_hot", (node,), plan.sizes[node])
    measure(dense, plan.sizes)
    plan.phase(dense)
    return dense


def _apply(plan: Schedule, matrix: Expression, vector: Expression) -> Expression:
    """A matrix times a vector: by look-up for ids, part by part for a concatenation."""
    if vector.op == "concat" and matrix.op == "symbol":
        return _divide(plan, matrix, vector.args)
    symbols = vector.args[0] if vector.op == "one_hot" else vector
    product = Expression("lookup", (matrix, symbols)) if symbols in plan.ids else Expression("matmul", (matrix, vector))
    measure(product, plan.sizes)
    return product


def _divide(plan: Schedule, matrix: Expression, parts: tuple[Expression, ...]) -> Expression:
    total, low = None, 0
    for part in parts:
        high = low + plan.sizes[part][0]
        columns = Expression("columns", (matrix,), (low, high))
        measure(columns, plan.sizes)
        product = _apply(plan, columns, part)
        total = product if total is None else Expression("add", (total, product))
        low = high
    assert total is not None
    return _sum_by_phase(plan, total)


def _sum_by_phase(plan: Schedule, node: Expression) -> Expression:
    """The terms of a sum, those of an earlier phase added first."""
    terms: list[tuple[int, Expression]] = []
    stack = [(1, node)]
    while stack:
        sign, each = stack.pop()
        if each.op in ("add", "sub"):
            stack += [(sign if each.op == "add" else -sign, each.args[1]), (sign, each.args[0])]
        elif each.op == "neg":
            stack.append((-sign, each.args[0]))
        else:
            terms.append((sign, each))
    phases = [plan.phase(term) for _, term in terms]
    if len(set(phases)) == 1:
        return node
    total = number(0)
    for wanted in sorted(set(phases)):
        for (sign, term), phase in zip(terms, phases, strict=True):
            if phase == wanted:
                total = -term if sign < 0 and total is number(0) else total + term if sign > 0 else total - term
                if total.op in ("add", "sub", "neg") and all(argument.op == "number" for argument in total.args):
                    total = _fold(total)
                measure(total, plan.sizes)
                plan.phase(total)
    return total


def _separate_after(plan: Schedule, states: list[Expression], roots: list[Expression]) -> None:
    """Tell LOOP (a state needs it) from AFTER."""
    needed = set(walk(states))
    for node in walk(roots):
        if plan.phase(node) >= LOOP:
            plan.phases[node] = LOOP if node in needed or node.op == "symbol" else AFTER


def _stack(plan: Schedule, roots: list[Expression]) -> list[Expression]:
    """Rewriting 3: one product for all matrices that multiply the same vector in the same phase."""
    groups: dict[tuple[str, Expression, int], list[Expression]] = {}
    for node in walk(roots):
        if node.op in ("matmul", "lookup") and plan.phases[node.args[0]] == STATIC and plan.phases[node] != STATIC:
            groups.setdefault((node.op, node.args[1], plan.phases[node]), []).append(node)
    replaced: dict[Expression, tuple[tuple[Expression, ...], int, int]] = {}
    for group in _neighbouring(plan, roots, groups):
        low, matrices = 0, tuple(node.args[0] for node in group)
        for node in group if len(group) > 1 else ():
            high = low + plan.sizes[node.args[0]][0]
            replaced[node] = matrices, low, high
            low = high
    done: dict[Expression, Expression] = {}
    for node in walk(roots):
        args = tuple(done[argument] for argument in node.args)
        new = Expression(node.op, args, node.data)
        if node in replaced:
            matrices, low, high = replaced[node]
            stacked = Expression("rows", tuple(done.get(m, m) for m in matrices))
            new = slice_of(Expression(node.op, (stacked, args[1])), low, high)
        measure(new, plan.sizes)
        done[node] = new
        _copy_phase(plan, new, plan.phases[node])
    return [done[root] for root in roots]


def _neighbouring(
    plan: Schedule, roots: list[Expression], groups: Mapping[tuple[str, Expression, int], list[Expression]]
) -> list[list[Expression]]:
    """The groups, so ordered that products which are added to each other are neighbours in both of theirs.

    Of [U_n x ; U_z x ; U_r x] and [W_z h ; W_r h ; W_n h] the sums and their adjoints then need no rearrangement.
    """
    group_of = {node: key for key, group in groups.items() for node in group}
    partner: dict[Expression, Expression] = {}  # a product in the loop → one before it to which it is added
    inner = {term for node in walk(roots) if node.op == "add" for term in node.args}
    for node in walk(roots):
        if node.op == "add" and plan.phases[node] >= LOOP and node not in inner:
            terms = [term for term in _terms(node) if term in group_of]
            early = [term for term in terms if plan.phases[term] == BEFORE]
            for term in terms:
                if plan.phases[term] >= LOOP and len(early) == 1:
                    partner.setdefault(term, early[0])
    ordered = dict(groups)
    for key, group in groups.items():
        met = [node for node in group if node in partner]
        keys = {group_of[partner[node]] for node in met}
        if len(keys) == 1:
            (other,) = keys
            shared = [partner[node] for node in met]
            ordered[key] = [*met, *(node for node in group if node not in partner)]
            ordered[other] = [*(node for node in groups[other] if node not in shared), *shared]
    return list(ordered.values())


def _terms(total: Expression) -> list[Expression]:
    found, stack = [], [total]
    while stack:
        node = stack.pop()
        if node.op == "add":
            stack += node.args
        else:
            found.append(node)
    return found


def _copy_phase(plan: Schedule, node: Expression, phase: int) -> None:
    """Give the new nodes of a replacement their phases: what depends on leaves alone keeps its own."""
    for each in walk([node], plan.phases):
        if each not in plan.phases:
            own = max((plan.phases[argument] for argument in each.args), default=STATIC)
            plan.phases[each] = phase if own >= LOOP else own
    plan.phases[node] = max(plan.phases[node], phase) if phase < LOOP else phase


def _add_at_once(plan: Schedule, roots: list[Expression]) -> list[Expression]:
    """Rewriting 4: slice_k(P) + a_k for all k, with a_k of an earlier phase, is slice_k(P + [a_1 ; a_2 ; …])."""
    while True:
        users: dict[Expression, list[Expression]] = {}
        for node in walk(roots):
            for argument in dict.fromkeys(node.args):
                users.setdefault(argument, []).append(node)
        found = next((p for p in walk(roots) if _summands(plan, p, users, roots) is not None), None)
        if found is None:
            return roots
        sums = _summands(plan, found, users, roots)
        assert sums is not None
        parts = [
            _at_size(a, high - low) if a.op == "number" or plan.sizes[a] != (high - low,) else a
            for low, high, a, _ in sums
        ]
        joined = Expression("add", (_join(parts, plan.sizes), found))
        measure(joined, plan.sizes)
        swap = {node: slice_of(joined, low, high) for low, high, _, node in sums}
        done: dict[Expression, Expression] = {}
        for node in walk(roots):
            # the product itself stays as it is below the new sum
            new = swap.get(node) or Expression(node.op, tuple(done[argument] for argument in node.args), node.data)
            if node in swap:
                new = _rebuild(new, done)
            measure(new, plan.sizes)
            done[node] = new
            _copy_phase(plan, new, plan.phases[node])
        roots = [done[root] for root in roots]


def _rebuild(node: Expression, done: Mapping[Expression, Expression]) -> Expression:
    """``node`` with the parts that were already rewritten."""
    if node in done:
        return done[node]
    return Expression(node.op, tuple(_rebuild(argument, done) for argument in node.args), node.data)


def _summands(
    plan: Schedule, product: Expression, users: Mapping[Expression, list[Expression]], roots: list[Expression]
) -> list[tuple[int, int, Expression, Expression]] | None:
    """(low, high, summand, sum) for each slice of a stacked product; None where the rewriting does not fit."""
    if product.op not in ("matmul", "lookup") or product.args[0].op != "rows":
        return None
    slices = sorted(users.get(product, ()), key=lambda node: node.data[:1] if node.op == "slice" else ())
    found, at = [], 0
    for each in slices:
        sums = users.get(each, ())
        if each.op != "slice" or each.data[0] != at or len(sums) != 1 or each in roots or sums[0].op != "add":
            return None
        other = sums[0].args[0] if sums[0].args[1] is each else sums[0].args[1]
        if other is each or plan.phases[other] >= plan.phases[product]:
            return None
        found.append((each.data[0], each.data[1], other, sums[0]))
        at = each.data[1]
    return found if found and at == plan.sizes[product][0] else None


def _join(parts: list[Expression], sizes: Mapping[Expression, Shape]) -> Expression:
    """[a ; b ; …], where consecutive slices of one vector that together are all of it become that vector."""
    bases = {part.args[0] for part in parts if part.op == "slice"}
    if len(bases) == 1 and all(part.op == "slice" for part in parts):
        (base,) = bases
        ends = [0, *(part.data[1] for part in parts)]
        if [part.data[0] for part in parts] == ends[:-1] and sizes[base] == (ends[-1],):
            return base
    return Expression("concat", tuple(parts))
