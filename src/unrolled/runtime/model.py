"""A model as its compiled programs and their parameters.

Shapes: B streams side by side; symbols (number, B) int64; a state (B, n).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigurationError, DataError, ProgramError
from unrolled.native import static
from unrolled.native.core import HALVES, NUMBERS, QUARTERS, Core
from unrolled.native.work import IDS, ROW, Work, numbers, own_states
from unrolled.native.writing import Sampling, Writer
from unrolled.program.instructions import Instruction, Program

Array = NDArray[Any]
PRECISIONS = {"fp32": NUMBERS, "bf16": HALVES, "int8": QUARTERS}
States = tuple[Array, ...]


@dataclass(frozen=True)
class Written:
    """Symbols (count, B) with the probabilities with which they were drawn, and the states after all but the last.

    None for both where a logit was not finite.
    """

    states: States
    symbols: Array | None
    probabilities: Array | None


class Model:
    """A language model: ids go in, the logits of the next symbol come out of it.

    Args:
        description: what ``nn.Recurrent.programs()`` gives, and a run keeps as program.json.
        arrays: the parameters by name, float32 or float64.
        core: the native core.
        threads: at most so many.
        precision: "fp32"; "bf16": products round what they multiply to bfloat16; "int8": to whole numbers of 8 bits,
            with a scale for each row of a matrix and for each vector. A symbol reads half and a quarter as many bytes
            of weights then, which is what writing one text spends its time on; sums, states and all else are float32.
            None: the precision in which the model was trained.

    Raises:
        ProgramError: these programs do not write symbols, or a parameter is missing or of another shape.
        ConfigurationError: there is no such precision for these parameters.
    """

    def __init__(
        self, description: Mapping[str, Any], arrays: Mapping[str, Array], core: Core, threads: int = 1,
        precision: str | None = None,
    ) -> None:  # fmt: skip
        if description.get("directions") != 1:
            raise ProgramError("This model reads its text in both directions: it cannot write.")
        step = _Step()
        values: dict[int, Any] = {}
        dtype = next(iter(arrays.values())).dtype
        programs = [Program.from_dict(part["program"]) for part in description["parts"]]
        precision = precision or (programs[0].precision if programs and dtype == np.float32 else "fp32")
        if precision not in PRECISIONS:
            raise ConfigurationError(f"The precision is {precision!r}; it can be {', '.join(PRECISIONS)}.")
        if precision != "fp32" and dtype != np.float32:
            raise ConfigurationError(f"The parameters are {dtype}, and {precision} is a choice for float32 ones.")
        for program, part in zip(programs, description["parts"], strict=True):
            step.add(program, part, arrays, values, dtype)
        self.sizes, self.first = step.finish()
        self.dtype, self.precision = dtype, precision
        (self.symbols,) = step.shapes[step.ids]
        self._writer = Writer(core, threads, own_states(step.work()), values, dtype, PRECISIONS[precision])

    def start(self, streams: int) -> States:
        """The states (streams, n) of texts that begin."""
        states = [np.empty((streams, size), self.dtype) for size in self.sizes]
        for state, first in zip(states, self.first, strict=True):
            state[:] = first
        return tuple(states)

    def write(
        self, states: States, read: Array, count: int, choice: Sampling | None = None,
        streams: Sequence[int] | None = None, positions: Sequence[int] | None = None,
    ) -> Written:  # fmt: skip
        """Read symbols (given, B), at least one, then write ``count`` more.

        Stream i draws with the numbers that belong to (seed, streams[i], positions[i] and on): by default streams
        0 … B−1 from position 0. The given states stay as they are.
        """
        batch = read.shape[1]
        if any(state.shape[0] != batch for state in states):
            raise DataError(f"The states are those of {states[0].shape[0]} streams, and {batch} read something.")
        own = tuple(np.array(state, order="C") for state in states)
        found = self._writer.write(
            own, read, count, choice or Sampling(),
            np.arange(batch) if streams is None else np.array(streams, np.uint64),
            np.zeros(batch, np.uint64) if positions is None else np.array(positions, np.uint64),
        )  # fmt: skip
        return Written(own, *(found or (None, None)))


class _Step:
    """The programs of a model, one after the other, as one step."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.loop: list[Instruction] = []
        self.states: list[tuple[int, int]] = []
        self.first: list[Any] = []
        self.given: dict[int, int] = {}
        self.numbers: dict[int, float] = {}
        self.results: dict[str, int] = {}  # what the part before computed
        self.ids = -1

    def add(
        self, program: Program, part: Mapping[str, Any], arrays: Mapping[str, Array], values: dict[int, Any],
        dtype: np.dtype[Any],
    ) -> None:  # fmt: skip
        """Add a program that reads the results of the one before; static values go to ``values``."""
        base = len(self.shapes)
        self.shapes += program.shapes
        new = {v: base + v for v in range(len(program.shapes))}
        own: dict[int, Any] = {}
        for value, name in zip(program.parameters, part["parameters"], strict=True):
            if name not in arrays or arrays[name].size != np.prod(program.shapes[value], dtype=int):
                raise ProgramError(f"The parameter {name} is missing, or of another shape than the program says.")
            own[value] = np.asarray(arrays[name], dtype).reshape(program.shapes[value])
        static.compute(program.static, own, dtype)
        self._inputs(program, part["inputs"], new)
        fixed = numbers(program)
        self.numbers |= {new[v]: number for v, number in fixed.items()}
        self.given |= {new[v]: ROW for v in own}
        values |= {new[v]: value for v, value in own.items() if v not in fixed}
        for instruction in (*program.before, *program.loop, *program.after):
            self.loop.append(
                replace(instruction, out=new[instruction.out], args=tuple(new[a] for a in instruction.args))
            )
        self.states += [(new[a], new[b]) for a, b in zip(program.previous, program.following, strict=True)]
        self.first += [own[each] if isinstance(each, int) else each for each in program.initial]
        self.results = {name: new[v] for name, v in zip(part["outputs"], program.outputs, strict=True)}

    def _inputs(self, program: Program, names: Sequence[str], new: dict[int, int]) -> None:
        if self.ids < 0:
            if program.ids != (True,):
                raise ProgramError("This model reads no symbols: it cannot write.")
            self.ids = new[program.inputs[0]]
            self.given[self.ids] = IDS
        elif len(names) == 1 and names[0] not in self.results:  # what goes up from level to level, joined
            joined = new[program.inputs[0]]
            self.loop.append(Instruction("concat", joined, tuple(self.results.values())))
        else:
            for value, name in zip(program.inputs, names, strict=True):
                new[value] = self.results[name]

    def finish(self) -> tuple[list[int], list[Any]]:
        """Keep the logits as a last state; the sizes and first values of all states."""
        if len(self.results) != 1:
            raise ProgramError("This model has several outputs: it cannot write.")
        (logits,) = self.results.values()
        unread = len(self.shapes)
        self.shapes.append(self.shapes[logits])
        self.states.append((unread, logits))
        self.first.append(0.0)
        return [self.shapes[previous][0] for previous, _ in self.states], self.first

    def work(self) -> Work:
        """All of it as the loop of one step."""
        return Work(
            tuple(self.shapes), self.given, self.numbers, (), tuple(self.loop), (), tuple(self.states),
            (False,) * len(self.states), frozenset(), (),
        )  # fmt: skip
