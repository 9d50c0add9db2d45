"""What several commands take: switches, and numbers for names."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from unrolled.cli import from_user
from unrolled.errors import ConfigurationError, DataError

Switch = Annotated[bool, Parameter(negative="", show_default=False)]


def read_values(text: str | None, flag: str = "--values") -> dict[str, Any]:
    """Numbers and arrays for names: ``U=0.5,x_0=[1,2]``, JSON, a file of JSON, or ``-`` (JSON on standard input).

    Raises:
        ConfigurationError: the text is none of these; the message names the ``flag``.
        DataError: the file cannot be read or holds no JSON object.

    >>> read_values("U=0.5, h_{f,0}=[1, -2]")
    {'U': 0.5, 'h_{f,0}': [1, -2]}
    """
    if text is None:
        return {}
    text = from_user(text).strip()
    if text == "-":
        return _document(sys.stdin.read(), "standard input")
    if os.path.isfile(text):
        try:
            return _document(Path(text).read_text(encoding="utf-8"), text)
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{text} cannot be read: {error}") from None
    if text.startswith("{"):
        return _document(text, flag)
    found: dict[str, Any] = {}
    for part in pieces(text):
        name, equals, number = part.partition("=")
        name = name.strip()
        try:
            value = json.loads(number, parse_constant=_refuse)
        except ValueError:
            value = None
        if not (equals and name and _is_array(value)):
            raise ConfigurationError(
                f"{flag}: {part.strip()!r} gives no name a number. Write U=0.5,x_0=1, with arrays U=[[1,2],[3,4]], or "
                "the name of a JSON file."
            )
        if name in found:
            raise ConfigurationError(f"{flag}: {name} is given twice")
        found[name] = value
    return found


def read_numbers(text: str | None, flag: str) -> dict[str, float]:
    """One number for each name: ``h=0,c=0.5``; a first state may be written h_{-1}.

    >>> read_numbers("h=0,c_{-1}=0.5", "--initial")
    {'h': 0, 'c': 0.5}
    """
    found = {name.removesuffix("_{-1}"): value for name, value in read_values(text, flag).items()}
    for name, value in found.items():
        if isinstance(value, list):
            raise ConfigurationError(f"{flag}: {name} takes one number, not an array")
    return found


def read_sizes(text: str | None) -> dict[str, int] | None:
    """Sizes for names, ``x=3,h=2``; None where the flag was not given."""
    return None if text is None else {name: _whole(name, size) for name, size in read_numbers(text, "--sizes").items()}


def _whole(name: str, size: float) -> int:
    if size != int(size) or size < 1:
        raise ConfigurationError(f"--sizes: {name} = {size} is no positive whole number")
    return int(size)


def read_array(text: str | None, flag: str) -> Any:
    """An array such as ``[1, 0]`` or ``1,0``, or a number; None where the flag was not given."""
    if text is None:
        return None
    for form in (text, f"[{text}]"):
        try:
            value = json.loads(form, parse_constant=_refuse)
        except ValueError:
            continue
        if _is_array(value):
            return value
    raise ConfigurationError(f"{flag}: {text!r} is no number and no array. Write 1, or 1,0, or [1,0].")


def pieces(text: str) -> list[str]:
    """``text`` at its commas, except for those in brackets.

    >>> pieces("U, h_{f,0}, x_0")
    ['U', 'h_{f,0}', 'x_0']
    """
    found, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth <= 0:
            found.append("")
        else:
            found[-1] += character
    return [piece.strip() for piece in found]


def _document(text: str, name: str) -> dict[str, Any]:
    try:
        document = json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise DataError(f"{name} holds no JSON: {error}") from None
    if not (isinstance(document, Mapping) and all(map(_is_array, document.values()))):
        raise DataError(f'{name}: a JSON object that gives each name a number or an array is needed: {{"U": 0.5}}')
    return dict(document)


def _is_array(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_array, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number to calculate with")
