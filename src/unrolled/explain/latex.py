"""Expressions as LaTeX, to be set in mathematics mode with amsmath."""

from __future__ import annotations

import re

from unrolled.equations.expression import Expression, Time
from unrolled.equations.notation import GREEK
from unrolled.equations.operations import ELEMENTWISE
from unrolled.equations.printing import ATOM, JUXTAPOSED, POWER, SUM, TERM, UNARY, number_text

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
    "outer": (r"{} \, {}^{{\top}}", JUXTAPOSED),
    "kron_right": (r"{}^{{\top}} \otimes I", TERM),
    "kron_left": (r"I \otimes {}^{{\top}}", TERM),
    "eye": ("I", ATOM),
    "zero": ("0", ATOM),
    "ones_row": (r"\mathbf{{1}}^{{\top}}", POWER),
    "ones_column": (r"\mathbf{{1}}", ATOM),
    "mean_row": (r"\tfrac{{1}}{{n}} \mathbf{{1}}^{{\top}}", JUXTAPOSED),
    "over_time": (r"\sum_t {}", UNARY),
}


def latex(node: Expression) -> str:
    r"""The LaTeX of ``node``.

    >>> from unrolled.equations.library import load
    >>> print(latex(load("elman").definitions["h"]))
    \tanh\left(U \, x_{t} + W \, h_{t-1}\right)
    """
    return _print(node)[0]


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


def _print(node: Expression) -> tuple[str, int]:
    op = node.op
    if op == "symbol":
        return symbol_latex(*node.data), ATOM
    if op == "number":
        return number_text(node.data[0]), ATOM if node.data[0] >= 0 else UNARY
    if op in _INFIX:
        return _chain(node), _INFIX[op][1]
    if op == "div":
        return rf"\frac{{{latex(node.args[0])}}}{{{latex(node.args[1])}}}", ATOM
    if op == "neg":
        return "-" + _at(node.args[0], UNARY), UNARY
    if op == "pow":
        return f"{_at(node.args[0], ATOM)}^{{{number_text(node.data[0])}}}", POWER
    if op == "transpose":
        return rf"{_at(node.args[0], ATOM)}^{{\top}}", POWER
    if op == "partial":
        return rf"\frac{{\partial {latex(node.args[0])}}}{{\partial {latex(node.args[1])}}}", ATOM
    if op in ("concat", "stack"):
        rows = r" \\ ".join(latex(part) for part in node.args)
        return rf"\begin{{bmatrix}} {rows} \end{{bmatrix}}", ATOM
    if op in _MATRIX_FORMS:
        form, binds = _MATRIX_FORMS[op]
        return form.format(*(_at(argument, POWER) for argument in node.args)), binds
    if op == "sqrt":
        return rf"\sqrt{{{latex(node.args[0])}}}", ATOM
    entry = ELEMENTWISE.get(op)
    spelling = (entry.latex if entry else "") or rf"\operatorname{{{op}}}"
    inside = [latex(argument) for argument in node.args] + [number_text(float(value)) for value in node.data]
    return rf"{spelling}\left({', '.join(inside)}\right)", ATOM


def _at(node: Expression, level: int) -> str:
    body, binds = _print(node)
    return body if binds >= level else rf"\left({body}\right)"


def _chain(node: Expression) -> str:
    pieces: list[str] = []
    while True:
        sign, own, left, right = _INFIX[node.op]
        operand = _at(node.args[1], right)
        pieces += [rf"\left({operand}\right)" if operand.startswith("-") else operand, sign]
        first = node.args[0]
        if first.op in _INFIX and _INFIX[first.op][1] == own == left:
            node = first
            continue
        return "".join(reversed([*pieces, _at(first, left)]))
