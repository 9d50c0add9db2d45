"""The writers: valid SVG that is safe in the dark, TikZ that compiles, PNG and PDF, and honest widths of text."""

import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from unrolled.equations.library import CELLS, load
from unrolled.errors import ConfigurationError
from unrolled.explain.drawing.drawing import draw, network_of
from unrolled.explain.drawing.formula import formula
from unrolled.explain.drawing.style import DARK, LIGHT, colours
from unrolled.explain.drawing.text import NODE_SIZE, Line, height, symbol

SVG = "{http://www.w3.org/2000/svg}"
PICTURES = {
    "elman": lambda: draw(load("elman"), 3),
    "lstm": lambda: draw(load("lstm")),
    "bidirectional": lambda: draw(network_of(load("gru"), layers=2, bidirectional=True), "T"),
    "truncated": lambda: draw(load("elman"), 4, truncation=(2, 3)),
    "encoder-decoder": lambda: draw(network_of(load("lstm"), topology="encoder-decoder"), 2),
    "detail": lambda: draw(load("lstm_peephole"), 1, detail=True, values={"h_0": "0.5"}, adjoints={"h_0": "-1e-3"}),
    "greek": lambda: draw(load("ψ'_t = tanh(Ω_α x_t + α ψ'_{t-1} + Γ^T z_t)"), 2),
}


@pytest.mark.parametrize("name", PICTURES)
def test_svg_is_valid_and_tells_what_it_shows(name):
    drawing = PICTURES[name]()
    root = ElementTree.fromstring(drawing.svg())
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root[0].tag == f"{SVG}title"
    assert root[0].text
    assert root[1].tag == f"{SVG}desc"
    assert root[1].text
    assert len(root.findall(".//*[@data-arrow]")) == len(drawing.scene.arrows)
    outlined = [node for node in drawing.scene.nodes if node.role != "dots"]
    assert len(root.findall(".//*[@data-node]")) == len(outlined)
    assert drawing._repr_svg_() == drawing.svg()


@pytest.mark.parametrize("name", PICTURES)
def test_every_class_of_an_svg_has_a_colour_in_light_and_dark(name):
    text = PICTURES[name]().svg()
    light, dark = re.search(r"<style>(.*?)@media \(prefers-color-scheme:dark\)\{(.*)\}</style>", text).groups()
    body = text.split("</style>")[1]
    classes = set(" ".join(re.findall(r'class="([^"]+)"', body)).split()) - {"i", "dashed"}
    for sheet in (light, dark):
        coloured = set(re.findall(r"\.([\w-]+)\{(?:fill|stroke):#", sheet))
        assert classes - coloured <= {"wire", "head", "node"}


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """The ratio of WCAG 2."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_arrows_stand_out_from_the_paper(palette):
    for colour in colours(palette).values():
        assert contrast(colour, palette.paper) >= 4.5
    for fill, _ in palette.nodes.values():
        assert contrast(palette.ink, fill) >= 4.5
        assert contrast(palette.gradient, fill) >= 3


@pytest.mark.parametrize("name", ["svg", "tex", "json"])
def test_save_chooses_by_the_ending(name, tmp_path):
    drawing = PICTURES["elman"]()
    text = drawing.save(tmp_path / f"elman.{name}").read_text(encoding="utf-8")
    assert text.startswith({"svg": "<svg", "tex": "% A recurrent", "json": "{"}[name])
    if name == "json":
        assert json.loads(text)["nodes"][0]["key"] == drawing.scene.nodes[0].key
    with pytest.raises(ConfigurationError, match=r"ends in \.gif"):
        drawing.save(tmp_path / "elman.gif")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_tikz_compiles_with_plain_pdflatex(tmp_path):
    bodies = [draw(load(name), 2).tikz() for name in CELLS] + [make().tikz() for make in PICTURES.values()]
    pages = "\n\\newpage\n".join(bodies)
    (tmp_path / "all.tex").write_text(
        f"\\documentclass{{article}}\\usepackage{{tikz}}\\begin{{document}}{pages}\\end{{document}}"
    )
    PICTURES["elman"]().save(tmp_path / "one.tex")
    for name in ("all", "one"):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:]
        assert "Missing character" not in (tmp_path / f"{name}.log").read_text(errors="replace")


@pytest.mark.parametrize("name", PICTURES)
def test_png_and_pdf(name, tmp_path):
    pytest.importorskip("matplotlib")
    drawing = PICTURES[name]()
    assert drawing.save(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert drawing.save(tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert drawing.save(tmp_path / "b.pdf").read_bytes() == (tmp_path / "a.pdf").read_bytes()


def test_without_matplotlib_the_error_names_the_extra(tmp_path):
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from unrolled.recurrence import Recurrence\n"
        f"Recurrence('elman').draw(3).save({str(tmp_path / 'a.png')!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "BackendError" in done.stderr
    assert "pip install 'unrolled[plot]'" in done.stderr


def texts():
    for name in ("h", "W_ih", "x'", "α", "Ω_{βγ}", "MW", "ψ", "A_WWW", "i", "l_ij"):
        for index in ("", "t", "t-1", "-1", "12"):
            yield Line(symbol(name.replace("{", "").replace("}", ""), index))
    for cell in CELLS:
        for node in draw(load(cell), 2).scene.nodes:
            yield from node.lines


@pytest.mark.parametrize("font", ["stix", "dejavuserif", "cm"])
def test_text_is_nowhere_wider_or_higher_than_its_box(font):
    pytest.importorskip("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(dpi=96)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for line in texts():
        drawn = figure.text(0, 0, formula(line), fontsize=NODE_SIZE * 0.75, math_fontfamily=font)
        extent = drawn.get_window_extent(renderer)
        assert extent.width <= line.width(NODE_SIZE) + 1, str(line)
        assert extent.height <= height(NODE_SIZE) + 1, str(line)
        drawn.remove()
