"""What one call of the core computes: three instruction lists, of which the middle one runs step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from unrolled.program.instructions import Adjoint, Instruction, Program, Shape

STEP, AFTER, BEFORE, BATCH, ROW, REGISTER, NUMBER, IDS, MATRIX, PACKED = range(10)  # as in csrc/unrolled.h

Instructions = tuple[Instruction, ...]
REDUCTIONS = ("outer", "total", "scatter")  # sums over the rows of all steps
_ALWAYS_STEP = ("zeros", "expand", "concat", "one_hot", "lookup")


@dataclass(frozen=True)
class Work:
    """``given`` tells of each value from outside whether it is STEP, IDS or static (ROW).

    State i is ``states[i][0]`` before a step and ``states[i][1]`` after it. If it is ``stepwise``, all its values are
    kept, one row for each row of the packed sequences after those of the first states, else only the present one.
    ``wanted`` is what someone reads when all is done.
    """

    shapes: tuple[Shape, ...]
    given: Mapping[int, int]
    numbers: Mapping[int, float]
    first: Instructions
    loop: Instructions
    last: Instructions
    states: tuple[tuple[int, int], ...]
    stepwise: tuple[bool, ...]
    wanted: frozenset[int]
    sums: Instructions
    backward: bool = False
    kept: Mapping[int, int] = field(default_factory=dict)  # what goes from step to step → its copy for all steps

    @property
    def lists(self) -> tuple[Instructions, Instructions, Instructions]:
        """All three, in the order in which they run."""
        return self.first, self.loop, self.last


def forward_work(program: Program, save: Sequence[int], dense: bool) -> Work:
    """The forward pass that leaves outputs and the step values ``save``; ``dense``: all sequences are of one length."""
    p = program
    given = _given(program) | dict.fromkeys((i.out for i in p.static), ROW)
    wanted = frozenset((*p.outputs, *save))
    read_later = wanted | {a for i in p.after for a in i.args}
    roots = _roots(p.loop)
    whole = {roots.get(v, v) for v in read_later}
    stepwise = tuple(not whole.isdisjoint(pair) for pair in zip(p.previous, p.following, strict=True))
    states = tuple(zip(p.previous, p.following, strict=True))
    loop = p.loop if p.previous else ()
    work = Work(p.shapes, given, numbers(p), p.before, loop, p.after, states, stepwise, wanted, ())
    if not dense:  # the rows before each step are no neighbours then
        work = _keep(work, sorted(v for v in read_later if roots.get(v, v) in p.previous))
    return own_states(work)


def backward_work(program: Program, adjoint: Adjoint) -> tuple[Work, Instructions]:
    """The reverse pass, and the static instructions that are computed from its sums."""
    p, a = program, adjoint
    given = _given(program) | dict.fromkeys((i.out for i in (*p.static, *a.fixed)), ROW)
    given |= dict.fromkeys((v for v in (*a.saved, *a.seeds) if given.get(v) != IDS), STEP)
    step = {v for v, kind in given.items() if kind in (STEP, IDS)}
    after, sums_after = _divide(a.after, a.shapes, step)
    before, sums_before = _divide(a.before, a.shapes, step | set(a.stored))
    sums = (*sums_after, *sums_before)
    reductions = tuple(i for i in sums if i.op in REDUCTIONS)
    wanted = {v for v in a.inputs if v is not None} | {v for i in reductions for v in i.args}
    shapes, loop = list(a.shapes), list(a.loop)
    states = []
    for carry, out in zip(a.carry, a.carry_out, strict=True):
        if out is None:
            out = len(shapes)
            shapes.append(shapes[carry])
            loop.append(Instruction("zeros", out, (), shapes[carry]))
        states.append((carry, out))
    work = Work(
        tuple(shapes), given, numbers(p, a), after, tuple(loop) if a.carry else (), before, tuple(states),
        (False,) * len(states), frozenset(wanted), reductions, backward=True,
    )  # fmt: skip
    roots = _roots(a.loop)
    work = _keep(work, [v for v in a.stored if roots.get(v, v) in a.carry])
    return own_states(work), tuple(i for i in sums if i.op not in REDUCTIONS)


def numbers(program: Program, adjoint: Adjoint | None = None) -> dict[int, float]:
    """The static values that are mere numbers."""
    lists = (program.static, adjoint.fixed) if adjoint else (program.static,)
    return {i.out: i.data[0] for each in lists for i in each if i.op == "number"}


def _given(program: Program) -> dict[int, int]:
    inputs = {v: IDS if ids else STEP for v, ids in zip(program.inputs, program.ids, strict=True)}
    return dict.fromkeys(program.parameters, ROW) | inputs


def _divide(
    instructions: Sequence[Instruction], shapes: Sequence[Shape], step: set[int]
) -> tuple[Instructions, Instructions]:
    """What is computed for each step (added to ``step``), and the sums over steps with what is made of them."""
    by_step, sums = [], []
    for instruction in instructions:
        each = instruction.op in _ALWAYS_STEP or not step.isdisjoint(instruction.args)
        if each and instruction.op not in REDUCTIONS and len(shapes[instruction.out]) == 1:
            by_step.append(instruction)
            step.add(instruction.out)
        else:
            sums.append(instruction)
    return tuple(by_step), tuple(sums)


def _roots(instructions: Instructions) -> dict[int, int]:
    """Of each slice, and slice of a slice, what it is cut from."""
    roots: dict[int, int] = {}
    for instruction in instructions:
        if instruction.op == "slice":
            whole = instruction.args[0]
            roots[instruction.out] = roots.get(whole, whole)
    return roots


def _keep(work: Work, states: Sequence[int]) -> Work:
    """Copies, in the loop, of what goes from step to step, or of a slice, for who reads it for all steps at once."""
    shapes, copies, kept = list(work.shapes), [], {}
    for state in states:
        kept[state] = len(shapes)
        shapes.append(shapes[state])
        copies.append(Instruction("expand", kept[state], (state,), shapes[state]))
    return replace(
        work,
        shapes=tuple(shapes),
        loop=(*copies, *work.loop),
        last=tuple(_renamed(work.last, kept)),
        sums=tuple(_renamed(work.sums, kept)),
        wanted=frozenset(kept.get(v, v) for v in work.wanted),
        kept=kept,
    )


def _renamed(instructions: Sequence[Instruction], names: Mapping[int, int]) -> Iterator[Instruction]:
    for i in instructions:
        yield replace(i, args=tuple(names.get(a, a) for a in i.args))


def own_states(work: Work) -> Work:
    """Each state is what the loop computes for it alone: a state that becomes another value is copied."""
    computed = {i.out for i in work.loop if i.op not in ("slice", "concat")}
    shapes, loop, states, taken = list(work.shapes), list(work.loop), [], set[int]()
    for previous, following in work.states:
        if following in computed - taken:
            taken.add(following)
        else:
            following, source = len(shapes), following
            shapes.append(shapes[previous])
            loop.append(Instruction("expand", following, (source,), shapes[previous]))
        states.append((previous, following))
    return replace(work, shapes=tuple(shapes), loop=tuple(loop), states=tuple(states))
