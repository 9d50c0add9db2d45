"""``unrolled diagnose``."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unrolled.cli import OK, from_user
from unrolled.cli.options import Switch
from unrolled.cli.progress import followed
from unrolled.errors import ConfigurationError

USED_BY = {  # which measurements take a number
    "steps": ("flow", "jacobians", "lyapunov", "horizon", "what-if"),
    "lanes": ("truncation", "flow", "jacobians", "lyapunov", "horizon"),
    "back": ("truncation",),
    "batches": ("truncation",),
    "updates": ("limits",),
}


def diagnose(
    run: Path | None = None,
    text: str | None = None,
    /,
    *,
    limits: Switch = False,
    truncation: Switch = False,
    flow: Switch = False,
    jacobians: Switch = False,
    lyapunov: Switch = False,
    horizon: Switch = False,
    states: Switch = False,
    tokens: Switch = False,
    units: Switch = False,
    unit: str | None = None,
    what_if: str | None = None,
    cliff: Switch = False,
    against: Annotated[list[Path] | None, Parameter(negative="")] = None,
    steps: int | None = None,
    lanes: int | None = None,
    back: str | None = None,
    batches: int | None = None,
    updates: int | None = None,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    json: Switch = False,
    quiet: Switch = False,
    debug: Switch = False,
) -> int:
    """Measure why a trained model behaves as it does; several measurements may be asked for at once.

    Without a flag it says what limits the model: --limits.

    Parameters
    ----------
    run
        A run directory that `unrolled train TEXT` made; --cliff needs none.
    text
        A file, a folder, a glob, or - for standard input; without it, what the run held out of its own text.
    limits
        What limits the model: memory, capacity, optimisation or data, with the evidence and what to try next. Copies
        of the network are trained further for this, on the run's own text; it takes some minutes.
    truncation
        How wrong the gradient becomes when it flows back only k2 steps: its cosine with the exact one, and its norm.
    flow
        How the gradient flows back: the norm of ∂L/∂h at each step, for the loss of the last step and of all steps.
    jacobians
        Eigenvalues and singular values of the recurrent matrices and of a step, and how products of many steps grow.
    lyapunov
        All Lyapunov exponents: how fast small changes of the state grow or vanish.
    horizon
        How far back an input is felt, measured and predicted, beside what convolutions see.
    states
        Where the states lie: principal components, and the path of a line along them, beside untrained networks.
    tokens
        Which symbols the network holds to be alike: states averaged by symbol, as a tree, beside untrained networks.
    units
        Units that keep track of something that has a name, such as the position in the line, and the text in their
        colours.
    unit
        One unit, such as 17 or h[17]: the text in the colours of its activation.
    what_if
        What changes if another symbol stood at a position, counted from 0, such as 120=x, or 120=\\n for a line break.
    cliff
        A picture of clipping, with -o: the loss of one unit over its two parameters, and descents on it.
    against
        Another run for --horizon, in the same picture; may be given several times.
    steps
        Of --flow and --what-if (100), --jacobians (50), --lyapunov (500), and back from each place of --horizon (100).
    lanes
        Stretches of the text side by side: of --truncation and --horizon 16, --flow and --jacobians 8, --lyapunov 4.
    back
        The steps k2 of --truncation, such as 1,5,25; by default 1,2,5,10,20,50,100,200.
    batches
        Of so many lanes, each somewhere else in the text, for --truncation (4).
    updates
        Of each of the trainings of --limits; half as many as the run made, at least 150 and at most 600.
    output
        A picture of the one measurement that was asked for; its ending is the format (.svg, .png, .pdf).
    json
        Write one JSON object, with a key for each measurement.
    quiet
        No progress on stderr.
    debug
        Show tracebacks.
    """
    asked = {
        "limits": limits, "truncation": truncation, "flow": flow, "jacobians": jacobians, "lyapunov": lyapunov,
        "horizon": horizon, "states": states, "tokens": tokens, "units": units, "unit": unit is not None,
        "what-if": what_if is not None, "cliff": cliff,
    }  # fmt: skip
    chosen = [name for name, wanted in asked.items() if wanted] or ["limits"]
    _check(run, text, chosen, output=output is not None, against=bool(against))
    _check_numbers({"steps": steps, "lanes": lanes, "batches": batches, "updates": updates, "back": back}, chosen)
    if cliff:
        return _cliff(output, json=json)
    from unrolled.cli.hidden_states import read_change
    from unrolled.cli.measurements import MEASUREMENTS, Options, subject
    from unrolled.diagnose import plots

    if output is not None:
        plots.check(output)
    assert run is not None  # _check has seen to it
    others = tuple(subject(other, text) for other in against or ())
    change = (0, "") if what_if is None else read_change(what_if)
    options = Options(_numbers(back), lanes, batches, steps, others, unit or "", change, updates)
    of = subject(run, text)
    reports = {}
    for number, name in enumerate(chosen):
        reports[name] = found = followed(MEASUREMENTS[name].measure(of, options), f"measuring {name}", quiet or json)
        if not json:
            print("\n" * (2 * (number > 0)), end="")
            MEASUREMENTS[name].show(found)
    if json:
        print(json_format.dumps({"run": str(run), **{name: found.to_dict() for name, found in reports.items()}}))
    if output is not None:  # last, so that what was measured is shown even where there is nothing to draw
        plots.save(MEASUREMENTS[chosen[0]].plot(reports[chosen[0]]), output)
    return OK


def _check(run: Path | None, text: str | None, chosen: list[str], output: bool, against: bool) -> None:
    """Do the flags fit together?"""
    if output and len(chosen) > 1:
        raise ConfigurationError(
            f"-o is one picture, and {len(chosen)} measurements are asked for: --{', --'.join(chosen)}; ask for one"
        )
    if "cliff" in chosen and len(chosen) > 1:
        raise ConfigurationError("--cliff is a picture of its own; leave the other measurements out")
    if "cliff" not in chosen and run is None:
        raise ConfigurationError("say which run to measure: unrolled diagnose RUN")
    if against and "horizon" not in chosen:
        raise ConfigurationError("--against is for --horizon, which is not asked for")
    if "limits" in chosen and text is not None:
        raise ConfigurationError(
            "--limits trains copies of the network further, on the run's own text, and takes no other; leave TEXT out, "
            "or say what to measure on it, as in --horizon"
        )
    if against and text is not None and from_user(text) == "-":
        raise ConfigurationError(
            "standard input can be read once only, and --against needs the text again: name a file"
        )


def _check_numbers(given: Mapping[str, int | str | None], chosen: list[str]) -> None:
    """Is each number used, and large enough?"""
    for name, number in given.items():
        if number is not None and not set(USED_BY[name]).intersection(chosen):
            users = ", ".join(f"--{user}" for user in USED_BY[name])
            which = "which is not" if len(USED_BY[name]) == 1 else "none of which is"
            raise ConfigurationError(f"--{name} is for {users}, {which} asked for; leave it out")
        if isinstance(number, int) and number < 1:
            raise ConfigurationError(f"--{name} is {number}; it must be at least 1")


def _cliff(output: Path | None, json: bool) -> int:
    if output is None or json:
        raise ConfigurationError("--cliff is a picture, without numbers: say where to, as in -o cliff.svg")
    from unrolled.diagnose import plots
    from unrolled.diagnose.cliff import cliff_plot

    plots.check(output)
    cliff_plot(output)
    return OK


def _numbers(text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigurationError(f"--back is {text!r}; it must be whole numbers such as 1,5,25") from None
