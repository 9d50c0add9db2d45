"""Texts about something: each depends on its input alone, drawn ones on their stream, and probabilities are right."""

import itertools
import math

import numpy as np
import pytest
import torch

from unrolled.answering import Dictionary, Labels, Texts, Translator, TranslatorDescription
from unrolled.answering.figures import Writings, distance
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import ConfigurationError, DataError, UnknownSymbolError
from unrolled.generation.sampler import Sampler

STOPS = ["end", "probability", "length"]
TARGET = Vocabulary("characters", ("a", "b"))
LONGEST = 4


def captioner(stop: str) -> Translator:
    torch.manual_seed(3)
    dictionary = Dictionary(Labels(("one", "two", "three")), TARGET)
    assert Dictionary.from_json(dictionary.to_json()) == dictionary
    description = TranslatorDescription(
        "gru", 3, 2, LONGEST, 6, text=False, stop=stop, enters="both", embedding=3, dtype="float64"
    )
    assert TranslatorDescription.from_json(description.to_json()) == description
    layer = description.build().eval()
    with torch.no_grad():  # far from uniform, so that texts differ
        for parameter in layer.parameters():
            parameter.mul_(3)
    return Translator(layer, dictionary, longest=1)


def translator(attention: bool) -> Translator:
    torch.manual_seed(4)
    dictionary = Dictionary(Texts(Vocabulary("characters", ("x", "y", "z"))), TARGET)
    assert Dictionary.from_json(dictionary.to_json()) == dictionary
    description = TranslatorDescription(
        "lstm", 3, 2, LONGEST, 5, attention=attention, bidirectional=True, dtype="float64", dropout=0.3
    )
    return Translator(description.build().eval(), dictionary, longest=1)


def probability(model: Translator, value: str, text: str) -> float:
    nats, outcomes = model.nats([model.reading.encode(value)], [TARGET.encode(text)])
    assert outcomes.tolist() == [len(text) + 1]
    return math.exp(-nats.item())


def all_texts(longest: int):
    return ("".join(text) for n in range(longest + 1) for text in itertools.product("ab", repeat=n))


@pytest.mark.parametrize("stop", STOPS)
def test_the_probability_that_is_told_is_that_of_the_text(stop):
    model = captioner(stop)
    values = ["one", "two", "three", "two"] * 3
    for written, value in zip(model.answers(values, Sampler(), seed=5), values, strict=True):
        if written.ended:
            assert written.probability == pytest.approx(probability(model, value, written.text), rel=1e-9)
        assert len(written.text) <= 12


@pytest.mark.parametrize("stop", STOPS)
def test_drawn_texts_have_the_distribution_of_the_model(stop):
    model, count = captioner(stop), 3000
    drawn = [written.text for written in model.answers(["two"] * count, Sampler(), seed=1)]
    for text in all_texts(2):
        p = probability(model, "two", text)
        assert abs(drawn.count(text) / count - p) < 4 * math.sqrt(p * (1 - p) / count) + 1e-9


@pytest.mark.parametrize("stop", STOPS)
def test_a_text_depends_on_its_input_and_its_stream_alone(stop):
    model = captioner(stop)
    together = [each.text for each in model.answers(["one", "two", "three"] * 100, Sampler(), seed=2)]
    others = [each.text for each in model.answers(["three", "two", "one"] * 100, Sampler(), seed=2)]
    assert together[1::3] == others[1::3]
    greedy = [each.text for each in model.answers(["one", "two", "three"] * 2)]
    assert greedy == [next(model.answers([value])).text for value in ("one", "two", "three")] * 2
    assert list(model.answers([])) == []


@pytest.mark.parametrize("stop", STOPS)
def test_a_wide_beam_finds_the_most_probable_text(stop):
    model = captioner(stop)
    for value in ("one", "two", "three"):
        best = max(all_texts(LONGEST), key=lambda text: probability(model, value, text))
        found = model.best(value, beams=64)
        if stop == "length":  # the others may be longer than what is enumerated here
            assert found[0].text == best
        assert found[0].probability >= probability(model, value, best) * (1 - 1e-9)
        for each in found[:5]:
            if each.ended:
                assert each.probability == pytest.approx(probability(model, value, each.text), rel=1e-9)


@pytest.mark.parametrize("stop", STOPS)
def test_only_allowed_texts(stop):
    model, texts = captioner(stop), ["ab", "b", "abba"]
    allowed = model.allowed(texts)
    drawn = {each.text for each in model.answers(["one"] * 200, Sampler(), seed=3, allowed=allowed)}
    assert drawn == set(texts)
    best = max(texts, key=lambda text: probability(model, "two", text))
    assert model.best("two", beams=8, allowed=allowed)[0].text == best
    with pytest.raises(UnknownSymbolError, match="'c'"):
        model.allowed(["abc"])
    with pytest.raises(ConfigurationError, match="no string is allowed"):
        model.allowed([])


def test_a_beam_of_one_is_greedy():
    model = captioner("end")
    for value in ("one", "two", "three"):
        (greedy,), (found,) = model.answers([value]), model.best(value, beams=1)
        assert found.text == greedy.text
        assert len(found.symbols) <= model.most


@pytest.mark.parametrize("attention", [False, True])
def test_a_translation_depends_on_its_text_alone(attention):
    model = translator(attention)
    values = ["xyz", "", "z", "yyyyyyyyx", "?", "xyz"]
    together = list(model.answers(values))
    for value, written in zip(values, together, strict=True):
        (alone,) = model.answers([value])
        assert alone.text == written.text
        assert alone.probability == pytest.approx(written.probability, rel=1e-9)
        if written.ended:
            assert written.probability == pytest.approx(probability(model, value, written.text), rel=1e-9)


@pytest.mark.parametrize("data", [{}, {"source": 3, "target": {}}, {"source": {}, "target": {"kind": "bytes"}}])
def test_a_damaged_dictionary(data):
    with pytest.raises(DataError):
        Dictionary.from_json(data)


def test_figures_by_hand():
    nats, outcomes = np.array([2.0, 4.0]), np.array([3, 1])
    figures = Writings.of(nats, outcomes, ["ab", "b"], ["ab", ""], np.array([2, 1]), np.array([2, 0]))
    assert (figures.nats, figures.nats_per_symbol, figures.exact) == (3, 1.5, 0.5)
    assert (figures.length_error, figures.length_distance, figures.examples) == (0.5, 0.5, 2)


def test_the_distance_of_two_samples_is_that_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for _ in range(20):
        one, other = rng.integers(0, 9, 30), rng.integers(2, 12, 17)
        assert distance(one, other) == pytest.approx(stats.ks_2samp(one, other).statistic)
