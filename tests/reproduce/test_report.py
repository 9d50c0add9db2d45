"""A report on a page: where it stands, and that writing it again replaces it."""

import pytest

from unrolled.errors import DataError
from unrolled.reproduce.report import Report, Row, Section


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
