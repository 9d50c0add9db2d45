"""Truncated BPTT and documents: gradients against whole unrollings cut by hand, states against reading alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from training.breaks import broken_off, gone_on, losses, weights
from unrolled.checkpoint.model import TrainedModel
from unrolled.data.corpora import split
from unrolled.data.documents import read_documents
from unrolled.data.lanes import Position
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import ConfigurationError
from unrolled.nn import language_model
from unrolled.training import TrainConfig, train
from unrolled.training.evaluation import evaluate_stepwise, result_of
from unrolled.training.language import LanguageTask
from unrolled.training.reading import read

TEXT = "the quick brown fox. jumps over. the lazy dog; pack my box. with five dozen liquor jugs.\n" * 12
CORPUS = split("pangrams", TEXT)
VOCABULARY = Vocabulary.of(TEXT)


def model(cell: str = "gru", layers: int = 1) -> TrainedModel:
    torch.manual_seed(0)
    layer = language_model(cell, len(VOCABULARY), hidden=5, num_layers=layers, dtype=torch.float64)
    return TrainedModel(layer, VOCABULARY)


def task(truncation, **options) -> LanguageTask:
    every, back = truncation
    config = TrainConfig(sequence_length=back, update_every=every, batch=3, **options)
    return LanguageTask(config, model(), CORPUS, torch.device("cpu"))


def gradients(layer) -> list[torch.Tensor]:
    found = [parameter.grad.clone() for parameter in layer.parameters()]
    layer.zero_grad()
    return found


@pytest.mark.parametrize("truncation", [(4, 4), (2, 5), (1, 7), (3, 6), (5, 6)])
def test_each_update_is_the_unrolling_cut_k2_steps_back(truncation):
    """From the beginning of the text to the window without a gradient, then the window with one."""
    run, (every, back) = task(truncation), truncation
    steps = run.lanes.steps
    whole = run.lanes.stretch(0, steps)
    ids, targets = torch.from_numpy(whole.inputs), torch.from_numpy(whole.targets)
    position = Position()
    for update in range(6):
        loss, read_symbols = run.loss(position)
        loss.backward()
        position = position.after(run.steps_per_epoch)
        run.accept(position)
        found = gradients(run.layer)
        end = (update + 1) * every
        begin = max(0, end - back)
        state = run.layer.logits(ids[:begin])[1] if begin else None
        state = None if state is None else {name: each.detach() for name, each in state.items()}
        logits, _ = run.layer.logits(ids[begin:end], state)
        logits = logits[end - every - begin :].flatten(0, 1)
        expected = functional.cross_entropy(logits, targets[end - every : end].flatten())
        torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
        assert read_symbols == 3 * every
        expected.backward()
        for one, other in zip(found, gradients(run.layer), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=6), lanes=st.integers(1, 3), layers=st.integers(1, 2),
    cut=st.integers(0, 12), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_document_is_read_as_if_alone(lengths, lanes, layers, cut, seed):
    layer = model("lstm", layers).layer
    rng = np.random.default_rng(seed)
    steps = sum(lengths)
    columns = [rng.permutation(lengths) for _ in range(lanes)]
    begins = np.zeros((steps, lanes), bool)
    for lane, own in enumerate(columns):
        begins[np.cumsum([0, *own[:-1]]), lane] = True
    ids = torch.from_numpy(rng.integers(0, len(VOCABULARY), (steps, lanes)))
    cut = min(cut, steps)
    first, state = read(layer, ids[:cut], None, begins[:cut]) if cut else (ids.new_zeros(0, lanes, 1), None)
    second, last = read(layer, ids[cut:], state, begins[cut:]) if cut < steps else (first[:0], state)
    for lane, own in enumerate(columns):
        ends = np.cumsum(own)
        for begin, end in zip(ends - own, ends, strict=True):
            alone, after = layer.logits(ids[begin:end, lane])
            together = [*first[begin:end, lane], *second[max(0, begin - cut) : max(0, end - cut), lane]]
            torch.testing.assert_close(torch.stack(together), alone, rtol=1e-12, atol=1e-12)
        for name, value in after.items():
            torch.testing.assert_close(last[name][..., lane, :], value, rtol=1e-12, atol=1e-12)


def test_documents_of_a_text():
    documents = read_documents("one. two. three", ". ", Vocabulary.of("one. two. three"))
    assert documents.starts.tolist() == [0, 5, 10]
    words = read_documents("one two\n\nthree", "\n\n", Vocabulary.of("one two\n\nthree", "words"))
    assert words.starts.tolist() == [0, 4]
    assert read_documents("abc", "", Vocabulary.of("abc")).starts is None
    assert read_documents("", "x", Vocabulary.of("x")).starts.tolist() == []


def test_an_evaluation_starts_anew_at_each_document():
    layer, text = model().layer, "the dog. the fox. my box"
    documents = read_documents(text, ". ", VOCABULARY)
    figures = result_of(evaluate_stepwise(layer, documents.ids, VOCABULARY, starts=documents.starts))
    nats = 0.0
    for begin, end in ((0, 9), (9, 18), (18, 24)):
        targets = torch.from_numpy(documents.ids[begin + 1 : end + 1])
        logits, _ = layer.logits(torch.from_numpy(documents.ids[begin : begin + len(targets)]))
        nats += functional.cross_entropy(logits, targets, reduction="sum").item()
    assert figures.nats == pytest.approx(nats / (len(text) - 1), rel=1e-12)


@pytest.mark.parametrize("options", [{"update_every": 3}, {"documents": ". "}, {"update_every": 2, "documents": "\n"}])
def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path, options):
    config = TrainConfig(
        recurrence="lstm", layers=2, hidden=6, dropout=0.2, batch=3, sequence_length=7, steps=24, evaluate_every=8,
        sample_length=5, run=str(tmp_path / "whole"), **options,
    )  # fmt: skip
    whole, other = losses(train(config, corpus=CORPUS)), tmp_path / "other"
    seen, _ = broken_off(config, CORPUS, other, 11)
    assert seen + gone_on(other, CORPUS) == whole
    assert weights(other) == weights(config.run)


def test_updates_further_apart_than_the_gradient_reaches():
    with pytest.raises(ConfigurationError, match="more than the 4 steps of --sequence-length"):
        TrainConfig(sequence_length=4, update_every=5)
