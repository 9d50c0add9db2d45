"""What every result can do: print as text, as LaTeX, as HTML in a notebook, and as data."""

from __future__ import annotations

from typing import Any


class Result:
    """A result that a reader sees. Subclasses give ``__str__``, ``latex`` and ``to_dict``."""

    def latex(self) -> str:
        """LaTeX, for mathematics mode with amsmath."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<div>$${self.latex()}$$</div>"


def aligned(lines: list[tuple[str, str]]) -> str:
    """Equations below each other, aligned at the equals sign."""
    rows = r" \\ ".join(f"{left} &= {right}" for left, right in lines)
    return rf"\begin{{aligned}} {rows} \end{{aligned}}"
