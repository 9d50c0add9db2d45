"""Expressions as text, in the one canonical spelling that parses back to the same expression."""

from __future__ import annotations

from collections.abc import Callable, Iterable

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
    "zeros": ("0", ATOM),
    "column": ("{}", POWER),
    "partial": ("∂{}/∂{}", ATOM),
}


Piece = str | tuple[Expression, int]  # what is printed as it is, or a node in a place that asks for a level
Form = Callable[[Expression], tuple[list[Piece], int]]  # the pieces of a node, and how tightly they bind


def text(node: Expression) -> str:
    """The canonical spelling of ``node``."""
    return render(node, _form, "(", ")")


def render(root: Expression, form: Form, opening: str, closing: str) -> str:
    """``root`` in the spelling that ``form`` gives each node; what binds too loosely for its place is bracketed."""
    out: list[str] = []
    stack: list[Piece] = [(root, 0)]  # and no recursion: depth is no limit
    while stack:
        piece = stack.pop()
        if isinstance(piece, str):
            out.append(piece)
            continue
        pieces, binds = form(piece[0])
        stack += reversed(pieces if binds >= piece[1] else [opening, *pieces, closing])
    return "".join(out)


def operand(node: Expression, level: int, form: Form, opening: str, closing: str) -> list[Piece]:
    """An operand on the right; 'a + -b' would parse, but nobody writes it."""
    first: Piece = (node, level)
    while not isinstance(first, str):
        pieces, binds = form(first[0])
        first = pieces[0] if binds >= first[1] else opening
    return [opening, (node, 0), closing] if first.startswith("-") else [(node, level)]


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


def _form(node: Expression) -> tuple[list[Piece], int]:
    op, args = node.op, node.args
    if op == "symbol":
        return [symbol_text(*node.data)], ATOM
    if op == "number":
        return [number_text(node.data[0])], ATOM if node.data[0] >= 0 else UNARY
    if op in _INFIX:
        sign, own, left, right = _INFIX[op]
        return [(args[0], left), sign, *operand(args[1], right, _form, "(", ")")], own
    if op == "neg":
        return ["-", (args[0], UNARY)], UNARY
    if op == "pow":
        exponent = number_text(node.data[0])
        return [(args[0], ATOM), f"^{{{exponent}}}" if node.data[0] < 0 else f"^{exponent}"], POWER
    if op == "transpose":
        return [(args[0], ATOM), "^T"], POWER
    if op in ("concat", "stack"):
        return ["[", *separated(args, " ; "), "]"], ATOM
    if op == "over_time":
        return ["Σ_t ", (args[0], TERM)], TERM
    if op in _MATRIX_FORMS:
        return matrix_form(node, *_MATRIX_FORMS[op])
    entry = ELEMENTWISE.get(op)
    spelling = entry.spellings[0] if entry and entry.spellings else op
    constants = "".join(f", {_constant(value)}" for value in node.data)
    return [f"{spelling}(", *separated(args, ", "), constants if args else constants[2:], ")"], ATOM


def separated(args: Iterable[Expression], separator: str) -> list[Piece]:
    """The arguments with ``separator`` between them."""
    pieces: list[Piece] = []
    for argument in args:
        pieces += [separator, (argument, 0)]
    return pieces[1:]


def matrix_form(node: Expression, form: str, binds: int) -> tuple[list[Piece], int]:
    """A node of derivatives in a form in which {} stands for an argument."""
    between = form.split("{}")
    pieces: list[Piece] = [between[0]]
    for argument, after in zip(node.args, between[1:], strict=True):
        pieces += [(argument, POWER), after]
    return [piece for piece in pieces if piece], binds


def _constant(value: object) -> str:
    return number_text(value) if isinstance(value, float) else str(value)


Expression.text = staticmethod(text)
