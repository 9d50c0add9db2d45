"""Random recurrences: expansion, tape, forward mode, derivative and recursions against the naive loop and autograd."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, assume, given, settings

from autograd import Numbers, at, close
from recurrences import Example, recurrences
from unrolled.engine import verify
from unrolled.equations.sizes import Size
from unrolled.errors import TargetError
from unrolled.explain.result import Result
from unrolled.recurrence import Recurrence

UNEVEN = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def case(example: Example) -> tuple[Recurrence, Numbers]:
    return Recurrence.from_system(example.system), Numbers(example.system, 3, dict(example.sizes))


def balanced(found: Result) -> bool:
    """Are braces, brackets and environments of its LaTeX closed?"""
    written = found.latex()
    pairs = [("{", "}"), (r"\left", r"\right"), (r"\begin{", r"\end{")]
    return all(written.count(opening) == written.count(closing) for opening, closing in pairs)


@settings(UNEVEN, max_examples=30)
@given(recurrences(ids=False))
def test_expansions(example: Example) -> None:
    recurrence, numbers = case(example)
    for name, _ in example.system.equations:
        expected = numbers.sequences[at(name, 2)].detach().numpy()
        try:
            found = [recurrence.expand(at(name, 2), named=named) for named in (False, True)]
            values = [each.evaluate(numbers.values) for each in found]
        except TargetError as refusal:
            # a vector made of scalars alone, here or in what this one is made of: the values do not tell its size
            if "written out has" in str(refusal) or "does not follow from the values given" in str(refusal):
                continue
            raise
        assert close(values[0], expected, 1e-11)
        assert close(values[1], expected, 1e-11)
        assert all(map(balanced, found))


@settings(UNEVEN, max_examples=30)
@given(recurrences(ids=False))
def test_what_an_expansion_prints_is_a_right_answer(example: Example) -> None:
    recurrence, _ = case(example)
    # to the marker a matrix of one row gives a number, not a vector of one
    assume(all(size != Size(1) for shape in example.system.shapes.values() for size in shape))
    for name, _ in example.system.equations:
        for initial in ({}, dict.fromkeys(example.system.states, 0)):
            written = str(recurrence.expand(at(name, 0), initial))
            # the sum of a vector of equal numbers depends on its size, which is not written
            if len(written) < 400 and "sum(" not in written and "dot(" not in written:
                verdict = recurrence.check(f"{at(name, 0)} = {written}", initial, form="matrix")
                assert verdict.kind == "right", verdict


@settings(UNEVEN, max_examples=30)
@given(recurrences(ids=False))
def test_tapes_in_both_modes(example: Example) -> None:
    recurrence, numbers = case(example)
    for name, _ in example.system.equations:
        target = at(name, 2)
        shape = numbers.sequences[target].shape
        seed = np.linspace(0.5, 1.5, numbers.sequences[target].numel()).reshape(shape)
        options = {"sizes": numbers.sizes, "seed": seed}
        try:
            found = recurrence.tape(target, **options).evaluate(numbers.values)
        except TargetError as refusal:
            if "there is nothing to list" in str(refusal):
                continue
            raise
        leaves = [row.name for row in found.rows if row.is_leaf and row.name in numbers.leaves]
        for leaf in leaves:
            assert close(found.gradient(leaf), numbers.gradient(target, leaf, seed)), (target, leaf)
        directions = {leaf: np.cos(1.0 + np.arange(numbers.leaves[leaf].numel())).reshape(numbers.leaves[leaf].shape)
                      for leaf in leaves}  # fmt: skip
        pushed = recurrence.tape(target, mode="forward", **options).evaluate(numbers.values, tangents=directions)
        reverse = np.sum([(found.gradient(leaf) * direction).sum() for leaf, direction in directions.items()])
        assert close((seed * pushed.rows[-1].tangent_value).sum(), reverse)
        assert balanced(found)
        assert balanced(pushed)


@settings(UNEVEN, max_examples=30)
@given(recurrences(ids=False))
def test_derivatives_and_their_recursions(example: Example) -> None:
    recurrence, numbers = case(example)
    system = example.system
    sequences = [at(name, 1) for name in system.inputs] + [at(name, -1) for name in system.states]
    for name, _ in system.equations:
        for wrt in (*system.parameters, *(each for each in sequences if each in numbers.leaves)):
            try:
                found = recurrence.derive(at(name, 2), wrt)
                value = found.evaluate(numbers.values)
            except TargetError as refusal:
                if "closed form" in str(refusal) or "does not follow" in str(refusal):
                    continue
                raise
            assert close(value, numbers.derivative(at(name, 2), wrt)), (name, wrt)
            assert verify(found) < 1e-9, (name, wrt)
            assert found.error < 1e-9, (name, wrt)
            assert balanced(found)
