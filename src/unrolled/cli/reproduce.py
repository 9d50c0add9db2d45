"""``unrolled reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unrolled.cli import NOT_MET, OK
from unrolled.cli.options import Switch
from unrolled.cli.output import encodable, json_line
from unrolled.errors import CheckpointError, ConfigurationError


def reproduce(
    name: str,
    /,
    *,
    quick: Switch = False,
    data: Path | None = None,
    settings: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    runs: Path | None = None,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    json: Switch = False,
    quiet: Switch = False,
    debug: Switch = False,
) -> int:
    """Measure again what is said of these networks: each figure beside what it must reach, and whether it does.

    The exit code is 3 where something does not hold.

    Parameters
    ----------
    name
        One of: bengio1994, capacity, elman1990, karpathy2015, le2015, memory, nonlinearity, pascanu2013,
        siegelmann1995, topologies. Each takes some minutes, topologies, le2015 and pascanu2013 half an hour.
    quick
        Train just long enough to see that all of it runs; the figures mean nothing.
    data
        A folder with data sets that cannot be made: names, sentiment, pos-french.
    settings
        Such as layers=1,2,3, where a reproduction has settings; may be given several times.
    runs
        A new folder for the trained networks; runs/NAME-NUMBER where none is given.
    output
        A Markdown page, in which the report replaces the last one; its pictures go into the folder figures beside it.
    json
        Write one JSON object.
    quiet
        No progress on stderr.
    debug
        Show tracebacks.
    """
    from unrolled.cli.display import display
    from unrolled.reproduce import reproduction
    from unrolled.reproduce import settings as settings_of
    from unrolled.reproduce.bench import Bench
    from unrolled.reproduce.report import place
    from unrolled.training.events import Event, Finished

    measure, chosen = reproduction(name), settings_of(name, settings or ())
    folder = runs or _free(name)
    if folder.exists():
        raise CheckpointError(f"{folder} exists already and is not overwritten; choose another --runs")
    if data is not None and not data.is_dir():
        raise ConfigurationError(f"--data {data} is no folder; it holds the data sets names, sentiment, pos-french")
    if output is not None:
        place(output, name)  # what is wrong with it is said before an hour of training, not after
    with display(json=False, quiet=quiet) as show:

        def progress(event: Event) -> None:
            if not isinstance(event, Finished):  # its figures are a part of the report
                show(event)

        report = measure(Bench(folder, data, quick, progress, chosen))
    print(json_line(report.to_dict()) if json else encodable(report.markdown()))
    if output is not None:
        report.write(output)
    return OK if report.holds or quick else NOT_MET


def _free(name: str) -> Path:
    number = 1
    while (path := Path("runs", f"{name}-{number}")).exists():
        number += 1
    return path
