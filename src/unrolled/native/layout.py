"""Where each value of a call lives, so that as little as possible is copied.

A *line* is a row of neighbouring columns with room for one or several values. Lines of values that someone reads
beyond their own list, or at another step, are arrays with a row for each row of the packed sequences; the others are
registers.

1. A slice is columns of what it is cut from.
2. The parts of a concatenation are computed where they belong, if they have no other place yet: a line may become the
   window of several concatenations (the gradients of gates that two products read).
3. What a product adds to is overwritten with the sum, and an operand with the result of an elementwise operation, where
   nobody reads it afterwards: activations replace projections.
4. What becomes a state is computed in the state's place, where the state is not read any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from unrolled.equations.operations import ELEMENTWISE
from unrolled.native.work import Work
from unrolled.program.instructions import Instruction

IN_PLACE = frozenset({*ELEMENTWISE, "dtanh", "dsigmoid", "expand"} - {"scale"})
Time = tuple[float, int]  # list and place in it
_END: Time = (inf, 0)


@dataclass
class Line:
    """Where ``columns`` says for each value in it at which column it begins, perhaps before 0."""

    columns: dict[int, int] = field(default_factory=dict)
    rows: bool = False  # an array
    state: int | None = None  # the state in whose place the one value of this line is computed


class Layout:
    """The lines of all values that a work computes."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.roots: dict[int, tuple[int, int]] = {}  # a slice → what it is cut from, and where
        self.born: dict[int, Time] = {}
        self.uses: dict[int, list[Time]] = {}
        self.lines: dict[int, Line] = {}
        self.shape = work.shapes
        self._survey()
        for time, instruction in self._instructions():
            if instruction.op == "concat":
                self._gather(time, instruction)
        for index, (previous, following) in enumerate(work.states):
            if not work.stepwise[index]:
                self._replace_state(index, previous, following)
        for time, instruction in self._instructions():
            if instruction.op == "affine" or instruction.op in IN_PLACE:
                self._overwrite(time, instruction)

    def find(self, value: int) -> tuple[Line | None, int]:
        """The line of ``value`` and its first column; no line for what is given."""
        root, at = self.roots.get(value, (value, 0))
        line = self.lines.get(root)
        return line, at + (line.columns[root] if line else 0)

    def width(self, value: int) -> int:
        """Columns of a vector."""
        return self.shape[value][0]

    def last_use(self, line: Line, low: float = -inf, high: float = inf) -> Time:
        """When columns from ``low`` to ``high`` of a line are read for the last time."""
        values = self._overlapping(line, low, high)
        return max((t for value in values for t in self.uses.get(value, [])), default=(-1, 0))

    # ── the steps ────────────────────────────────────────────────────────────────────────────────────────────

    def _instructions(self) -> Iterator[tuple[Time, Instruction]]:
        for number, instructions in enumerate(self.work.lists):
            for place, instruction in enumerate(instructions):
                yield (number, place), instruction

    def _survey(self) -> None:
        work = self.work
        for time, instruction in self._instructions():
            self.born[instruction.out] = time
            if instruction.op == "slice":  # reads nothing itself
                root, at = self.roots.get(instruction.args[0], (instruction.args[0], 0))
                self.roots[instruction.out] = root, at + instruction.data[0]
                continue
            self.lines[instruction.out] = Line({instruction.out: 0})
            for argument in instruction.args:
                self.uses.setdefault(argument, []).append(time)
        for value in work.wanted:
            self.uses.setdefault(value, []).append(_END)
        for stepwise, (_, following) in zip(work.stepwise, work.states, strict=True):
            self.uses.setdefault(following, []).append(_END)
            if stepwise:
                self._to_rows(following)
        passing = {following for _, following in work.states} - work.wanted
        for value, uses in self.uses.items():
            root, _ = self.roots.get(value, (value, 0))
            if root in self.lines and any(
                t[0] != self.born[root][0] for t in uses if t != _END or value not in passing
            ):
                self._to_rows(value)

    def _to_rows(self, value: int) -> None:
        line, _ = self.find(value)
        if line:
            line.rows = True

    def _overlapping(self, line: Line, low: float, high: float) -> Iterator[int]:
        """All values with columns there: those of the line and what is cut from them."""
        for value in (*line.columns, *(v for v, (root, _) in self.roots.items() if root in line.columns)):
            at = line.columns.get(value)
            if at is None:
                at = self.find(value)[1]
            if at < high and at + self.width(value) > low:
                yield value

    def _gather(self, time: Time, concat: Instruction) -> None:
        """Move the parts of a concatenation to their places in it."""
        target, at = self.lines[concat.out], self.lines[concat.out].columns[concat.out]
        for low, width, line, column in self._pieces(concat):
            shift = at + low - column
            end = at + self.width(concat.out)
            free = [(a, b) for a, b in ((at, at + low), (at + low + width, end)) if a < b]  # where other pieces will be
            if not all(self.lines[v] is line for v in line.columns) or not self._same_list(time, target, line):
                continue
            placed = [(c + shift, c + shift + self.width(v)) for v, c in line.columns.items()]
            there = [(c, c + self.width(v)) for v, c in target.columns.items() if v != concat.out]
            if any(a < d and c < b for a, b in placed for c, d in (*free, *there)):
                continue
            for value, c in line.columns.items():
                self.lines[value] = target
                target.columns[value] = c + shift
            target.rows |= line.rows

    def _pieces(self, concat: Instruction) -> Iterator[tuple[int, int, Line, int]]:
        """(first column in the concatenation, width, line, column in the line) of parts that have lines; neighbours
        of one line are one piece."""
        at, pieces = 0, list[tuple[int, int, Line, int]]()
        for part in concat.args:
            width = self.width(part)
            line, column = self.find(part)
            low, before, other, first = pieces[-1] if pieces else (0, 0, None, 0)
            if other and line is other and (at, column) == (low + before, first + before):
                pieces[-1] = low, before + width, other, first
            elif line:
                pieces.append((at, width, line, column))
            at += width
        yield from pieces

    def _same_list(self, time: Time, *lines: Line) -> bool:
        """Registers are met in their own list only."""
        born = {self.born[value][0] for line in lines for value in line.columns}
        return any(line.rows for line in lines) or born == {time[0]}

    def _overwrite(self, time: Time, instruction: Instruction) -> None:
        out, width = self.lines[instruction.out], self.width(instruction.out)
        if len(out.columns) > 1 or out.state is not None:
            return
        product = instruction.op == "affine"
        for argument in instruction.args[:1] if product else instruction.args:
            line, column = self.find(argument)
            if line is None or line.state is not None or self.width(argument) != width:
                continue
            if line.rows != out.rows and not (line.rows and product):
                continue
            unread = self.last_use(line, column, column + width) <= time
            if unread and not self._disturbs(time, instruction, line, column):
                self.lines[instruction.out] = line
                line.columns[instruction.out] = column
                return

    def _disturbs(self, time: Time, instruction: Instruction, line: Line, column: int) -> bool:
        """Would writing there hurt what the instruction itself reads, or be overwritten by what comes later?"""
        low, high = column, column + self.width(instruction.out)
        for n, argument in enumerate(instruction.args):
            other, at = self.find(argument)
            same = at == low and self.width(argument) == high - low
            whole = instruction.op in IN_PLACE or n == 0  # read element by element
            if other is line and at < high and at + self.width(argument) > low and not (same and whole):
                return True
        return any(v in line.columns and self.born[v] > time for v in self._overlapping(line, low, high))

    def _replace_state(self, index: int, previous: int, following: int) -> None:
        line, born = self.lines[following], self.born[following]
        if line.rows or len(line.columns) > 1 or any(root == following for root, _ in self.roots.values()):
            return
        instruction = self.work.loop[born[1]]
        cut = {v for v, (root, _) in self.roots.items() if root == previous}
        last = max((t for v in (previous, *cut) for t in self.uses.get(v, [])), default=(-1, 0))
        read_whole = cut | ({previous} if instruction.op not in IN_PLACE else set())
        by_element = instruction.args[:1] if instruction.op == "affine" else ()
        harmless = by_element == (previous,) and read_whole.isdisjoint(instruction.args[1:])
        if last < born or (last == born and (harmless or read_whole.isdisjoint(instruction.args))):
            line.state = index
