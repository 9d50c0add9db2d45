"""Hidden states, against the equations worked by hand in numpy; components against numpy and sklearn; averages."""

import json

import numpy as np
import pytest
import torch
from scipy.cluster import hierarchy
from sklearn.decomposition import PCA

from unrolled.answering import Answerer, Classes, Texts
from unrolled.checkpoint import TrainedModel, load
from unrolled.data.corpora import split
from unrolled.data.vocabulary import Vocabulary
from unrolled.diagnose.pca import principal_components
from unrolled.diagnose.state_space import state_space
from unrolled.diagnose.states import activation, hidden_states, states_of, stretch, unit_name, untrained
from unrolled.diagnose.token_tree import average_by_token, token_class, token_tree
from unrolled.errors import ConfigurationError, DataError, UnknownSymbolError
from unrolled.nn import ManyToOne, Recurrent, language_model
from unrolled.training import TrainConfig, train
from unrolled.training.evaluation import result_of

TEXT = "the quick brown fox jumps over\nthe lazy dog. Then The End: a (b) c!\n" * 6


def model(recurrence: str = "vanilla", text: str = TEXT, **options) -> TrainedModel:
    vocabulary = Vocabulary.of(text)
    torch.manual_seed(0)
    return TrainedModel(language_model(recurrence, len(vocabulary), hidden=5, **options), vocabulary)


def arrays(layer) -> dict[str, np.ndarray]:
    return {name: value.detach().double().numpy() for name, value in layer.named_parameters()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_elman_by_hand():
    found = model("h_t = tanh(U x_t + W h_{t-1} + b)")
    p = arrays(found.layer)
    h, rows = np.zeros(5), []
    for symbol in found.vocabulary.encode(TEXT):
        h = np.tanh(p["U"][:, symbol] + p["W"] @ h + p["b"])
        rows.append(h)
    states = hidden_states(found, TEXT)
    assert (list(states.states), states.read, states.text) == (["h"], "h", TEXT)
    assert states.states["h"] == pytest.approx(np.array(rows), abs=1e-12)
    assert states.unit("h", 3) == pytest.approx(np.array(rows)[:, 3], abs=1e-12)
    assert json.loads(json.dumps(states.to_dict()))["states"]["h"][1] == pytest.approx(rows[1].tolist())
    ids = found.vocabulary.encode(TEXT).astype(np.uint8)  # as token files hold them
    assert np.array_equal(hidden_states(found, ids).states["h"], states.states["h"])


def test_lstm_layers_by_hand():
    """Two layers, four states; the upper one reads h of the lower one, after an embedding."""
    equations = (
        "i_t = σ(U_i x_t + W_i h_{t-1} + b_i); f_t = σ(U_f x_t + W_f h_{t-1} + b_f); g_t = tanh(U_g x_t + W_g h_{t-1})"
        "; c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t; h_t = tanh(c_t)"
    )
    found = model(equations, num_layers=2, embedding=3)
    p = arrays(found.layer)
    embedding = next(value for name, value in p.items() if name.startswith("E"))
    c, h, rows = np.zeros((2, 5)), np.zeros((2, 5)), []
    for symbol in found.vocabulary.encode(TEXT[:40]):
        x = embedding[:, symbol]
        for level in range(2):
            i, f, g = (p[f"U_{n}_l{level}"] @ x + p[f"W_{n}_l{level}"] @ h[level] for n in "ifg")
            i, f = i + p[f"b_i_l{level}"], f + p[f"b_f_l{level}"]
            c[level] = sigmoid(f) * c[level] + sigmoid(i) * np.tanh(g)
            x = h[level] = np.tanh(c[level])
        rows.append((*c.copy(), *h.copy()))
    states = hidden_states(found, TEXT[:40])
    assert set(states.states) == {"c, layer 1", "c, layer 2", "h, layer 1", "h, layer 2"}
    assert states.read == "h, layer 2"
    expected = dict(zip(("c, layer 1", "c, layer 2", "h, layer 1", "h, layer 2"), zip(*rows, strict=True), strict=True))
    for name, values in states.states.items():
        assert values == pytest.approx(np.array(expected[name]), abs=1e-12)
    assert len(states.units) == 20
    assert unit_name(*states.units[-1]).endswith("[4], layer 2")


def test_one_unit():
    found = model("lstm", num_layers=2)
    states = hidden_states(found, "the fox")
    for asked, state in (("3", "h, layer 2"), ("c[3], layer 1", "c, layer 1")):
        one = activation(found, "the fox", asked)
        assert one.unit == unit_name(state, 3)
        assert list(one.values) == states.states[state][:, 3].tolist()
        assert json.loads(json.dumps(one.to_dict())) == {
            "unit": one.unit,
            "symbols": list("the fox"),
            "values": list(one.values),
        }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ab\ncd\nef\ngh", "ef\n"),  # from the middle on
        ("abcdef\n\ng\n", "g\n"),  # empty lines are passed over, and it may end sooner
        ("abcdefgh", "efg"),
        ("abcd\n", "cd\n"),  # no line begins after the break
        ("", ""),
    ],
)
def test_a_stretch_begins_with_a_line(text, expected):
    assert text[stretch(text, 3)] == expected


def test_both_directions():
    """Each direction is the layer that it would be alone, the backward one on the reversed sequence."""
    torch.manual_seed(1)
    both = Recurrent("h_t = tanh(U x_t + W h_{t-1})", bidirectional=True, x=4, h=3, dtype=torch.float64)
    alone = Recurrent("h_t = tanh(U x_t + W h_{t-1})", x=4, h=3, dtype=torch.float64)
    x = torch.randn(7, 4, dtype=torch.float64)
    found = states_of(both, x.numpy())
    for name, suffix, flipped in (("h, forwards", "_l0", False), ("h, backwards", "_l0_reverse", True)):
        with torch.no_grad():
            alone.U.copy_(getattr(both, "U" + suffix))
            alone.W.copy_(getattr(both, "W" + suffix))
            h, _ = alone(x.flip(0) if flipped else x)
        assert found.states[name] == pytest.approx((h.flip(0) if flipped else h).numpy(), abs=1e-12)
    assert found.symbols == ("0", "1", "2", "3", "4", "5", "6")


@pytest.mark.parametrize("kind", ["characters", "words", "bytes"])
def test_symbols_spell_the_text(kind):
    text = "Ein Käse, zwei Käse"
    vocabulary = Vocabulary.of(text, kind)
    found = hidden_states(TrainedModel(language_model("vanilla", len(vocabulary), hidden=2), vocabulary), text)
    assert found.text == text
    assert len(found.symbols) == len(found.states["h"]) == {"characters": 19, "words": 5, "bytes": 21}[kind]


def test_a_model_that_answers_texts():
    vocabulary = Vocabulary.of(TEXT)
    torch.manual_seed(0)
    layer = ManyToOne("vanilla", sizes={"x": len(vocabulary), "h": 4, "o": 2})
    answerer = Answerer(layer, Texts(vocabulary), Classes(("no", "yes")))
    found = hidden_states(answerer, "the dog")
    expected = states_of(layer, vocabulary.encode("the dog"))
    assert found.states["h"].tolist() == expected.states["h"].tolist()
    assert found.states["h"].shape == (7, 4)


def test_nothing_is_changed():
    found = model().layer.train()
    torch.manual_seed(3)
    before, random = arrays(found), torch.get_rng_state()
    trained = TrainedModel(found, Vocabulary.of(TEXT))
    list(untrained(trained, 2))
    hidden_states(trained, "the")
    assert found.training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(np.array_equal(before[name], value) for name, value in arrays(found).items())


def test_untrained_networks():
    trained = model("gru")
    one, other, again = (arrays(each.layer) for each in (*untrained(trained, 2), *untrained(trained, 1)))
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert all(not np.array_equal(one[name], values[name]) for name in one for values in (other, arrays(trained.layer)))
    assert all(np.abs(values).max() <= 5**-0.5 for values in one.values())


def test_untrained_networks_start_as_the_run_did(tmp_path):
    run = tmp_path / "run"
    config = TrainConfig(
        recurrence="irnn", layers=1, hidden=6, batch=4, sequence_length=9, steps=2, initialisation="identity",
        run=str(run),
    )  # fmt: skip
    list(train(config, corpus=split("pangram", TEXT * 10)))
    (other,) = untrained(load(run), 1)
    assert np.array_equal(arrays(other.layer)["W"], np.eye(6))
    assert not np.array_equal(arrays(load(run).layer)["W"], np.eye(6))


def test_what_has_no_states_to_show():
    found = model()
    with pytest.raises(DataError, match="text is empty"):
        hidden_states(found, "")
    with pytest.raises(UnknownSymbolError, match="€"):
        hidden_states(found, "the €")
    with pytest.raises(ConfigurationError, match="no text"):
        hidden_states(found.layer, "the")
    with pytest.raises(ConfigurationError, match="no state"):
        states_of(Recurrent("y_t = tanh(U x_t)", x=2, y=2), np.zeros((3, 2)))
    with pytest.raises(DataError, match="one sequence"):
        states_of(found.layer, np.zeros((3, 2), dtype=np.int64))
    with pytest.raises(DataError, match=r"no unit h\[5\]; there are h\[0\] to h\[4\]"):
        activation(found, "the", "5")
    with pytest.raises(DataError, match="no unit c"):
        activation(found, "the", "c[0]")
    states = hidden_states(found, "the")
    with pytest.raises(DataError, match="the states are 'h'"):
        states.unit("c", 0)
    with pytest.raises(DataError, match="0 to 4"):
        states.unit("h", 5)


@pytest.mark.parametrize("shape", [(40, 6), (5, 9), (2, 3), (30, 1)])
def test_components_against_sklearn(shape):
    states = np.random.default_rng(1).normal(size=shape) @ np.diag(np.arange(1.0, shape[1] + 1)) + 3
    count = min(3, *shape)
    oracle = PCA(svd_solver="full").fit(states)
    found = principal_components(states, count)
    size = min(count, shape[0] - 1)  # the last direction of as many states as that is noise
    assert found.shares == pytest.approx(oracle.explained_variance_ratio_, abs=1e-12)
    assert np.abs((found.directions[:size] * oracle.components_[:size]).sum(1)) == pytest.approx(1)
    assert found.directions[:size] == pytest.approx(oracle.components_[:size], abs=1e-9)
    assert found.path(states)[:, :size] == pytest.approx(oracle.transform(states)[:, :size], abs=1e-9)


def test_dimension_and_share_by_covariance():
    states = np.random.default_rng(2).normal(size=(60, 5)) * [5, 3, 1, 1, 0.1]
    variances = np.sort(np.linalg.eigvalsh(np.cov(states.T)))[::-1]
    found = principal_components(states)
    assert found.dimension == pytest.approx(variances.sum() ** 2 / (variances**2).sum())
    for share in (0.5, 0.9, 0.99, 1.0):
        assert found.needed(share) == next(
            n for n in range(1, 6) if variances[:n].sum() >= share * variances.sum() - 1e-9
        )
    assert json.loads(json.dumps(found.to_dict()))["dimension"] == pytest.approx(found.dimension)


def test_no_components():
    with pytest.raises(DataError, match="1 states"):
        principal_components(np.zeros((1, 3)))
    with pytest.raises(DataError, match="the same"):
        principal_components(np.full((4, 3), 0.1))
    with pytest.raises(DataError, match="not finite"):
        principal_components(np.array([[0.0], [np.nan]]))


def test_averages_by_hand():
    states = hidden_states(model(), TEXT)
    found = average_by_token(states, "h")
    for token in found:
        rows = [row for symbol, row in zip(states.symbols, states.states["h"], strict=True) if symbol == token]
        assert len(rows) >= 5
        assert found[token] == pytest.approx(np.mean(rows, 0))
    assert set(TEXT) == set(found)  # six times each at least
    with pytest.raises(DataError, match="needs two tokens"):
        average_by_token(hidden_states(model(), "aaaaaab"), "h")


@pytest.mark.parametrize(
    ("token", "kind"),
    [("\n", "space"), ("é", "consonant"), ("I", "capital"), (" of", "word"), ("’", "punctuation"), ("３", "digit")],
)
def test_classes_of_tokens(token, kind):
    assert token_class(token) == kind


def test_a_path_beside_untrained_networks():
    trained = model()
    found = result_of(state_space(trained, TEXT, begin=3, length=9, controls=2))
    states = hidden_states(trained, TEXT).states["h"]
    oracle = PCA(2, svd_solver="full").fit(states)
    assert found.symbols == tuple(TEXT[3:12])
    assert found.trained.path == pytest.approx(oracle.transform(states[3:12]), abs=1e-9)
    assert found.trained.cloud == pytest.approx(oracle.transform(states), abs=1e-9)
    for other, space in zip(untrained(trained, 2), found.controls, strict=True):
        own = hidden_states(other, TEXT).states["h"]
        assert space.path == pytest.approx(PCA(2, svd_solver="full").fit(own).transform(own[3:12]), abs=1e-9)
    data = json.loads(json.dumps(found.to_dict()))
    assert data["trained"]["path"] == found.trained.path.tolist()
    with pytest.raises(DataError, match="no piece of 9 symbols from 5000"):
        result_of(state_space(trained, TEXT, begin=5000, length=9))
    with pytest.raises(DataError, match="no state 'q'"):
        result_of(state_space(trained, TEXT, state="q"))


def test_a_tree_beside_untrained_networks():
    trained = model("lstm")
    found = result_of(token_tree(trained, TEXT, state="c", controls=2))
    networks = (trained, *untrained(trained, 2))
    for network, tree in zip(networks, (found.tree, *found.controls), strict=True):
        states = hidden_states(network, TEXT).states["c"]
        places = {token: [n for n, each in enumerate(TEXT) if each == token] for token in set(TEXT)}
        means = np.array([states[places[token]].mean(0) for token in places])
        joined = {frozenset(branch.names): branch.distance for branch in tree.walk() if branch.parts}
        nodes = hierarchy.to_tree(hierarchy.linkage(means, "average"), rd=True)[1]
        expected = {frozenset(list(places)[i] for i in node.pre_order()): node.dist for node in nodes if node.count > 1}
        assert joined == pytest.approx(expected)
    assert found.counts == {token: TEXT.count(token) for token in set(TEXT)}
    data = json.loads(json.dumps(found.to_dict()))
    assert (data["purity"], len(data["controls"])) == (found.purity, 2)
    assert data["tokens"]["T"] == {"class": "capital", "count": 12}
    with pytest.raises(DataError, match="no state 'q'"):
        result_of(token_tree(trained, TEXT, state="q"))


def test_the_tree_of_a_network_that_only_knows_classes():
    """Its state is one of three points: the class of the symbol; its tree is pure, and chance is not."""
    text = "abecidofuBADETxyz. ,!" * 9
    trained = model("h_t = tanh(U x_t); s_t = h_t + 0 * s_{t-1}", text=text)
    kinds = ["vowel", "consonant", "capital", "punctuation", "space"]
    U = np.zeros((5, len(trained.vocabulary)))
    for number, symbol in enumerate(trained.vocabulary.symbols):
        U[kinds.index(token_class(symbol)), number] = 1
    with torch.no_grad():
        trained.layer.U.copy_(torch.from_numpy(U))
    found = result_of(token_tree(trained, text))
    assert found.purity == pytest.approx(1)
    assert found.chance < 0.6
    assert max(found.control_purities) < 0.9
