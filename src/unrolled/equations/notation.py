"""From what people write to one plain notation: LaTeX, Unicode subscripts and spelled-out Greek become plain text.

The plain text remembers where each of its characters came from, so that an error points into what the user wrote.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from unrolled.equations.operations import FUNCTIONS
from unrolled.errors import EquationError

MAXIMUM_LENGTH = 100_000
TRANSPOSE = "⊺"  # no letter, so that no name can begin with it
GREEK = {unicodedata.name(letter).split()[-1].lower(): letter for letter in "αβγδεζηθικμνξοπρτυφχψω"} | {
    "lambda": "λ",
    "sigma": "σ",
}
GREEK_CAPITALS = {name.capitalize(): letter.upper() for name, letter in GREEK.items()}
_VARIANTS = {"varepsilon": "ε", "vartheta": "θ", "varphi": "φ", "varsigma": "σ", "varrho": "ρ", "ell": "ℓ"}
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789+-aehijklmnoprstuvx", strict=True))
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁽⁾ᵗ", "0123456789-()t", strict=True))
_CHARACTERS = {
    "−": "-", "–": "-", "∗": "*", "∘": "⊙", "⋅": "·", "∙": "·", "•": "·", "’": "'", "′": "'", "\u00a0": " ", "\t": " ",
    "\r": " ", "⊤": TRANSPOSE, "ϕ": "φ", "ϵ": "ε",
    "ᵀ": TRANSPOSE, "&": " ",
}  # fmt: skip
COMMANDS = {
    "odot": "⊙", "circ": "⊙", "cdot": "·", "times": "×", "ast": "*", "top": TRANSPOSE, "intercal": TRANSPOSE,
    "left": "", "right": "", "bigl": "", "bigr": "", "big": "", "Big": "", "quad": " ", "qquad": " ",
    "colon": ":", "ln": "log", "dfrac": "\\frac", "tfrac": "\\frac",
    "lbrack": "[", "rbrack": "]", "displaystyle": "", "limits": "",
}  # fmt: skip
_WRAPPERS = {
    "mathbf", "mathrm", "mathit", "mathsf", "boldsymbol", "bm", "text", "textrm", "textbf", "textit", "operatorname",
    "vec",
}  # fmt: skip
_PIECES = re.compile(
    r"\\(?P<command>[A-Za-z]+\*?)|(?P<newline>\\\\(?:\[[^\]\n]*\])?)|\\(?P<space>[,;:!> ])|\\(?P<escaped>[{}_&%#])"
    r"|(?P<sub>[₀-₉₊₋ₐₑₕ-ₜᵢᵣᵤᵥⱼₓ]+)|(?P<sup>[⁰¹²³⁴-⁹⁻⁽⁾ᵗ]+)|(?P<comment>#[^\n]*)|(?P<other>.)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Plain:
    """Plain text; character i came from the characters ``origin[i]`` (start, end) of ``source``."""

    text: str
    origin: tuple[tuple[int, int], ...]
    source: str

    def error(self, message: str, start: int, end: int | None = None) -> EquationError:
        """An error about the plain characters ``start`` to ``end``, pointing into the source."""
        return EquationError(message, self.source, *self.span(start, start + 1 if end is None else end))

    def rewritten(self, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str | None]) -> Plain:
        """The same text with each match replaced (None: left as it is); new characters point to the whole match."""
        buffer = _Buffer(self.source, [(c, *origin) for c, origin in zip(self.text, self.origin, strict=True)])
        buffer.rewrite(pattern, replace)
        return buffer.finish()

    def quote(self, start: int, end: int) -> str:
        """What the user wrote for the plain characters ``start`` to ``end``, shortened where it is long."""
        return shortened(self.source[slice(*self.span(start, end))].strip())

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the plain characters ``start`` to ``end`` stand in the source."""
        if start >= len(self.origin):
            return len(self.source), len(self.source) + 1
        first, _ = self.origin[start]
        _, last = self.origin[min(max(end, start + 1), len(self.origin)) - 1]
        return first, last


def shortened(text: str) -> str:
    """``text`` as a message quotes it: one that is too long loses its end."""
    return text if len(text) <= 40 else text[:39] + "…"


Cell = tuple[str, int, int]


@dataclass
class _Buffer:
    """Plain text under construction: each character with the start and end of what it came from."""

    source: str
    cells: list[Cell]

    def rewrite(self, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str | None]) -> None:
        """Replace each match; all new characters point to the whole of it."""
        body = "".join(character for character, _, _ in self.cells)
        out: list[Cell] = []
        end = 0
        for match in pattern.finditer(body):
            new = replace(match)
            if new is not None:
                out += self.cells[end : match.start()]
                end = match.end()
                first, last = self.cells[match.start()][1], self.cells[end - 1][2]
                out += [(character, first, last) for character in new]
        self.cells = out + self.cells[end:]

    def finish(self) -> Plain:
        return Plain("".join(c for c, _, _ in self.cells), tuple(cell[1:] for cell in self.cells), self.source)


def plain(source: str, names: Iterable[str] = (), commands: Mapping[str, str] = COMMANDS) -> Plain:
    """``source`` in plain notation; ``names`` are words that stay whole, ``commands`` the LaTeX commands for signs."""
    if len(source) > MAXIMUM_LENGTH:
        raise EquationError(f"The equations are {len(source):,} characters long; at most {MAXIMUM_LENGTH:,} are read.")
    buffer = _Buffer(source, [])
    for match in _PIECES.finditer(source):
        buffer.cells += [(character, match.start(), match.end()) for character in _piece(match, commands)]
    _unwrap(buffer)
    _fractions(buffer)
    known = GREEK | GREEK_CAPITALS
    keep = set(names)
    # a subscript keeps its letters: W_xi goes from x to i
    buffer.rewrite(
        re.compile(r"_(?:\{[^{}]*\}|[^\W_]+)|(?P<word>[^\W\d_]{2,})"),
        lambda m: known.get(m["word"]) if m["word"] and m["word"] not in keep else None,
    )
    buffer.rewrite(re.compile(r"\^\s*(?:\{\s*(?:T|⊺)\s*\}|T|⊺)"), lambda m: TRANSPOSE)
    return buffer.finish()


def _piece(match: re.Match[str], commands: Mapping[str, str]) -> str:
    kind, body = match.lastgroup, match.group()
    if kind == "command":
        name = match["command"].rstrip("*")
        if name in commands:
            return commands[name]
        greek = GREEK.get(name) or GREEK_CAPITALS.get(name) or _VARIANTS.get(name)
        if greek:
            return greek
        # other commands are unwrapped or refused below
        if name == "sqrt" and match.string[match.end() :].lstrip().startswith("["):
            message = r"Only the square root is known: write \sqrt{a}; for another one a power, a^0.25."
            raise EquationError(message, match.string, *match.span())
        return f" {name}" if name in FUNCTIONS else f"\\{name}"
    if kind == "newline":
        return "\n"
    if kind == "space":
        return " "
    if kind == "escaped":
        return match["escaped"]
    if kind == "sub":
        return "_{" + "".join(_SUBSCRIPTS.get(c, c) for c in body) + "}"
    if kind == "sup":
        return "^{" + "".join(_SUPERSCRIPTS.get(c, c) for c in body) + "}"
    if kind == "comment":
        return ""
    if body in _CHARACTERS:
        return _CHARACTERS[body]
    folded = unicodedata.normalize("NFKC", body)
    return folded if len(folded) == 1 else body


_ENVIRONMENT = re.compile(r"\\(?:begin|end)\*?\{[A-Za-z]*\*?\}")
_WRAPPED = re.compile(r"\\(?P<wrapper>[A-Za-z]+)\s*\{(?P<body>(?:[^{}\\]|\{[^{}\\]*\})*)\}")


def _unwrap(buffer: _Buffer) -> None:
    r"""\mathbf{W} → W, \text{softmax} → softmax, \begin{aligned} → nothing."""
    buffer.rewrite(_ENVIRONMENT, lambda m: " ")
    buffer.rewrite(_WRAPPED, lambda m: f" {m['body'].strip()}" if m["wrapper"] in _WRAPPERS else None)


def _fractions(buffer: _Buffer) -> None:
    r"""\frac{a}{b} → ((a) / (b)), nested ones too."""
    cells, out, pending = buffer.cells, [], []  # type: list[Cell], list[Cell], list[list[int]]
    depth = position = 0
    while position < len(cells):
        character, *origin = cell = cells[position]
        if character == "\\":
            word = "".join(c for c, _, _ in cells[position : position + 5])
            following = _skip_space(cells, position + 5)
            if word != "\\frac" or following >= len(cells) or cells[following][0] != "{":
                name = re.match(r"\\[A-Za-z]*", "".join(c for c, _, _ in cells[position : position + 30]))
                shown = name.group() if name else "\\"
                raise EquationError(
                    f"The LaTeX command {shown} is not part of the language here. Write the equation with "
                    r"\frac{…}{…}, \mathbf{…}, \text{…}, \left( … \right), \odot, \cdot and Greek letters.",
                    buffer.source, origin[0], origin[0] + len(shown),
                )  # fmt: skip
            pending.append([depth, 1])
            out += _placed("((", cell)
            depth, position = depth + 1, following + 1
            continue
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if pending and pending[-1][0] == depth:
                if pending[-1][1] == 1:
                    following = _skip_space(cells, position + 1)
                    if following >= len(cells) or cells[following][0] != "{":
                        raise EquationError(
                            r"\frac has a numerator but no denominator: write \frac{a}{b}.",
                            buffer.source, *origin,
                        )  # fmt: skip
                    pending[-1][1] = 2
                    out += _placed(")/(", cell)
                    depth, position = depth + 1, following + 1
                    continue
                pending.pop()
                out += _placed("))", cell)
                position += 1
                continue
        out.append(cell)
        position += 1
    if pending:
        end = len(buffer.source)
        raise EquationError(r"A \frac is never closed: write \frac{a}{b}.", buffer.source, end, end + 1)
    buffer.cells = out


def _placed(characters: str, cell: Cell) -> list[Cell]:
    """``characters`` where ``cell`` came from."""
    return [(character, *cell[1:]) for character in characters]


def _skip_space(cells: list[Cell], position: int) -> int:
    while position < len(cells) and cells[position][0].isspace():
        position += 1
    return position


def statements(text: Plain) -> list[tuple[int, int]]:
    """The (start, end) of each statement: separated by newlines and ``;`` outside brackets, empty ones left out."""
    out, start, stack = [], 0, []  # type: list[tuple[int, int]], int, list[tuple[str, int]]
    closing = {")": "(", "]": "[", "}": "{"}
    for i, character in enumerate(text.text):
        if character in "([{":
            stack.append((character, i))
            if len(stack) > 200:
                raise text.error("Brackets nest more than 200 deep. Split the equation with an intermediate name.", i)
        elif character in closing:
            if not stack:
                raise text.error(f"This {character} closes a bracket that was never opened. Remove it, or open it.", i)
            opened, at = stack.pop()
            if opened != closing[character]:
                raise text.error(f"This {character} closes the {opened} before it. Make the two match.", i)
        elif character in "\n;" and not stack:
            out.append((start, i))
            start = i + 1
    if stack:
        character, at = stack[-1]
        raise text.error(f"This {character} is never closed. Close it, or remove it.", at)
    out.append((start, len(text.text)))
    return [span for span in out if text.text[slice(*span)].strip()]
