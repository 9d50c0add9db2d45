"""Curves as pictures, with matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.errors import BackendError, DataError

if TYPE_CHECKING:
    from unrolled.diagnose.truncation import TruncationBias

BLUE, ORANGE, GREY = "#1f5fa8", "#b8470c", "#6b6b6b"
GREEN, PURPLE, BROWN = "#2e7d32", "#8e24aa", "#6d4c41"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, "#8a6d00", "#c2185b")  # of curves in one picture


def truncation_plot(found: TruncationBias) -> Any:
    """Cosine and relative norm against k2: the mean over the batches, and a band from the smallest to the largest."""
    figure, (left, right) = panels(2)
    for axes, name, color in ((left, "cosine", BLUE), (right, "norm", ORANGE)):
        axes.plot(found.back, [getattr(bias, name) for bias in found.whole], "o-", color=color, markersize=4)
        lowest, highest = zip(*(getattr(bias, f"{name}s") for bias in found.whole), strict=True)
        axes.fill_between(found.back, lowest, highest, color=color, alpha=0.2, linewidth=0)
        axes.axhline(1, color=GREY, linewidth=0.8, linestyle="--")
        axes.set_xscale("log")
        axes.set_xticks(found.back, [str(k) for k in found.back])
        axes.minorticks_off()
        axes.set_xlabel("k2, steps back")
    left.set_title("cosine with the exact gradient")
    right.set_title("norm over the exact gradient's")
    return figure


def check(path: Path) -> None:
    """Can a picture be written there? To be asked before a long measurement.

    Raises:
        BackendError: matplotlib is not installed.
        DataError: the ending is no format, or there is no such folder.
    """
    figure, _ = panels(1)
    if path.suffix.removeprefix(".").lower() not in figure.canvas.get_supported_filetypes():
        what = f"{path.suffix} is no format of a picture" if path.suffix else "its name has no ending"
        raise DataError(f"{path} cannot be written: {what}; end its name in .svg, .png or .pdf")
    if not path.parent.is_dir():
        raise DataError(f"{path} cannot be written: there is no folder {path.parent}; make it first")


def save(figure: Any, path: Path) -> None:
    """Write a picture; the ending of its name is the format.

    Raises:
        DataError: the format is none, or the file cannot be written.
    """
    from matplotlib import rc_context

    try:
        with rc_context({"svg.hashsalt": "unrolled"}):  # else every file has other names inside
            figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise DataError(f"{path} cannot be written: {reason or error}") from None


def panels(columns: int) -> Any:
    """A figure with axes side by side.

    Raises:
        BackendError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise BackendError(
            "pictures of curves are made with matplotlib, which is not installed: pip install 'unrolled[plot]', "
            "or python3 run.py setup plot in a checkout"
        ) from None
    figure = Figure(figsize=(4.6 * columns, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, columns)
    for each in axes if columns > 1 else [axes]:
        each.spines[["top", "right"]].set_visible(False)
        each.title.set_size(11)
    return figure, axes
