"""Expressions as LaTeX, to be set in mathematics mode with amsmath."""

from __future__ import annotations

import re

from unrolled.equations.expression import Expression, Time
from unrolled.equations.notation import GREEK
from unrolled.equations.operations import ELEMENTWISE
from unrolled.equations.printing import (
    ATOM,
    JUXTAPOSED,
    POWER,
    SUM,
    TERM,
    UNARY,
    Piece,
    matrix_form,
    number_text,
    operand,
    render,
    separated,
)

OPENING, CLOSING = r"\left(", r"\right)"

_LETTERS = {letter: rf"\{name}" for name, letter in GREEK.items() if letter not in "ο"} | {"ℓ": r"\ell"}
_LETTERS |= {name.upper(): rf"\{latex[1:].capitalize()}" for name, latex in _LETTERS.items() if name in "γδθλξπσφψω"}
_ACCENTS = {"\u0304": "bar", "\u0307": "dot"}  # w̄, ẇ: adjoint and tangent
_INFIX = {
    "add": (" + ", SUM, SUM, TERM),
    "sub": (" - ", SUM, SUM, TERM),
    "mul": (r" \odot ", TERM, TERM, UNARY),
    "matmul": (r" \, ", JUXTAPOSED, POWER, JUXTAPOSED),
    "scale": (r" \, ", JUXTAPOSED, POWER, JUXTAPOSED),
}
_MATRIX_FORMS = {
    "outer": (r"{} \, {}^{\top}", JUXTAPOSED),
    "kron_right": (r"{}^{\top} \otimes I", TERM),
    "kron_left": (r"I \otimes {}^{\top}", TERM),
    "eye": ("I", ATOM),
    "zero": ("0", ATOM),
    "ones_row": (r"\mathbf{1}^{\top}", POWER),
    "ones_column": (r"\mathbf{1}", ATOM),
    "mean_row": (r"\tfrac{1}{n} \mathbf{1}^{\top}", JUXTAPOSED),
    "zeros": ("0", ATOM),
    "column": ("{}", POWER),
}


def latex(node: Expression) -> str:
    r"""The LaTeX of ``node``.

    >>> from unrolled.equations.library import load
    >>> print(latex(load("elman").definitions["h"]))
    \tanh\left(U \, x_{t} + W \, h_{t-1}\right)
    """
    return render(node, _form, OPENING, CLOSING)


def symbol_latex(name: str, time: Time | None) -> str:
    """A name at a time."""
    letter, _, subscript = name.partition("_")
    inside = ",".join(part for part in (_subscript(subscript), "" if time is None else str(time)) if part)
    return _letter(letter) + (f"_{{{inside}}}" if inside else "")


def _subscript(text: str) -> str:
    if len(text) < 2 or text.isdigit():
        return _LETTERS.get(text, text)
    return rf"\mathrm{{{text}}}" if text.isascii() else "".join(_LETTERS.get(c, c) for c in text)


def _letter(text: str) -> str:
    decomposed = re.fullmatch(r"(.)([\u0304\u0307])", text.replace("ẇ", "w\u0307"))
    if decomposed:
        return rf"\{_ACCENTS[decomposed[2]]}{{{decomposed[1]}}}"
    base = text.rstrip("'")
    word = base.rstrip("0123456789")
    shown = _LETTERS.get(base, base if len(word) < 2 else rf"\mathit{{{base}}}")
    return shown + text[len(base) :]


def _form(node: Expression) -> tuple[list[Piece], int]:
    op, args = node.op, node.args
    if op == "symbol":
        return [symbol_latex(*node.data)], ATOM
    if op == "number":
        return [number_text(node.data[0])], ATOM if node.data[0] >= 0 else UNARY
    if op in _INFIX:
        sign, own, left, right = _INFIX[op]
        return [(args[0], left), sign, *operand(args[1], right, _form, OPENING, CLOSING)], own
    if op in ("div", "partial"):
        d = r"\partial " if op == "partial" else ""
        return [rf"\frac{{{d}", (args[0], 0), f"}}{{{d}", (args[1], 0), "}"], ATOM
    if op == "neg":
        return ["-", (args[0], UNARY)], UNARY
    if op == "pow":
        return [(args[0], ATOM), f"^{{{number_text(node.data[0])}}}"], POWER
    if op == "transpose":
        return [(args[0], ATOM), r"^{\top}"], POWER
    if op in ("concat", "stack"):
        return [r"\begin{bmatrix} ", *separated(args, r" \\ "), r" \end{bmatrix}"], ATOM
    if op == "over_time":
        return [r"\sum_t ", (args[0], TERM)], TERM
    if op in _MATRIX_FORMS:
        return matrix_form(node, *_MATRIX_FORMS[op])
    if op == "sqrt":
        return [r"\sqrt{", (args[0], 0), "}"], ATOM
    entry = ELEMENTWISE.get(op)
    spelling = (entry.latex if entry else "") or rf"\operatorname{{{op}}}"
    constants = "".join(f", {number_text(float(value))}" for value in node.data)
    return [spelling + OPENING, *separated(args, ", "), constants, CLOSING], ATOM
