"""A Network as data: stacked Systems, their directions, the read-out on top, and when it reads and emits.

A stack reads upwards. In each level one or two Systems run over the same sequence, forwards and backwards in time, and
what they hand up is joined. On top the head, a System without states, reads the last level. An encoder, a Network of
its own, runs before; what it ends with is the context.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from unrolled.equations.extension import core_of, read_states, split, with_embedding
from unrolled.equations.system import System
from unrolled.errors import EquationError

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

    def sizes(self, system: System, given: Mapping[str, int], embedding: int | None = None) -> Sizes:
        """The sizes of every layer and of the head, from those of the plain ``system``.

        Raises:
            SizeError: a size is missing or contradicts another.
        """
        shapes = system.resolve(given)
        free = {name: shapes[name][0] for name in system.sequences if shapes[name]} | dict(given)
        found: list[list[dict[str, int]]] = []
        below: int | None = None
        for number, level in enumerate(self.levels):
            found.append([])
            for layer in level:
                own = dict(free)
                if number == 0 and embedding is not None:
                    own[layer.system.equations[0][0]] = embedding
                if below is not None:
                    own = {name: size for name, size in own.items() if name != layer.reads} | {layer.reads: below}
                found[-1].append(_restricted(layer.system, own))
            below = sum(
                layer.system.resolve(own)[name][0]
                for layer, own in zip(level, found[-1], strict=True)
                for name in layer.system.outputs
            )
        head = None
        if self.head is not None:
            wide = {name: free[name] * self.directions for name in self.head.inputs}
            head = _restricted(self.head, {**free, **wide})
        return Sizes(tuple(tuple(level) for level in found), head)


@dataclass(frozen=True)
class Sizes:
    """Free sizes by name, for each layer of each level and for the head."""

    levels: tuple[tuple[Mapping[str, int], ...], ...]
    head: Mapping[str, int] | None


def stack(
    system: System, num_layers: int = 1, bidirectional: bool = False, upward: Iterable[str] | None = None,
    embedding: bool = False,
) -> Network:  # fmt: skip
    """The Network of ``num_layers`` levels of ``system``.

    What only reads the states is the read-out and belongs to the top; ``upward`` names what goes up (by default the
    states that the read-out reads, else the last state). With ``embedding`` the lowest level reads an embedding of
    its input.

    Raises:
        EquationError: the equations cannot be stacked or reversed as asked; the message says why.
    """
    core, head = split(system)
    up = tuple(upward) if upward is not None else (read_states(system) if system.states else system.outputs)
    for name in up:
        if name not in system.definitions:
            raise EquationError(
                f"upward names {name}, which no equation defines; there are {', '.join(system.definitions)}."
            )
    if head is None and bidirectional and any(name not in system.states for name in system.outputs):
        raise EquationError(
            "A bidirectional network reads both directions after they have run, so that its read-out may depend on the "
            "states alone (y_t = softmax(V h_t)). Here the output feeds back, reads the input, or shares a parameter."
        )
    top = core if head is not None else system if system.outputs else core_of(system, up)
    levels = []
    for number in range(num_layers):
        own = top if number == num_layers - 1 else core_of(system, up)
        own = with_embedding(own)[0] if embedding and number == 0 else own
        single = num_layers == 1 and not bidirectional
        forward = Layer(own, "forward", "" if single else f"_l{number}")
        level = (forward, Layer(own, "backward", f"_l{number}_reverse")) if bidirectional else (forward,)
        if number:
            _ = forward.reads
        levels.append(level)
    return Network(tuple(levels), head)


def _restricted(system: System, sizes: Mapping[str, int]) -> dict[str, int]:
    """The sizes that ``system`` itself speaks of."""
    known = {*system.free_sizes, *system.inputs}
    return {name: size for name, size in sizes.items() if name in known}
