"""Expressions as text, in the one canonical spelling that parses back to the same expression."""

from __future__ import annotations

from unrolled.equations.expression import Expression, Time
from unrolled.equations.operations import ELEMENTWISE

# how tightly each form binds; an operand that binds less than its place asks for gets brackets
SUM, TERM, UNARY, JUXTAPOSED, POWER, ATOM = range(1, 7)
_INFIX = {"add": (" + ", SUM, SUM, TERM), "sub": (" - ", SUM, SUM, TERM), "mul": (" ⊙ ", TERM, TERM, UNARY)}
_INFIX |= {"div": (" / ", TERM, TERM, POWER), "matmul": (" ", JUXTAPOSED, POWER, JUXTAPOSED)}
_INFIX |= {"scale": _INFIX["matmul"]}
# what derivatives have and equations do not; an operand in braces is bracketed unless it is a power or an atom
_MATRIX_FORMS = {
    "outer": ("{} {}^T", JUXTAPOSED),
    "kron_right": ("{}^T ⊗ I", TERM),
    "kron_left": ("I ⊗ {}^T", TERM),
    "eye": ("I", ATOM),
    "zero": ("0", ATOM),
    "ones_row": ("1^T", POWER),
    "ones_column": ("1", ATOM),
    "mean_row": ("mean^T", POWER),
    "partial": ("∂{}/∂{}", ATOM),
    "over_time": ("Σ_t {}", UNARY),
}


def text(node: Expression) -> str:
    """The canonical spelling of ``node``."""
    return _print(node)[0]


def symbol_text(name: str, time: Time | None) -> str:
    """A name at a time: ``h_t``, ``h_{t-1}``, ``h_{f,t}``, ``W_ih``, ``h_0``, ``h_{-1}``."""
    letter, _, subscript = name.partition("_")
    parts = [part for part in (subscript, "" if time is None else str(time)) if part]
    if not parts:
        return letter
    joined = ",".join(parts)
    bare = len(joined) == 1 or (time is None and joined.isalnum())
    return f"{letter}_{joined}" if bare else f"{letter}_{{{joined}}}"


def number_text(value: float) -> str:
    """A number as a person writes it: ``2`` rather than ``2.0``."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _print(node: Expression) -> tuple[str, int]:
    if node.op == "symbol":
        return symbol_text(*node.data), ATOM
    if node.op == "number":
        return number_text(node.data[0]), ATOM if node.data[0] >= 0 else UNARY
    if node.op in _INFIX:
        return _chain(node), _INFIX[node.op][1]
    if node.op == "neg":
        return "-" + _at(node.args[0], UNARY), UNARY
    if node.op == "pow":
        exponent = number_text(node.data[0])
        braces = f"{{{exponent}}}" if node.data[0] < 0 else exponent
        return f"{_at(node.args[0], ATOM)}^{braces}", POWER
    if node.op == "transpose":
        return f"{_at(node.args[0], ATOM)}^T", POWER
    if node.op in ("concat", "stack"):
        return f"[{' ; '.join(text(part) for part in node.args)}]", ATOM
    if node.op in _MATRIX_FORMS:
        form, binds = _MATRIX_FORMS[node.op]
        return form.format(*(_at(argument, POWER) for argument in node.args)), binds
    entry = ELEMENTWISE.get(node.op)
    spelling = entry.spellings[0] if entry and entry.spellings else node.op
    inside = [text(argument) for argument in node.args] + [_constant(value) for value in node.data]
    return f"{spelling}({', '.join(inside)})", ATOM


def _constant(value: object) -> str:
    return number_text(value) if isinstance(value, float) else str(value)


def _at(node: Expression, level: int) -> str:
    body, binds = _print(node)
    return body if binds >= level else f"({body})"


def _chain(node: Expression) -> str:
    """An infix operation; a long chain to the left is unrolled, so that a sum of thousands of terms prints."""
    pieces: list[str] = []
    while True:
        sign, own, left, right = _INFIX[node.op]
        operand = _at(node.args[1], right)
        # 'a + -b' would parse, but nobody writes it
        pieces += [f"({operand})" if operand.startswith("-") else operand, sign]
        first = node.args[0]
        if first.op in _INFIX and _INFIX[first.op][1] == own == left:
            node = first
            continue
        return "".join(reversed([*pieces, _at(first, left)]))


Expression.text = staticmethod(text)
