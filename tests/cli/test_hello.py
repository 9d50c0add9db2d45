"""``unrolled hello``: a table, a picture, JSON."""

import json
import math
from xml.etree import ElementTree

from unrolled.cli import main
from unrolled.explain.drawing.chances import chances
from unrolled.explain.drawing.scene import overlap


def test_the_table(capsys):
    assert main(["hello", "abba", "--updates", "300"]) == 0
    said = capsys.readouterr().out
    assert "h_t = tanh(U x_t + W h_{t-1} + b)" in said
    assert "It wrote 'abba'." in said
    assert said.count("\n   ") >= 5


def test_json_and_picture(capsys, tmp_path):
    assert main(["hello", "ab", "--json", "-o", str(tmp_path / "ab.svg")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["word"] == "ab"
    assert len(found["steps"][0]["state"]) == 8
    texts = [each.text for each in ElementTree.parse(tmp_path / "ab.svg").iter("{http://www.w3.org/2000/svg}tspan")]
    assert {"a", "b", "<end>"} <= set(texts)


def test_nothing_in_the_picture_overlaps():
    columns = [("<end>", {"a": 0.5, "b": 0.301, "<end>": 0.199}, "a"), ("a", {"a": 0.0, "b": 1.0, "<end>": 0.0}, "b")]
    scene = chances(columns, "two steps").scene
    boxes = [node.box for node in scene.nodes]
    assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(0 <= x1 < x2 <= scene.width and 0 <= y1 < y2 <= scene.height for x1, y1, x2, y2 in boxes)
    bars = {node.id: node.box for node in scene.nodes if node.role in ("output", "operation")}
    widths = [right - left for left, _, right, _ in bars.values()]
    assert math.isclose(widths[0] / widths[1], 0.5 / 0.301)
    assert [node.role for node in scene.nodes if node.id in ("y0,0", "y0,1", "y1,1")] == [
        "output",
        "operation",
        "output",
    ]
