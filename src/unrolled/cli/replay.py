"""``unrolled replay``."""

from __future__ import annotations

import json as json_format
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from unrolled.cli import NOT_MET, OK
from unrolled.cli.options import Switch

if TYPE_CHECKING:
    from unrolled.training.replay import Replay
    from unrolled.training.trace import Largest, TracedStep

ROWS = 30  # of the table; steps far from the marked one are left out


def replay(
    record: Path,
    /,
    *,
    device: str = "cpu",
    json: Switch = False,
    debug: Switch = False,
) -> int:
    """See again, step by step, where a loss or a gradient stopped being finite; exit code 3 if now all is finite.

    Parameters
    ----------
    record
        The record of an accident, a folder such as runs/NAME/accidents/STEP.
    device
        cpu, cuda, ...
    json
        Write one JSON object.
    debug
        Show tracebacks.
    """
    from unrolled.training.replay import replay as run

    found = run(record, device)
    if json:
        print(json_format.dumps(found.to_dict()))
    else:
        _show(found)
    return OK if found.reproduced else NOT_MET


def _show(found: Replay) -> None:
    about = found.recorded
    print(f"step {about['step']:,}, epoch {about['epoch']}, window {about['window']}: {about['what']}")
    print(f"loss           {_number(float(about['loss']))} then, {_number(found.loss)} now")
    print(f"gradient norm  {_number(float(about['gradient_norm']))} then, {_number(found.gradient_norm)} now\n")
    marked = None if found.first is None else found.first.step
    if found.trace is not None:
        names = ", ".join(found.trace.states)
        state = f"({names})" if len(found.trace.states) != 1 else names
        print("Of each number the lane where it is largest, or where it first is not finite, behind an @.\n")
        print(f"{'step':>6}  {'loss':>9}{'':7}  {f'‖{state}‖':>9}{'':7}  {f'‖∂L/∂{state}‖':>9}")
        for line in _rows(found.trace.steps, marked):
            print(line)
        print()
    print(_verdict(found))
    if found.gradients:
        print(f"Parameters whose gradient is not finite: {', '.join(found.gradients)}.")


def _rows(steps: tuple[TracedStep, ...], marked: int | None) -> Iterator[str]:
    begin = max(0, min((marked or 0) - ROWS // 2, len(steps) - ROWS))
    shown = steps[begin : begin + ROWS]
    if begin:
        yield f"{'…':>6}"
    for each in shown:
        cells = (_cell(value) for value in (each.loss, each.state, each.gradient))
        yield (f"{each.step:6}  " + "  ".join(cells) + ("  ← first" if each.step == marked else "")).rstrip()
    if begin + ROWS < len(steps):
        yield f"{'…':>6}"


def _cell(largest: Largest | None) -> str:
    return f"{'':>16}" if largest is None else f"{_number(largest.value):>9} @{largest.lane:<5}"


def _verdict(found: Replay) -> str:
    if not found.reproduced:
        about = found.recorded
        return (
            "Not reproduced: now everything is finite. It was not deterministic, or it came of the machine "
            f"(device {about['device']}, torch {about['torch']})."
        )
    if found.first is None:
        return "Reproduced. Step by step everything is finite: it comes of how the sums of all steps are rounded."
    return f"Reproduced. {found.first.sentence}"


def _number(value: float) -> str:
    return f"{value:.3g}"
