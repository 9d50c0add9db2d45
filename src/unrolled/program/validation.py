"""Does an instruction list hold together? What an executor may rely on, checked on the plain data of a program.

``RULES`` says for each operation what it takes and which constants it carries; the shape of a result is that of the
expression which the instruction stands for (``calculus.shapes``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from unrolled.calculus.shapes import Shape, shape
from unrolled.equations.expression import Expression
from unrolled.equations.operations import ELEMENTWISE
from unrolled.errors import ProgramError

# what a value is: a constant without a shape of its own, one for all steps, one for each step, a symbol for each step
NUMBER, STATIC, STEP, IDS = "a number", "static", "a step value", "an input of ids"
FIELDS = ("shapes", "inputs", "ids", "parameters", "previous", "following", "initial", "outputs")
PHASES = ("static", "before", "loop", "after")
PRECISIONS = ("fp32", "bf16")  # the first where nothing is said
INSTRUCTION = {"op", "out", "args", "data"}


class Rule(NamedTuple):
    """``takes``: m a matrix, v a vector, e a vector or a number, i ids; a last + repeats. ``data``: what is right."""

    takes: str
    data: Callable[[list[Any], Sequence[Shape]], bool] = lambda data, shapes: not data
    repeats: bool = False  # makes a value for every step also of what is the same at every step


def _limits(edge: int) -> Callable[[list[Any], Sequence[Shape]], bool]:
    """low, high inside the given dimension of the first argument."""
    return lambda data, shapes: len(data) == 2 and all(map(_whole, data)) and 0 <= data[0] < data[1] <= shapes[0][edge]


def _transposed(data: list[Any], shapes: Sequence[Shape]) -> bool:
    """A matrix, perhaps transposed, and a vector of its columns; before them what is added to the product."""
    *init, (rows, columns), (size,) = shapes
    rows, columns = (columns, rows) if data else (rows, columns)
    return data in ([], ["transposed"]) and size == columns and all(each == (rows,) for each in init)


def _size(data: list[Any], shapes: Sequence[Shape]) -> bool:
    return len(data) == 1 and _whole(data[0]) and data[0] >= 1 and shapes[0] in ((1,), (data[0],))


def _symbols(data: list[Any], shapes: Sequence[Shape]) -> bool:
    return len(data) == 1 and _whole(data[0]) and shapes[0] == (data[0],)


def _equal(data: list[Any], shapes: Sequence[Shape]) -> bool:
    return not data and len(set(shapes)) == 1


def _numbers(count: int) -> Callable[[list[Any], Sequence[Shape]], bool]:
    """As many constants, and vectors of one size or of one component."""
    return lambda data, shapes: (
        len(data) == count
        and all(isinstance(number, float) for number in data)
        and len({n for (n,) in shapes if n != 1}) <= 1
    )


RULES: dict[str, Rule] = {
    "number": Rule("", _numbers(1)),
    "product": Rule("mv", _transposed),
    "affine": Rule("emv", _transposed),
    "lookup": Rule("mi", _transposed),
    "one_hot": Rule("i", _symbols),
    "dtanh": Rule("vv", _equal),
    "dsigmoid": Rule("vv", _equal),
    "dot": Rule("vv", _equal),
    "sum": Rule("v"),
    "mean": Rule("v"),
    "softmax": Rule("v"),
    "expand": Rule("e", _size, repeats=True),
    "concat": Rule("v+", repeats=True),
    "slice": Rule("v", _limits(0)),
    "transpose": Rule("m"),
    "rows": Rule("m+", lambda data, shapes: not data and len({columns for _, columns in shapes}) == 1),
    "columns": Rule("m", _limits(1)),
    **{
        name: Rule("e" * entry.arity, _numbers({"pow": 1}.get(name, entry.constants)))
        for name, entry in ELEMENTWISE.items()
    },
}


def validate(program: Mapping[str, Any]) -> None:
    """Check a program, given as plain data (``Program.to_dict``).

    Raises:
        ProgramError: something is missing, of the wrong type, used before it is defined or in the wrong phase, or of a
            shape that does not fit; the message names the instruction.
    """
    if not isinstance(program, Mapping) or {*program} != {*FIELDS, *PHASES, "precision"}:
        raise ProgramError(f"A program has exactly the fields {', '.join((*FIELDS, *PHASES, 'precision'))}.")
    if program["precision"] not in PRECISIONS:
        found = program["precision"]
        raise ProgramError(f"The precision of a program is {found!r}; it can be {' or '.join(PRECISIONS)}.")
    for name in (*FIELDS, *PHASES):
        if not isinstance(program[name], list | tuple):
            raise ProgramError(f"The field {name} of a program is a list, not {type(program[name]).__name__}.")
    _Check(program).run()


@dataclass
class _Check:
    program: Mapping[str, Any]
    kinds: dict[int, str] = field(default_factory=dict)  # value → what it is, once it is defined

    def run(self) -> None:
        p = self.program
        for each in p["shapes"]:
            self._need(_shape(each), f"{each!r} is no shape: one or two positive whole numbers")
        self._need(len(p["ids"]) == len(p["inputs"]), "ids has one entry for each input")
        self._need(len(p["previous"]) == len(p["following"]) == len(p["initial"]), "states are listed unevenly")
        for value in p["parameters"]:
            self._define(value, STATIC, "parameter")
        for instruction in p["static"]:
            self._instruction(instruction, "static")
        for value, ids in zip(p["inputs"], p["ids"], strict=True):
            self._need(isinstance(ids, bool), f"{ids!r} in ids is neither true nor false")
            self._define(value, IDS if ids else STEP, "input", 1)
        for instruction in p["before"]:
            self._instruction(instruction, "before")
        self._need(p["previous"] or not p["loop"], "there is a loop but no state")
        for value in p["previous"]:
            self._define(value, STEP, "state", 1)
        for instruction in p["loop"]:
            self._instruction(instruction, "loop")
        for before, after, first in zip(p["previous"], p["following"], p["initial"], strict=True):
            self._state(before, after, first)
        for instruction in p["after"]:
            self._instruction(instruction, "after")
        for value in p["outputs"]:
            self._need(self._kind(value) == STEP, f"output {value!r} is no step value that is computed")

    def _state(self, before: int, after: Any, first: Any) -> None:
        own = self._shape(before)
        self._need(self._kind(after) == STEP, f"state {before} is followed by {after!r}, which is no step value")
        self._need(self._shape(after) == own, f"state {before} is followed by {after}, which has another shape")
        if not isinstance(first, float):
            self._need(
                self._kind(first) == STATIC and self._shape(first) == own,
                f"state {before} starts from {first!r}, which is neither a float nor a static value of its shape",
            )

    def _instruction(self, instruction: Any, phase: str) -> None:
        self._need(
            isinstance(instruction, Mapping) and {*instruction} == INSTRUCTION, f"{instruction!r} is no instruction"
        )
        op, args, data = instruction["op"], instruction["args"], instruction["data"]
        here = f"{phase}: {instruction['out']!r} = {op}{args!r}"
        rule = RULES.get(op) if isinstance(op, str) else None
        if rule is None:
            raise ProgramError(f"{here}: there is no operation {op!r}; there are {', '.join(RULES)}.")
        lists = isinstance(args, list | tuple) and isinstance(data, list | tuple)
        self._need(lists, f"{here}: args and data are lists")
        kinds, shapes = [self._kind(value) for value in args], [self._shape(value) for value in args]
        takes = rule.takes[0] * max(1, len(args)) if rule.takes.endswith("+") else rule.takes
        fits = len(takes) == len(args) and all(map(_fits, takes, kinds, shapes))
        self._need(fits, f"{here}: {op} does not take {', '.join(kinds) or 'nothing'}")
        self._need(set(kinds) != {NUMBER} or op == "expand", f"{here}: numbers alone are computed when compiling")
        known = op == "affine" and phase != "static" and kinds[-1] == STATIC
        self._need(not known, f"{here}: this product is the same at every step")
        self._need(rule.data(list(data), shapes), f"{here}: the constants {data!r} or the shapes {shapes} do not fit")
        kind = self._result(op, rule, kinds, phase)
        self._need(phase == "static" or kind == STEP, f"{here}: this is the same at every step")
        self._define(instruction["out"], kind, here)
        wanted = _result_shape(op, list(data), shapes)
        self._need(
            self._shape(instruction["out"]) == wanted, f"{here}: the result has the shape {wanted}, which is not stated"
        )

    def _result(self, op: str, rule: Rule, kinds: list[str], phase: str) -> str:
        if op == "number":
            self._need(phase == "static", f"{phase}: numbers are static")
            return NUMBER
        step = STEP in kinds or IDS in kinds or (rule.repeats and phase != "static")
        return STEP if step else STATIC

    def _define(self, value: Any, kind: str, what: str, dimensions: int | None = None) -> None:
        shapes = self.program["shapes"]
        self._need(_whole(value) and 0 <= value < len(shapes), f"{what}: there is no value {value!r}")
        self._need(value not in self.kinds, f"{what}: value {value} is defined twice")
        self._need(dimensions in (None, len(shapes[value])), f"{what}: value {value} is no vector")
        self.kinds[value] = kind

    def _kind(self, value: Any) -> str:
        self._need(_whole(value) and value in self.kinds, f"value {value!r} is used before it is defined")
        return self.kinds[value]

    def _shape(self, value: int) -> Shape:
        return tuple(self.program["shapes"][value])

    def _need(self, holds: object, message: str) -> None:
        if not holds:
            raise ProgramError(f"This program does not hold together: {message}.")


def _fits(takes: str, kind: str, size: Shape) -> bool:
    if takes == "i" or kind == IDS:
        return takes == "i" and kind == IDS
    if kind == NUMBER:
        return takes == "e"
    return len(size) == 2 and kind == STATIC if takes == "m" else len(size) == 1


def _result_shape(op: str, data: list[Any], shapes: Sequence[Shape]) -> Shape:
    if op in ("product", "affine", "lookup"):
        rows, columns = shapes[-2]
        return (columns,) if data else (rows,)
    if op in ("dtanh", "dsigmoid"):
        return shapes[0]
    return shape(Expression(op, (), tuple(data)), *shapes)


def _shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) in (1, 2) and all(_whole(n) and n >= 1 for n in value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
