"""A Network as data: stacked Systems, their directions, the read-out on top, and when it reads and emits.

A stack reads upwards. In each level one or two Systems run over the same sequence, forwards and backwards in time, and
what they hand up is joined, place by place, under the names of the one that runs forwards. On top the head, a System
without states, reads the last level. An encoder, a Network of its own, runs before; what it ends with is the context.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from unrolled.equations.extension import core_of, read_states, split, with_embedding
from unrolled.equations.system import System
from unrolled.errors import EquationError, SizeError

Direction = Literal["forward", "backward"]


@dataclass(frozen=True)
class Layer:
    """One System in one direction; ``suffix`` distinguishes its parameters from those of other layers."""

    system: System
    direction: Direction = "forward"
    suffix: str = ""

    @property
    def reads(self) -> str:
        """The input that a level above the first reads."""
        if len(self.system.inputs) != 1:
            raise EquationError(
                "A stacked layer reads one input, the layer below, but these equations have "
                f"{len(self.system.inputs)}: {', '.join(self.system.inputs) or 'none'}. "
                "Use one layer, or concatenate the inputs."
            )
        return self.system.inputs[0]


@dataclass(frozen=True)
class Network:
    """``levels`` from the bottom up, each with one Layer per direction; ``head`` reads the top, or is None.

    The Systems of the two directions may differ; they read inputs of the same names and hand up as many sequences.

    ``reads``: what the lowest level has for input: the data at "every" step or at the "first" alone, what was emitted
    at the "previous" step, the "context" vector at each, or "nothing". ``emits``: an output at "every" step, at the
    "last" alone, or "nothing". ``starts``: from the first state of its "own" equations, or from the "context". The
    context is the last state of the ``encoder`` where there is one, and given from outside otherwise. A network and its
    encoder whose layers carry the same names share their weights. ``length`` is the number of steps where it is fixed.
    """

    levels: tuple[tuple[Layer, ...], ...]
    head: System | None = None
    reads: Literal["every", "first", "previous", "context", "nothing"] = "every"
    emits: Literal["every", "last", "nothing"] = "every"
    starts: Literal["own", "context"] = "own"
    encoder: Network | None = None
    length: int | None = None

    @property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(layer for level in self.levels for layer in level)

    @property
    def directions(self) -> int:
        return len(self.levels[0])

    def sizes(self, plain: Sequence[tuple[System, Mapping[str, int]]], embedding: int | None = None) -> Sizes:
        """The sizes of every layer and of the head, from the ``plain`` equations of each direction and their sizes.

        Raises:
            SizeError: a size is missing or contradicts another.
        """
        free = [_known(system, given) for system, given in plain]
        found: list[list[dict[str, int]]] = []
        top: dict[str, tuple[int, ...]] = {}
        for number, level in enumerate(self.levels):
            found.append([])
            for layer, known in zip(level, free, strict=True):
                own = dict(known)
                if number == 0 and embedding is not None:
                    own[layer.system.equations[0][0]] = embedding
                if number:
                    below = sum(size for each in top.values() for size in each)
                    own = {name: size for name, size in own.items() if name != layer.reads} | {layer.reads: below}
                found[-1].append(_restricted(layer.system, own))
            top = _handed_up(level, found[-1])
        head = None
        if self.head is not None:
            wide = {name: sum(top[name]) for name in self.head.inputs}
            head = _restricted(self.head, {**free[0], **wide})
        return Sizes(tuple(tuple(level) for level in found), head, top)


@dataclass(frozen=True)
class Sizes:
    """Free sizes by name, for each layer of each level and for the head.

    ``top``: of each sequence that the last level hands up, the size in each direction.
    """

    levels: tuple[tuple[Mapping[str, int], ...], ...]
    head: Mapping[str, int] | None
    top: Mapping[str, tuple[int, ...]]


def shared_sizes(
    forward: System, backward: System, given: Mapping[str, int]
) -> tuple[dict[str, int], dict[str, int]]:  # fmt: skip
    """The sizes of each of two recurrences: what both have under one name, and is free in the second, is shared.

    Raises:
        SizeError: a size is that of neither, or does not fit the first.
    """
    names, others = _size_names(forward), _size_names(backward)
    unknown = next((name for name in given if name not in names | others), None)
    if unknown is not None:
        listed = ", ".join(sorted(names | others))
        raise SizeError(f"There is no size {unknown!r} here, forwards or backwards; the sizes are {listed}.")
    own = {name: size for name, size in given.items() if name in names}
    free = {*backward.free_sizes, *backward.inputs}
    shared = {name: size for name, size in _known(forward, own).items() if name in free}
    return own, shared | {name: size for name, size in given.items() if name in others - names}


def stack(
    system: System, num_layers: int = 1, bidirectional: bool = False, upward: Iterable[str] | None = None,
    embedding: bool = False, backward: System | None = None,
) -> Network:  # fmt: skip
    """The Network of ``num_layers`` levels of ``system``.

    What only reads the states is the read-out and belongs to the top; ``upward`` names what goes up (by default the
    states that the read-out reads, else the last state). With ``embedding`` the lowest level reads an embedding of
    its input. ``backward`` is what runs backwards (by default the same equations) below the read-out of ``system``: it
    hands up what has the same names, or else what its own read-out would read.

    Raises:
        EquationError: the equations cannot be stacked or reversed as asked; the message says why.
    """
    core, head = split(system)
    up = _goes_up(system) if upward is None else _named_upward(system, upward)
    bidirectional = bidirectional or backward is not None
    if head is None and bidirectional and any(name not in system.states for name in system.outputs):
        raise EquationError(
            "A bidirectional network reads both directions after they have run, so that its read-out may depend on the "
            "states alone (y_t = softmax(V h_t)). Here the output feeds back, reads the input, or shares a parameter."
        )
    top = core if head is not None else system if system.outputs else core_of(system, up)
    under = None if backward is None else backward_core(backward)
    levels = []
    for number in range(num_layers):
        own = top if number == num_layers - 1 else core_of(system, up)
        other = own if under is None else _opposite(own, under)
        if embedding and number == 0:
            own, other = (with_embedding(each)[0] for each in (own, other))
        single = num_layers == 1 and not bidirectional
        forward = Layer(own, "forward", "" if single else f"_l{number}")
        level = (forward, Layer(other, "backward", f"_l{number}_reverse")) if bidirectional else (forward,)
        if number:
            _ = forward.reads
        levels.append(level)
    return Network(tuple(levels), head)


def backward_core(system: System) -> System:
    """What of ``system`` runs backwards below the read-out of another: without its own, returning what that reads."""
    return core_of(system, _goes_up(system))


def _goes_up(system: System) -> tuple[str, ...]:
    return read_states(system) if system.states else system.outputs


def _named_upward(system: System, names: Iterable[str]) -> tuple[str, ...]:
    names = tuple(names)
    for name in names:
        if name not in system.definitions:
            raise EquationError(
                f"upward names {name}, which no equation defines; there are {', '.join(system.definitions)}."
            )
    return names


def _opposite(forward: System, backward: System) -> System:
    """What runs backwards beside ``forward``, handing up as many sequences."""
    if set(forward.inputs) != set(backward.inputs):
        raise EquationError(
            f"Both directions read the same: forwards {_listed(forward.inputs)}, but backwards "
            f"{_listed(backward.inputs)}. Give their inputs the same names."
        )
    names = forward.outputs
    if not set(names) <= backward.definitions.keys():
        names = backward.outputs
    if len(names) != len(forward.outputs):
        raise EquationError(
            f"What goes up stands side by side: forwards it is {_listed(forward.outputs)}, but backwards "
            f"{_listed(names)}. Let as many go up, or give them the same names."
        )
    return core_of(backward, names)


def _known(system: System, given: Mapping[str, int]) -> dict[str, int]:
    """The size of every sequence that is a vector, and those that were given."""
    shapes = system.resolve(given)
    return {name: shapes[name][0] for name in system.sequences if shapes[name]} | dict(given)


def _handed_up(level: Sequence[Layer], sizes: Sequence[Mapping[str, int]]) -> dict[str, tuple[int, ...]]:
    """The size of what goes up in each direction, under the names of the first."""
    shapes = [layer.system.resolve(own) for layer, own in zip(level, sizes, strict=True)]
    widths = [{name: (size or (1,))[0] for name, size in each.items()} for each in shapes]
    for name in level[0].system.states:
        if name in level[-1].system.states and widths[0][name] != widths[-1][name]:
            raise SizeError(
                f"The state {name} has the size {widths[0][name]} forwards and {widths[-1][name]} backwards. Give it "
                "another letter in one of the two."
            )
    found = [[each[name] for name in layer.system.outputs] for layer, each in zip(level, widths, strict=True)]
    return dict(zip(level[0].system.outputs, zip(*found, strict=True), strict=True))


def _restricted(system: System, sizes: Mapping[str, int]) -> dict[str, int]:
    """The sizes that ``system`` itself speaks of."""
    known = {*system.free_sizes, *system.inputs}
    return {name: size for name, size in sizes.items() if name in known}


def _size_names(system: System) -> set[str]:
    """By which names sizes are given: of sequences, free ones, and those that declarations name (A : n×m)."""
    declared = {edge for _, kind in system.declarations for edge in kind.split("×") if not edge.isdigit()}
    return {*system.sizes, *system.free_sizes, *(declared - {"scalar", "vector", "name", "output"})}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "nothing"
