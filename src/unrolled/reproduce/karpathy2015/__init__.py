"""Karpathy, Johnson & Fei-Fei 2015, "Visualizing and understanding recurrent networks": cells, layers and sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from unrolled.errors import DataError
from unrolled.reproduce.bench import Bench, written
from unrolled.reproduce.karpathy2015 import criteria
from unrolled.reproduce.karpathy2015.criteria import PUBLISHED, Grid
from unrolled.reproduce.karpathy2015.grid import CELLS, Cell, measured
from unrolled.reproduce.report import Report, Row, Section

NAME = "karpathy2015"
SETTINGS: Mapping[str, str] = MappingProxyType(
    {"text": "", "layers": "1,2", "sizes": "64,128", "steps": "1500", "seed": "1"}
)
SIZES = (64, 128, 256, 512)  # of the paper


def reproduce(bench: Bench) -> Report:
    """The grid, as a table of the paper's form, and the three statements."""
    text = bench.settings["text"]
    if text and not Path(text).exists():
        raise DataError(f"the text {text} does not exist; write --set text=FILE")
    layers, sizes = bench.numbers("layers"), bench.numbers("sizes")
    cells = measured(bench, layers, sizes)
    about = (
        "Karpathy, Johnson & Fei-Fei 2015, “Visualizing and understanding recurrent networks”, table 1. A size stands "
        "for as many parameters as an LSTM with so many units in each layer has. Nats per character on the last 5 % of "
        f"{'the text ' + Path(text).name if text else 'the source code of the Python that ran it'}, beside what the "
        "paper measured on War and Peace with a budget that was larger by far. "
        f"{written(NAME, bench.changed(SETTINGS))}"
    )
    return Report(NAME, about, [_table(cells, sizes), _statements(cells)])


def _table(cells: Sequence[Cell], sizes: Sequence[int]) -> Section:
    rows = []
    for cell, layers in dict.fromkeys((each.cell, each.layers) for each in cells):
        found = [each for each in cells if (each.cell, each.layers) == (cell, layers)]
        paper = dict(zip(SIZES, PUBLISHED.get((cell, layers), ()), strict=False))
        rows.append(
            Row(
                f"{CELLS[cell]}, {layers} layer{'s' if layers > 1 else ''}",
                ", ".join(f"{each.nats:.3f} ({each.hidden} units)" for each in found),
                published=", ".join(f"{paper[size]:.3f}" if size in paper else "–" for size in sizes),
            )
        )
    first = cells[0]
    parameters = ", ".join(
        f"{each.parameters:,}" for each in cells if (each.cell, each.layers) == ("lstm", first.layers)
    )
    text = (
        f"Sizes {', '.join(map(str, sizes))}, with {first.layers} layer(s) {parameters} parameters. Budget: "
        f"{first.steps:,} updates of {first.batch} lanes and {first.length} steps each; all {len(cells)} networks took "
        f"{sum(each.seconds for each in cells):.0f} seconds."
    )
    return Section("Cells, layers and sizes", [first.command], rows, text)


def _statements(cells: Sequence[Cell]) -> Section:
    """Each statement of the paper, of the trained grid and of the same grid before training."""
    trained: Grid = {(each.cell, each.layers, each.size): each.nats for each in cells}
    untrained: Grid = {(each.cell, each.layers, each.size): each.untrained for each in cells}
    rows = []
    for said, pairs in ((criteria.DEPTH, criteria.depth_pairs), (criteria.GATES, criteria.gate_pairs)):
        found, before = pairs(trained), pairs(untrained)
        holds = criteria.consistently(found) and not criteria.consistently(before)
        measured = f"in {sum(found)} of {len(found)} pairs; untrained in {sum(before)}"
        rows.append(Row(said, measured, f"≥ {criteria.SHARE:.0%} of the pairs", holds, "said of all tables"))
    better = {cell: CELLS[cell] for cell in sorted(criteria.winners(trained))}
    rows.append(
        Row(
            criteria.CELLS,
            f"better somewhere: {' and '.join(better.values()) or 'neither'}",
            "both or neither, and both better than the RNN",
            criteria.mixed(trained) and not criteria.mixed(untrained),
            "the LSTM in some places, the GRU in others",
        )
    )
    text = f"A difference below {criteria.MARGIN} nats counts as none."
    return Section("What the paper says of it", [], rows, text)
