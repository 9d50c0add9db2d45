"""``unrolled sample``."""

from __future__ import annotations

import json as json_format
import secrets
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from unrolled.cli import OK, from_user
from unrolled.cli.lines import escaped, read_allowed, read_input, read_lines, unescaped
from unrolled.cli.options import Switch
from unrolled.errors import ConfigurationError

if TYPE_CHECKING:
    from unrolled.data.vocabulary import Unknown
    from unrolled.generation.writer import Writer

Options = dict[str, Any]

LENGTH = 500
SIDE_BY_SIDE = 256  # texts
SHOWN = ("text", "log_probability", "score", "ended")  # of what a search finds
# what flags do that others do not go with
REASONS = {
    "--prompts": "begins each text with its line",
    "--state": "goes on with its own text",
    "--allowed": "ends where one of its texts is complete",
    "--beams": "searches for the most probable text and draws nothing",
}
WITHOUT = {
    "--prompts": ("--prime", "--state", "--save-state"),
    "--state": ("--prime",),
    "--allowed": ("--until",),
    "--beams": ("--temperature", "--top-k", "--top-p", "--seed", "--stream", "--state", "--save-state"),
}


def sample(
    run: Path,
    /,
    *,
    prime: str = "",
    prompts: str | None = None,
    length: int | None = None,
    until: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    allowed: str | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    beams: int | None = None,
    length_penalty: float = 0.0,
    seed: int | None = None,
    stream: int = 0,
    state: Path | None = None,
    save_state: Path | None = None,
    unknown: Literal["error", "skip", "replace"] = "error",
    device: str = "cpu",
    precision: Literal["fp32", "bf16", "int8"] | None = None,
    json: Switch = False,
    quiet: Switch = False,
    debug: Switch = False,
) -> int:
    r"""Let a trained model write, beginning with a text that is given.

    Parameters
    ----------
    run
        A run directory that `unrolled train` made.
    prime
        How the text begins; - reads it from standard input.
    prompts
        A file with the beginnings of several texts, one a line; - reads standard input. One line comes out for each.
    length
        Symbols to write after that, at most; 500, or with --allowed as many as are needed.
    until
        End the text with the token that completes this; may be given several times. In this, and in the files of
        --prompts and --allowed, \n stands for a line break, \t for a tab, and a backslash is doubled.
    allowed
        A file with the texts that may follow, one a line: one of them is written.
    temperature
        Below 1 safer, above 1 bolder; 0 always takes the most probable symbol.
    top_k
        Choose among the k most probable symbols only.
    top_p
        Choose among the most probable symbols that together have probability p.
    beams
        Do not draw, but search for the most probable text with a beam of so many hypotheses.
    length_penalty
        With --beams: 0 compares probabilities; the larger, the better for long texts (0.6 is usual).
    seed
        The same seed writes the same text; without it each call writes another.
    stream
        Number of the text, or of the first of --prompts: further texts of the same seed.
    state
        Go on from a file that --save-state wrote, with the same options and seed as if it had been one call; a text of
        --until is looked for anew.
    save_state
        Write to this file what is needed to go on.
    unknown
        What to do with symbols of the beginning that the model never saw.
    device
        cpu, cuda, ...
    precision
        bf16 and int8 read half and a quarter as many bytes of weights: a large model writes much faster, and perhaps
        another text. Without it: as the model was trained.
    json
        Write JSON objects, with the text, the seed and the options.
    quiet
        Do not name the seed on stderr.
    debug
        Show tracebacks.
    """
    flags = {
        "--prime": prime != "", "--prompts": prompts is not None, "--until": until != (),
        "--allowed": allowed is not None, "--temperature": temperature != 1.0, "--top-k": top_k is not None,
        "--top-p": top_p is not None, "--beams": beams is not None, "--length-penalty": length_penalty != 0,
        "--seed": seed is not None, "--stream": stream != 0, "--state": state is not None,
        "--save-state": save_state is not None,
    }  # fmt: skip
    _check({flag for flag, given in flags.items() if given})
    if save_state is not None and not save_state.parent.is_dir():  # said before a text is written, and not after
        raise ConfigurationError(
            f"--save-state {save_state} cannot be written: there is no folder {save_state.parent}; make it first"
        )
    ends = _ends(length, until, allowed)
    primes = _primes(prime, prompts)
    model = _writer(run, device, precision)
    if beams is not None:
        search = {**ends, "beams": beams, "length_penalty": length_penalty}
        return _search(model, primes, json, search, unknown, on_lines=prompts is not None)
    if seed is None:
        seed = secrets.randbelow(2**32)
        if not quiet and not json:
            print(f"seed {seed}", file=sys.stderr)
    options = {**ends, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    if prompts is not None:
        return _write_many(model, primes, json, options, stream, unknown)
    return _write(model, primes[0], json, {**options, "stream": stream}, unknown, state, save_state)


def _check(given: set[str]) -> None:
    for flag, others in WITHOUT.items():
        if flag in given and (wrong := [other for other in others if other in given]):
            raise ConfigurationError(f"{flag} {REASONS[flag]}; leave out {' and '.join(wrong)}")
    if "--length-penalty" in given and "--beams" not in given:
        raise ConfigurationError("--length-penalty compares the texts of a search; give --beams, such as --beams 4")


def _ends(length: int | None, until: tuple[str, ...], allowed: str | None) -> Options:
    """When a text ends."""
    texts = None if allowed is None else read_allowed(allowed)
    return {
        "length": LENGTH if length is None and allowed is None else length,
        "until": [unescaped(from_user(each), "--until") for each in until] or None,
        "allowed": texts,
    }


def _primes(prime: str, prompts: str | None) -> list[str]:
    """How the texts begin."""
    if prompts is not None:
        return read_lines(prompts, "--prompts")
    return [read_input("-") if from_user(prime) == "-" else prime]


def _writer(run: Path, device: str, precision: str | None) -> Writer:
    from unrolled.generation import open_writer

    if device == "cpu":
        return open_writer(run, precision)
    from unrolled.generation import load  # and with it torch

    return open_writer(load(run, device), precision)


def _write(
    model: Writer, prime: str, json: bool, options: Options, unknown: Unknown, state: Path | None, save: Path | None
) -> int:
    """One text, as it is written; where it ends, if only by Ctrl-C, its state is saved."""
    from unrolled.generation import GenerationState, generate

    reached = None if state is None else GenerationState.load(state)
    tokens = generate(model, prime, unknown=unknown, state=reached, **options)
    pieces: list[str] = []
    show = pieces.append if json else partial(_print, end="")
    try:
        show("" if json else prime)
        for token in tokens:
            reached = token.state
            show(token.text)
    finally:
        if save is not None and reached is not None:
            reached.save(save)
    print(_document(prime, options, text="".join(pieces)) if json else "")
    if save is not None and reached is None:
        raise ConfigurationError(f"no symbol was written, so that there is nothing to go on from in {save}")
    return OK


def _write_many(model: Writer, primes: list[str], json: bool, options: Options, stream: int, unknown: Unknown) -> int:
    """A line for each text, in their order."""
    from unrolled.generation import generate_many

    for first in range(0, len(primes), SIDE_BY_SIDE):
        some = primes[first : first + SIDE_BY_SIDE]
        texts = [""] * len(some)
        for number, token in generate_many(model, some, stream=stream + first, unknown=unknown, **options):
            texts[number] += token.text
        for number, (prime, text) in enumerate(zip(some, texts, strict=True), stream + first):
            _print(_document(prime, {**options, "stream": number}, text=text) if json else escaped(prime + text))
    return OK


def _search(model: Writer, primes: list[str], json: bool, options: Options, unknown: Unknown, on_lines: bool) -> int:
    """The most probable text for each beginning; as JSON all that were found."""
    from unrolled.generation import best

    for prime in primes:
        found = best(model, prime, unknown=unknown, **options)
        if json:
            texts = [{name: getattr(each, name) for name in SHOWN} for each in found]
            _print(_document(prime, options, texts=texts))
        else:
            text = prime + found[0].text
            _print(escaped(text) if on_lines else text)
    return OK


def _document(prime: str, options: Options, **results: Any) -> str:
    """A result as JSON; the texts of a file go without saying."""
    shown = {name: value for name, value in options.items() if name != "allowed"}
    return json_format.dumps({"prime": prime, **results, **shown})


def _print(text: str, end: str = "\n") -> None:
    from unrolled.cli.output import encodable, printable

    print(encodable(printable(text) if sys.stdout.isatty() else text), end=end, flush=True)
