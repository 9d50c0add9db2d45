"""``unrolled sample``."""

from __future__ import annotations

import json as json_format
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unrolled.cli import OK, from_user
from unrolled.cli.options import Switch

if TYPE_CHECKING:
    from unrolled.generation import TrainedModel


def sample(
    run: Path,
    /,
    *,
    prime: str = "",
    length: int = 500,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    stream: int = 0,
    unknown: Literal["error", "skip", "replace"] = "error",
    device: str = "cpu",
    precision: Literal["fp32", "bf16", "int8"] | None = None,
    json: Switch = False,
    quiet: Switch = False,
    debug: Switch = False,
) -> int:
    """Let a trained model write, beginning with a text that is given.

    Parameters
    ----------
    run
        A run directory that `unrolled train` made.
    prime
        How the text begins; - reads it from standard input.
    length
        Symbols to write after that.
    temperature
        Below 1 safer, above 1 bolder; 0 always takes the most probable symbol.
    top_k
        Choose among the k most probable symbols only.
    top_p
        Choose among the most probable symbols that together have probability p.
    seed
        The same seed writes the same text; without it each call writes another.
    stream
        Number of the text: further texts of the same seed.
    unknown
        What to do with symbols of the beginning that the model never saw.
    device
        cpu, cuda, ...
    precision
        bf16 and int8 read half and a quarter as many bytes of weights: a large model writes much faster, and perhaps
        another text. Without it: as the model was trained.
    json
        Write one JSON object with the text, the seed and the options.
    quiet
        Do not name the seed on stderr.
    debug
        Show tracebacks.
    """
    if prime and from_user(prime) == "-":
        prime = sys.stdin.read()
    if seed is None:
        seed = secrets.randbelow(2**32)
        if not quiet and not json:
            print(f"seed {seed}", file=sys.stderr)
    from unrolled.generation import generate

    model = run if device == "cpu" else _on(device, run)
    options = {"length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p, "stream": stream}
    tokens = generate(model, prime, seed=seed, unknown=unknown, precision=precision, **options)  # type: ignore[arg-type]  # mixed values
    if json:
        text = "".join(token.text for token in tokens)
        print(json_format.dumps({"prime": prime, "text": text, "seed": seed, **options}))
        return OK
    from unrolled.cli.output import encodable, printable

    clean = printable if sys.stdout.isatty() else str
    print(encodable(clean(prime)), end="", flush=True)
    for token in tokens:
        print(encodable(clean(token.text)), end="", flush=True)
    print()
    return OK


def _on(device: str, run: Path) -> TrainedModel:
    from unrolled.generation import load

    return load(run, device)
