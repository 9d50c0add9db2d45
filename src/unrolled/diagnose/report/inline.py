"""A matplotlib figure as SVG inside a page: it takes the page's colours, and no name in it can meet another's.

Black becomes the page's ink, white its paper, and each colour of our plots a variable of the style sheet, which has
another value on a dark screen. Letters stay letters, so that a reader's fonts draw what matplotlib's lack.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from unrolled.diagnose.plots import BROWN, COLORS, GREY
from unrolled.diagnose.report.elements import Html

NAMES = dict(zip((*COLORS, GREY, BROWN), ("blue", "orange", "green", "purple", "olive", "pink", "grey", "brown"),
                 strict=True))  # fmt: skip
VARIABLES = {color: f"var(--{name})" for color, name in NAMES.items()} | {
    "#000000": "currentColor",
    "#ffffff": "var(--paper)",
}
MANY = 100  # markers of one kind that are drawn as one path
FAINTEST = 0.5  # of such dots, which no longer add up where they lie on each other
WIDEST = 11.0  # inches, beyond which the letters would be too small in the width of a page
WIDEN = 4 / 3  # CSS pixels to a point
COLOR, LINK = re.compile(r"#[0-9a-f]{6}\b"), re.compile(r"url\(#([^)]+)\)")
LONG, NUMBER = re.compile(r"-?\d+\.\d{3,}"), re.compile(r"-?\d+(?:\.\d+)?")
FAMILY, FIXED = re.compile(r"; font-family: [^;]*|font-family: [^;]*;? ?"), "DejaVu Sans Mono"
UNTURNED = re.compile(r"rotate\(-?0 [^)]*\)")
LENGTHS = ("d", "x", "y", "width", "height")
XLINK = "{http://www.w3.org/1999/xlink}"


def inline(figure: Any, prefix: str, label: str) -> Html:
    """The figure as an ``svg`` element whose names begin with ``prefix``; ``label`` says in words what it shows."""
    root = ElementTree.fromstring(_drawn(figure))
    for parent in root.iter():
        parent.tag = parent.tag.rpartition("}")[2]
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    for group in root.iter("g"):
        _join_markers(group, root)
    used = set(_links(root))
    for each in root.iter():
        _dress(each, prefix, used)
    left, top, width, height = root.get("viewBox", "").split()
    root.attrib = {
        "class": "plot", "role": "img", "aria-label": label, "viewBox": f"{left} {top} {width} {height}",
        "style": f"width: {float(width) * WIDEN:.0f}px", "fill": "currentColor",
        "stroke-linejoin": "round", "stroke-linecap": "butt",
    }  # fmt: skip
    return Html(ElementTree.tostring(root, encoding="unicode"))


def _drawn(figure: Any) -> str:
    """The figure as matplotlib writes it: the same text every time."""
    from matplotlib import rc_context
    from matplotlib.lines import Line2D

    for line in figure.findobj(Line2D):
        line.set_rasterized(False)  # a bitmap of dots would keep the colours of a light page
    width, height = figure.get_size_inches()
    figure.set_size_inches(min(width, WIDEST), height)
    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": "unrolled", "svg.fonttype": "none"}), warnings.catch_warnings():
        # the letters are drawn by the reader's fonts; matplotlib's only guess how wide they are
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def _join_markers(group: ElementTree.Element, root: ElementTree.Element) -> None:
    """Many round dots of one kind as one path of points with round ends, which takes a tenth of the space."""
    targets = {use.get(f"{XLINK}href", "") for use in group if use.tag == "use"}
    if len(group) < MANY or len(targets) != 1 or any(child.tag != "use" for child in group):
        return
    marker = next(each for each in root.iter() if each.get("id") == targets.copy().pop()[1:])
    size = max(abs(float(number)) for number in NUMBER.findall(marker.get("d", "")))
    style = dict(part.split(": ", 1) for part in group[0].get("style", "").split("; ") if ": " in part)
    points = "".join(f"M{use.get('x')} {use.get('y')}h0" for use in group)
    for use in list(group):
        group.remove(use)
    drawn = {"fill": "none", "stroke": style.get("fill", "#000000"), "stroke-width": f"{2 * size:g}"}
    opacity = max(FAINTEST, float(style.get("opacity", style.get("fill-opacity", "1"))))
    drawn |= {"stroke-linecap": "round", "opacity": f"{opacity:g}"}
    style_text = "; ".join(f"{key}: {value}" for key, value in drawn.items())
    ElementTree.SubElement(group, "path", {"d": points, "style": style_text})


def _links(root: ElementTree.Element) -> Iterator[str]:
    """The names to which something in the picture refers."""
    for each in root.iter():
        for key, value in each.attrib.items():
            if key.endswith("href") and value.startswith("#"):
                yield value[1:]
            yield from LINK.findall(value)


def _dress(each: ElementTree.Element, prefix: str, used: set[str]) -> None:
    """Give an element its names, links and colours of the page, and no more digits than can be seen."""
    found = {}
    for key, value in each.attrib.items():
        if key == "id":
            if value not in used:
                continue
            value = f"{prefix}-{value}"
        elif key.endswith("href"):
            key, value = "href", f"#{prefix}-{value[1:]}" if value.startswith("#") else value
        elif key in LENGTHS:
            value = " ".join(LONG.sub(lambda match: f"{float(match[0]):.2f}", value).split())
        elif key == "transform" and UNTURNED.fullmatch(value):
            continue
        key = f"xml:{key.rpartition('}')[2]}" if key.startswith("{http://www.w3.org/XML") else key
        value = LINK.sub(rf"url(#{prefix}-\1)", value)
        if key in ("style", "fill", "stroke"):
            fixed = "; font-family: var(--fixed)" if FIXED in value else ""  # else the style sheet says which
            value = FAMILY.sub("", COLOR.sub(lambda match: VARIABLES.get(match[0], match[0]), value)) + fixed
        found[key] = value
    each.attrib = found
    if each.tag not in ("text", "tspan") and not (each.text or "").strip():
        each.text = None
    if each.tag != "tspan":
        each.tail = None
