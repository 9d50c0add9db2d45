"""Sizes as linear forms over unknown sizes (``h``, ``h + x``, ``20``), and their unification.

Every sequence and every edge of a parameter has an unknown size; the equations make some of them equal, a
concatenation makes one a sum. Unknowns are bound one by one; what stays free must be given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Size:
    """``constant`` + Σ coefficient · unknown, the terms sorted by name."""

    constant: int = 0
    terms: tuple[tuple[str, int], ...] = ()

    @staticmethod
    def of(value: int | str) -> Size:
        return Size(value) if isinstance(value, int) else Size(0, ((value, 1),))

    def __add__(self, other: Size) -> Size:
        return self._combine(other, 1)

    def __sub__(self, other: Size) -> Size:
        return self._combine(other, -1)

    def _combine(self, other: Size, sign: int) -> Size:
        total = dict(self.terms)
        for name, coefficient in other.terms:
            total[name] = total.get(name, 0) + sign * coefficient
        terms = tuple(sorted((name, c) for name, c in total.items() if c))
        return Size(self.constant + sign * other.constant, terms)

    def times(self, factor: int) -> Size:
        return Size(factor * self.constant, tuple((name, factor * c) for name, c in self.terms) if factor else ())

    def __str__(self) -> str:
        parts = [name if c == 1 else f"{c}·{name}" for name, c in self.terms]
        return " + ".join(parts + ([str(self.constant)] if self.constant or not parts else []))


class ContradictionError(Exception):
    """Two sizes that cannot be equal."""


@dataclass
class Unifier:
    """Bindings of unknowns; ``preference`` orders them: of two equal unknowns the one that comes first stays free.

    ``pending`` are differences that must be zero and bind nothing yet, ``waiting`` says which of them speak of a name.
    """

    preference: Mapping[str, int]
    bindings: dict[str, Size] = field(default_factory=dict)
    pending: dict[int, Size] = field(default_factory=dict)
    waiting: dict[str, list[int]] = field(default_factory=dict)
    count: int = 0  # of all that ever were pending

    def copy(self) -> Unifier:
        waiting = {name: list(keys) for name, keys in self.waiting.items()}
        return Unifier(self.preference, dict(self.bindings), dict(self.pending), waiting, self.count)

    def resolve(self, size: Size) -> Size:
        """``size`` in terms of unknowns that are free."""
        while any(name in self.bindings for name, _ in size.terms):
            total = Size(size.constant)
            for name, coefficient in size.terms:
                total += self._follow(name).times(coefficient)
            size = total
        return size

    def _follow(self, name: str) -> Size:
        """What ``name`` is bound to, beyond names that are bound to one name only; the next time it is one step."""
        passed, value = [name], self.bindings.get(name, Size.of(name))
        while value.constant == 0 and len(value.terms) == 1 and value.terms[0][1] == 1:
            following = self.bindings.get(value.terms[0][0])
            if following is None:
                break
            passed.append(value.terms[0][0])
            value = following
        for each in passed[:-1]:
            self.bindings[each] = value
        return value

    def unify(self, one: Size, other: Size) -> None:
        """Make two sizes equal. Raises ContradictionError where no positive sizes can."""
        queue = [one - other]
        while queue:
            difference = self.resolve(queue.pop())
            bound = self._bind(difference)
            if bound is None and difference.terms:
                self.pending[self.count] = difference
                for name, _ in difference.terms:
                    self.waiting.setdefault(name, []).append(self.count)
                self.count += 1
            elif bound is not None:
                queue += [self.pending.pop(key) for key in self.waiting.pop(bound, ()) if key in self.pending]

    def _bind(self, difference: Size) -> str | None:
        """Bind an unknown so that ``difference`` is zero, and give its name; None where it is zero or not yet clear."""
        if not difference.terms:
            if difference.constant:
                raise ContradictionError
            return None
        signs = {c > 0 for _, c in difference.terms}
        if len(signs) == 1 and (difference.constant == 0 or (difference.constant > 0) in signs):
            raise ContradictionError  # a sum of positive sizes would be zero or negative
        for name, coefficient in sorted(difference.terms, key=lambda term: -self.preference.get(term[0], 10**9)):
            solution = (Size(0, ((name, coefficient),)) - difference).times(coefficient)
            if abs(coefficient) == 1 and _may_be_positive(solution):
                self.bindings[name] = solution
                return name
        if len(difference.terms) == 1:  # c·n + k = 0
            ((name, coefficient),) = difference.terms
            value, rest = divmod(-difference.constant, coefficient)
            if rest or value < 1:
                raise ContradictionError
            self.bindings[name] = Size(value)
            return name
        return None


def _may_be_positive(size: Size) -> bool:
    return size.constant > 0 if not size.terms else size.constant >= 0 and all(c > 0 for _, c in size.terms)
