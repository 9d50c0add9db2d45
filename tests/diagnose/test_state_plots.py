"""Pictures of hidden states: that what they show is what was measured."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from unrolled.checkpoint import TrainedModel
from unrolled.data.vocabulary import Vocabulary
from unrolled.diagnose.clustering import cluster
from unrolled.diagnose.pca import principal_components
from unrolled.diagnose.plots import save
from unrolled.diagnose.shading import colors
from unrolled.diagnose.state_plots import (
    CLASSES,
    activation_plot,
    dendrogram_plot,
    draw_tree,
    trackers_plot,
    trajectory_plot,
    units_plot,
    what_if_plot,
)
from unrolled.diagnose.state_space import Space, StateSpace, state_space
from unrolled.diagnose.states import Activation
from unrolled.diagnose.token_tree import TokenTree
from unrolled.diagnose.units import Trackers
from unrolled.diagnose.what_if import Curve, WhatIf
from unrolled.errors import DataError
from unrolled.nn import language_model
from unrolled.training.evaluation import result_of

STATES = np.random.default_rng(0).normal(size=(30, 4))


def written(figure, folder) -> None:
    for ending in ("svg", "png"):
        save(figure, folder / f"figure.{ending}")
        assert (folder / f"figure.{ending}").read_bytes()[:5] in (b"<?xml", b"\x89PNG\r")


def test_units(tmp_path):
    symbols = ["a$", " ", "é", "\n", "_", "b"]
    values = {"one": np.array([1.0, -1, 0, 0.5, 2, 0]), "two, with a title that is far too long": np.zeros(6)}
    figure = units_plot(symbols, values, columns=10)
    one, two = figure.axes
    assert [text.get_text() for text in one.texts] == ["a$ é↵", "_b"]
    picture = np.asarray(one.images[0].get_array())
    assert picture[0, :5] == pytest.approx(colors(np.array([0.5, 0.5, -0.5, 0, 0.25])), abs=1e-6)
    assert picture[1, :2] == pytest.approx(colors(np.array([1.0, 0])), abs=1e-6)
    assert (np.asarray(two.images[0].get_array()) == 1).all()
    assert "\n" in two.get_title(loc="left")
    written(figure, tmp_path)


def test_wide_letters_have_two_cells():
    axes = units_plot(["字", "a"], {"one": np.array([1.0, -1])}, columns=4).axes[0]
    assert [(text.get_text(), text.get_position()[0]) for text in axes.texts] == [("字", 0), ("a", 2)]
    picture = np.asarray(axes.images[0].get_array())[0]
    assert picture[:3] == pytest.approx(colors(np.array([1.0, 1.0, -1.0])), abs=1e-6)


def test_a_path(tmp_path):
    parts = principal_components(STATES)
    space = Space(parts, parts.path(STATES)[:5], parts.path(STATES))
    figure = trajectory_plot(StateSpace("h", 30, 0, ("a", " ", "\n", "$", "e"), space, (space,)))
    trained = figure.axes[0]
    assert [text.get_text() for text in trained.texts] == ["a", "␣", "↵", "$", "e"]
    assert [text.xy for text in trained.texts] == [tuple(place) for place in parts.path(STATES)[:5]]
    assert f"{parts.shares[0]:.0%}" in trained.get_xlabel()
    written(figure, tmp_path)
    alone = trajectory_plot(StateSpace("h", 30, 0, ("a", " ", "\n", "$", "e"), space, ()))
    assert len(alone.axes) == 1


def test_a_path_of_one_unit(tmp_path):
    model = TrainedModel(language_model("vanilla", 3, hidden=1), Vocabulary.of("abc"))
    found = result_of(state_space(model, "abcabbca", length=3, controls=1))
    assert found.trained.path[:, 1].tolist() == [0, 0, 0]
    written(trajectory_plot(found), tmp_path)


def test_a_tree(tmp_path):
    names = ["a", " ", "\n", "$", "B", "c", "7"]
    kinds = ["vowel", "space", "space", "punctuation", "capital", "consonant", "digit"]
    tree = cluster(names, STATES[:7])
    classes = dict(zip(names, kinds, strict=True))
    figure = dendrogram_plot(TokenTree("h", classes, dict.fromkeys(names, 9), tree, 0.5, (tree,), (0.25,), 0.3))
    axes = figure.axes[0]
    labels = axes.get_yticklabels()
    assert [label.get_text() for label in labels] == [{" ": "␣", "\n": "↵"}.get(name, name) for name in tree.names]
    assert [to_hex(label.get_color()) for label in labels] == [CLASSES[classes[name]] for name in tree.names]
    assert [axes.get_title() for axes in figure.axes] == ["trained: purity 0.50", "untrained: purity 0.25"]
    joins = [line for line in axes.lines if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2]
    distances = {branch.distance for branch in tree.walk() if branch.parts}
    assert {line.get_xdata()[0] for line in joins} == distances
    written(figure, tmp_path)


def test_a_tree_without_classes():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    draw_tree(axes, cluster(["one", "two"], np.zeros((2, 1))), {})
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]


def test_a_change(tmp_path):
    curve = Curve((0.5, 0.1, 0.0), (0.1, 0.0, 0.0), (0.2, 0.1, 0.0), (0.3, 0.2, 0.0))
    found = WhatIf(
        7, "$", "\n", ("$", "b", "\n"), {"c": curve, "h": curve}, curve, curve, (("a", "b"),) * 3, 12
    )  # fmt: skip
    figure = what_if_plot(found)
    left, _ = figure.axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["c", "h"]
    assert list(left.lines[0].get_ydata()[:2]) == [0.5, 0.1]
    assert "'↵' in place of '$', symbol 7" in figure.get_suptitle()
    dotted = [line.get_xdata()[0] for line in left.lines if line.get_linestyle() == ":"]
    assert dotted == [2]
    written(figure, tmp_path)


def test_no_picture_of_nothing():
    with pytest.raises(DataError, match="nothing to draw"):
        trackers_plot(Trackers((), ("digit",), 9, 4, 1, ("a",), {}))
    figure = trackers_plot(Trackers((), (), 9, 4, 1, ("a", "b"), {"h[1]: vowel": (1.0, -1.0)}))
    assert figure.axes[0].get_title(loc="left") == "h[1]: vowel"
    assert activation_plot(Activation("h[2]", ("a",), (0.5,))).axes[0].get_title(loc="left") == "h[2]"
