"""A Network along time: which columns there are, what stands in each, and what joins them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from unrolled.equations.network import Network
from unrolled.errors import ConfigurationError
from unrolled.explain.drawing.board import Board, Item, Wire
from unrolled.explain.drawing.captions import Colours, key_of, name_of, weights_label
from unrolled.explain.drawing.parts import Join, Part, Step, emitted, merged, step_of
from unrolled.explain.drawing.text import Line, Run, words
from unrolled.explain.drawing.windows import Windows

MOST_COLUMNS = 6  # a longer unrolling is elided
DOTS = Line((Run("⋯"),))
SHAPES = {"input": "circle", "output": "circle", "state": "box", "intermediate": "box"}


@dataclass(frozen=True)
class Column:
    """``what``: "step" (``index`` is its subscript), "dots", or where a context or first states stand."""

    section: str
    what: str
    index: str = ""
    first: bool = False
    last: bool = False


@dataclass(frozen=True)
class Span:
    """How many steps are shown: ``steps`` None for the folded graph; of more than ``shown``, the middle is elided."""

    steps: int | None
    symbolic: bool = False
    elide: tuple[int, int] | None = None

    def columns(self, section: str, start: int) -> Iterator[Column]:
        if self.steps is None:
            yield Column(section, "step", "t", first=True, last=True)
            return
        indices = [str(start + number) for number in range(self.steps)]
        if self.symbolic:
            indices[-1] = "T"
        if self.elide is not None and sum(self.elide) < self.steps:
            head, tail = self.elide
            kept = [*indices[:head], "", *indices[len(indices) - tail :]]
        else:
            kept = indices
        for number, index in enumerate(kept):
            yield Column(section, "step" if index else "dots", index, not number, number == len(kept) - 1)


class Unrolling:
    """Builds the board, column by column."""

    def __init__(self, network: Network, spans: tuple[Span, Span], grouped: bool, windows: Windows | None) -> None:
        self.network, self.grouped, self.windows = network, grouped, windows
        self.colours = Colours()
        self.items: list[Item] = []
        self.wires: list[Wire] = []
        self.columns: list[Column] = []
        self.steps: dict[str, Step] = {}
        self.networks: dict[str, Network] = {}
        self.folded = spans[0].steps is None
        self._lay_out(spans)

    def _lay_out(self, spans: tuple[Span, Span]) -> None:
        """The columns of the encoder, the context, and the network itself."""
        encoder, network = self.network.encoder, self.network
        self.shared = encoder is not None and [p.suffix for p in encoder.layers] == [p.suffix for p in network.layers]
        start = 0
        if encoder is not None:
            self._section("encoder", encoder, spans[0], 0)
            start = (spans[0].steps or 0) if self.shared else 0
            if not self.shared:
                self.columns.append(Column("context", "context"))
        elif network.starts == "context":
            self.columns.append(Column("context", "context"))
        self._section("main", network, spans[1], start)

    def _section(self, name: str, network: Network, span: Span, start: int) -> None:
        step = step_of(network, self.grouped)
        self.steps[name], self.networks[name] = step, network
        lags = {join.lag for join in step.joins if not join.fed}
        if -1 in lags and network.starts == "own" and network.length != 1 and not self.folded:
            self.columns.append(Column(f"{name} first", "initial", "-1"))
        found = list(span.columns(name, start))
        self.columns += found
        if 1 in lags and not self.folded:
            last = found[-1].index
            after = str(int(last) + 1) if last.isdigit() else f"{last}+1"
            self.columns.append(Column(f"{name} last", "initial", after))

    def board(self, title: str) -> Board:
        for number, column in enumerate(self.columns):
            self._items(number, column)
        known = {item.id for item in self.items}
        for number, column in enumerate(self.columns):
            if column.what == "step":
                self._within(number, column)
                self._across(number, column, known)
            elif column.what == "dots":
                self._into_dots(number, column)
            elif column.section == "context" and self.network.encoder is not None:
                self._into_context(number)
        if self.windows is not None:
            self.wires += self.windows.wires(self.columns, self.steps["main"], known)
        self.wires = [wire for wire in self.wires if {wire.source, wire.target} <= known]
        joined_ = {end for wire in self.wires for end in (wire.source, wire.target)}
        self.items = [item for item in self.items if item.id in joined_ or item.role not in ("initial", "dots")]
        return Board(tuple(self.items), tuple(self.wires), tuple(map(_alignment, self.columns)), title, self._told())

    # what stands in a column

    def _items(self, number: int, column: Column) -> None:
        if column.what == "context":
            self._context(number)
            return
        section = column.section.split()[0]
        step = self.steps[section]
        for part in step.parts:
            if column.what == "step" and self._present(part, column):
                self._named(part, number, part.role, column.index)
            elif column.what == "dots" and (part in step.carried or part.role == "input"):
                self._add(f"{part.kind} dots", number, part.row, "dots", DOTS, "none")
            elif column.what == "initial" and self._begins(part, step, 1 if column.section.endswith("last") else -1):
                self._named(part, number, "initial", column.index)
        if column.what == "step":
            self._instead(number, column)

    def _instead(self, number: int, column: Column) -> None:
        """What stands where the input would: the context, or the sign to begin."""
        reads = self.networks[column.section].reads
        if reads == "context":
            self._add("C", number, 0, "context", Line((Run("C", italic=True),)), "circle", key="C")
        elif reads == "previous" and column.first and not self.folded:
            self._add("start", number, 0, "input", words("start"), "pill")

    def _context(self, number: int) -> None:
        step = self.steps["main"] if "main" in self.steps else step_of(self.network, self.grouped)
        row = max((part.row for part in step.carried if part.role != "output"), default=1)
        self._add("C", number, row, "context", Line((Run("C", italic=True),)), "circle", key="C")

    def _named(self, part: Part, column: int, role: str, index: str) -> None:
        key = key_of(part.names[0], index) + (f"^{part.mark}" if part.mark else "") if len(part.names) == 1 else ""
        self._add(part.kind, column, part.row, role, name_of(part, index), SHAPES.get(role, "box"), key)

    def _add(
        self, kind: str, column: int, row: int, role: str, line: Line, shape: str, key: str = ""
    ) -> None:  # fmt: skip
        self.items.append(Item(f"{kind}@{column}", kind, key, column, row, role, (line,), shape))

    def _present(self, part: Part, column: Column) -> bool:
        network = self.networks[column.section]
        if part.role == "input":
            return network.reads == "every" or (network.reads == "first" and column.first)
        if part.kind in self.steps[column.section].readout:
            return network.emits == "every" or (network.emits == "last" and column.last)
        return True

    def _begins(self, part: Part, step: Step, lag: int) -> bool:
        return any(join.lag == lag and join.source == part.kind and not join.fed for join in step.joins)

    # what joins the columns

    def _wire(self, join: Join, source: str, target: str, loop: int = 0) -> None:
        later = "" if not join.lag else " later" if join.lag < 0 else " earlier"
        kind = f"{join.source}>{join.target}{later}{' fed' if join.fed else ''}{' loop' if loop else ''}"
        label, role = weights_label(join.ways), "weight" if join.ways else "plain"
        own = f"{source} → {target}{later}{' fed' if join.fed else ''}"
        wire = Wire(own, kind, source, target, role, label, self.colours(join.ways), loop=loop)
        self.wires.append(wire)

    def _within(self, number: int, column: Column) -> None:
        network = self.networks[column.section]
        inputs = {part.kind for part in self.steps[column.section].parts if part.role == "input"}
        stand_in = {"context": "C", "previous": "start"}.get(network.reads)
        seen = set()
        for join in self.steps[column.section].joins:
            if join.lag:
                continue
            kind = stand_in if stand_in and join.source in inputs else join.source
            if (kind, join.target) not in seen:
                seen.add((kind, join.target))
                self._wire(replace(join, source=str(kind)), f"{kind}@{number}", f"{join.target}@{number}")

    def _across(self, number: int, column: Column, known: set[str]) -> None:
        """What comes into a column from beside it, or back into it where the graph is folded."""
        later = [join for join in self.steps[column.section].joins if join.lag]
        if self.folded:
            for join in later:
                self._wire(join, f"{join.source}@{number}", f"{join.target}@{number}", loop=-join.lag)
        beside = {lag: self.columns[number + lag] for lag in (-1, 1) if 0 <= number + lag < len(self.columns)}
        own = [join for join in later if not join.fed and join.lag in beside]
        context = [join for join in own if beside[join.lag].what == "context"]
        for join in merged(replace(join, source="C") for join in context):
            self._wire(join, f"C@{number + join.lag}", f"{join.target}@{number}")
        for join in later:
            before = beside.get(join.lag)
            if before is None or join in context or (before.section != column.section and join.fed):
                continue
            dots = f"{join.source} dots@{number + join.lag}"
            source = dots if dots in known else f"{join.source}@{number + join.lag}"
            self._wire(join, source, f"{join.target}@{number}")

    def _into_dots(self, number: int, column: Column) -> None:
        step = self.steps[column.section]
        for part in step.carried:
            for lag in sorted({join.lag for join in step.joins if join.lag and join.source == part.kind}):
                join = Join(part.kind, f"{part.kind} dots", lag)
                self._wire(join, f"{part.kind}@{number + lag}", f"{part.kind} dots@{number}")

    def _into_context(self, number: int) -> None:
        step = self.steps["encoder"]
        sources = {join.source for join in step.joins if join.lag} or set(emitted(self.networks["encoder"]))
        for part in step.parts:
            if part.kind in sources:
                self._wire(Join(part.kind, "C", -1), f"{part.kind}@{number - 1}", f"C@{number}")

    def _told(self) -> str:
        """The picture in words, for a reader who does not see it."""
        names = {item.id: item.key or " ".join(line.plain for line in item.lines) for item in self.items}
        told = []
        for wire in self.wires:
            label = " ".join(line.plain for line in wire.label)
            via = f" by {label}" if label else ""
            if wire.role == "gradient":
                told.append(f"the gradient {'is cut before' if wire.cut else 'flows from'} {names[wire.source]}")
            else:
                told.append(f"{names[wire.source]} to {names[wire.target]}{via}")
        return "Arrows: " + "; ".join(dict.fromkeys(told)) + "."


def unrolled(
    network: Network, spans: tuple[Span, Span], grouped: bool = True, truncation: tuple[int, int] | None = None
) -> Board:
    """The board of ``network`` along time.

    Raises:
        ConfigurationError: a truncation where time does not run forwards only, or in a folded graph.
    """
    windows = None if truncation is None else _windows(network, spans[1], truncation)
    main = Unrolling(network, spans, grouped, windows)
    how = "folded" if main.folded else "unrolled in time"
    return main.board(f"A recurrent network, {how}")


def _windows(network: Network, span: Span, truncation: tuple[int, int]) -> Windows:
    if span.steps is None:
        raise ConfigurationError(
            "Truncation cuts the gradient between steps, and the folded graph has none: give steps."
        )
    if network.directions > 1 or network.encoder is not None:
        raise ConfigurationError(
            "Truncation is drawn for a network that runs forwards in time alone, not for a bidirectional one or an "
            "encoder with its decoder."
        )
    return Windows(*truncation, span.steps)


def _alignment(column: Column) -> str:
    return f"{column.section} dots" if column.what == "dots" else column.section
