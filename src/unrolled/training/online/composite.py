"""A layer as one System: at each step upper levels, and the read-out, read what those below have just computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from unrolled.equations.expression import BEFORE, NOW, Expression, number, rewritten, symbol, symbols
from unrolled.equations.network import Layer
from unrolled.equations.sizes import Size
from unrolled.equations.system import System
from unrolled.nn.parts import sized
from unrolled.nn.recurrent import Recurrent

Equations = list[tuple[str, Expression]]
Shapes = dict[str, tuple[Size, ...]]
HEAD = "_head"


@dataclass(frozen=True)
class Composite:
    """``system`` has sizes in numbers and no constants.

    Names end in the suffix of their layer, so that those of parameters are the attributes of the layer; ``inputs`` and
    ``states`` say under which names the layer itself knows them (of each state, one in each layer that has it).
    ``outputs`` is what ``layer.logits`` gives, by name.
    """

    system: System
    inputs: Mapping[str, str]
    states: Mapping[str, tuple[str, ...]]
    outputs: Mapping[str, Expression]

    def needed(self, roots: Iterable[Expression], known: Iterable[str] = ()) -> tuple[str, ...]:
        """The defined names that ``roots`` read at this step, in the order of computation, but for those ``known``."""
        definitions, found, waiting = self.system.definitions, set(known), _read_now(roots)
        wanted = set[str]()
        while waiting:
            name = waiting.pop()
            if name in definitions and name not in found:
                found.add(name)
                wanted.add(name)
                waiting += _read_now([definitions[name]])
        return tuple(name for name in self.system.in_order() if name in wanted)


def composite(layer: Recurrent) -> Composite:
    """``layer`` as one System."""
    equations, initial, shapes = Equations(), Equations(), Shapes()
    for system, part, renamed in _parts(layer):
        new = rewritten((right for _, right in (*system.equations, *system.initial)), renamed)
        equations += [(renamed[symbol(name, NOW)].data[0], new[right]) for name, right in system.equations]
        initial += [(renamed[symbol(name, NOW)].data[0], new[value]) for name, value in system.initial]
        for name, shape in _shapes(layer, system, part["program"]).items():
            here = renamed.get(symbol(name, NOW), renamed.get(symbol(name)))
            if here is not None and here.op == "symbol":
                shapes[here.data[0]] = shape
    layers, head = layer.network.layers, layer.network.head
    states: dict[str, tuple[str, ...]] = {}
    for each in layers:
        for name in each.system.states:
            states[name] = (*states.get(name, ()), name + each.suffix)
    whole = _system(equations, initial, [name for own in states.values() for name in own], shapes)
    inputs = {name: name + layers[0].suffix for name in layers[0].system.inputs}
    top, suffix = (layers[-1].system, layers[-1].suffix) if head is None else (head, HEAD)
    return Composite(whole, inputs, states, {name: _logits(whole, name + suffix) for name in top.outputs})


def _parts(layer: Recurrent) -> Iterator[tuple[System, Any, dict[Expression, Expression]]]:
    """Each level's System and the read-out's: its compiled part, and what stands for each of its names."""
    parts = layer.programs()["parts"]
    below: Layer | None = None
    for each, part in zip(layer.network.layers, parts, strict=False):  # the head is no layer
        renamed = _renamed(each.system, each.suffix, each.suffix)
        if below is not None:
            up = [symbol(name + below.suffix, NOW) for name in below.system.outputs]
            alone = len(up) == 1 and below.system.shapes[below.system.outputs[0]] != ()
            renamed[symbol(each.reads, NOW)] = up[0] if alone else Expression("concat", tuple(up))
        yield each.system, part, renamed
        below = each
    head = layer.network.head
    if head is not None and below is not None:
        handed = {symbol(name, NOW): symbol(name + below.suffix, NOW) for name in head.inputs}
        yield head, parts[-1], _renamed(head, HEAD, "") | handed


def _renamed(system: System, suffix: str, of_parameters: str) -> dict[Expression, Expression]:
    """Each name with the suffix of sequences or of parameters; constants are numbers."""
    times = (NOW, BEFORE)
    renamed = {symbol(name, time): symbol(name + suffix, time) for name in system.sequences for time in times}
    renamed |= {symbol(name): symbol(name + of_parameters) for name in system.parameters}
    return renamed | {symbol(name): number(value) for name, value in system.constants}


def _shapes(layer: Recurrent, system: System, program: Mapping[str, Any]) -> Shapes:
    """The shape of every name of a part, in numbers.

    Those of inputs, states and parameters tell nearly all; a size that only an intermediate has was given.
    """
    numbered = (
        (system.inputs, program["inputs"]),
        (system.states, program["previous"]),
        (system.parameters, program["parameters"]),
    )
    known = {
        name: tuple(program["shapes"][value])
        for names, values in numbered
        for name, value in zip(names, values, strict=True)
    }
    found = sized(system, known)
    still_open = [name for name, shape in found.items() if any(size.terms for size in shape)]
    if still_open:
        given = layer.system.resolve(layer.sizes)
        found = sized(system, known | {name: given[name] for name in still_open})
    return found


def _logits(system: System, name: str) -> Expression:
    """What is said of an output in place of which its softmax, if it is one, would stand."""
    right = system.definitions[name]
    if right.op == "softmax":
        return right.args[0]
    same = right.op == "symbol" and right.data[1] == NOW and system.shapes[right.data[0]] == system.shapes[name]
    if same and right.data[0] in system.definitions:
        return _logits(system, right.data[0])
    return symbol(name, NOW)


def _read_now(roots: Iterable[Expression]) -> list[str]:
    return [leaf.data[0] for leaf in symbols(roots) if leaf.data[1] == NOW]


def _system(equations: Equations, initial: Equations, states: list[str], shapes: Shapes) -> System:
    defined = {name for name, _ in equations}
    leaves = dict.fromkeys(leaf.data for leaf in symbols(right for _, right in (*equations, *initial)))
    return System(
        equations=tuple(equations),
        initial=tuple(initial),
        constants=(),
        declarations=(),
        inputs=tuple(name for name, time in leaves if time == NOW and name not in defined),
        states=tuple(states),
        intermediates=tuple(name for name in defined if name not in states),
        outputs=(),
        parameters=tuple(name for name, time in leaves if time is None),
        shapes=shapes,
        uses=(),
        source="",
    )
