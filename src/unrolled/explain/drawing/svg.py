"""A scene as SVG: one self-contained text, no script, no font of its own; light and dark by the reader's preference."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from unrolled.explain.drawing.outline import Curve, head, rounded
from unrolled.explain.drawing.scene import MARK, STROKE, Arrow, Label, Node, Scene
from unrolled.explain.drawing.style import DARK, LIGHT, Palette, colours, weight_class
from unrolled.explain.drawing.text import ASCENT, LABEL_SIZE, LOWER, RAISE, SCRIPT, Line, height, text_size

_FONTS = "'STIX Two Text','Latin Modern Roman','Cambria','Times New Roman','Liberation Serif','DejaVu Serif',serif"
_BARE = ("dots", "note")


def svg(scene: Scene) -> str:
    """The picture as an SVG document."""
    wide, tall = _n(scene.width), _n(scene.height)
    used = {node.role for node in scene.nodes} | {weight_class(arrow.role, arrow.colour) for arrow in scene.arrows}
    dark = _rules(DARK, used, colours_only=True)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="unrolled" role="img" width="{wide}" height="{tall}" '
        f'viewBox="0 0 {wide} {tall}">',
        f"<title>{escape(scene.title)}</title>",
        f"<desc>{escape(scene.description)}</desc>",
        f"<style>{_rules(LIGHT, used)}@media (prefers-color-scheme:dark){{{dark}}}</style>",
        f'<rect class="paper" width="{wide}" height="{tall}" rx="6"/>',
        *(_arrow(arrow) for arrow in scene.arrows),
        *(line for node in scene.nodes for line in _node(node)),
        *(line for label in scene.labels for line in _label(label)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _rules(palette: Palette, used: set[str], colours_only: bool = False) -> str:
    """The style sheet for the classes that are ``used``; every rule begins with the class of the picture, for a page
    that holds it in line."""
    rules: list[tuple[str, str]] = []
    if not colours_only:
        rules += [("text", f"font-family:{_FONTS};text-anchor:middle"), (".i", "font-style:italic")]
        rules += [
            (".wire", f"fill:none;stroke-width:{STROKE};stroke-linejoin:round"),
            (".node", f"stroke-width:{STROKE}"),
        ]
        rules += [(".dashed", "stroke-dasharray:5 4"), (".initial", "stroke-dasharray:3 3")]
    rules += [(".paper", f"fill:{palette.paper}"), ("text", f"fill:{palette.ink}")]
    rules += [("text.adjoint", f"fill:{palette.gradient}")]
    rules += [(f".{r}", f"fill:{fill};stroke:{line}") for r, (fill, line) in palette.nodes.items() if r in used]
    for name, colour in colours(palette).items():
        if name in used:
            rules += [(f".wire.{name}", f"stroke:{colour}"), (f".head.{name}", f"fill:{colour}")]
            rules += [(f"text.{name}", f"fill:{colour}")]
    return "".join(f".unrolled {selector}{{{body}}}" for selector, body in rules)


def _arrow(arrow: Arrow) -> str:
    name = weight_class(arrow.role, arrow.colour)
    dashed = " dashed" if arrow.role == "gradient" else ""
    path = "".join(_piece(curve) for curve in rounded(arrow))
    parts = [f'<path class="wire {name}{dashed}" d="{path}"/>']
    if arrow.cut:
        (x1, y1), (x2, y2) = head(arrow)
        parts.append(f'<path class="wire {name}" d="M{_n(x1)} {_n(y1)}L{_n(x2)} {_n(y2)}"/>')
    else:
        points = " ".join(f"{_n(x)},{_n(y)}" for x, y in head(arrow))
        parts.append(f'<polygon class="head {name}" points="{points}"/>')
    if arrow.delay is not None:
        x, y = (_n(value - MARK) for value in arrow.delay)
        size = _n(2 * MARK)
        parts.append(f'<rect class="head {name}" x="{x}" y="{y}" width="{size}" height="{size}"/>')
    return f'<g data-arrow="{escape(arrow.id)}">{"".join(parts)}</g>'


def _piece(curve: Curve) -> str:
    letter = {"move": "M", "line": "L", "turn": "Q"}[curve.kind]
    return letter + " ".join(f"{_n(x)} {_n(y)}" for x, y in curve.points)


def _node(node: Node) -> Iterator[str]:
    left, top, right, bottom = node.box
    if node.role not in _BARE:
        yield (
            f'<rect class="node {node.role}" x="{_n(left)}" y="{_n(top)}" width="{_n(right - left)}" '
            f'height="{_n(bottom - top)}" rx="{_n(node.radius)}" data-node="{escape(node.id)}"/>'
        )
    total = sum(height(text_size(line)) for line in node.lines)
    y = (top + bottom - total) / 2
    for line in node.lines:
        size = text_size(line)
        yield _text(line, (left + right) / 2, y + ASCENT * size, size, "adjoint" if line.style == "adjoint" else "")
        y += height(size)


def _label(label: Label) -> Iterator[str]:
    x, y = (label.box[0] + label.box[2]) / 2, label.box[1]
    for line in label.lines:
        yield _text(line, x, y + ASCENT * LABEL_SIZE, LABEL_SIZE, weight_class(label.role, label.colour))
        y += height(LABEL_SIZE)


def _text(line: Line, x: float, y: float, size: float, name: str) -> str:
    """One line; scripts are shifted by dy, and the shift is taken back by the next run."""
    parts, shifted = [], 0.0
    for run in line.runs:
        wanted = -RAISE * size if run.shift > 0 else LOWER * size if run.shift < 0 else 0.0
        attributes = f' dy="{_n(wanted - shifted)}"' if abs(wanted - shifted) > 1e-6 else ""
        attributes += f' font-size="{_n(size * SCRIPT)}"' if run.shift else ""
        attributes += ' class="i"' if run.italic else ""
        parts.append(f"<tspan{attributes}>{escape(run.text)}</tspan>")
        shifted = wanted
    named = f' class="{name}"' if name else ""
    return f'<text{named} x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" xml:space="preserve">{"".join(parts)}</text>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
