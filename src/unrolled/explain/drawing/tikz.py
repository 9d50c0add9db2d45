r"""A scene as TikZ: compiles with plain pdflatex and \usepackage{tikz}."""

from __future__ import annotations

from collections.abc import Iterator

from unrolled.explain.drawing.formula import formula
from unrolled.explain.drawing.outline import head, rounded
from unrolled.explain.drawing.scene import MARK, Arrow, Label, Node, Point, Scene
from unrolled.explain.drawing.style import LIGHT, colours, weight_class
from unrolled.explain.drawing.text import LABEL_SIZE, height, text_size

_POINTS = 0.75  # a pixel in points


def document(scene: Scene) -> str:
    """A whole document of one page as large as the picture."""
    wide, tall = scene.width * _POINTS, scene.height * _POINTS
    return "\n".join([
        rf"% {scene.title}",
        r"\documentclass{article}",
        rf"\usepackage[paperwidth={wide:.1f}bp,paperheight={tall:.1f}bp,margin=0bp]{{geometry}}",
        r"\usepackage{tikz}",
        r"\pagestyle{empty}\parindent=0pt\topskip=0pt",
        r"\begin{document}",
        tikz(scene).rstrip() + "%",
        r"\end{document}",
        "",
    ])  # fmt: skip


def tikz(scene: Scene) -> str:
    """The tikzpicture alone."""
    lines = [
        rf"\begin{{tikzpicture}}[x={_POINTS}bp,y=-{_POINTS}bp,line width=1.2bp,inner sep=0pt]",
        *_definitions(),
        rf"\useasboundingbox (0,0) rectangle ({scene.width:.1f},{scene.height:.1f});",
        *(line for arrow in scene.arrows for line in _arrow(arrow)),
        *(line for node in scene.nodes for line in _node(node)),
        *(line for label in scene.labels for line in _label(label)),
        r"\end{tikzpicture}",
        "",
    ]
    return "\n".join(lines)


def _definitions() -> Iterator[str]:
    yield rf"\definecolor{{u-ink}}{{HTML}}{{{_hex(LIGHT.ink)}}}"
    for role, (fill, line) in LIGHT.nodes.items():
        yield rf"\definecolor{{u-{role}}}{{HTML}}{{{_hex(fill)}}}\definecolor{{u-{role}-line}}{{HTML}}{{{_hex(line)}}}"
    for name, colour in colours(LIGHT).items():
        yield rf"\definecolor{{u-{name}}}{{HTML}}{{{_hex(colour)}}}"


def _hex(colour: str) -> str:
    return colour.lstrip("#").upper()


def _at(point: Point) -> str:
    return f"({point[0]:.1f},{point[1]:.1f})"


def _arrow(arrow: Arrow) -> Iterator[str]:
    colour = f"u-{weight_class(arrow.role, arrow.colour)}"
    dashed = ",dash pattern=on 3.75bp off 3bp" if arrow.role == "gradient" else ""
    path, here = "", (0.0, 0.0)
    for curve in rounded(arrow):
        if curve.kind == "turn":
            # TikZ has cubic curves: both control points lie two thirds of the way to the corner
            corner, end = curve.points
            first, second = _between(here, corner), _between(end, corner)
            path += f" .. controls {_at(first)} and {_at(second)} .. {_at(end)}"
        else:
            path += (" -- " if path else "") + _at(curve.points[-1])
        here = curve.points[-1]
    yield rf"\draw[{colour}{dashed}] {path};"
    shape = " -- ".join(_at(point) for point in head(arrow))
    yield rf"\draw[{colour}] {shape};" if arrow.cut else rf"\fill[{colour}] {shape} -- cycle;"
    if arrow.delay is not None:
        x, y = arrow.delay
        yield rf"\fill[{colour}] {_at((x - MARK, y - MARK))} rectangle {_at((x + MARK, y + MARK))};"


def _between(start: Point, corner: Point) -> Point:
    return start[0] + (corner[0] - start[0]) * 2 / 3, start[1] + (corner[1] - start[1]) * 2 / 3


def _node(node: Node) -> Iterator[str]:
    left, top, right, bottom = node.box
    if node.role in LIGHT.nodes:
        dashed = ",dash pattern=on 2.25bp off 2.25bp" if node.role == "initial" else ""
        radius = node.radius * _POINTS
        yield (
            rf"\draw[fill=u-{node.role},draw=u-{node.role}-line,rounded corners={radius:.2f}bp{dashed}] "
            rf"{_at((left, top))} rectangle {_at((right, bottom))};"
        )
    y = (top + bottom - sum(height(text_size(line)) for line in node.lines)) / 2
    for line in node.lines:
        tall = height(text_size(line))
        font = r"\large" if line.style == "name" else r"\small"
        colour = "u-gradient" if line.style == "adjoint" else "u-ink"
        yield rf"\node[text={colour}] at {_at(((left + right) / 2, y + tall / 2))} {{{font}{formula(line)}}};"
        y += tall


def _label(label: Label) -> Iterator[str]:
    x, y = (label.box[0] + label.box[2]) / 2, label.box[1] + height(LABEL_SIZE) / 2
    colour = f"u-{weight_class(label.role, label.colour)}"
    for line in label.lines:
        yield rf"\node[text={colour}] at {_at((x, y))} {{{formula(line)}}};"
        y += height(LABEL_SIZE)
