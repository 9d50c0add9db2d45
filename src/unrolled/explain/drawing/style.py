"""The colours of a picture, on light and on dark paper.

Roles differ in shape, place and lightness, weights in their labels, so that grey is enough.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """``nodes``: role → (fill, outline); ``weights`` in the order in which they are met, then again from the start."""

    paper: str
    ink: str
    nodes: dict[str, tuple[str, str]]
    weights: tuple[str, ...]
    gradient: str


LIGHT = Palette(
    paper="#ffffff",
    ink="#24292f",
    nodes={
        "input": ("#d6e8fa", "#1f5f99"),
        "state": ("#fbd98a", "#8a5a00"),
        "output": ("#def3e1", "#1d6b34"),
        "intermediate": ("#f6f0fb", "#6a4596"),
        "context": ("#f9dcd9", "#9c2f25"),
        "initial": ("#ffffff", "#7a7f87"),
        "operation": ("#f3f4f6", "#4b5563"),
        "parameter": ("#ffffff", "#24292f"),
    },
    weights=("#0b63b0", "#b3420d", "#1b7a3d", "#7b3fa8", "#8a6100", "#0f7285", "#b0206a", "#4d5560"),
    gradient="#c1121f",
)
DARK = Palette(
    paper="#12161c",
    ink="#d7dde4",
    nodes={
        "input": ("#16324d", "#7db8ee"),
        "state": ("#4a3507", "#f0c35a"),
        "output": ("#153d22", "#7fd092"),
        "intermediate": ("#36274a", "#c6a5ec"),
        "context": ("#4d201c", "#f29a91"),
        "initial": ("#12161c", "#9aa2ad"),
        "operation": ("#252b33", "#a9b1bc"),
        "parameter": ("#12161c", "#d7dde4"),
    },
    weights=("#79b8ff", "#ff9a5c", "#6fd08c", "#c9a0f5", "#e3b341", "#56c7d9", "#ff8ac0", "#b4bcc7"),
    gradient="#ff6b6b",
)


def weight_class(role: str, colour: int | None) -> str:
    """The name of an arrow's colour: w0, w1, … for weights, else plain or gradient."""
    if role == "weight" and colour is not None:
        return f"w{colour % len(LIGHT.weights)}"
    return "gradient" if role == "gradient" else "plain"


def colours(palette: Palette) -> dict[str, str]:
    """The colour of each class of arrow."""
    named = {f"w{number}": colour for number, colour in enumerate(palette.weights)}
    return named | {"plain": palette.ink, "gradient": palette.gradient}
