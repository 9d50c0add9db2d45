"""Reports as plain data."""

from __future__ import annotations

from typing import Any

from unrolled.checkpoint import format as documents


def plain(value: Any) -> Any:
    """Plain data for JSON, which has no infinity: what is not finite becomes None.

    >>> plain({"exponents": (-0.5, float("-inf"))})
    {'exponents': [-0.5, None]}
    """
    return documents.plain(value, lambda _: None)
