"""Units that follow something: predicates by hand, scores against scipy and sklearn, networks made to keep count."""

import json
import string

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from unrolled.checkpoint import TrainedModel
from unrolled.data.vocabulary import Vocabulary
from unrolled.diagnose import predicates
from unrolled.diagnose.predicates import PREDICATES, Predicate
from unrolled.diagnose.ranks import association, ranks
from unrolled.diagnose.states import hidden_states, untrained
from unrolled.diagnose.units import BLOCKS, by_symbol, find_trackers, symbol_places, titles
from unrolled.errors import DataError
from unrolled.nn import language_model
from unrolled.training.evaluation import result_of

RNG = np.random.default_rng(0)


def prose(length: int, seed: int = 0) -> str:
    """Lines of words with brackets, capitals and marks, as a text without meaning."""
    random, found = np.random.default_rng(seed), ""
    while len(found) < length:
        words = ["".join(random.choice(list("abcdefgh"), random.integers(1, 8))) for _ in range(random.integers(1, 9))]
        if random.random() < 0.4:
            words[0] = words[0].upper()
        if random.random() < 0.5:
            words[-1] = f"({words[-1]}"
            words.append("ab cd)")
        found += " ".join(words) + random.choice([".\n", "\n", "\n\n", ": ef gh\n"])
    return found[:length]


@pytest.mark.parametrize(
    ("predicate", "text", "expected"),
    [
        ("inside_quotes", 'a"b"c“d”e', "011001100"),
        ("inside_quotes", "“a „b” «c»", "1111100110"),
        ("inside_brackets", "a(b[c)d]e)f(", "011111100001"),
        ("after_a_colon", "a: b\nc:\n:", "011100101"),
        ("line_position", "ab\n\nc", "12001"),
        ("lines_of_paragraph", "\na\nb\n\nc\n", "00112001"),
        ("after_an_empty_line", "a\nb\n\nc\nd", "10001100"),
        ("word_position", "ab, c3d", "1200123"),
        ("word_begins", "ab, c3d", "1000100"),
        ("word_ends", "ab, c3d", "0100001"),
        ("in_capitals", "ABc DE", "010001"),
        ("sentence_position", "ab. c?!d", "12012001"),
        ("capital_letter", "aB1É", "0101"),
        ("vowel", "aBeÖy", "10110"),
        ("space", "a \tb\n", "01101"),
        ("punctuation", "a,.b 1", "011000"),
        ("digit", "a1 2", "0101"),
    ],
)
def test_predicates_by_hand(predicate, text, expected):
    assert getattr(predicates, predicate)(text).astype(int).tolist() == [int(each) for each in expected]


@given(st.text(string.ascii_letters + ' \n():"“”.!1,', max_size=30))
def test_predicates_look_back_only(text):
    """But for the last letter of a word, what holds at a character does not hang on what follows."""
    for predicate in PREDICATES:
        found = predicate.of(text)
        assert found.shape == (len(text),)
        assert found.dtype == (np.float64 if predicate.number else bool)
        if predicate.name != "last letter of a word":
            assert found[:7].tolist() == predicate.of(text[:7]).tolist()


def test_ranks_against_scipy():
    values = np.round(RNG.normal(size=(50, 4)), 1)  # with ties
    values[:, 3] = 1
    assert ranks(values).tolist() == stats.rankdata(values, axis=0).tolist()
    assert ranks(np.zeros((0, 2))).shape == (0, 2)


def test_scores_against_sklearn_and_scipy():
    values = np.round(RNG.normal(size=(80, 5)), 1)
    values[:, 4] = 3
    true, numbers = RNG.random(80) < 0.3, np.round(RNG.normal(size=80) + values[:, 0], 1)
    auc = [2 * roc_auc_score(true, values[:, n]) - 1 for n in range(5)]
    assert association(ranks(values), true) == pytest.approx(auc, abs=1e-12)
    rho = [stats.spearmanr(values[:, n], numbers).statistic for n in range(4)]
    assert association(ranks(values), numbers) == pytest.approx([*rho, 0], abs=1e-12)
    assert association(ranks(values), np.ones(80, dtype=bool)).tolist() == [0] * 5
    assert association(ranks(values), np.ones(80)).tolist() == [0] * 5


def test_the_symbol_alone_by_hand():
    symbols = np.array([0, 1, 0, 1, 0, 1, 2])
    values = np.array([1, 0, 0, 0, 1, 1, 1], dtype=bool)
    assert by_symbol(symbols, values, 4).tolist() == [0.5, 0, 0.25]


def test_words_and_bytes_stand_at_characters():
    assert symbol_places(("ab", " c", "\n")).tolist() == [1, 3, 4]
    assert symbol_places(("", "é", "x")).tolist() == [0, 0, 1]
    assert symbol_places(("x", "")).tolist() == [0, 0]  # the last bytes of a text that ends inside a character


def counter(text: str) -> TrainedModel:
    """A network whose unit 2 counts the characters of a line, whose unit 4 falls within brackets; the others do not
    matter."""
    vocabulary = Vocabulary.of(text)
    torch.manual_seed(0)
    layer = language_model("h_t = relu(U x_t + W h_{t-1} + b)", len(vocabulary), hidden=6)
    at = vocabulary.symbols.index
    with torch.no_grad():
        layer.W[[2, 4]] = 0
        layer.W[2, 2] = layer.W[4, 4] = 1
        layer.U[[2, 4]], layer.b[[2, 4]] = 0, 0
        layer.U[2], layer.U[2, at("\n")] = 1, -10_000
        layer.U[4, at("(")], layer.U[4, at(")")] = -1, 1
        layer.b[4] = 0
    return TrainedModel(layer, vocabulary)


def test_units_that_count_are_found():
    text = prose(4000)
    text = ")" * 5 + text  # so that unit 4 stands at 5 outside brackets
    found = result_of(find_trackers(counter(text), text, controls=2))
    by_name = {each.predicate: each for each in found.trackers}
    line, brackets = by_name["position in the line"], by_name["inside brackets"]
    assert (line.state, line.unit, line.sign, line.number) == ("h", 2, 1, True)
    assert (brackets.unit, brackets.sign) == (4, -1)
    assert (line.chosen, line.score) == (pytest.approx(1), pytest.approx(1))
    assert brackets.score == pytest.approx(1)
    assert {line, brackets} <= set(found.found)
    assert all(not each.clear for each in found.trackers if each.predicate in ("vowel", "space", "capital letter"))
    assert set(found.rare) == {"inside quotes", "digit"}
    assert (found.symbols, found.units, found.controls) == (4005, 6, 2)
    assert [each.lead for each in found.trackers] == sorted((each.lead for each in found.trackers), reverse=True)
    data = json.loads(json.dumps(found.to_dict()))
    assert data["trackers"][0]["clear"] is True
    assert titles([line])["h", 2].startswith("h[2]: position in the line (1.00, untrained ")


def test_activations_over_a_piece():
    text = prose(3000)
    found = result_of(find_trackers(counter(text), text, controls=1, shown=100))
    begin = next(n + 1 for n in range(1500, 3000) if text[n] == "\n" != text[n + 1])
    assert "".join(found.piece) == text[begin : begin + 100]
    (title,) = [each for each in found.activations if each.startswith("h[2]: position in the line")]
    # the unit stands at 0 at the line break, and counts from there
    assert list(found.activations[title]) == predicates.line_position(text)[begin : begin + 100].tolist()
    assert len(found.activations) == len({(each.state, each.unit) for each in found.found})


def test_every_number_of_a_tracker_by_hand():
    text, predicate = prose(1500, 3), Predicate("brackets", predicates.inside_brackets)
    model = counter(text)
    (found,) = result_of(find_trackers(model, text, controls=2, seed=5, predicates=[predicate])).trackers
    true = predicates.inside_brackets(text)
    half = len(text) // 2

    def chosen(network):
        h = hidden_states(network, text).states["h"]
        first = [2 * roc_auc_score(true[:half], h[:half, n]) - 1 for n in range(6)]
        unit = int(np.argmax(np.abs(first)))
        return unit, abs(first[unit]), np.sign(first[unit]) * h[half:, unit]

    def score(column, keep):
        return 2 * roc_auc_score(true[half:][keep], column[keep]) - 1

    unit, first, later = chosen(model)
    controls = [chosen(other)[2] for other in untrained(model, 2, 5)]
    seen = {s: np.mean([t for c, t in zip(text[:half], true[:half], strict=True) if c == s]) for s in set(text[:half])}
    alone = np.array([seen.get(s, true[:half].mean()) for s in text[half:]])
    everything = np.ones(len(later), dtype=bool)
    assert (found.unit, found.chosen) == (unit, pytest.approx(first))
    assert found.score == pytest.approx(score(later, everything))
    assert found.control == pytest.approx(max(score(each, everything) for each in controls))
    assert found.symbol == pytest.approx(score(alone, everything))
    assert found.lead == pytest.approx(found.score - max(found.control, found.symbol))
    leads = []
    for block in np.array_split(np.arange(len(later)), BLOCKS):
        keep = np.isin(np.arange(len(later)), block, invert=True)
        leads.append(score(later, keep) - max(score(each, keep) for each in (alone, *controls)))
    jackknife = np.sqrt((BLOCKS - 1) / BLOCKS * np.sum((leads - np.mean(leads)) ** 2))
    assert found.error == pytest.approx(jackknife)


def test_the_best_of_many_units_does_not_fool():
    """Of 200 units some one goes with coins that were tossed, on the half on which it is chosen; not on the other."""
    text = prose(1200, 7)
    vocabulary = Vocabulary.of(text)
    torch.manual_seed(1)
    model = TrainedModel(language_model("vanilla", len(vocabulary), hidden=200), vocabulary)
    coins = [
        Predicate(f"coin {n}", lambda text, n=n: np.random.default_rng(n).random(len(text)) < 0.5) for n in range(8)
    ]
    found = result_of(find_trackers(model, text, controls=1, predicates=coins))
    assert min(each.chosen for each in found.trackers) > 0.08
    assert abs(np.mean([each.score for each in found.trackers])) < 0.05
    assert found.found == ()


def test_nothing_to_compare_with():
    text = prose(300)
    with pytest.raises(DataError, match="0 untrained networks"):
        result_of(find_trackers(counter(text), text, controls=0))
    few = result_of(find_trackers(counter(text), "ab(c)\n" * 3, controls=1))
    assert few.trackers == ()
    assert len(few.rare) == len(PREDICATES)
    one = result_of(find_trackers(counter(text), "a", controls=1))
    assert (one.symbols, one.found) == (1, ())


@pytest.mark.parametrize("recurrence", ["vanilla", "gru", "lstm"])
def test_a_network_that_was_not_trained_is_ahead_of_no_other(recurrence):
    text = prose(2500, 9)
    vocabulary = Vocabulary.of(text)
    torch.manual_seed(2)
    model = TrainedModel(language_model(recurrence, len(vocabulary), hidden=20), vocabulary)
    found = result_of(find_trackers(model, text))
    assert len(found.trackers) > 10
    assert found.found == ()
    assert found.activations == {}


def test_how_often_chance_is_taken_for_a_find():
    """12 networks that were not trained, each beside 10 others; by the docstring at most one in 30 has a find."""
    text = prose(2500, 9)
    vocabulary = Vocabulary.of(text)
    torch.manual_seed(3)
    networks = untrained(TrainedModel(language_model("gru", len(vocabulary), hidden=20), vocabulary), 12, seed=99)
    found = [bool(result_of(find_trackers(network, text, seed=n)).found) for n, network in enumerate(networks)]
    assert sum(found) <= 2
