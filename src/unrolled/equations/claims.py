"""Claims about a recurrence, as a student writes them: ``y_2 = …``, ``∂h_1/∂U = …``, ``w̄_5 = …``, one a line.

The language is that of equations, with numbered steps and with what derivatives need: ∂, ⊗, diag, transposes of
anything. A claim is parsed into the same nodes, with no meaning yet.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lark import Lark, TextSlice, Token, UnexpectedCharacters, UnexpectedEOF, UnexpectedToken
from lark.exceptions import VisitError

from unrolled.equations.notation import COMMANDS, Plain, plain, statements
from unrolled.equations.operations import FUNCTIONS
from unrolled.equations.syntax import Build, Node, RefusedError, complaint, grammar_text, longest_first
from unrolled.errors import EquationError

BAR, DOT = "\u0304", "\u0307"  # over a letter: its adjoint, its tangent
_COMMANDS = COMMANDS | {"partial": "∂", "otimes": "⊗", "bar": BAR, "overline": BAR, "dot": DOT}
_LETTER = r"[^\W\d_]"
_ACCENT = re.compile(rf"(?P<mark>[{BAR}{DOT}])\s*(?:\{{\s*(?P<braced>{_LETTER})\s*\}}|(?P<bare>{_LETTER}))")
_MARKED = re.compile(rf"{_LETTER}")


@dataclass(frozen=True)
class Claim:
    """``left = right = …``: what is claimed of ``left``, each side of a chain by itself."""

    left: Node
    right: tuple[Node, ...]


def parse_claims(source: str, names: Iterable[str] = (), sequences: Collection[str] = ()) -> tuple[Plain, list[Claim]]:
    """The claims that ``source`` makes, one a line or separated by ``;``.

    ``names`` are the words that are one name; for ``sequences`` h(2) means step 2.

    Raises:
        EquationError: the text is not of the language; the error shows where, and what is missing.
    """
    words = longest_first(names)
    text = _decomposed(plain(source, words, _COMMANDS))
    if sequences:
        letters = "|".join(sorted(map(re.escape, sequences), key=len, reverse=True))
        step = re.compile(rf"(?<![^\W_])(?P<name>{letters})\s*\(\s*(?P<step>-?\d+)\s*\)")
        text = text.rewritten(step, lambda m: f"{m['name']}_{{{m['step']}}}")
    spans = statements(text)
    if not spans:
        raise EquationError("There is no claim here: write one, such as h_1 = tanh(U x_1 + W h_0).", source, 0)
    return text, [_claim(text, *span, words) for span in spans]


def _decomposed(text: Plain) -> Plain:
    r"""ẇ as w with a dot, \bar{w} as w with a bar, whatever way it was typed."""

    def apart(match: re.Match[str]) -> str | None:
        letter, *marks = list(unicodedata.normalize("NFD", match.group()))
        return letter + marks[0] if marks and marks[0] in (BAR, DOT) else None

    text = text.rewritten(_ACCENT, lambda m: (m["braced"] or m["bare"]) + m["mark"])
    return text.rewritten(_MARKED, apart)


@lru_cache(maxsize=8)
def _parser(words: tuple[str, ...]) -> Lark:
    grammar = grammar_text("grammar.lark", words) + grammar_text("claim.lark", words)
    return Lark(
        grammar, parser="lalr", lexer="contextual", start="claim", transformer=_BuildClaim(), maybe_placeholders=False
    )


def _claim(text: Plain, start: int, end: int, words: tuple[str, ...]) -> Claim:
    body = text.text[start:end]
    if "=" not in body:
        raise text.error(
            "A claim needs an equals sign: write h_1 = … or ∂h_1/∂U = …", start, start + len(body.rstrip())
        )
    try:
        made: Claim = _parser(words).parse(TextSlice(text.text, start, end))  # type: ignore[assignment]  # the transformer makes it
        return made
    except RefusedError as refused:
        raise text.error(refused.message, refused.start, refused.end) from None
    except VisitError as error:
        if isinstance(error.orig_exc, RefusedError):
            raise text.error(error.orig_exc.message, error.orig_exc.start, error.orig_exc.end) from None
        raise
    except UnexpectedEOF:
        raise _ended(text, start, end) from None
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise _ended(text, start, end) from None
        at = error.token.start_pos or 0
        raise _unexpected(text, str(error.token), at, error.token.end_pos or at, start) from None
    except UnexpectedCharacters as error:
        at = error.pos_in_stream or 0
        raise _unexpected(text, text.text[at], at, at + 1, start) from None


def _ended(text: Plain, start: int, end: int) -> EquationError:
    last = start + len(text.text[start:end].rstrip()) - 1
    return text.error(
        "The claim ends where something is still missing. Write what follows, or remove the last sign.", last
    )


def _unexpected(text: Plain, token: str, at: int, to: int, start: int) -> EquationError:
    before = text.text[start:at]
    if "=" not in before:
        message = (
            "On the left of a claim stands one name at a step, h_1, a derivative, ∂h_1/∂U, or a row of a tape, w_5."
        )
        return text.error(message, at, to)
    if "∂" in (token, before.rstrip()[-1:]):
        return text.error(r"A derivative is ∂h_1/∂U or \frac{\partial h_1}{\partial U}, in one piece.", at, to)
    return text.error(complaint(token, before.rstrip()[-1:], False), at, to)


class _BuildClaim(Build):
    """The nodes of claims: those of equations, and ``derivative``."""

    def claim(self, children: list[Any]) -> Claim:
        left = children[0]
        return Claim(self.name([left]) if isinstance(left, Token) else left, tuple(children[1:]))

    def exponent(self, children: list[Token]) -> Any:
        """The exponent, and where it ends."""
        return super().exponent(children), children[-1].end_pos

    def raised(self, children: list[Any]) -> Node:
        base, (value, end) = children
        return Node("power", (base,), value, base.start, end, base.depth + 1)

    def derivative(self, children: list[Token]) -> Node:
        names = [self.name([token]) for token in children if token.type == "NAME"]
        return Node("derivative", tuple(names), None, children[0].start_pos or 0, children[-1].end_pos or 0, 2)

    def function(self, children: list[Any]) -> Node:
        """Also diag, f′ and f^2(…)."""
        token, (arguments, closing) = children
        found = re.fullmatch(r"(?P<name>[^\W\d_]+)(?:(?P<prime>')|\s*\^\s*\{?\s*(?P<power>\d+)\s*\}?)?", str(token))
        assert found is not None  # the lexer's FUNCTION has this form
        depth = 1 + max(argument.depth for argument in arguments)
        start, end = token.start_pos or 0, closing.end_pos or 0
        name = FUNCTIONS.get(found["name"], found["name"])
        call = Node("slope" if found["prime"] else "function", tuple(arguments), name, start, end, depth)
        return Node("power", (call,), float(found["power"]), start, end, depth + 1) if found["power"] else call
