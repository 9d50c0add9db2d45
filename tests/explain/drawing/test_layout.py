"""Nothing in a picture touches what it must not, whatever recurrence is drawn."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlaps import collisions, unreached
from recurrences import recurrences
from unrolled.equations.library import CELLS, load
from unrolled.errors import UnrolledError
from unrolled.explain.drawing.drawing import draw, network_of

CHAINS = [name for name in CELLS if name not in ("jordan", "jordan1986", "output_feedback")]


def sound(drawing):
    scene = drawing.to_dict()
    assert collisions(scene) == []
    assert unreached(scene) == []
    return scene


def labelled(scene):
    """Every arrow with a weight has its label."""
    return {a["id"] for a in scene["arrows"] if a["role"] == "weight"} == {label["arrow"] for label in scene["labels"]}


@given(recurrences(), st.sampled_from([None, 1, 2, 3]))
@settings(max_examples=200)
def test_random_recurrences(example, steps):
    assert labelled(sound(draw(example.system, steps)))


@given(recurrences(), st.sampled_from([None, 1, 2]))
@settings(max_examples=20)
def test_random_computation_graphs(example, steps):
    sound(draw(example.system, steps, detail=True))


@pytest.mark.parametrize("steps", [None, 1, 3, 9, "T"])
@pytest.mark.parametrize("name", CELLS)
def test_library_cells(name, steps):
    assert labelled(sound(draw(load(name), steps)))


@pytest.mark.parametrize("name", CELLS)
def test_library_cells_in_detail(name):
    sound(draw(load(name), 2, detail=True))
    assert labelled(sound(draw(load(name), 2, grouped=False)))


@pytest.mark.parametrize("truncation", [(1, 1), (2, 2), (2, 3), (3, 1)])
@pytest.mark.parametrize("name", ["elman", "jordan", "gru", "lstm"])
def test_truncation(name, truncation):
    assert labelled(sound(draw(load(name), 5, truncation=truncation)))


@pytest.mark.parametrize("steps", [None, 3, 8])
@pytest.mark.parametrize(
    "options",
    [
        {"layers": 3}, {"bidirectional": True}, {"layers": 2, "bidirectional": True}, {"topology": "one-to-many"},
        {"topology": "many-to-one"}, {"topology": "many-to-one", "bidirectional": True},
        {"topology": "many-to-many-shifted"}, {"topology": "encoder-decoder"},
        {"topology": "encoder-decoder", "layers": 2},
    ],
    ids=str,
)  # fmt: skip
def test_networks(options, steps):
    for name in CHAINS:
        try:
            network = network_of(load(name), **options)
        except UnrolledError:  # these equations cannot be stacked so
            continue
        assert labelled(sound(draw(network, steps)))


def test_wide_names_and_many_weights():
    text = (
        "h_t = tanh(W_{input} x_t + W_{hidden} h_{t-1} + A_{abcdefgh} (B^T (C_{long} x_t)) + R z_t + E_1 x_t + E_2 x_t)"
    )
    assert labelled(sound(draw(load(text + "; y_t = softmax(V_{output} h_t + D x_t)"), 3)))
