"""Systems made from Systems: a read-out or an embedding added, core and read-out taken apart."""

from __future__ import annotations

from collections.abc import Iterable

from unrolled.equations.elaboration import system
from unrolled.equations.expression import BEFORE, NOW, Expression, substitute, symbol, symbols
from unrolled.equations.printing import symbol_text, text
from unrolled.equations.system import System
from unrolled.errors import EquationError


def with_readout(recurrence: System) -> System:
    """``recurrence`` with o = V h + c (in letters that are free) where it has no output.

    >>> from unrolled.equations.library import load
    >>> print(with_readout(load("irnn")))
    h_t = relu(U x_t + W h_{t-1} + b)
    o_t = V h_t + c
    """
    if recurrence.outputs:
        return recurrence
    if not recurrence.states:
        raise EquationError("A read-out needs a state to read, and these equations have none.")
    taken = _taken(recurrence)
    output, matrix, bias = _free("oyzuq", taken), _free("VQPRS", taken), _free("cdeb", taken)
    state = symbol_text(recurrence.states[-1], NOW)
    line = f"{symbol_text(output, NOW)} = {symbol_text(matrix, None)} {state} + {symbol_text(bias, None)}"
    return system(f"{recurrence}\n{line}")


def with_embedding(recurrence: System) -> tuple[System, str]:
    """``recurrence`` reading E x instead of its one input x, and the name of the embedding's size."""
    if len(recurrence.inputs) != 1:
        raise EquationError(f"An embedding needs exactly one input; here there are {len(recurrence.inputs)}.")
    (name,) = recurrence.inputs
    taken = _taken(recurrence)
    embedding, matrix = _free("edqv", taken), _free("EDQ", taken)
    replaced = {symbol(name, NOW): symbol(embedding, NOW)}
    first = f"{symbol_text(embedding, NOW)} = {symbol_text(matrix, None)} {symbol_text(name, NOW)}"
    kept = [(n, substitute(right, replaced)) for n, right in recurrence.equations]
    return _compose(recurrence, kept, recurrence.outputs, [first], always=bool(recurrence.outputs)), embedding


def split(recurrence: System) -> tuple[System, System | None]:
    """The core (what the states need) and the read-out, a System without states whose inputs are core sequences.

    The read-out is None where there is none, or where it cannot stand alone: it also reads an input or a state one step
    before, or shares a parameter with the core or its first states.
    """
    core = {symbol(name, NOW) for name in _core(recurrence)}
    rest = [(name, right) for name, right in recurrence.equations if symbol(name, NOW) not in core]
    leaves = [leaf for leaf in symbols(right for _, right in rest) if leaf.data[1] is not None]
    outside = [leaf for leaf in leaves if leaf.data[1] == BEFORE or leaf.data[0] in recurrence.inputs]
    of_core = [right for name, right in recurrence.equations if symbol(name, NOW) in core]
    inside = {leaf.data[0] for leaf in symbols([*of_core, *(first for _, first in recurrence.initial)])}
    shared = {leaf.data[0] for leaf in symbols(right for _, right in rest) if leaf.data[1] is None} & inside
    if (
        not rest
        or outside
        or shared & {*recurrence.parameters}
        or any(symbol(name, NOW) in core for name in recurrence.outputs)
    ):
        return recurrence, None
    readout = _compose(recurrence, rest, recurrence.outputs, [], always=True)
    kept = [(name, right) for name, right in recurrence.equations if symbol(name, NOW) in core]
    return _compose(recurrence, kept, readout.inputs, [], always=True), readout


def core_of(recurrence: System, outputs: Iterable[str]) -> System:
    """Only what the states and ``outputs`` need, returning ``outputs``."""
    wanted = set(_core(recurrence, outputs))
    kept = [(name, right) for name, right in recurrence.equations if name in wanted]
    return _compose(recurrence, kept, tuple(outputs), [], always=True)


def read_states(recurrence: System) -> tuple[str, ...]:
    """What goes up in a stack: the states that the read-out reads, else the last state."""
    core = _core(recurrence)
    rest = [right for name, right in recurrence.equations if name not in core]
    read = [leaf.data[0] for leaf in symbols(rest) if leaf.data[1] == NOW and leaf.data[0] in recurrence.states]
    return tuple(dict.fromkeys(read)) or recurrence.states[-1:]


def _core(recurrence: System, also: Iterable[str] = ()) -> set[str]:
    """The defined names that the states (and ``also``) need."""
    definitions, needed = recurrence.definitions, set()  # type: dict[str, Expression], set[str]
    stack = [*recurrence.states, *also]
    while stack:
        name = stack.pop()
        if name not in needed:
            needed.add(name)
            stack += [leaf.data[0] for leaf in symbols([definitions[name]]) if leaf.data[0] in definitions]
    return needed


def _compose(
    recurrence: System, equations: list[tuple[str, Expression]], outputs: Iterable[str], before: list[str], always: bool
) -> System:
    """A System of some of the equations, with the constants, first values and declarations that they need."""
    defined = [name for name, _ in equations]
    used = {leaf.data[0] for leaf in symbols(right for _, right in equations)} | set(defined)
    words = [name for name, kind in recurrence.declarations if kind == "name"]
    lines = [f"{name} : {kind}" for name, kind in recurrence.declarations if kind != "output" and name in used]
    lines += [f"{symbol_text(name, None)} = {value!r}" for name, value in recurrence.constants if name in used]
    lines += before + [f"{symbol_text(name, NOW)} = {text(right)}" for name, right in equations]
    states = {leaf.data[0] for leaf in symbols(right for _, right in equations) if leaf.data[1] == BEFORE}
    lines += [f"{letter}_{{-1}} = {text(value)}" for letter, value in recurrence.initial if letter in states]
    return system("\n".join(lines), tuple(outputs) if always else None, words)


def _taken(recurrence: System) -> set[str]:
    names = {*recurrence.sequences, *recurrence.parameters, *(name for name, _ in recurrence.constants)}
    return names | set(recurrence.free_sizes)


def _free(letters: str, taken: set[str]) -> str:
    return next((letter for letter in letters if letter not in taken), f"{letters[0]}'")
