"""Plain text → statements as a tree of nodes that know where they stand. No meaning yet: see ``elaboration``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

from lark import Lark, TextSlice, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedToken
from lark.exceptions import VisitError

from unrolled.equations.expression import Time
from unrolled.equations.notation import TRANSPOSE, Plain, plain, shortened, statements
from unrolled.equations.operations import FUNCTIONS
from unrolled.errors import EquationError

MAXIMUM_DEPTH = 200


@dataclass(frozen=True)
class Node:
    """A part of the text: its kind, parts, value, and the plain characters from ``start`` to ``end``."""

    kind: str
    args: tuple[Node, ...] = ()
    value: Any = None
    start: int = 0
    end: int = 0
    depth: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Name:
    """What a name token says: the name without its time, and the time (None where it has none)."""

    name: str
    time: Time | None


@dataclass(frozen=True)
class Equation:
    left: Node
    right: Node


@dataclass(frozen=True)
class Declaration:
    """``names : kind`` or ``names : shape``; a shape is a tuple of integers and size names."""

    names: tuple[Node, ...]
    kind: str
    shape: tuple[int | str, ...]


class RefusedError(Exception):
    """A complaint raised inside the parser, where only token positions are known."""

    def __init__(self, message: str, start: int, end: int):
        super().__init__(message)
        self.message, self.start, self.end = message, start, end


def parse(source: str, names: Iterable[str] = ()) -> tuple[Plain, list[Equation | Declaration]]:
    """The statements of ``source``; ``names`` are the words that are one name.

    Raises:
        EquationError: the text is not of the language; the error shows where, why, and what to write.
    """
    words = longest_first({*names, *_declared_words(source)})
    text = plain(source, words)
    parser = _parser(words)
    return text, [_statement(parser, text, *span) for span in statements(text)]


def parse_expression(source: str, names: Iterable[str] = ()) -> tuple[Plain, Node]:
    """One expression (not an equation), for claims and targets."""
    words = longest_first(names)
    text = plain(source, words)
    spans = statements(text)
    if len(spans) != 1 or "=" in text.text:
        raise EquationError("One expression is expected here, without an equals sign or a semicolon.", source)
    return text, _statement(_parser(words, "sum"), text, *spans[0], equation=False)


def read_name(token: str) -> Name:
    """Split ``h_{f,t-1}``, ``h(t-1)``, ``W_{ih}`` … into name and time. ValueError where a subscript is neither."""
    found = re.fullmatch(
        r"(?P<base>.+?)(?:_(?:\{(?P<braced>[^{}]*)\}|(?P<bare>[^\W_]+)))?(?P<at>\s*(?:\^\s*)?[({].*)?", token, re.DOTALL
    )
    if found is None:
        raise ValueError(token)
    base, subscript, time = found["base"], found["braced"] if found["bare"] is None else found["bare"], None
    if found["at"]:
        time = _time(re.sub(r"[^t\d+-]", "", found["at"]))
    if subscript is None:
        return Name(base, time)
    parts = [re.sub(r"\s+", "", part) for part in subscript.split(",")]
    if time is None and (time := _time(parts[-1])) is not None:
        parts = parts[:-1]
    if not all(part.isalnum() for part in parts):
        raise ValueError(subscript)
    return Name(f"{base}_{''.join(parts)}" if parts else base, time)


def _time(subscript: str) -> Time | None:
    if found := re.fullmatch(r"t(?:([+-]\d+))?", subscript):
        return Time("t", int(found[1] or 0))
    return Time("", int(subscript)) if re.fullmatch(r"-?\d+", subscript) else None


def _declared_words(source: str) -> set[str]:
    """Words that stand before a colon (``gate : name``) are names from the start."""
    heads = [head for line in re.split(r"[\n;]", source) for head, colon, _ in [line.partition(":")] if colon]
    words = [word.strip() for head in heads for word in head.split(",")]
    return {word for word in words if len(word) > 1 and word.isalpha()}


def longest_first(names: Iterable[str]) -> tuple[str, ...]:
    """The words in the order in which the lexer tries them."""
    for word in (names := set(names)):
        if not word.isalpha():
            raise EquationError(
                f"{word!r} cannot be a name: names= takes words of letters. Digits and subscripts may follow the word "
                "in the equations themselves."
            )
    return tuple(sorted(names, key=lambda word: (-len(word), word)))


def grammar_text(file: str, words: tuple[str, ...]) -> str:
    """A grammar file with the names of the functions and of the declared words filled in."""
    grammar = resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
    functions = "|".join(sorted(FUNCTIONS, key=len, reverse=True))
    return grammar.replace("DECLARED_NAMES", "|".join(words) or "\uffff").replace("FUNCTION_NAMES", functions)


@lru_cache(maxsize=32)
def _parser(words: tuple[str, ...], start: str = "start") -> Lark:
    grammar = grammar_text("grammar.lark", words)
    return Lark(grammar, parser="lalr", lexer="contextual", start=start, transformer=Build(), maybe_placeholders=False)


def _statement(parser: Lark, text: Plain, start: int, end: int, equation: bool = True) -> Any:
    try:
        return parser.parse(TextSlice(text.text, start, end))  # positions stay those of the whole text
    except RefusedError as complaint:
        raise text.error(complaint.message, complaint.start, complaint.end) from None
    except VisitError as error:
        if isinstance(error.orig_exc, RefusedError):
            raise text.error(error.orig_exc.message, error.orig_exc.start, error.orig_exc.end) from None
        raise
    except UnexpectedEOF:
        raise _ended(text, start, end, equation) from None
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise _ended(text, start, end, equation) from None
        token = error.token
        raise _unexpected(str(token), token.start_pos, token.end_pos, text, start, end, equation) from None
    except UnexpectedCharacters as error:
        at = error.pos_in_stream or 0
        raise _unexpected(text.text[at], at, at + 1, text, start, end, equation) from None


_LEFT_SIDE = "An equation has one name at time t on its left: write h_t = …"
_KINDS = (
    "After the colon stands scalar, vector, matrix, output, name, or a shape: α : scalar, A : 20×20. One declaration "
    "has a line of its own."
)


def _ended(text: Plain, start: int, end: int, equation: bool) -> EquationError:
    body = text.text[start:end]
    if equation and "=" not in body:
        message = "An equation needs an equals sign: write h_t = … with a name at time t on its left."
    else:
        message = "The equation ends where something is still missing. Write what follows, or remove the last sign."
    return text.error(message, start + len(body.rstrip()) - 1)


def _unexpected(token: str, at: int, to: int, text: Plain, start: int, end: int, equation: bool) -> EquationError:
    """The error about ``token``, the plain characters ``at`` to ``to`` of the statement from ``start`` to ``end``."""
    before, equals, after = text.text[start:end].partition("=")
    head, colon, kind = before.partition(":")
    if colon and at > start + len(head):
        first = start + len(head) + 1 + len(kind) - len(kind.lstrip())
        return text.error(_KINDS, first, max(start + len(before.rstrip()), to))
    if equation and token != "_" and (at <= start + len(before) or not equals):
        first = start + len(before) - len(before.lstrip())
        return text.error(_LEFT_SIDE, first, start + len(before.rstrip()))
    return text.error(complaint(token, text.text[start:at].rstrip()[-1:], "=" in after), at, to)


def complaint(token: str, previous: str, second: bool) -> str:
    """What is wrong with ``token`` after the character ``previous`` on a right-hand side."""
    if token == "=" and second:
        return "A second = in one equation. Put each equation on its own line, or separate them with a semicolon."
    if "^" in (token, previous):
        return "An exponent is a number (a^2), T (a transpose, W^T) or a time in brackets (h^{(t)}), once."
    if token == TRANSPOSE:
        return "A transpose follows a matrix, once: write W^T."
    if token == "_":
        return "A subscript follows a name directly and has no braces inside braces: write W_ih, h_{t-1} or h_{f,t}."
    if token in "([{":
        return f"The bracket {token} cannot stand here. A function comes directly before its bracket: tanh(…)."
    if token == ",":
        return "A comma separates arguments, min(a, b), or the parts of a concatenation, [a, b]; it cannot stand here."
    return f"{token!r} cannot stand here. The language has + - ⊙ * / · ^, brackets, names, numbers and functions."


class Build(Transformer[Token, Any]):
    """Called by the parser as it reduces, so that no recursion over the tree is needed."""

    def start(self, children: list[Any]) -> Any:
        return children[0]

    def equation(self, children: list[Any]) -> Equation:
        return Equation(self.name(children[:1]), children[1])

    def declaration(self, children: list[Any]) -> Declaration:
        names = tuple(self.name([c]) for c in children if isinstance(c, Token) and c.type == "NAME")
        kinds = [str(c) for c in children if isinstance(c, Token) and c.type == "KIND"]
        shape = tuple(c for c in children if isinstance(c, int | str) and not isinstance(c, Token))
        return Declaration(names, kinds[0] if kinds else "", shape)

    def size(self, children: list[Token]) -> int | str:
        (token,) = children
        if token.type == "NAME":
            return str(token)
        if not token.isdigit() or len(token) > 9 or int(token) < 1:
            raise RefusedError(
                "A size is a positive whole number: A : 20×20.", token.start_pos or 0, token.end_pos or 0
            )
        return int(token)

    def number(self, children: list[Token]) -> Node:
        (token,) = children
        return _leaf("number", _finite(token), token)

    def name(self, children: list[Token]) -> Node:
        (token,) = children
        try:
            return _leaf("name", read_name(str(token)), token)
        except ValueError:
            raise RefusedError(
                "A subscript is letters and digits, a time, or both with a comma: W_ih, h_{t-1}, h_{f,t}.",
                token.start_pos or 0, token.end_pos or 0,
            ) from None  # fmt: skip

    def sum(self, children: list[Any]) -> Node:
        return _node("sum", children[::2], ("+", *(str(sign) for sign in children[1::2])))

    def term(self, children: list[Any]) -> Node:
        operators = tuple(str(operator) for operator in children[1::2])
        return _node("term", children[::2], operators, nested=max(1, operators.count("·")))

    def unary(self, children: list[Any]) -> Node:
        sign, operand = children
        return _node("negative" if sign == "-" else "positive", [operand], start=sign.start_pos)

    def juxtaposition(self, children: list[Node]) -> Node:
        return _node("juxtaposition", children, nested=len(children) - 1)

    def exponent(self, children: list[Token]) -> float:
        value = _finite(children[-1])
        return -value if len(children) == 2 and children[0] == "-" else value

    def raised(self, children: list[Any]) -> Node:
        return _node("power", [children[0]], children[1])

    def transpose(self, children: list[Any]) -> Node:
        return _node("transpose", [children[0]], end=children[1].end_pos)

    def grouped(self, children: list[Any]) -> Node:
        opening, inner, closing = children
        return Node("group", (inner,), None, opening.start_pos, closing.end_pos, inner.depth)

    def concat(self, children: list[Any]) -> Node:
        return _node("concat", children[1::2], start=children[0].start_pos, end=children[-1].end_pos)

    def arguments(self, children: list[Any]) -> tuple[list[Node], Token]:
        return children[1::2], children[-1]

    def function(self, children: list[Any]) -> Node:
        token, (arguments, closing) = children
        return _node("function", arguments, FUNCTIONS[str(token)], token.start_pos, closing.end_pos)

    def unknown_function(self, children: list[Any]) -> Node:
        token = children[0]
        word = shortened(str(token))
        close = difflib.get_close_matches(word.lower(), FUNCTIONS, 1, 0.5)
        hint = f"did you mean {close[0]}?" if close else f"the functions are {', '.join(FUNCTIONS)}."
        raise RefusedError(
            f"There is no function {word}: {hint} (For a matrix before a bracket put a blank between the letters: "
            f"{' '.join(word)} (…); a word becomes one name with names=[…] or a line '{word} : name'.)",
            token.start_pos, token.end_pos,
        )  # fmt: skip


def _finite(token: Token) -> float:
    value = float(token)
    if value == float("inf"):
        raise RefusedError("This number is too large for a double.", token.start_pos or 0, token.end_pos or 0)
    return value


def _leaf(kind: str, value: object, token: Token) -> Node:
    return Node(kind, (), value, token.start_pos or 0, token.end_pos or 0)


def _node(
    kind: str, args: list[Node], value: Any = None, start: int | None = None, end: int | None = None, nested: int = 1
) -> Node:
    depth = nested + max(argument.depth for argument in args)
    first = args[0].start if start is None else start
    last = args[-1].end if end is None else end
    if depth > MAXIMUM_DEPTH:
        raise RefusedError(
            f"The expression nests more than {MAXIMUM_DEPTH} deep. Split it with an intermediate name.", first, last
        )
    return Node(kind, tuple(args), value, first, last, depth)
