"""The options of a training run: names, meanings, ranges, defaults, for Python, TOML files and the command line alike.

This file loads no torch, so that the command line can describe itself quickly.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta

from unrolled.data.truncation import Truncation
from unrolled.errors import ConfigurationError
from unrolled.training.budget import Budget
from unrolled.training.defaults import BELONGS, PRESETS, TASK_DEFAULTS

DEFAULT_EPOCHS = 50

Count = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Finite = Annotated[float, Meta(gt=-1e300, lt=1e300)]
Share = Annotated[float, Meta(ge=0, lt=1)]
Factor = Annotated[float, Meta(gt=0, le=1)]


def _text(meaning: str) -> Meta:
    return Meta(description=meaning, extra={"group": "Text"})


def _task(meaning: str) -> Meta:
    return Meta(description=meaning, extra={"group": "Task"})


def _model(meaning: str) -> Meta:
    return Meta(description=meaning, extra={"group": "Model"})


def _learning(meaning: str) -> Meta:
    return Meta(description=meaning, extra={"group": "Learning"})


def _length(meaning: str) -> Meta:
    return Meta(description=meaning, extra={"group": "Length"})


def _report(meaning: str) -> Meta:
    return Meta(description=meaning, extra={"group": "Reports"})


def _run(meaning: str) -> Meta:
    return Meta(description=meaning, extra={"group": "Run"})


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a model is trained; the defaults are the lecture's 3 × 512 vanilla tanh network, which writes text.

    Raises ConfigurationError for a value out of range.
    """

    text: Annotated[str | None, _text("a file, a folder, a glob, or - for standard input")] = None
    data: Annotated[
        str | None, _text("a corpus to download (shakespeare), in place of TEXT; for another task its file or folder")
    ] = None
    symbols: Annotated[Literal["characters", "bytes", "words"], _text("what the network reads in one step")] = (
        "characters"
    )
    documents: Annotated[str, _text("what ends a document, after which the state starts anew (empty: one text)")] = ""
    limit: Annotated[Natural, _text("read only so many characters (0: all)")] = 0

    task: Annotated[
        Literal["language", "classify", "tag", "regress", "caption", "translate"],
        _task(
            "language: the next symbol of a text; classify: the class of a sequence; tag: a class at each step of it; "
            "regress: a number, or one at each step; caption: a text about a class or about numbers; translate: a text "
            "about another one; for all but language other defaults hold below, which suit them"
        ),
    ] = "language"
    input: Annotated[str, _task("the column that is read")] = "text"
    target: Annotated[str, _task("the column that is predicted")] = "label"
    held_out: Annotated[Share, _task("the share of the examples that is only tested on; as much again chooses")] = 0.1

    recurrence: Annotated[str, _model("a cell by name (elman, vanilla, gru, lstm, ...), or equations")] = "vanilla"
    layers: Annotated[Count, _model("layers, one above the other")] = 3
    hidden: Annotated[Count, _model("units per layer")] = 512
    embedding: Annotated[Natural, _model("size of an embedding of the symbols (0: none)")] = 0
    bidirectional: Annotated[bool, _model("read in both directions; not where a text is written")] = False
    pooling: Annotated[
        Literal["last", "mean", "max", "attention"], _model("how the steps of a text become one answer")
    ] = "last"
    stop: Annotated[
        Literal["end", "probability", "length"],
        _model("how a text about something ends: a symbol, a probability at each step, or a length drawn first"),
    ] = "end"
    enters: Annotated[
        Literal["state", "every", "both"],
        _model("where what it is about enters: as the first state, at every step, or both"),
    ] = "state"
    attention: Annotated[bool, _model("look at all steps of a text that is translated")] = False
    dropout: Annotated[Share, _model("share left out between layers and before the output")] = 0.0
    initialisation: Annotated[
        Literal["uniform", "orthogonal", "identity"],
        _model("how recurrent matrices start: uniform in ±1/√hidden; orthogonal; identity, their biases zero"),
    ] = "uniform"
    forget_bias: Annotated[
        Finite | None, _model("first value of the bias of gates that keep a state, such as 1 (none: drawn as others)")
    ] = None
    spectral_radius: Annotated[
        Positive | None, _model("recurrent matrices start with this largest |eigenvalue| (none: as they are drawn)")
    ] = None
    dtype: Annotated[Literal["float32", "float64"], _model("type of the numbers")] = "float32"
    precision: Annotated[
        Literal["fp32", "bf16"],
        _model("of what products multiply: bf16 is faster where the processor has instructions for it"),
    ] = "fp32"

    sequence_length: Annotated[Count, _learning("steps through which the gradient goes back")] = 50
    update_every: Annotated[
        Natural, _learning("steps between updates, at most --sequence-length (0: as many): truncated BPTT(k1, k2)")
    ] = 0
    bptt_memory: Annotated[
        str, _learning("of the way back through time: 512MB, or a number of saved states; the rest is computed again")
    ] = ""
    gradient: Annotated[
        Literal["bptt", "rtrl", "snap-1", "snap-2", "snap-3"],
        _learning(
            "bptt: back through the steps of a window; rtrl: forwards, for small networks, so that it is cut nowhere; "
            "snap-n: of rtrl what reaches a state within n steps"
        ),
    ] = "bptt"
    batch: Annotated[Count, _learning("parallel lanes through the text")] = 50
    learning_rate: Annotated[Positive, _learning("Adam's learning rate")] = 1e-3
    schedule: Annotated[
        Literal["constant", "exponential", "cosine"],
        _learning("of the learning rate: constant; exponential, by --decay; cosine, to zero at the end"),
    ] = "exponential"
    warm_up: Annotated[Natural, _learning("steps in which the learning rate rises")] = 0
    decay: Annotated[Factor, _learning("factor per epoch of the exponential schedule")] = 0.97
    decay_after: Annotated[Natural, _learning("epochs before the exponential decay begins")] = 10
    weight_decay: Annotated[NotNegative, _learning("decoupled weight decay, as in AdamW")] = 0.0
    clip: Annotated[NotNegative, _learning("threshold for the gradient, see --clipping (0: none)")] = 5.0
    clipping: Annotated[
        Literal["norm", "value", "parameter", "adaptive"],
        _learning(
            "norm: shortens the whole gradient; value: cuts each of its entries; parameter: shortens that of each "
            "parameter; adaptive: as norm, also where it is longer than most were"
        ),
    ] = "norm"
    clip_quantile: Annotated[Factor, _learning("of the last 1,000 norms, for --clipping adaptive")] = 0.1
    on_accident: Annotated[
        Literal["stop", "skip", "rollback", "random-step"],
        _learning("where a loss or gradient is not finite: stop; skip the batch; go back in weights; step at random"),
    ] = "stop"

    epochs: Annotated[Count | None, _length("passes through the text; 50 where no limit is given")] = None
    steps: Annotated[Count | None, _length("updates of the parameters")] = None
    minutes: Annotated[Positive | None, _length("wall-clock minutes, with the evaluations on the way")] = None

    evaluate_every: Annotated[Count, _report("steps between evaluations, each with a checkpoint")] = 1000
    evaluation_lanes: Annotated[Count, _report("lanes of the evaluations on the way; the final one has one lane")] = 32
    sample_length: Annotated[Natural, _report("symbols written at each evaluation")] = 200
    temperature: Annotated[NotNegative, _report("temperature of those samples")] = 0.8
    prime: Annotated[str, _report("how those samples begin")] = ""

    run: Annotated[str | None, _run("the run's directory; runs/TEXT-CELL-NUMBER where none is given")] = None
    keep: Annotated[Count, _run("checkpoints to keep, besides the best")] = 2
    seed: Annotated[Seed, _run("of the parameters, dropout and samples")] = 1
    device: Annotated[str, _run("auto, cpu, cuda, cuda:1, ...")] = "auto"
    threads: Annotated[Natural, _run("processor threads (0: torch's choice)")] = 0

    def __post_init__(self) -> None:
        for name, hint in hints().items():
            try:
                value = msgspec.convert(getattr(self, name), hint)
            except msgspec.ValidationError as error:
                raise ConfigurationError(f"{flag(name)} is {getattr(self, name)!r}: {_readable(str(error))}") from None
            object.__setattr__(self, name, value)  # a whole number given for a float becomes one
        if self.data is not None and self.text is not None:
            raise ConfigurationError(f"both a text ({self.text}) and --data {self.data} are given; give one of them")
        self._check_gradient()
        if self.precision != "fp32" and self.dtype != "float32":
            raise ConfigurationError(
                f"--precision {self.precision} rounds what is float32, and --dtype is {self.dtype}; give one of them"
            )
        if self.task == "language" and self.data not in (None, "shakespeare"):
            raise ConfigurationError(
                f"--data is {self.data!r}: the only corpus to download is shakespeare. A file to learn to write from "
                "is TEXT, without a flag; examples to learn to answer from take --task classify."
            )
        if self.task in ("language", "caption") and self.bidirectional:
            raise ConfigurationError(
                "a model that writes cannot read in both directions: what comes after the text is what it is to write; "
                "leave --bidirectional out"
            )
        if self.task != "language" and self.data is None:
            named = f", not as TEXT ({self.text})" if self.text is not None else ""
            raise ConfigurationError(
                f"--task {self.task} learns from examples; name their file or folder with --data{named}"
            )
        if not 0 < self.held_out < 0.5:
            raise ConfigurationError(
                f"--held-out is {self.held_out}: as much is tested on as chosen by, and the rest trained on, so that "
                "it lies above 0 and below 0.5"
            )

    def _check_gradient(self) -> None:
        """How far back it goes; what goes forwards has no way back to bound, to lengthen, or to draw again."""
        if self.update_every > self.sequence_length:
            raise ConfigurationError(
                f"--update-every is {self.update_every}, more than the {self.sequence_length} steps of "
                "--sequence-length through which the gradient goes back: some losses would never count; give as many "
                "at most"
            )
        if self.budget is not None and self.update_every not in (0, self.sequence_length):
            raise ConfigurationError(
                "--bptt-memory goes through windows that do not overlap; leave --update-every out, or --bptt-memory"
            )
        reasons = {
            "bptt_memory": "bounds the memory that the way back through a window takes, and there is no way back here",
            "update_every": "lets the gradient reach back further than to the last update, and it is cut nowhere here",
            "dropout": "draws units at random, and the derivatives are those of the equations",
            "precision": "rounds the products of which exact derivatives are taken",
        }
        for name, reason in reasons.items():
            if self.gradient != "bptt" and getattr(self, name) not in ("", 0, "fp32"):
                raise ConfigurationError(
                    f"{flag(name)} {reason}: leave it out, or --gradient {self.gradient}, which goes forwards"
                )

    @property
    def order(self) -> int | None:
        """The n of SnAp-n; None for all that RTRL carries."""
        return int(self.gradient.removeprefix("snap-")) if self.gradient.startswith("snap-") else None

    @property
    def limits(self) -> dict[str, float]:
        """The limits that end training, whichever comes first: epochs, steps, minutes."""
        given = {name: getattr(self, name) for name in ("epochs", "steps", "minutes")}
        return {name: value for name, value in given.items() if value is not None} or {"epochs": DEFAULT_EPOCHS}

    @property
    def budget(self) -> Budget | None:
        """The memory that backpropagation through time may take; None for all that it needs."""
        return Budget.parse(self.bptt_memory) if self.bptt_memory else None

    @property
    def truncation(self) -> Truncation:
        """How often the parameters move, and how far back the gradient flows."""
        return Truncation(self.update_every or self.sequence_length, self.sequence_length)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, under the names of the options."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@cache
def hints() -> Mapping[str, Any]:
    """The annotated type of each option."""
    return MappingProxyType(get_type_hints(TrainConfig, include_extras=True))


def flag(name: str) -> str:
    """An option's name on the command line."""
    return "TEXT" if name == "text" else "--" + name.replace("_", "-")


def resolve(
    flags: Mapping[str, Any],
    *,
    file: Path | str | None = None,
    preset: str | None = None,
    base: TrainConfig | None = None,
) -> TrainConfig:
    """The configuration: defaults of the task (or ``base``) < preset < TOML file < flags; raises ConfigurationError."""
    given = [_preset(preset), read_toml(file) if file is not None else {}, flags]
    task = next((layer["task"] for layer in reversed(given) if "task" in layer), None)
    start = base.to_dict() if base else TASK_DEFAULTS.get(task or "language", {})
    if any(name in layer for layer in given for name in ("epochs", "steps", "minutes")) and not base:
        start = {name: value for name, value in start.items() if name != "epochs"}  # a limit of the user's own
    _check_task(task or (base.task if base else "language"), {**given[1], **flags})
    layers: list[Mapping[str, Any]] = [start, *given]
    merged: dict[str, Any] = {}
    for layer in layers:
        # a text named later replaces a corpus named earlier, and the other way round
        if layer.get("text") is not None:
            merged.pop("data", None)
        if layer.get("data") is not None:
            merged.pop("text", None)
        merged.update(layer)
    return from_dict(merged)


def _check_task(task: str, flags: Mapping[str, Any]) -> None:
    """An option that a task does not have would change nothing, and who gave it would think otherwise."""
    defaults = {field.name: field.default for field in fields(TrainConfig)}
    for name, value in flags.items():
        tasks = BELONGS.get(name, (task,))
        if task not in tasks and value != defaults[name]:
            raise ConfigurationError(
                f"{flag(name)} is an option of --task {' and '.join(tasks)}, and this is --task {task}; leave it out"
            )


def from_dict(options: Mapping[str, Any], where: str = "the configuration") -> TrainConfig:
    """A configuration from plain data; an unknown name is refused with a suggestion."""
    _check_names(options, where)
    return TrainConfig(**options)


def read_toml(path: Path | str) -> dict[str, Any]:
    """The options in a TOML file, dashes and underscores alike."""
    try:
        options = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # bad TOML, or bad UTF-8
        raise ConfigurationError(f"{path} is not TOML: {error}") from error
    options = {name.replace("-", "_"): value for name, value in options.items()}
    _check_names(options, str(path))
    return options


def _preset(name: str | None) -> Mapping[str, Any]:
    if name is not None and name not in PRESETS:
        raise ConfigurationError(f"there is no preset {name!r}; the presets are {', '.join(PRESETS)}")
    return PRESETS[name] if name else {}


def _check_names(options: Mapping[str, Any], where: str) -> None:
    names = hints()
    for name in options:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            advice = f"did you mean {close[0]}?" if close else f"the options are {', '.join(names)}"
            raise ConfigurationError(f"{where} has an option {name!r} that does not exist; {advice}")


def _readable(message: str) -> str:
    """msgspec's words for a wrong value, as part of a sentence."""
    return message[:1].lower() + message[1:].replace("`", "")
