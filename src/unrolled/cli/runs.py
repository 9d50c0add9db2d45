"""``unrolled runs``."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.cli import OK
from unrolled.cli.options import Switch

if TYPE_CHECKING:
    from unrolled.checkpoint.listing import Summary

DEFAULT = Path("runs")
COLUMNS = ("name", "task", "recurrence", "size", "step", "best", "when", "state")
RIGHT = {"size", "step"}
LONGEST = 32  # cells of a recurrence or a name in the table


def runs(folder: Path = DEFAULT, /, *, json: Switch = False, debug: Switch = False) -> int:
    """List runs: what they learn, how far they are, how well they do, and whether they are running.

    Parameters
    ----------
    folder
        A folder with runs, or one run.
    json
        Write one JSON object for each.
    debug
        Show tracebacks.
    """
    from unrolled.checkpoint.listing import summaries

    if folder == DEFAULT and not folder.exists():
        print("there are no runs here yet; unrolled train makes one, in runs/", file=sys.stderr)
        return OK
    found = summaries(folder)
    if json:
        for each in found:
            print(json_format.dumps(each.to_dict()))
    elif found:
        _show(found)
    else:
        print(f"there are no runs in {folder}; name the folder with them: unrolled runs FOLDER", file=sys.stderr)
    return OK


def _show(found: list[Summary]) -> None:
    """A table, and below it what is damaged."""
    from rich.cells import cell_len

    from unrolled.cli.output import encodable, printable

    rows = [dict(zip(COLUMNS, COLUMNS, strict=True)), *map(_row, found)]
    rows = [{column: encodable(" ".join(printable(text).split())) for column, text in row.items()} for row in rows]
    widths = {column: max(cell_len(row[column]) for row in rows) for column in COLUMNS}
    for row in rows:
        cells = []
        for column, text in row.items():
            space = " " * (widths[column] - cell_len(text))
            cells.append(space + text if column in RIGHT else text + space)
        print("  ".join(cells).rstrip())
    for each in found:
        if each.reason:
            print(encodable(printable(f"\n{each.name}: {each.reason}")))


def _row(run: Summary) -> dict[str, str]:
    best = run.best + (f" at {run.best_step:,}" if run.best and run.best_step != run.step else "")
    return {
        "name": _short(run.name),
        "task": run.task,
        "recurrence": _short(run.recurrence),
        "size": f"{run.layers} × {run.hidden}" if run.hidden is not None else "",
        "step": "" if run.step is None else f"{run.step:,}",
        "best": best,
        "when": run.changed[:16].replace("T", " "),
        "state": f"running ({run.pid})" if run.pid else run.state,
    }


def _short(text: str) -> str:
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= LONGEST else set_cell_size(text, LONGEST - 1) + "…"
