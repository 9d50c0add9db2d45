"""How the commands that explain equations write a result: as text, as LaTeX, or as JSON."""

from __future__ import annotations

import json as json_format
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unrolled.explain.result import Result


def show(result: Result, *, latex: bool, json: bool, value: Any = None) -> None:
    """Print ``result``; ``value`` is what it amounts to in numbers, if any were given."""
    if json:
        print(json_format.dumps(result.to_dict() | ({} if value is None else {"value": value.tolist()})))
        return
    print(encodable(result.latex() if latex else str(result)))
    if value is not None and not latex:
        print(f"= {numbers(value)}")


def numbers(value: Any) -> str:
    """A number or an array, as a reader wants to see it."""
    import numpy as np

    return np.array2string(np.asarray(value), precision=6, separator=", ").replace("\n", "\n  ")


def encodable(text: str) -> str:
    """A text that stdout's encoding can take."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, "replace").decode(encoding, "replace")


def say(text: str) -> None:
    """Print it, as far as stdout's encoding can take it."""
    print(encodable(text))


def json_line(document: Any) -> str:
    """A document as one line of JSON, with the letters as they are where stdout can take them."""
    line = json_format.dumps(document, ensure_ascii=False)
    return line if encodable(line) == line else json_format.dumps(document)


def printable(text: str) -> str:
    """A text that cannot command a terminal: control characters except line break and tab become U+FFFD."""
    return "".join(c if c in "\n\t" or c.isprintable() or c == "\u00a0" else "\ufffd" for c in text)
