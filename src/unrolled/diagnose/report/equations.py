"""Equations as HTML: letters in italics, indices lowered, powers raised."""

from __future__ import annotations

import re

from unrolled.diagnose.report.elements import Html, element, joined, text

NAME = re.compile(r"([^\W\d_]+)(\d*['′]*)(?:_(\{[^}]*\}|\w+))?(?:\^(\{[^}]*\}|\w+))?|\^(\{[^}]*\}|\w+)")


def typeset(line: str) -> Html:
    """One equation in the notation that the library prints.

    >>> typeset("h_t = tanh(W^T h_{t-1})^2")
    '<i>h</i><sub><i>t</i></sub> = tanh(<i>W</i><sup><i>T</i></sup> <i>h</i><sub><i>t</i>−1</sub>)<sup>2</sup>'
    """
    content, end = list[Html](), 0
    for match in NAME.finditer(line):
        letters, marks, below, above, power = match.groups("")
        content += [text(_signs(line[end : match.start()])), _letters(letters), text(marks)]
        content += [element(name, _script(part)) for name, part in (("sub", below), ("sup", above or power)) if part]
        end = match.end()
    return joined(*content, text(_signs(line[end:])))


def _letters(letters: str) -> Html:
    """A single letter is a quantity and in italics, a word is not."""
    return element("i", letters) if len(letters) == 1 else text(letters)


def _script(part: str) -> Html:
    return joined(*(_letters(each) if each.isalpha() else text(_signs(each)) for each in _pieces(part.strip("{}"))))


def _pieces(part: str) -> list[str]:
    return re.findall(r"[^\W\d_]+|(?:[^\w]|\d|_)+", part)


def _signs(part: str) -> str:
    return part.replace("-", "−")
