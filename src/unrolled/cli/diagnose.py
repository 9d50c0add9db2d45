"""``unrolled diagnose``."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from unrolled.cli import OK, from_user
from unrolled.cli.options import Switch
from unrolled.errors import ConfigurationError

if TYPE_CHECKING:
    from unrolled.diagnose import TruncationBias


def diagnose(
    run: Path,
    text: str | None = None,
    /,
    *,
    truncation: Switch = False,
    back: str | None = None,
    lanes: int = 16,
    batches: int = 4,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    json: Switch = False,
    quiet: Switch = False,
    debug: Switch = False,
) -> int:
    """Measure why a trained model behaves as it does.

    Parameters
    ----------
    run
        A run directory that `unrolled train TEXT` made.
    text
        A file, a folder, a glob, or - for standard input; without it, what the run held out of its own text.
    truncation
        How wrong the gradient becomes when it flows back only k2 steps: its cosine with the exact one, and its norm.
    back
        The steps k2, such as 1,5,25; by default 1,2,5,10,20,50,100,200.
    lanes
        Stretches of the text side by side.
    batches
        Of so many lanes, each somewhere else in the text.
    output
        A picture, whose ending is the format (.svg, .png, .pdf).
    json
        Write one JSON object.
    quiet
        No progress on stderr.
    debug
        Show tracebacks.
    """
    if not truncation:
        raise ConfigurationError("say what to measure: --truncation")
    steps = None if back is None else _numbers(back)
    from unrolled.checkpoint import load
    from unrolled.cli.eval import held_out
    from unrolled.data.corpora import read_text
    from unrolled.diagnose import truncation_bias

    model = load(run)
    if text is None:
        ids = held_out(run, model.vocabulary)[0].ids
    else:
        part = read_text(from_user(text), raw=model.vocabulary.kind == "bytes")
        ids = model.vocabulary.encode(part, where="the text")
    options: dict[str, Any] = {"lanes": lanes, "batches": batches, **({} if steps is None else {"back": steps})}
    found: TruncationBias = _progress(truncation_bias(model.layer, ids, **options), quiet or json)
    if output is not None:
        from unrolled.diagnose.plots import save, truncation_plot

        save(truncation_plot(found), output)
    if json:
        print(json_format.dumps({"run": str(run), **found.to_dict()}))
    else:
        _show(found)
    return OK


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigurationError(f"--back is {text!r}; it must be whole numbers such as 1,5,25") from None


def _progress(shares: Any, quiet: bool) -> Any:
    from rich.console import Console

    console = Console(stderr=True, quiet=quiet or not sys.stderr.isatty())
    with console.status("measuring") as status:
        while True:
            try:
                status.update(f"measuring {next(shares):.0%}")
            except StopIteration as end:
                return end.value


def _show(found: TruncationBias) -> None:
    print(
        f"The gradient of the losses at {found.losses} steps in {found.lanes} lanes, cut every k2 steps, beside the "
        f"exact one; {found.batches} batches.\n"
    )
    worst = {
        k: min(((biases[n].cosine, name) for name, biases in found.parameters.items()), default=(1.0, ""))
        for n, k in enumerate(found.back)
    }
    print(f"   k2   {'cosine':<22}  {'norm':<22}  worst parameter")
    for k, bias in zip(found.back, found.whole, strict=True):
        cosine, norm = (f"{m:.3f} ({low:.3f} to {high:.3f})" for m, (low, high) in _parts(bias))
        print(f"{k:5}   {cosine:<22}  {norm:<22}  {worst[k][1]} {worst[k][0]:.3f}")
    enough = found.enough()
    print()
    if enough is None:
        print(f"Even {found.back[-1]} steps do not reach a cosine of 0.99.")
    else:
        print(f"From {enough} steps on the cosine is at least 0.99: --sequence-length {enough} loses little.")


def _parts(bias: Any) -> list[tuple[float, tuple[float, float]]]:
    return [(bias.cosine, bias.cosines), (bias.norm, bias.norms)]
