"""A program: numbered values and the instruction lists that compute them. No names, no code: plain data.

Values are numbered; each has a shape without time and batch: (n,) for a vector (a scalar is (1,)), (m, n) for a matrix.
A *static* value exists once, a *step* value once per time step and sequence of the batch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from unrolled.program.validation import PRECISIONS, validate

Shape = tuple[int, ...]
LISTS = ("static", "before", "loop", "after")


@dataclass(frozen=True)
class Instruction:
    """``out`` ← ``op``(args); ``data`` holds constants such as the limits of a slice."""

    op: str
    out: int
    args: tuple[int, ...] = ()
    data: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Program:
    """The forward computation of one recurrence.

    ``shapes[v]`` is the shape of value v. ``inputs`` are step values (``ids`` tells which are integer symbols instead
    of vectors), ``parameters`` static ones. State i is ``previous[i]`` before a step and ``following[i]`` after it, and
    starts from ``initial[i]``: a float, or an int that names a static value. The lists run in this order: ``static``
    once, ``before`` for all steps at once, ``loop`` step by step, ``after`` for all steps at once.

    ``precision`` "bf16": what the products of steps multiply is first rounded to bfloat16, forward and backward; their
    sums, and everything else, are of the dtype of the call ("fp32").
    """

    shapes: tuple[Shape, ...]
    inputs: tuple[int, ...]
    ids: tuple[bool, ...]
    parameters: tuple[int, ...]
    previous: tuple[int, ...]
    following: tuple[int, ...]
    initial: tuple[float | int, ...]  # an int is a static value, a float a number
    outputs: tuple[int, ...]
    static: tuple[Instruction, ...]
    before: tuple[Instruction, ...]
    loop: tuple[Instruction, ...]
    after: tuple[Instruction, ...]
    precision: str = PRECISIONS[0]
    text: str = field(init=False, compare=False, repr=False)  # the program as JSON, as an operator carries it

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", json.dumps(self.to_dict(), separators=(",", ":")))

    def __hash__(self) -> int:
        return hash(self.text)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        values = {each.name: getattr(self, each.name) for each in fields(self) if each.init}
        return {name: [asdict(i) for i in value] if name in LISTS else value for name, value in values.items()}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Program:
        """The program that ``to_dict`` described.

        Raises:
            ProgramError: this is no program, or one that does not hold together.
        """
        if isinstance(data, Mapping):
            data = {"precision": PRECISIONS[0], **data}  # programs were saved before there was a choice
        validate(data)
        lists = {key: tuple(_instruction(item) for item in data[key]) for key in LISTS}
        plain = ("inputs", "ids", "parameters", "previous", "following", "initial", "outputs")
        shapes = tuple(tuple(shape) for shape in data["shapes"])
        given: dict[str, Any] = {key: tuple(data[key]) for key in plain} | lists
        return Program(shapes=shapes, precision=data["precision"], **given)


@dataclass(frozen=True, eq=False)
class Adjoint:
    """The reverse computation of one Program; value numbers go on where the program's end.

    ``saved`` are the forward step values that it reads. ``seeds[i]`` is the adjoint of output i, ``carry[i]`` that of
    state i after a step, ``carry_out[i]`` that of state i before it (None: zero). The lists run in this order:
    ``fixed``, what needs static values only, once; ``after`` for all steps at once; ``loop`` step by step backwards;
    ``before`` for all steps at once; ``static`` once. ``stored`` are the step values of the loop that ``before`` reads.
    ``inputs`` and ``parameters`` name the gradients (None: not asked for, or zero). The gradient of a first state is
    the carry that leaves the loop.
    """

    shapes: tuple[Shape, ...]
    saved: tuple[int, ...]
    seeds: tuple[int, ...]
    carry: tuple[int, ...]
    carry_out: tuple[int | None, ...]
    stored: tuple[int, ...]
    inputs: tuple[int | None, ...]
    parameters: tuple[int | None, ...]
    fixed: tuple[Instruction, ...]
    after: tuple[Instruction, ...]
    loop: tuple[Instruction, ...]
    before: tuple[Instruction, ...]
    static: tuple[Instruction, ...]


def _instruction(item: Mapping[str, Any]) -> Instruction:
    return Instruction(item["op"], item["out"], tuple(item["args"]), tuple(item["data"]))
