"""A changed symbol, against two texts read side by side in numpy, scipy's entropy, and networks with a known memory."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from unrolled.checkpoint import TrainedModel
from unrolled.data.vocabulary import Vocabulary
from unrolled.diagnose.what_if import OTHERS, Curve, what_if
from unrolled.errors import ConfigurationError, DataError, UnknownSymbolError
from unrolled.nn import Recurrent, language_model
from unrolled.training.evaluation import result_of

TEXT = "to be, or not to be: that is\nthe question"


def model(recurrence: str = "vanilla", text: str = TEXT, scale: float = 1.5, **options) -> TrainedModel:
    vocabulary = Vocabulary.of(text)
    torch.manual_seed(0)
    layer = language_model(recurrence, len(vocabulary), hidden=5, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(scale)
    return TrainedModel(layer, vocabulary)


def read(found: TrainedModel, text: str) -> tuple[np.ndarray, np.ndarray]:
    """States and predictions of a vanilla network, by hand."""
    p = {name: value.detach().double().numpy() for name, value in found.layer.named_parameters()}
    h, states, predictions = np.zeros(5), [], []
    for symbol in found.vocabulary.encode(text):
        h = np.tanh(p["U"][:, symbol] + p["W"] @ h + p["b"])
        o = np.exp(p["V"] @ h + p["c"])
        states.append(h)
        predictions.append(o / o.sum())
    return np.array(states), np.array(predictions)


@pytest.mark.parametrize("position", [0, 7, 28, len(TEXT) - 1])
def test_every_number_by_hand(position):
    found = model()
    report = result_of(what_if(found, TEXT, position, "q", steps=12))
    states, predictions = read(found, TEXT)
    after = slice(position, position + 12)
    divergence, variation, distance = {}, {}, {}
    for symbol in found.vocabulary.symbols:
        if symbol != TEXT[position]:
            h, p = read(found, TEXT[:position] + symbol + TEXT[position + 1 :])
            pairs = list(zip(predictions[after], p[after], strict=True))
            divergence[symbol] = [stats.entropy(one, other, base=2) for one, other in pairs]
            variation[symbol] = [np.abs(one - other).sum() / 2 for one, other in pairs]
            distance[symbol] = np.linalg.norm(h - states, axis=1)[after] / np.linalg.norm(states, axis=1)[after]
    for curve, each in ((report.divergence, divergence), (report.variation, variation), (report.states["h"], distance)):
        assert curve.values == pytest.approx(each["q"], rel=1e-7, abs=1e-12)
        low, median, high = np.percentile(list(each.values()), (10, 50, 90), axis=0)
        assert curve.low == pytest.approx(low, rel=1e-7, abs=1e-12)
        assert curve.median == pytest.approx(median, rel=1e-7, abs=1e-12)
        assert curve.high == pytest.approx(high, rel=1e-7, abs=1e-12)
    changed = read(found, TEXT[:position] + "q" + TEXT[position + 1 :])[1]
    symbols = found.vocabulary.symbols
    likeliest = [(symbols[a], symbols[b]) for a, b in zip(predictions.argmax(1), changed.argmax(1), strict=True)]
    assert report.likeliest == tuple(likeliest[after])
    assert report.symbols == tuple(TEXT[after])
    assert (report.position, report.was, report.instead) == (position, TEXT[position], "q")
    assert report.others == len(symbols) - 1
    data = json.loads(json.dumps(report.to_dict()))
    assert data["variation"]["values"] == list(report.variation.values)


def test_states_of_all_layers():
    """Against two runs of the layer, step by step; an LSTM has c and h."""
    found = model("lstm", num_layers=2)
    report = result_of(what_if(found, TEXT, 5, "q"))
    assert set(report.states) == {"c, layer 1", "c, layer 2", "h, layer 1", "h, layer 2"}
    layer = found.layer.double()
    states = []
    for text in (TEXT, TEXT[:5] + "q" + TEXT[6:]):
        state, rows = None, []
        with torch.no_grad():
            for symbol in found.vocabulary.encode(text):
                _, state = layer(torch.tensor([symbol]), state)
                rows.append({f"{n}, layer {d + 1}": v[d] for n, v in state.items() for d in range(2)})
        states.append(rows[5:])
    for name, curve in report.states.items():
        expected = [((b[name] - a[name]).norm() / a[name].norm()).item() for a, b in zip(*states, strict=True)]
        assert curve.values == pytest.approx(expected, rel=1e-9)


def test_a_network_without_memory_forgets_at_once():
    report = result_of(what_if(model("h_t = tanh(U x_t + b + 0 * h_{t-1})"), TEXT, 3, "q"))
    for curve in (report.states["h"], report.divergence, report.variation):
        assert curve.values[0] > 0
        assert set(curve.values[1:]) == {0}
        assert curve.forgotten() == 1
        assert math.isnan(curve.rate)
    assert report.to_dict()["variation"]["rate"] is None


def test_a_memory_that_halves():
    """h_t = h_{t-1} / 2 + U x_t + b, each symbol read alike but for the changed one: the distance halves at each step
    while the state stays where it is."""
    found = model("h_t = 0.5 h_{t-1} + U x_t + b")
    with torch.no_grad():
        found.layer.U[:] = 1
        found.layer.b[:] = 0
        found.layer.U[:, found.vocabulary.symbols.index("q")] = 3
    report = result_of(what_if(found, "to be, or not to be: that is\nthe best" * 3, 60, "q", steps=30))
    assert report.states["h"].values == pytest.approx([0.5**step for step in range(30)], rel=1e-9)
    assert report.states["h"].rate == pytest.approx(math.log(0.5))
    assert report.states["h"].forgotten(0.1) == 4
    assert report.states["h"].forgotten(1e-12) is None


@given(st.lists(st.floats(1e-6, 1), min_size=2, max_size=20), st.floats(0.01, 1))
def test_figures_of_a_curve(values, share):
    curve = Curve(tuple(values), (), (), ())
    assert curve.rate == pytest.approx(stats.linregress(range(len(values)), np.log(values)).slope, abs=1e-9)
    steps = [s for s in range(len(values)) if all(each < share * max(values) for each in values[s:])]
    assert curve.forgotten(share) == (steps[0] if steps else None)


def test_positions_from_the_end_and_the_end_of_the_text():
    found = model()
    report = result_of(what_if(found, TEXT, -3, "q"))
    assert (report.position, report.symbols) == (len(TEXT) - 3, tuple(TEXT[-3:]))
    assert report == result_of(what_if(found, TEXT, len(TEXT) - 3, "q"))
    assert result_of(what_if(found, TEXT, -len(TEXT), "q", steps=3)).position == 0


def test_many_symbols_are_drawn_from():
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 400)))
    found = model(text=text)
    one, again, other = (result_of(what_if(found, text, 9, text[50], steps=3, seed=seed)) for seed in (0, 0, 1))
    assert one.others == OTHERS + 1
    assert one == again
    assert one.variation.values == other.variation.values
    assert one.variation.median != other.variation.median


def test_the_layer_is_left_as_it_was():
    found = model("gru", dropout=0.5, num_layers=2)
    found.layer.train()
    before = {name: value.clone() for name, value in found.layer.state_dict().items()}
    one, again = (result_of(what_if(found, TEXT, 3, "q")) for _ in range(2))
    assert one == again
    assert found.layer.training
    assert all(torch.equal(before[name], value) for name, value in found.layer.state_dict().items())


def test_words_and_bytes():
    text = "to be or not to be"
    for kind, symbol, was in (("words", " not", " be"), ("bytes", "z", "e")):
        vocabulary = Vocabulary.of(text, kind)
        found = TrainedModel(language_model("vanilla", len(vocabulary), hidden=3), vocabulary)
        report = result_of(what_if(found, text, 1 if kind == "words" else 4, symbol))
        assert (report.was, report.instead) == (was, symbol)


@pytest.mark.parametrize(
    ("position", "symbol", "error", "message"),
    [
        (40, "q", DataError, "no character 40: the text has 40, which are 0 to 39"),
        (-41, "q", DataError, "no character -41"),
        (3, "€", UnknownSymbolError, r"never saw '€' \(EURO SIGN, U\+20AC\)"),
        (3, "qu", DataError, "'qu' is 2 characters, and one takes the place of one"),
        (3, "", DataError, "'' is 0 characters"),
        (3, "b", DataError, "'b' stands at position 3 already"),
    ],
)
def test_what_cannot_be_changed(position, symbol, error, message):
    assert len(TEXT) == 41
    with pytest.raises(error, match=message):
        result_of(what_if(model(text=TEXT[:40]), TEXT[:40], position, symbol))


def test_what_cannot_be_asked():
    with pytest.raises(DataError, match="no character 0: the text has 0"):
        result_of(what_if(model(), "", 0, "q"))
    with pytest.raises(DataError, match="0 steps"):
        result_of(what_if(model(), TEXT, 0, "q", steps=0))
    both = TrainedModel(Recurrent("vanilla", bidirectional=True, x=3, h=2, o=3), Vocabulary.of("abc"))
    with pytest.raises(ConfigurationError, match="from both ends"):
        result_of(what_if(both, "abc", 0, "b"))
    with pytest.raises(ConfigurationError, match="this is a Recurrent"):
        result_of(what_if(both.layer, "abc", 0, "b"))
