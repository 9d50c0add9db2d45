"""Programs that do not hold together are refused, and what is accepted runs."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrences import Example, recurrences
from stepwise import cell
from unrolled.engine import reference
from unrolled.equations.library import CELLS
from unrolled.errors import ProgramError
from unrolled.program.adjoint import adjoint_of
from unrolled.program.compile import compile_system
from unrolled.program.instructions import Program
from unrolled.program.validation import RULES, validate

Data = dict[str, Any]


def data_of(example: Example) -> Data:
    """The program of ``example`` as JSON gives it back."""
    return json.loads(compile_system(example.system, dict(example.sizes), example.ids).text)


@pytest.mark.parametrize("name", CELLS)
def test_library_programs_hold_together(name: str) -> None:
    validate(data_of(cell(name)))
    validate(data_of(cell(name, ids=("x",))))


@given(recurrences())
def test_random_programs_hold_together(example: Example) -> None:
    validate(data_of(example))


ELMAN = Example("h_t = tanh(U x_t + W h_{t-1} + b)\no_t = V h_t\nh_{-1} = s", (("x", 2), ("h", 3), ("o", 4)))


def change(data: Data, path: str, value: Any) -> None:
    """Set ``data["loop"][0]["op"]`` for the path "loop 0 op"."""
    *way, last = [int(key) if key.lstrip("-").isdigit() else key for key in path.split()]
    for key in way:
        data = data[key]
    data[last] = value


def elman() -> Data:
    data = data_of(ELMAN)
    assert [[i["op"] for i in data[phase]] for phase in ("static", "before", "loop", "after")] == [
        [], ["affine"], ["affine", "tanh"], ["product"],
    ]  # fmt: skip
    assert (data["inputs"], data["parameters"], data["previous"]) == ([0], [1, 2, 3, 4, 5], [6])
    return data


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("loop 0 op", "exec", "there is no operation 'exec'"),
        ("loop 0 op", ["tanh"], "there is no operation"),
        ("loop 0 op", "outer", "there is no operation 'outer'"),  # of adjoints only
        ("loop 0 args", [7, 2], "affine does not take"),
        ("loop 0 args", [7, 2, 5], "this product is the same at every step"),
        ("loop 1 args", [], "tanh does not take nothing"),
        ("loop 1 args", [9], "used before it is defined"),
        ("loop 1 args", [99], "used before it is defined"),
        ("loop 1 args", [-1], "used before it is defined"),
        ("loop 1 args", [1], "tanh does not take static"),  # a matrix
        ("loop 1 args", 8, "args and data are lists"),
        ("loop 1 args", [True], "used before it is defined"),
        ("loop 1 args", [5], "the same at every step"),
        ("loop 1", {"op": "pow", "out": 9, "args": [8], "data": [10**30]}, "do not fit"),  # a number is a float
        ("loop 1", {"op": "pow", "out": 9, "args": [8], "data": [2.0]}, None),
        ("loop 1 out", 8, "defined twice"),
        ("loop 1 out", 99, "there is no value 99"),
        ("loop 1 data", [1], "do not fit"),
        ("before 0 data", ["transposed"], "do not fit"),
        ("loop 0 data", ["other"], "do not fit"),
        ("loop 0", {"op": "tanh"}, "is no instruction"),
        ("loop 0", "tanh", "is no instruction"),
        ("loop 0 args 1", 1, "do not fit"),  # U where W belongs
        ("before 0 args", [4, 1, 6], "used before it is defined"),  # a state before the loop
        ("before 0 args", [4, 1, 8], "used before it is defined"),  # a value of the loop before it
        ("shapes 8", [4], "the shape"),
        ("shapes 8", [0], "is no shape"),
        ("shapes 8", [3, 3, 3], "is no shape"),
        ("shapes 8", "3", "is no shape"),
        ("shapes 6", [4], "do not fit"),
        ("following 0", 0, "another shape"),
        ("shapes 0", [2, 2], "is no vector"),
        ("inputs 0", 99, "there is no value 99"),
        ("inputs", 0, "is a list"),
        ("ids 0", 1, "neither true nor false"),
        ("ids 0", True, "does not take"),
        ("ids", [], "one entry for each input"),
        ("parameters 0", 0, "defined twice"),
        ("previous", [], "unevenly"),
        ("following 0", 5, "no step value"),
        ("following 0", 10, "used before it is defined"),  # computed after the loop
        ("following 0", 7.0, "used before it is defined"),
        ("initial 0", 0, "neither a float nor a static value"),
        ("initial 0", 4.5, None),
        ("initial 0", 2, "neither a float nor a static value"),  # a matrix
        ("initial 0", "0", "used before it is defined"),
        ("outputs 0", 5, "is no step value"),
        ("outputs 0", None, "used before it is defined"),
        ("outputs", [9, 9], None),
        ("outputs", [], None),
    ],
)
def test_what_does_not_hold_together_is_refused(path: str, value: Any, words: str | None) -> None:
    data = elman()
    change(data, path, value)
    if words is None:
        assert Program.from_dict(data)
        return
    with pytest.raises(ProgramError, match=words):
        Program.from_dict(data)


@pytest.mark.parametrize("field", [field for field in elman() if field != "precision"])
def test_a_missing_field_is_named(field: str) -> None:
    data = elman()
    del data[field]
    with pytest.raises(ProgramError, match=field):
        Program.from_dict(data)


@pytest.mark.parametrize("data", [None, [], 3, "", {}, {"shapes": []}, elman() | {"more": 1}])
def test_what_is_no_program_at_all_is_refused(data: Any) -> None:
    with pytest.raises(ProgramError, match="has exactly the fields"):
        Program.from_dict(data)


def test_a_program_without_a_precision_is_of_fp32() -> None:
    data = elman()
    del data["precision"]
    assert Program.from_dict(data) == Program.from_dict(elman())
    with pytest.raises(ProgramError, match="'fp8'; it can be fp32 or bf16"):
        Program.from_dict(data | {"precision": "fp8"})


def test_every_operation_of_the_executor_has_a_rule() -> None:
    adjoint_only = {"scatter", "outer", "total", "zeros", "row_block", "pad_columns"}
    known = {*reference._KERNELS, *reference.ELEMENTWISE}
    assert {*RULES} == known - adjoint_only


# ── any change at all ───────────────────────────────────────────────────────────────────────────────────────────


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every part of a JSON document."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, value in items for place in places(value, (*path, key)))]


def mutations(draw: st.DrawFn, data: Data) -> None:
    """Change ``data`` somewhere: a number, an operation, a type; something removed, doubled or moved."""
    *way, last = draw(st.sampled_from([place for place in places(data) if place]))
    parent = data
    for key in way:
        parent = parent[key]
    old = parent[last]
    choices: list[Callable[[], Any]] = [
        lambda: draw(st.integers(-1, len(data["shapes"]))) if isinstance(data.get("shapes"), list) else 0,
        lambda: draw(st.sampled_from([None, True, 0.5, "x", [], {}, [0], 10**30, float("nan")])),
        lambda: draw(st.sampled_from(sorted(RULES))),
    ]
    if isinstance(old, list) and old:
        choices += [lambda: old[:-1], lambda: [*old, old[0]], lambda: old[::-1], lambda: old[1:]] * 2
    if isinstance(old, int):
        choices += [lambda: old + draw(st.sampled_from([-1, 1]))] * 3
    if draw(st.integers(0, 9)) == 0:
        del parent[last]
    else:
        parent[last] = copy.deepcopy(draw(st.sampled_from(choices))())


@st.composite
def damaged(draw: st.DrawFn) -> Data:
    """A program with one or two changes."""
    data = data_of(draw(recurrences() | st.sampled_from([cell(name) for name in CELLS])))
    for _ in range(draw(st.integers(1, 2))):
        if data:
            mutations(draw, data)
    return data


@settings(max_examples=300)
@given(damaged())
def test_a_damaged_program_is_refused_or_runs(data: Data) -> None:
    check_damaged(data)


@pytest.mark.slow
@settings(max_examples=4000)
@given(damaged())
def test_many_damaged_programs_are_refused_or_run(data: Data) -> None:
    check_damaged(data)


def check_damaged(data: Data) -> None:
    try:
        program = Program.from_dict(data)
    except ProgramError:
        return
    if max((n for shape in program.shapes for n in shape), default=0) > 100:
        return  # right, but too large to run here
    validate(program.to_dict())
    inputs = [
        torch.zeros(3, dtype=torch.int64) if ids else torch.ones(3, *program.shapes[v])
        for v, ids in zip(program.inputs, program.ids, strict=True)
    ]
    initial = [torch.ones(2, *program.shapes[v]) for v in program.previous]
    parameters = [torch.ones(program.shapes[v]) for v in program.parameters]
    adjoint = adjoint_of(program, tuple(not ids for ids in program.ids), (True,) * len(parameters))
    result = reference.forward(program, inputs, initial, parameters, (2, 1), adjoint.saved)
    assert [t.shape for t in result.outputs] == [(3, *program.shapes[v]) for v in program.outputs]
    assert [t.shape for t in result.final] == [t.shape for t in initial]
    gradients = reference.backward(
        program, adjoint, inputs, parameters, result.saved, result.outputs, result.final, (2, 1)
    )
    for group, likes in zip(gradients, (inputs, initial, parameters), strict=True):
        assert [g.shape for g in group if g is not None] == [
            t.shape for g, t in zip(group, likes, strict=True) if g is not None
        ]
