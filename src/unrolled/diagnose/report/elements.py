"""HTML as nested calls: what is text is escaped, and what is HTML already has a type of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

EMPTY = ("meta", "br")
# what HTML forbids: control characters, lone surrogates
FORBIDDEN = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Html(str):
    """A text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Html:
    r"""A value as text of a page; what no page may hold becomes U+FFFD, and HTML stays as it is.

    >>> text("a < b\x00")
    'a &lt; b�'
    """
    return value if isinstance(value, Html) else Html(escape(FORBIDDEN.sub("\ufffd", str(value))))


def element(name: str, /, *content: object, **attributes: object) -> Html:
    """An element; an underscore at the end of an attribute is left out, and another is a hyphen.

    An attribute that is None or False is left out, too, and one that is True has no value.

    >>> element("p", "1 < ", element("b", 2), class_="sum", aria_label='"1 < 2"', hidden=True)
    '<p class="sum" aria-label="&quot;1 &lt; 2&quot;" hidden>1 &lt; <b>2</b></p>'
    """
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    shown = "".join(
        f" {key}" if value is True else f' {key}="{text(value)}"'
        for key, value in given.items()
        if value is not None and value is not False
    )
    end = "" if name in EMPTY else f"{joined(*content)}</{name}>"
    return Html(f"<{name}{shown}>{end}")


def joined(*content: object) -> Html:
    """Pieces one after the other."""
    return Html("".join(map(text, content)))


def table(titles: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "", words: bool = False) -> Html:
    """Rows under titles; the first cell of each names it; the others hold numbers, or ``words``."""
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows
    ]
    return element(
        "div",
        element(
            "table",
            element("caption", caption) if caption else "",
            element("thead", head),
            element("tbody", *body),
            class_="words" if words else None,
        ),
        class_="scrolls",
    )
