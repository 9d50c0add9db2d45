"""A scene as PNG or PDF, drawn with matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unrolled.errors import BackendError
from unrolled.explain.drawing.formula import formula
from unrolled.explain.drawing.outline import head, rounded
from unrolled.explain.drawing.scene import MARK, STROKE, Arrow, Label, Node, Scene
from unrolled.explain.drawing.style import LIGHT, colours, weight_class
from unrolled.explain.drawing.text import LABEL_SIZE, Line, height, text_size

_POINTS = 0.75  # a pixel in points
RESOLUTION = 192  # dots per inch of a PNG: two for each pixel of the scene
MATH_FONT = "stix"
_ARC = 1 - 0.5523  # where the control points of a quarter circle lie, from its corner


def save(scene: Scene, path: Path) -> None:
    """Write ``scene`` to ``path``, whose ending is .png or .pdf.

    Raises:
        BackendError: matplotlib is not installed.
    """
    figure = figure_of(scene)
    # no date, so that the same drawing is the same file
    extra = {"metadata": {"CreationDate": None}} if path.suffix.lower() == ".pdf" else {"dpi": RESOLUTION}
    figure.savefig(path, facecolor=LIGHT.paper, **extra)


def figure_of(scene: Scene) -> Any:
    """A matplotlib Figure of the size of the scene."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise BackendError(
            "PNG and PDF are drawn with matplotlib, which is not installed: pip install 'unrolled[plot]', "
            "or python3 run.py setup plot in a checkout. "
            "SVG and TikZ (.svg, .tex) need nothing."
        ) from None
    figure = Figure(figsize=(scene.width / 96, scene.height / 96))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, scene.width)
    axes.set_ylim(scene.height, 0)
    for arrow in scene.arrows:
        _arrow(axes, arrow)
    for node in scene.nodes:
        _node(axes, node)
    for label in scene.labels:
        _label(axes, label)
    return figure


def _arrow(axes: Any, arrow: Arrow) -> None:
    from matplotlib.patches import PathPatch, Polygon, Rectangle
    from matplotlib.path import Path as Outline

    colour = colours(LIGHT)[weight_class(arrow.role, arrow.colour)]
    points: list[tuple[float, float]] = []
    codes: list[Any] = []
    for curve in rounded(arrow):
        code = {"move": Outline.MOVETO, "line": Outline.LINETO, "turn": Outline.CURVE3}[curve.kind]
        points += curve.points
        codes += [code] * len(curve.points)
    dashes = (0, (3.1, 2.5)) if arrow.role == "gradient" else "solid"
    style = {"edgecolor": colour, "linewidth": STROKE * _POINTS, "capstyle": "butt"}
    axes.add_patch(PathPatch(Outline(points, codes), facecolor="none", linestyle=dashes, **style))
    if arrow.cut:
        axes.add_patch(PathPatch(Outline(list(head(arrow))), facecolor="none", **style))
    else:
        axes.add_patch(Polygon(head(arrow), facecolor=colour, edgecolor="none"))
    if arrow.delay is not None:
        x, y = arrow.delay
        axes.add_patch(Rectangle((x - MARK, y - MARK), 2 * MARK, 2 * MARK, facecolor=colour, edgecolor="none"))


def _node(axes: Any, node: Node) -> None:
    from matplotlib.patches import PathPatch

    left, top, right, bottom = node.box
    if node.role in LIGHT.nodes:
        fill, line = LIGHT.nodes[node.role]
        dashes = (0, (1.9, 1.9)) if node.role == "initial" else "solid"
        patch = PathPatch(
            _outline(node), facecolor=fill, edgecolor=line, linewidth=STROKE * _POINTS, linestyle=dashes
        )  # fmt: skip
        axes.add_patch(patch)
    y = (top + bottom - sum(height(text_size(line)) for line in node.lines)) / 2
    for words in node.lines:
        size = text_size(words)
        colour = LIGHT.gradient if words.style == "adjoint" else LIGHT.ink
        _text(axes, words, ((left + right) / 2, y + height(size) / 2), size, colour)
        y += height(size)


def _outline(node: Node) -> Any:
    """A box with round corners, which a circle is the extreme of; matplotlib's own has corners that are not round."""
    from matplotlib.path import Path as Outline

    (left, top, right, bottom), radius = node.box, node.radius
    points: list[tuple[float, float]] = []
    corners = [
        ((right, top), (-1, 0), (0, 1)), ((right, bottom), (0, -1), (-1, 0)),
        ((left, bottom), (1, 0), (0, -1)), ((left, top), (0, 1), (1, 0)),
    ]  # fmt: skip
    for (x, y), (dx, dy), (ex, ey) in corners:
        for along, across in ((radius, 0.0), (radius * _ARC, 0.0), (0.0, radius * _ARC), (0.0, radius)):
            points.append((x + dx * along + ex * across, y + dy * along + ey * across))
    codes = [Outline.MOVETO, *[Outline.CURVE4] * 3] + [Outline.LINETO, *[Outline.CURVE4] * 3] * 3 + [Outline.CLOSEPOLY]
    return Outline([*points, points[0]], codes)


def _label(axes: Any, label: Label) -> None:
    x, y = (label.box[0] + label.box[2]) / 2, label.box[1] + height(LABEL_SIZE) / 2
    for line in label.lines:
        _text(axes, line, (x, y), LABEL_SIZE, colours(LIGHT)[weight_class(label.role, label.colour)])
        y += height(LABEL_SIZE)


def _text(axes: Any, line: Line, at: tuple[float, float], size: float, colour: str) -> None:
    axes.text(
        *at, formula(line), fontsize=size * _POINTS, color=colour, ha="center", va="center", math_fontfamily=MATH_FONT
    )
