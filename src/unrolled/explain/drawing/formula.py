"""A line of text as TeX mathematics, in the part of TeX that LaTeX and matplotlib both read."""

from __future__ import annotations

from itertools import groupby

from unrolled.equations.notation import GREEK
from unrolled.explain.drawing.text import Line, Run

_SIGNS = {
    "−": "{-}", ",": "{,}",
    "⊙": r"\odot ", "×": r"\times ", "·": r"\cdot ", "∘": r"\circ ", "⋯": r"\cdots ", "…": r"\ldots ",
    "←": r"\leftarrow ", "→": r"\rightarrow ", "′": r"\prime ", "∂": r"\partial ", "%": r"\%", "#": r"\#", "&": r"\&",
    "_": r"\_", "$": r"\$", "{": r"\{", "}": r"\}", "\\": r"\backslash ", "~": r"\sim ", "^": r"\wedge ", " ": r"\ ",
}  # fmt: skip
_LETTERS = {letter: rf"\{name} " for name, letter in GREEK.items()} | {"ο": "o"}
_CAPITALS = {letter.upper(): rf"\{name.capitalize()} " for name, letter in GREEK.items() if letter in "γδθλξπσφψω"}
_LETTERS |= _CAPITALS
_LETTERS |= dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True))  # Greek capitals that look Latin have no command


def formula(line: Line) -> str:
    r"""``line`` between dollar signs: ``$h_{t-1}$``, ``$W_{\mathrm{ih}}$``."""
    shifted = []
    for shift, runs in groupby(line.runs, key=lambda run: run.shift):
        body = "".join(_run(run) for run in runs)
        shifted.append(body if not shift else f"{'^' if shift > 0 else '_'}{{{body}}}")
    return f"${''.join(shifted)}$"


def _run(run: Run) -> str:
    if run.text == "′" * len(run.text) and not run.shift:
        return "'" * len(run.text)
    if run.text == ", ":
        return r",\ "
    body = "".join(_SIGNS.get(character, _LETTERS.get(character, character)) for character in run.text)
    wordy = not run.italic and run.text.replace(" ", "").isalpha() and run.text.isascii()
    return rf"\mathrm{{{body}}}" if wordy else body
