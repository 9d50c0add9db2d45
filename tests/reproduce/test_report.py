"""A report on a page: where it stands, and that writing it again replaces it."""

import json

import pytest

from unrolled.diagnose.plots import panels
from unrolled.errors import CheckpointError, DataError
from unrolled.reproduce.report import Picture, Report, Row, Section


def report(measured: str, holds: bool | None) -> Report:
    rows = [Row("accuracy", measured, "≥ 0.5", holds), Row("seconds", "3")]
    return Report("words", "How it was run.", [Section("First", ["unrolled train a"], rows, "A text.")])


def test_a_section_is_a_table_with_its_commands():
    (section,) = report("0.4", False).sections
    assert section.markdown().splitlines() == [
        "### First",
        "",
        "A text.",
        "",
        "```",
        "unrolled train a",
        "```",
        "",
        "| | measured | must reach | holds? |",
        "|---|---|---|---|",
        "| accuracy | 0.4 | ≥ 0.5 | **no** |",
        "| seconds | 3 |  |  |",
    ]


def test_what_holds():
    assert not report("0.4", False).holds
    assert report("0.6", True).holds
    assert report("0.6", None).holds


def test_the_last_report_is_replaced(tmp_path):
    page = tmp_path / "results.md"
    page.write_text("# Results\n\nbefore\n\n<!-- unrolled reproduce words -->\nstale\n<!-- end of words -->\n\nafter\n")
    report("0.6", True).write(page)
    once = page.read_text()
    assert once.startswith("# Results\n\nbefore\n\n<!--")
    assert once.endswith("-->\n\nafter\n")
    assert "stale" not in once
    assert "| accuracy | 0.6 | ≥ 0.5 | yes |" in once
    report("0.6", True).write(page)
    assert page.read_text() == once


def test_a_page_that_has_none_yet(tmp_path):
    page = tmp_path / "results.md"
    report("0.6", True).write(page)
    first = page.read_text()
    assert first.startswith("<!-- unrolled reproduce words -->")
    page.write_text("# Results\n")
    report("0.6", True).write(page)
    assert page.read_text() == "# Results\n\n" + first


def test_half_a_mark_is_refused(tmp_path):
    page = tmp_path / "results.md"
    page.write_text("<!-- unrolled reproduce words -->\nmine\n")
    with pytest.raises(DataError, match="no pair of marks"):
        report("0.6", True).write(page)
    assert page.read_text().endswith("mine\n")


def test_marks_in_the_wrong_order_are_refused(tmp_path):
    page = tmp_path / "results.md"
    page.write_text("<!-- end of words -->\nmiddle\n<!-- unrolled reproduce words -->\n")
    with pytest.raises(DataError, match="no pair of marks"):
        report("0.6", True).write(page)
    with pytest.raises(DataError, match="there is no folder"):
        report("0.6", True).write(tmp_path / "nowhere" / "results.md")


def test_what_was_published_is_a_column_where_a_row_says_it():
    rows = [Row("error", "0.06", "≤ 0.05", False, "0.053"), Row("seconds", "3")]
    assert Section("First", [], rows).markdown().splitlines()[2:] == [
        "| | published | measured | must reach | holds? |",
        "|---|---|---|---|---|",
        "| error | 0.053 | 0.06 | ≤ 0.05 | **no** |",
        "| seconds |  | 3 |  |  |",
    ]


def test_pictures_stand_beside_the_page(tmp_path):
    def draw():
        figure, axes = panels(1)
        axes.plot([1, 2])
        return figure

    rows = [Row("error", "0.06")]
    sections = [Section("First", [], rows, pictures=[Picture("curve", "A curve", draw)]), Section("Second", [], rows)]
    drawn = Report("words", "How it was run.", sections)
    assert "figures" not in drawn.markdown()
    drawn.write(tmp_path / "results.md")
    first, second = (tmp_path / "results.md").read_text().split("### ")[1:]
    assert first.rstrip().endswith("\n\n![A curve](figures/words-curve.svg)")
    assert "figures" not in second
    assert (tmp_path / "figures" / "words-curve.svg").read_text().startswith("<?xml")
    assert "curve" not in json.dumps(drawn.to_dict())
    (tmp_path / "figures" / "words-curve.svg").unlink()
    drawn.write(tmp_path / "results.md")  # into a folder that is there
    assert (tmp_path / "figures" / "words-curve.svg").exists()


def test_pictures_that_cannot_be_written_leave_the_page_as_it_was(tmp_path):
    page = tmp_path / "results.md"
    page.write_text("# Results\n")
    (tmp_path / "figures").write_text("a file")
    sections = [Section("First", [], [], pictures=[Picture("curve", "A curve", lambda: None)])]
    with pytest.raises(CheckpointError, match="figures cannot be made"):
        Report("words", "", sections).write(page)
    assert page.read_text() == "# Results\n"
