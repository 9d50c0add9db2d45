"""A report: sections with tables, as Markdown, put where the last one of the same name stood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unrolled.checkpoint import atomic
from unrolled.errors import DataError


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, what it must reach (empty: it is only told), and whether it does."""

    what: str
    measured: str
    wanted: str = ""
    holds: bool | None = None


@dataclass(frozen=True)
class Section:
    """Figures that belong together, with the commands that give them; ``columns`` are the heads of the table."""

    title: str
    commands: Sequence[str]
    rows: Sequence[Row]
    text: str = ""

    def markdown(self) -> str:
        """As a section of a page."""
        lines = [f"### {self.title}", ""]
        if self.text:
            lines += [self.text, ""]
        if self.commands:
            lines += ["```", *self.commands, "```", ""]
        lines += ["| | measured | must reach | holds? |", "|---|---|---|---|"]
        answers = {None: "", True: "yes", False: "**no**"}
        lines += [f"| {row.what} | {row.measured} | {row.wanted} | {answers[row.holds]} |" for row in self.rows]
        return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Report:
    """All sections of one reproduction, and how it was run."""

    name: str
    about: str
    sections: Sequence[Section]

    @property
    def holds(self) -> bool:
        """Does everything reach what it must?"""
        return all(row.holds is not False for section in self.sections for row in section.rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def markdown(self) -> str:
        """As a part of a page."""
        return "\n".join([self.about, "", *(section.markdown() for section in self.sections)])

    def write(self, path: Path) -> None:
        """Put the report into a page between its two marks, or at the end of the page, or into a new one.

        Raises:
            DataError: as ``place``; CheckpointError: it cannot be written.
        """
        before, after = place(path, self.name)
        atomic.write(path, f"{before}\n\n{self.markdown()}\n{after}".encode())


def place(path: Path, name: str) -> tuple[str, str]:
    """What stands on a page before and after the report of that name, with the marks.

    Raises:
        DataError: the page cannot be read, its folder is not there, or the marks are not a pair.
    """
    begin, end = f"<!-- unrolled reproduce {name} -->", f"<!-- end of {name} -->"
    if not path.absolute().parent.is_dir():
        raise DataError(f"{path} cannot be written: there is no folder {path.parent}; make it first")
    try:
        page = path.read_text("utf-8") if path.exists() else ""
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    counts = page.count(begin), page.count(end)
    if counts == (0, 0):
        page = f"{page.rstrip()}\n\n{begin}\n{end}\n".lstrip()
    elif counts != (1, 1) or page.index(begin) > page.index(end):
        raise DataError(f"{path} has no pair of marks {begin} … {end}; write each once, in this order, or none")
    return page[: page.index(begin) + len(begin)], page[page.index(end) :]
