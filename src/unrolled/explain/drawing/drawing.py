"""``draw`` and the picture that it returns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unrolled.equations.network import Layer, Network, stack
from unrolled.equations.system import System
from unrolled.equations.topologies import TOPOLOGIES
from unrolled.errors import ConfigurationError
from unrolled.explain.drawing.layout import lay_out
from unrolled.explain.drawing.numbers import with_values
from unrolled.explain.drawing.scene import Scene
from unrolled.explain.drawing.unrolling import MOST_COLUMNS, Span, unrolled

MOST_STEPS = 10_000
FORMATS = (".svg", ".tex", ".png", ".pdf", ".json")


class Drawing:
    """A picture: ``scene`` is what it shows and where.

    In a notebook it shows itself.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def svg(self) -> str:
        """The picture as an SVG document."""
        from unrolled.explain.drawing.svg import svg

        return svg(self.scene)

    def tikz(self) -> str:
        r"""A tikzpicture, for a document that says \usepackage{tikz}."""
        from unrolled.explain.drawing.tikz import tikz

        return tikz(self.scene)

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        scene = self.scene
        return f"<{scene.title}: {len(scene.nodes)} nodes, {len(scene.arrows)} arrows>"

    def to_dict(self) -> dict[str, Any]:
        """The scene as plain data: nodes and labels with their boxes, arrows with their points."""
        return self.scene.to_dict()

    def save(self, path: str | Path) -> Path:
        """Write the picture; the ending of ``path`` is the format: .svg, .tex, .png, .pdf, .json.

        Raises:
            ConfigurationError: another ending.
            BackendError: .png and .pdf without matplotlib.
        """
        path = Path(path)
        ending = path.suffix.lower()
        if ending not in FORMATS:
            raise ConfigurationError(
                f"{path.name} ends in {ending or 'nothing'}, and the ending is the format: {', '.join(FORMATS)}."
            )
        if ending in (".png", ".pdf"):
            from unrolled.explain.drawing.plot import save

            save(self.scene, path)
            return path
        if ending == ".tex":
            from unrolled.explain.drawing.tikz import document

            text = document(self.scene)
        else:
            text = self.svg() if ending == ".svg" else json.dumps(self.to_dict(), ensure_ascii=False, indent=1)
        path.write_text(text, encoding="utf-8")
        return path


def draw(
    what: System | Network, steps: int | str | tuple[int, int] | None = None, *,
    truncation: tuple[int, int] | None = None, elide: bool | tuple[int, int] | None = None, grouped: bool = True,
    detail: bool = False,
    values: Mapping[str, str] | None = None, adjoints: Mapping[str, str] | None = None,
) -> Drawing:  # fmt: skip
    """The picture of a recurrence or of a network of them.

    Args:
        what: a System, or a Network (``equations.network.stack``, ``equations.topologies``).
        steps: of time, at least 1; None for the folded graph with its loops; "T" for x_0 x_1 … x_T; two numbers for an
            encoder and its decoder.
        truncation: (k1, k2): every k1 steps the gradient flows back through k2 steps, and is cut there.
        elide: (first, last): how many steps are shown before and after the dots; by default (2, 1) beyond six
            steps; False shows them all.
        grouped: whether gates that read the same share a node.
        detail: every operation a node.
        values, adjoints: numbers as text to show in the nodes, by quantity (``h_0``; with ``detail`` also ``U x_0``).

    Raises:
        ConfigurationError: steps, elide or truncation that make no picture.
        TargetError: a number for a quantity that the picture does not show.

    >>> from unrolled.equations.library import load
    >>> draw(load("elman"), steps=2)
    <A recurrent network, unrolled in time: 7 nodes, 6 arrows>
    """
    if detail:
        from unrolled.explain.drawing.operations import detailed

        board = detailed(*_simple(what, steps, elide, truncation))
    else:
        network = what if isinstance(what, Network) else Network(((Layer(what),),))
        board = unrolled(network, _spans(network, steps, elide), grouped, truncation)
    return Drawing(lay_out(with_values(board, values or {}, adjoints or {})))


def _simple(what: System | Network, steps: Any, elide: Any, truncation: Any) -> tuple[System, int | None]:
    """What a picture of every operation shows: one recurrence over a few steps."""
    if isinstance(what, Network) or isinstance(steps, tuple | str) or elide is not None or truncation is not None:
        raise ConfigurationError(
            "The graph of every operation (detail) shows one recurrence over a few steps: leave out layers, "
            "bidirectional, topology, elide and truncation, and give steps as a number or not at all."
        )
    return what, _span(steps, False).steps


def network_of(
    system: System, layers: int = 1, bidirectional: bool = False, topology: str | None = None
) -> System | Network:  # fmt: skip
    """The Network that these options describe; the System itself where none is set.

    Raises:
        ConfigurationError: a topology that does not exist, or runs in one direction only.
        EquationError: the equations cannot be stacked or reversed.
    """
    if layers < 1:
        raise ConfigurationError(f"layers = {layers} must be at least 1.")
    if topology is None:
        return stack(system, layers, bidirectional) if layers > 1 or bidirectional else system
    name = topology.replace("_", "-")
    if name not in TOPOLOGIES:
        raise ConfigurationError(f"There is no topology {topology!r}; the topologies are {', '.join(TOPOLOGIES)}.")
    if bidirectional and name not in ("many-to-one", "many-to-many"):
        raise ConfigurationError(
            f"A network that is {name} runs forwards only: it writes while it goes, before there is anything to read "
            "backwards. The topologies many-to-one and many-to-many run in both directions."
        )
    both = {"bidirectional": True} if bidirectional else {}
    return TOPOLOGIES[name](system, num_layers=layers, **both)


def _spans(network: Network, steps: Any, elide: Any) -> tuple[Span, Span]:
    both = steps if isinstance(steps, tuple) else (steps, steps)
    if len(both) != 2 or (isinstance(steps, tuple) and network.encoder is None):
        raise ConfigurationError(f"steps = {steps!r}: two numbers are for an encoder and its decoder; give one here.")
    one, other = (_span(each, elide) for each in both)
    if network.length is not None and one.steps is not None:
        return Span(network.length), Span(network.length)
    return one, other


def _span(steps: Any, elide: Any) -> Span:
    if steps is None:
        return Span(None)
    symbolic = steps == "T"
    count = MOST_COLUMNS + 1 if symbolic else steps
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_STEPS:
        raise ConfigurationError(
            f"steps = {steps!r} must be a whole number from 1 to {MOST_STEPS}, None (folded), or 'T'."
        )
    if elide is False or (elide in (None, True) and count <= MOST_COLUMNS):
        return Span(count, symbolic)
    if elide in (None, True):
        return Span(count, symbolic, (2, 1))
    if not (isinstance(elide, tuple) and len(elide) == 2 and all(isinstance(n, int) and n > 0 for n in elide)):
        raise ConfigurationError(
            f"elide = {elide!r} must be two positive numbers: the steps shown before and after the dots."
        )
    return Span(count, symbolic, elide)
