"""Formulas as a person writes them: no needless brackets, signs in front, like terms together.

The rules of differentiation make ``a + (-(b ⊙ c)) + (d + e)`` and ``diag(u) diag(v)``; a teacher writes
``a - b ⊙ c + d + e`` and ``diag(u ⊙ v)``. Every rewriting here is an identity of real numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from unrolled.equations.expression import Expression, is_number, number, walk

Term = tuple[float, Expression]  # a coefficient and what it multiplies
_COMMUTATIVE = ("mul", "scale")
_SUMS = ("add", "sub", "neg")


def tidy(root: Expression) -> Expression:
    """``root`` in a form that is shorter to read and equal in value.

    >>> from unrolled.equations.expression import symbol
    >>> a, b, c = map(symbol, "abc")
    >>> print(tidy(-(a * b) + a * c), "and", tidy(-(a * b) + (c + a * c)))
    a ⊙ (c - b) and c - a ⊙ b + a ⊙ c
    """
    done: dict[Expression, Expression] = {}
    whole: dict[Expression, Expression] = {}  # sums that no other sum contains
    for node in walk([root]):
        inner = node.op in _SUMS
        args = tuple(done[argument] if inner else _finished(done[argument], whole) for argument in node.args)
        made = Expression(node.op, args, node.data)
        done[node] = made if inner else _rule(made)
    return _finished(done[root], whole)


def _finished(node: Expression, whole: dict[Expression, Expression]) -> Expression:
    if node.op not in _SUMS:
        return node
    if node not in whole:
        whole[node] = _sum(_terms(node))
    return whole[node]


def _rule(node: Expression) -> Expression:
    if node.op in ("mul", "scale", "matmul"):
        return _weighted(*_product(node))
    if node.op in ("diag", "div") and node.args[0].op in ("neg", "scale"):
        coefficient, inner = _split(node.args[0])
        if coefficient != 1:
            return _weighted(coefficient, Expression(node.op, (inner, *node.args[1:])))
    return node


# ── products ─────────────────────────────────────────────────────────────────────────────────────────────────


def _product(node: Expression) -> Term:
    """A product as its number and the rest of it, flat."""
    coefficient, factors = 1.0, []  # type: float, list[Expression]
    for factor in _factors(node):
        own, rest = _split(factor)
        coefficient *= own
        if not is_number(rest, 1):
            factors += _factors(rest) if rest.op == node.op else [rest]
    if node.op == "matmul":
        return _matrices(coefficient, factors)
    return coefficient, _chain(node.op, _powers(factors)) if factors else number(1)


def _matrices(coefficient: float, factors: list[Expression]) -> Term:
    """Neighbouring diagonals as one; numbers and scalars in front."""
    merged: list[Expression] = []
    scalars: list[Expression] = []
    for factor in factors:
        while factor.op == "scale":
            scalars.append(factor.args[0])
            factor = factor.args[1]
        if factor.op == "diag" and merged and merged[-1].op == "diag":
            factor = Expression("diag", (_rule(Expression("mul", (merged.pop().args[0], factor.args[0]))),))
        merged += _factors(factor) if factor.op == "matmul" else [factor]
    return coefficient, _chain("scale", [*scalars, _chain("matmul", merged)])


def _factors(node: Expression, op: str = "") -> list[Expression]:
    """The factors of a product, in order."""
    op = op or node.op
    found, stack = [], [node]  # type: list[Expression], list[Expression]
    while stack:
        each = stack.pop()
        if each.op == op:
            stack += reversed(each.args)
        else:
            found.append(each)
    return found


def _powers(factors: list[Expression]) -> list[Expression]:
    """A factor that stands twice as a square, and 1/b as a division by b."""
    below = [f.args[1] for f in factors if f.op == "div" and is_number(f.args[0], 1)]
    above = [f for f in factors if not (f.op == "div" and is_number(f.args[0], 1))]
    counted = dict.fromkeys(above, 0)
    for factor in above:
        counted[factor] += 1
    shown = [factor if count == 1 else factor**count for factor, count in counted.items()]
    if not below or not shown:
        return shown or factors
    return [Expression("div", (_chain("mul", shown), _chain("mul", below)))]


def _chain(op: str, factors: Iterable[Expression]) -> Expression:
    """One product of the factors: to the left for ⊙, to the right for what is juxtaposed."""
    factors = list(factors)
    if op == "mul":
        return reduce(lambda left, right: Expression(op, (left, right)), factors)
    return reduce(lambda right, left: Expression(op, (left, right)), reversed(factors))


def _split(node: Expression) -> Term:
    """The number in front of a term, and the term."""
    if node.op == "number":
        return node.data[0], number(1)
    if node.op == "neg":
        coefficient, rest = _split(node.args[0])
        return -coefficient, rest
    if node.op == "scale" and node.args[0].op == "number":
        return node.args[0].data[0], node.args[1]
    return 1.0, node


def _weighted(coefficient: float, term: Expression) -> Expression:
    if term.op == "number":
        return number(coefficient * term.data[0])
    if coefficient == 1:
        return term
    return -term if coefficient == -1 else _signed(coefficient, Expression("scale", (number(abs(coefficient)), term)))


def _signed(coefficient: float, term: Expression) -> Expression:
    return -term if coefficient < 0 else term


# ── sums ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _terms(node: Expression) -> list[Term]:
    """The terms of a sum, in order."""
    found: list[Term] = []
    stack = [(1.0, node)]
    while stack:
        sign, each = stack.pop()
        if each.op in ("add", "sub"):
            left, right = each.args
            stack += [(sign if each.op == "add" else -sign, right), (sign, left)]
        elif each.op == "neg":
            stack.append((-sign, each.args[0]))
        else:
            coefficient, rest = _split(each)
            found.append((sign * coefficient, rest))
    return found


def _sum(terms: list[Term]) -> Expression:
    terms = _gathered(terms)
    shared = _shared(terms)
    if shared:
        op = next(term.op for _, term in terms if term.op in _COMMUTATIVE)
        rest = _written([(coefficient, _without(term, shared, op)) for coefficient, term in terms])
        lasts = {_factors(term, op)[-1] for _, term in terms}
        # what is scaled stands last: it may be a vector or a matrix
        last = [lasts.pop()] if op == "scale" and len(lasts) == 1 and lasts <= set(shared) else []
        return _weighted(*_product(_chain(op, [*(f for f in shared if f not in last), rest, *last])))
    return _written(terms)


def _gathered(terms: list[Term]) -> list[Term]:
    """Terms that differ only in their first factor as one: diag(a) S + diag(b) S = diag(a + b) S, and a s + b s."""
    groups: dict[tuple[str, tuple[Expression, ...], bool], list[Term]] = {}
    for coefficient, term in terms:
        op = term.op if term.op in ("matmul", "scale") else ""
        first, *rest = _factors(term, op) if op else [term]
        if rest and (op == "scale" or first.op == "diag"):
            groups.setdefault((op, tuple(rest), True), []).append((coefficient, first))
        else:  # what cancels stays as it is
            groups.setdefault(("", (term,), coefficient > 0), []).append((coefficient, number(1)))
    return [_group(op, rest, members) for (op, rest, _), members in groups.items()]


def _group(op: str, rest: tuple[Expression, ...], members: list[Term]) -> Term:
    if not op:
        return sum(coefficient for coefficient, _ in members), rest[0]
    if len(members) == 1:
        ((coefficient, first),) = members
        return coefficient, _chain(op, [first, *rest])
    if op == "matmul":
        first = Expression("diag", (_sum([(coefficient, each.args[0]) for coefficient, each in members]),))
    else:
        first = _sum(members)
    return _split(_chain(op, [first, *rest]))


def _shared(terms: list[Term]) -> list[Expression]:
    """The factors that all terms of a sum have in common."""
    ops = {term.op for _, term in terms} & set(_COMMUTATIVE)
    if len(terms) < 2 or len(ops) != 1:
        return []
    (op,) = ops
    lists = [_expanded(term, op) for _, term in terms]
    common = []
    for factor in lists[0]:
        if all(factor in others for others in lists) and not is_number(factor, 1):
            common.append(factor)
            for others in lists[1:]:
                others.remove(factor)
    return common if op == "mul" or all(_is_scalar_form(term) for _, term in terms) else []


def _expanded(term: Expression, op: str) -> list[Expression]:
    """The factors of a term, a square as two."""
    found: list[Expression] = []
    for factor in _factors(term, op):
        square = factor.op == "pow" and factor.data == (2.0,)
        found += [factor.args[0]] * 2 if square else [factor]
    return found


def _without(term: Expression, shared: list[Expression], op: str) -> Expression:
    factors = _expanded(term, op)
    for factor in shared:
        factors.remove(factor)
    return _chain(op, _powers(factors)) if factors else number(1)


def _is_scalar_form(term: Expression) -> bool:
    """Is this a product of numbers only? A product of matrices does not commute."""
    return term.op != "matmul" and not any(factor.op in _MATRICES for factor in _factors(term, "scale"))


_MATRICES = frozenset(("matmul", "diag", "eye", "outer", "stack", "kron_right", "kron_left", "ones_column", "column"))


def _written(terms: list[Term]) -> Expression:
    """The sum of the terms, beginning with the first that has no minus sign."""
    first = next((i for i, (coefficient, _) in enumerate(terms) if coefficient > 0), 0)
    terms = [terms[first], *terms[:first], *terms[first + 1 :]]
    total = _weighted(*terms[0])
    for coefficient, term in terms[1:]:
        op = "add" if coefficient > 0 else "sub"
        total = Expression(op, (total, _weighted(abs(coefficient), term)))
    return total
