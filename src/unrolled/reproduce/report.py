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
            DataError: the page cannot be read or written, or has only one of the marks.
        """
        begin, end = f"<!-- unrolled reproduce {self.name} -->", f"<!-- end of {self.name} -->"
        try:
            page = path.read_text("utf-8") if path.exists() else ""
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        if (begin in page) != (end in page):
            raise DataError(f"{path} has only one of the marks {begin} and {end}; write both, or none")
        if begin not in page:
            page = f"{page.rstrip()}\n\n{begin}\n{end}\n".lstrip()
        before, after = page.split(begin, 1)[0], page.split(end, 1)[1]
        atomic.write(path, f"{before}{begin}\n\n{self.markdown()}\n{end}{after}".encode())
