"""A report: sections with tables, as Markdown, put where the last one of the same name stood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unrolled.checkpoint import atomic
from unrolled.diagnose.plots import save
from unrolled.errors import CheckpointError, DataError

FIGURES = "figures"  # the folder beside a page that takes its pictures


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, what it must reach (empty: it is only told), whether it does, and what was
    published (a column that a table has where one of its rows says it)."""

    what: str
    measured: str
    wanted: str = ""
    holds: bool | None = None
    published: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture of a section: ``name`` is a part of the name of its file, ``draw`` makes it with matplotlib."""

    name: str
    caption: str
    draw: Callable[[], Any]


@dataclass(frozen=True)
class Section:
    """Figures and pictures that belong together, with the commands that give them."""

    title: str
    commands: Sequence[str]
    rows: Sequence[Row]
    text: str = ""
    pictures: Sequence[Picture] = ()

    def markdown(self, links: Sequence[str] = ()) -> str:
        """As a section of a page; ``links`` are the files of its pictures (none: it is shown without them)."""
        lines = [f"### {self.title}", ""]
        if self.text:
            lines += [self.text, ""]
        if self.commands:
            lines += ["```", *self.commands, "```", ""]
        lines += self._table()
        for picture, link in zip(self.pictures, links, strict=bool(links)):
            lines += ["", f"![{picture.caption}]({link})"]
        return "\n".join([*lines, ""])

    def _table(self) -> list[str]:
        answers = {None: "", True: "yes", False: "**no**"}
        heads = ["", "measured", "must reach", "holds?"]
        cells = [[row.what, row.measured, row.wanted, answers[row.holds]] for row in self.rows]
        if any(row.published for row in self.rows):
            heads.insert(1, "published")
            for line, row in zip(cells, self.rows, strict=True):
                line.insert(1, row.published)
        return [_line(heads), "|" + "---|" * len(heads), *map(_line, cells)]


def _line(cells: Sequence[str]) -> str:
    first, *rest = (cell.replace("|", "\\|") for cell in cells)
    return f"| {first} | {' | '.join(rest)} |" if first else f"| | {' | '.join(rest)} |"


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
        """Plain data, without the pictures."""
        sections = [asdict(section) for section in self.sections]
        for section in sections:
            del section["pictures"]
        return {"name": self.name, "about": self.about, "sections": sections}

    def markdown(self, pictures: bool = False) -> str:
        """As a part of a page, with links to its pictures if asked."""
        sections = (each.markdown(self._links(each) if pictures else ()) for each in self.sections)
        return "\n".join([self.about, "", *sections])

    def write(self, path: Path) -> None:
        """Put the report into a page between its two marks, or at the end of the page, or into a new one; its pictures
        go into the folder figures beside the page.

        Raises:
            DataError: as ``place``, or a picture cannot be written; CheckpointError: the page cannot be written;
            BackendError: there are pictures, and matplotlib is not installed.
        """
        before, after = place(path, self.name)
        for section in self.sections:
            for picture, link in zip(section.pictures, self._links(section), strict=True):
                _folder(path.parent / FIGURES)
                save(picture.draw(), path.parent / link)
        atomic.write(path, f"{before}\n\n{self.markdown(pictures=True)}\n{after}".encode())

    def _links(self, section: Section) -> list[str]:
        return [f"{FIGURES}/{self.name}-{picture.name}.svg" for picture in section.pictures]


def _folder(path: Path) -> None:
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be made: {error}") from error


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
