"""What a picture shows: its nodes, arrows and labels, as a lecturer would list them."""

import pytest

from unrolled.equations.library import load
from unrolled.equations.topologies import encoder_decoder, one_to_many
from unrolled.errors import ConfigurationError, TargetError
from unrolled.explain.drawing.drawing import draw, network_of


def names(drawing):
    """Each node's text, in the order left to right, then bottom to top."""
    nodes = sorted(drawing.scene.nodes, key=lambda n: (n.centre[0], -n.centre[1]))
    return ["".join(run.text for line in node.lines for run in line.runs) for node in nodes]


def arrows(drawing):
    """(from, to, label) of every arrow."""
    scene = drawing.scene
    shown = {node.id: "".join(run.text for line in node.lines for run in line.runs) for node in scene.nodes}
    labels = {label.arrow: "".join(line.plain for line in label.lines) for label in scene.labels}
    return sorted((shown[a.source], shown[a.target], labels.get(a.id, "")) for a in scene.arrows)


def place(drawing, text):
    (node,) = (n for n in drawing.scene.nodes if "".join(line.plain for line in n.lines) == text)
    return node.centre


def test_elman_unrolled():
    drawing = draw(load("elman"), 2)
    assert names(drawing) == ["h−1", "x0", "h0", "y0", "x1", "h1", "y1"]
    assert arrows(drawing) == sorted([
        ("x0", "h0", "U"), ("h−1", "h0", "W"), ("h0", "y0", "V"),
        ("x1", "h1", "U"), ("h0", "h1", "W"), ("h1", "y1", "V"),
    ])  # fmt: skip
    x, h, y = (place(drawing, name) for name in ("x1", "h1", "y1"))
    assert x[0] == h[0] == y[0]
    assert x[1] > h[1] > y[1]
    assert place(drawing, "h−1")[1] == place(drawing, "h0")[1] == h[1]


def test_a_step_looks_like_the_step_before():
    scene = draw(load("lstm"), 3).scene
    rows = {}
    for node in scene.nodes:
        rows.setdefault(node.lines[0].runs[0].text, []).append(node.centre)
    for found in rows.values():
        assert len({y for _, y in found}) == 1
        distances = {round(b[0] - a[0], 6) for a, b in zip(found[-3:], found[-2:], strict=False)}
        assert len(distances) == 1


def test_elman_folded_has_a_loop_with_a_delay():
    drawing = draw(load("elman"))
    assert arrows(drawing) == [("ht", "ht", "W"), ("ht", "yt", "V"), ("xt", "ht", "U")]
    assert [arrow.delay is not None for arrow in drawing.scene.arrows] == [False, False, True]


def test_shared_weights_share_their_colour():
    scene = draw(load("elman"), 3).scene
    colours = {}
    for label in scene.labels:
        colours.setdefault(label.lines[0].plain, set()).add(label.colour)
    assert {name: len(found) for name, found in colours.items()} == {"U": 1, "W": 1, "V": 1}
    assert len(set().union(*colours.values())) == 3


def test_jordan_feeds_its_output_back():
    drawing = draw(load("jordan"), 2)
    assert ("y0", "h1", "W") in arrows(drawing)
    assert ("y−1", "h0", "W") in arrows(drawing)
    assert not [arrow for arrow in arrows(drawing) if arrow[:2] == ("h0", "h1")]


def test_output_feedback_runs_from_output_to_output():
    assert ("y0", "y1", "W") in arrows(draw(load("output_feedback"), 2))


def test_gates_that_read_the_same_share_a_node():
    grouped = draw(load("lstm"), 1)
    assert "i0, f0, g0, o0" in names(grouped)
    assert ("x0", "i0, f0, g0, o0", "Wii, Wif,Wig, Wio") in arrows(grouped)
    assert {"i0", "f0", "g0", "o0"} <= set(names(draw(load("lstm"), 1, grouped=False)))


@pytest.mark.parametrize(
    ("steps", "elide", "expected"),
    [
        (9, None, ["x0", "x1", "⋯", "x8"]),
        ("T", None, ["x0", "x1", "⋯", "xT"]),
        (9, (1, 2), ["x0", "⋯", "x7", "x8"]),
        (8, False, [f"x{n}" for n in range(8)]),
        (6, None, [f"x{n}" for n in range(6)]),
    ],
)
def test_a_long_unrolling_is_elided(steps, elide, expected):
    drawing = draw(load("elman"), steps, elide=elide)
    row = place(drawing, "x0")[1]
    shown = sorted((n.centre[0], n.lines[0].plain) for n in drawing.scene.nodes if n.centre[1] == row)
    assert [text for _, text in shown if text != "⋯"] == [text for text in expected if text != "⋯"]
    assert ("⋯" in names(drawing)) == ("⋯" in expected)


def test_ten_thousand_steps_are_drawn_at_once():
    assert len(draw(load("elman"), 10_000).scene.nodes) < 20


def test_backward_layer_lies_above_and_runs_to_the_left():
    drawing = draw(network_of(load("elman"), bidirectional=True), 3)
    found = arrows(drawing)
    assert ("h1→", "h2→", "W→") in found
    assert ("h2←", "h1←", "W←") in found
    assert ("h3←", "h2←", "W←") in found
    assert place(drawing, "h1←")[1] < place(drawing, "h1→")[1] < place(drawing, "x1")[1]
    assert {("h1→", "y1", "V"), ("h1←", "y1", "V"), ("x1", "h1←", "U←")} <= set(found)


def test_stacked_layers_have_their_own_weights():
    found = arrows(draw(network_of(load("elman"), layers=2), 2))
    assert {("h0(1)", "h0(2)", "U(2)"), ("h0(2)", "h1(2)", "W(2)"), ("h0(2)", "y0", "V")} <= set(found)


@pytest.mark.parametrize(
    ("topology", "inputs", "outputs"),
    [
        ("one-to-one", 1, 1), ("one-to-many", 1, 3), ("many-to-one", 3, 1), ("many-to-many", 3, 3),
        ("many-to-many-shifted", 3, 3),
    ],
)  # fmt: skip
def test_topologies_read_and_emit_where_they_should(topology, inputs, outputs):
    drawing = draw(network_of(load("elman"), topology=topology), 3)
    shown = names(drawing)
    assert len([name for name in shown if name.startswith("x")]) == inputs
    assert len([name for name in shown if name.startswith("y")]) == outputs
    if topology == "many-to-many-shifted":
        assert {"x2", "h3", "y3", "y5"} <= set(shown)
        assert ("h2", "h3", "W") in arrows(drawing)


def test_encoder_and_decoder_are_joined_by_the_context():
    drawing = draw(encoder_decoder(load("elman")), (3, 2))
    found = arrows(drawing)
    assert ("h2 enc".replace(" ", ""), "C", "") in found
    assert ("C", "h0dec", "Wdec") in found
    assert ("start", "h0dec", "Udec") in found
    assert ("y0", "h1dec", "Udec") in found
    assert "y2" not in names(drawing)


@pytest.mark.parametrize(("enters", "count"), [("first", 0), ("every", 3), ("state", 1)])
def test_where_the_context_enters(enters, count):
    assert names(draw(one_to_many(load("elman"), enters=enters), 3)).count("C") == count


def gradients(drawing):
    scene = drawing.scene
    shown = {node.id: node.lines[0].plain for node in scene.nodes}
    arrows = [a for a in scene.arrows if a.role == "gradient"]
    assert all(a.points[0][0] >= a.points[-1][0] for a in arrows)  # backwards
    return sorted((shown[a.source], shown[a.target], a.cut) for a in arrows)


def test_truncation_shows_where_the_gradient_flows_and_where_it_is_cut():
    assert gradients(draw(load("elman"), 4, truncation=(2, 2))) == [
        ("h1", "h0", False), ("h2", "h1", True), ("h3", "h2", False), ("y1", "h1", False), ("y3", "h3", False),
    ]  # fmt: skip
    # windows that overlap: every two steps, through three
    assert gradients(draw(load("elman"), 4, truncation=(2, 3)))[:4] == [
        ("h1", "h0", False), ("h1", "h0", True), ("h2", "h1", False), ("h3", "h2", False),
    ]  # fmt: skip


def test_detail_makes_every_operation_a_node():
    drawing = draw(load("elman"), 1, detail=True)
    assert sorted(names(drawing)) == sorted(
        ["x0", "U", "×", "h−1", "W", "×", "+", "tanh", "h0", "V", "×", "softmax", "y0"]
    )
    assert ("h−1", "×", "") in arrows(drawing)
    assert ("tanh", "h0", "") in arrows(drawing)


def test_values_and_adjoints_stand_in_their_nodes():
    drawing = draw(load("elman"), 1, detail=True, values={"U x_0": "0.5", "h_0": "0.46"}, adjoints={"h_0": "0.2"})
    lines = {node.key: [line.plain for line in node.lines] for node in drawing.scene.nodes}
    assert lines["U x_0"] == ["×", "0.5"]
    assert lines["h_0"] == ["h0", "0.46", "0.2"]
    with pytest.raises(TargetError, match="does not show h_9"):
        draw(load("elman"), 1, values={"h_9": "1"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps = 0"),
        ({"steps": "U"}, "steps = 'U'"),
        ({"steps": (2, 2)}, "an encoder and its decoder"),
        ({"steps": 9, "elide": (0, 1)}, "two positive numbers"),
        ({"truncation": (2, 2)}, "give steps"),
        ({"steps": 3, "truncation": (0, 2)}, "whole numbers of at least 1"),
        ({"steps": 3, "truncation": (4, 2)}, "Draw more steps"),
        ({"steps": 9, "detail": True}, "larger than a page"),
        ({"steps": 2, "detail": True, "truncation": (1, 1)}, "over a few steps"),
    ],
)
def test_options_that_make_no_picture(options, message):
    with pytest.raises(ConfigurationError, match=message):
        draw(load("elman"), **options)
