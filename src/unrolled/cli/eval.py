"""``unrolled eval``."""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unrolled.cli import OK, from_user
from unrolled.cli.options import Switch
from unrolled.cli.progress import followed
from unrolled.errors import ConfigurationError

if TYPE_CHECKING:
    from unrolled.checkpoint.model import TrainedModel
    from unrolled.data.documents import Documents
    from unrolled.data.vocabulary import Unknown, Vocabulary
    from unrolled.training.evaluation import Evaluation


def evaluate(
    run: Path,
    text: str | None = None,
    /,
    *,
    share: float = 0.05,
    unknown: Literal["error", "skip", "replace"] = "error",
    device: str = "cpu",
    json: Switch = False,
    quiet: Switch = False,
    debug: Switch = False,
) -> int:
    """Measure how well a trained model predicts: loss, bits per character and perplexity of a text; right answers.

    A text is read as one lane, the state carried from zero, the mean over all predictions.

    Parameters
    ----------
    run
        A run directory that `unrolled train` made.
    text
        A file, a folder, a glob, or - for standard input; for a model that answers a file or folder of examples.
        Without it, what the run held out of its own data.
    share
        The share of the text, at its end, that is predicted: 0.05 is what training holds out, 1 is all of it.
    unknown
        What to do with symbols that the model never saw.
    device
        cpu, cuda, ...
    json
        Write one JSON object.
    quiet
        No progress on stderr.
    debug
        Show tracebacks.
    """
    if not 0 < share <= 1:
        raise ConfigurationError(f"--share is {share}; it must lie above 0 and at most at 1")
    import torch

    from unrolled.checkpoint import RunDirectory, load

    task = RunDirectory.open(run).task
    if task != "language":
        return _answers(run, task, None if text is None else from_user(text), device, json=json)
    torch.set_num_threads(1)  # one lane gains little from a second thread, and loses much where other programs run
    model = load(run, device)
    documents, characters, name = _text(model, run, None if text is None else from_user(text), share, unknown)
    if not quiet and not json:
        print(f"predicting {characters:,} characters: {name}", file=sys.stderr)
    result = _evaluate(model, documents, quiet=quiet or json)
    if json:
        print(json_format.dumps({"run": str(run), "text": name, **result.to_dict()}))
        return OK
    from unrolled.cli.display import print_evaluation

    print_evaluation(result)
    return OK


def _answers(run: Path, task: str, file: str | None, device: str, *, json: bool) -> int:
    from unrolled.answering import load_answerer, load_translator, translator
    from unrolled.cli.display import print_evaluation
    from unrolled.training.answers import evaluate_answers
    from unrolled.training.evaluation import result_of
    from unrolled.training.examples import encoded
    from unrolled.training.kinds import examples_of
    from unrolled.training.pairs import paired
    from unrolled.training.translation import evaluate_pairs

    examples = examples_of(run, file)
    figures: Any
    if task in translator.TASKS:
        writer = load_translator(run, device)
        figures = result_of(evaluate_pairs(writer, paired(writer, examples)))
    else:
        answerer = load_answerer(run, device)
        figures = result_of(evaluate_answers(answerer, encoded(answerer, examples)))
    if json:
        print(json_format.dumps({"run": str(run), "data": file, **figures.to_dict()}))
    else:
        print_evaluation(figures)
    return OK


def _text(
    model: TrainedModel, run: Path, text: str | None, share: float, unknown: Unknown
) -> tuple[Documents, int, str]:
    """What to predict, how many characters it has, and words for it."""
    from unrolled.checkpoint import RunDirectory
    from unrolled.data.corpora import read_text, split
    from unrolled.data.documents import read_documents

    if text is None:
        return *held_out(run, model.vocabulary), f"what {run} held out of its own text"
    part, name = read_text(text, raw=model.vocabulary.kind == "bytes"), text
    if share < 1:
        part, name = split(text, part, share).validation, f"the last {share:.0%} of {text}"
    separator = RunDirectory.open(run).read("config")["train"].get("documents", "")
    return read_documents(part, separator, model.vocabulary, unknown, name), len(part), name


def held_out(run: Path, vocabulary: Vocabulary) -> tuple[Documents, int]:
    """What a run held out of its text, and how many characters that has."""
    from unrolled.checkpoint import RunDirectory
    from unrolled.training.material import own_text

    config, corpus = own_text(RunDirectory.open(run))
    return corpus.documents("validation", vocabulary, config.documents), corpus.validation_characters


def _evaluate(model: TrainedModel, documents: Documents, *, quiet: bool) -> Evaluation:
    from unrolled.training.evaluation import evaluate_stepwise

    windows = evaluate_stepwise(model.layer, documents.ids, model.vocabulary, starts=documents.starts)
    return followed(windows, "evaluating", quiet)
