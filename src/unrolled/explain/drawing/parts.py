"""The parts of one time step of a Network: a node per sequence, gates that read the same grouped, in rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from unrolled.equations.network import Layer, Network
from unrolled.equations.system import System
from unrolled.explain.drawing.links import Path, links

MOST_IN_A_GROUP = 6


@dataclass(frozen=True)
class Part:
    """One node of a step: the sequence ``names`` of the layer that ``mark`` (a superscript) tells apart."""

    kind: str
    names: tuple[str, ...]
    mark: str
    role: str
    block: int
    row: int = 0


@dataclass(frozen=True)
class Weight:
    """A parameter on an arrow."""

    name: str
    mark: str
    transposed: bool = False


@dataclass(frozen=True)
class Join:
    """``target`` reads ``source`` at the same step (lag 0), the one before (-1), or the one after (1).

    ``fed`` marks an output that re-enters as the input.
    """

    source: str
    target: str
    lag: int = 0
    ways: tuple[tuple[Weight, ...], ...] = ()
    fed: bool = False


@dataclass(frozen=True)
class Step:
    """The parts of a step and what joins them; ``readout`` are the kinds that nothing at a later step needs."""

    parts: tuple[Part, ...]
    joins: tuple[Join, ...]
    readout: frozenset[str]

    def part(self, kind: str) -> Part:
        return next(part for part in self.parts if part.kind == kind)

    @property
    def carried(self) -> tuple[Part, ...]:
        """What goes over to the next step, from its own or an output that re-enters."""
        return tuple(part for part in self.parts if any(join.lag and join.source == part.kind for join in self.joins))


def step_of(network: Network, grouped: bool = True) -> Step:
    """The parts of ``network`` at one step."""
    parts, joins = _sequences(network)
    joins = _fed_back(network, parts, joins)
    kinds = {part.kind for part in parts}
    joins = [join for join in joins if join.source in kinds]
    levels = _levels(parts, joins)
    if grouped:
        parts, joins = _group(parts, joins, levels)
        levels = _levels(parts, joins)
    needed = _needed(parts, joins)
    readout = frozenset(part.kind for part in parts if part.role != "input" and part.kind not in needed)
    return Step(_in_rows(parts, joins, levels), tuple(joins), readout)


def _sequences(network: Network) -> tuple[list[Part], list[Join]]:
    parts: dict[str, Part] = {}
    joins: list[Join] = []
    below: tuple[str, ...] = ()
    for depth, level in enumerate(network.levels):
        handed: list[str] = []
        for number, layer in enumerate(level):
            mark, block = mark_of(layer, network), 1 + depth * network.directions + number
            sources: dict[str, tuple[str, ...]] = {name: (name,) for name in layer.system.inputs}
            sources = {layer.reads: below} if depth else sources
            if not depth:
                parts |= {name: Part(name, (name,), "", "input", 0) for name in layer.system.inputs}
            last = depth == len(network.levels) - 1 and network.head is None and network.emits != "nothing"
            parts |= {p.kind: p for p in _defined(layer.system, layer.suffix, mark, block, last)}
            joins += _joins(layer.system, layer.suffix, mark, sources, 1 if layer.direction == "backward" else -1)
            handed += [name + layer.suffix for name in layer.system.outputs]
        below = tuple(handed)
    if network.head is not None:
        block = 1 + len(network.layers)
        sources = {name: tuple(name + layer.suffix for layer in network.levels[-1]) for name in network.head.inputs}
        parts |= {p.kind: p for p in _defined(network.head, "", "", block, True)}
        joins += _joins(network.head, "", "", sources, -1)
    return list(parts.values()), joins


def _defined(system: System, suffix: str, mark: str, block: int, last: bool) -> Iterable[Part]:
    for name, right in system.equations:
        # a stack declares what each layer hands up; only an undivided recurrence says what it emits
        declared = not suffix and (name, "output") in system.declarations
        role = "state" if name in system.states else "intermediate"
        if last and name in system.outputs and (declared or name not in system.states or right.op == "softmax"):
            role = "output"
        yield Part(name + suffix, (name,), mark, role, block)


def _joins(
    system: System, suffix: str, mark: str, sources: dict[str, tuple[str, ...]], lag: int
) -> Iterable[Join]:  # fmt: skip
    for link in links(system):
        ways = tuple(_weights(path, mark) for path in link.paths if path)
        for source in sources.get(link.source, (link.source + suffix,)):
            yield Join(source, link.target + suffix, lag if link.before else 0, ways)


def _weights(path: Path, mark: str) -> tuple[Weight, ...]:
    return tuple(Weight(name, mark, transposed) for name, transposed in path)


def mark_of(layer: Layer, network: Network) -> str:
    """The superscript of a layer: its number where there are several, an arrow where there are two directions."""
    number, role = re.search(r"_l(\d+)", layer.suffix), re.search(r"_(enc|dec)$", layer.suffix)
    mark = f"({int(number[1]) + 1})" if number and len(network.levels) > 1 else ""
    if network.directions > 1:
        mark += "←" if layer.direction == "backward" else "→"
    return mark + ((" " if mark else "") + role[1] if role else "")


def emitted(network: Network) -> tuple[str, ...]:
    """The kinds of what the network emits."""
    if network.head is not None:
        return network.head.outputs
    return tuple(name + layer.suffix for layer in network.levels[-1] for name in layer.system.outputs)


def _fed_back(network: Network, parts: list[Part], joins: list[Join]) -> list[Join]:
    """The joins when the input is what was emitted at the step before."""
    if network.reads != "previous":
        return joins
    inputs = {part.kind for part in parts if part.role == "input"}
    fed = [
        Join(output, join.target, -1, join.ways, fed=True)
        for join in joins if join.source in inputs
        for output in emitted(network)
    ]  # fmt: skip
    return joins + fed


def _levels(parts: list[Part], joins: list[Join]) -> dict[str, int]:
    """How many parts of the same step lie below each, on the longest way; what an equation defines lies above 0."""
    level = {part.kind: 0 if part.role == "input" else 1 for part in parts}
    here = [join for join in joins if not join.lag]
    for _ in parts:
        before = dict(level)
        for join in here:
            level[join.target] = max(level[join.target], level[join.source] + 1)
        if level == before:
            break
    return level


def _group(parts: list[Part], joins: list[Join], levels: dict[str, int]) -> tuple[list[Part], list[Join]]:
    """Intermediates of one layer that read the same become one part: the gates of an LSTM."""
    alike: dict[object, list[Part]] = {}
    for part in parts:
        if part.role == "intermediate":
            reads = frozenset((join.source, join.lag) for join in joins if join.target == part.kind)
            alike.setdefault((part.block, levels[part.kind], reads), []).append(part)
    name: dict[str, str] = {part.kind: part.kind for part in parts}
    made: dict[str, Part] = {}
    for group in alike.values():
        if 1 < len(group) <= MOST_IN_A_GROUP:
            kind = ",".join(part.kind for part in group)
            name |= {part.kind: kind for part in group}
            made[kind] = replace(group[0], kind=kind, names=tuple(n for part in group for n in part.names))
    kept = {name[part.kind]: made.get(name[part.kind], part) for part in parts}
    return list(kept.values()), merged(replace(j, source=name[j.source], target=name[j.target]) for j in joins)


def merged(joins: Iterable[Join]) -> list[Join]:
    """Joins between the same parts as one, with all their ways."""
    found: dict[object, Join] = {}
    for join in joins:
        key = (join.source, join.target, join.lag, join.fed)
        old = found.get(key)
        found[key] = join if old is None else replace(old, ways=tuple(dict.fromkeys(old.ways + join.ways)))
    return list(found.values())


def _needed(parts: list[Part], joins: list[Join]) -> set[str]:
    """What a later step depends on."""
    needed: set[str] = set()
    stack = [join.source for join in joins if join.lag and not join.fed]
    while stack:
        kind = stack.pop()
        if kind not in needed:
            needed.add(kind)
            stack += [join.source for join in joins if join.target == kind and not join.lag]
    return needed


def _in_rows(parts: list[Part], joins: list[Join], levels: dict[str, int]) -> tuple[Part, ...]:
    """Each part with its row: inputs in row 0; what touches another step in a row of its own, to leave the way free."""
    sideways = {kind for join in joins if join.lag for kind in (join.source, join.target)}
    order = sorted(parts, key=lambda part: (part.block, levels[part.kind]))
    rows: dict[object, int] = {}
    placed = []
    for part in order:
        if part.role == "input":
            placed.append(part)
            continue
        key = (part.block, levels[part.kind], part.kind if part.kind in sideways else None)
        placed.append(replace(part, row=rows.setdefault(key, len(rows) + 1)))
    return tuple(placed)
