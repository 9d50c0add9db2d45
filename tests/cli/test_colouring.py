"""A text in colours or with blocks below it: each symbol gets its own, also where it is wide or a line is long."""

import io
import re
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from unrolled.cli.colouring import BLOCKS, print_coloured
from unrolled.diagnose.shading import colors, scaled, shown, text_lines

CELL = re.compile(r"\x1b\[38;2;0;0;0;48;2;(\d+);(\d+);(\d+)m(.*?)\x1b\[0m")


@pytest.fixture(autouse=True)
def _colourless(monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR", "COLORTERM", "TERM"):
        monkeypatch.delenv(name, raising=False)


def coloured(monkeypatch, capsys) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")


def test_colours(monkeypatch, capsys):
    coloured(monkeypatch, capsys)
    print_coloured(["a", "\n", " the"], [-2.0, 0.0, 1.0])
    cells = [(text, (int(r), int(g), int(b))) for r, g, b, text in CELL.findall(capsys.readouterr().out)]
    texts, (blue, white, orange) = zip(*cells, strict=True)
    assert texts == ("a", "↵", " the")
    assert white == (255, 255, 255)
    assert blue[2] > blue[1] > blue[0]
    assert orange[0] > orange[1] > orange[2]
    # half as strong as the strongest: half way to white
    strongest = (255 * colors(np.array([1.0]))[0]).round()
    assert list(orange) == pytest.approx((255 + strongest) / 2, abs=1)


def test_blocks_without_colours(monkeypatch, capsys):
    coloured(monkeypatch, capsys)
    monkeypatch.setenv("NO_COLOR", "1")
    print_coloured(["a", "字", "b", "\n", "c"], [-1.0, 1.0, 0.0, 0.0, 0.5])
    assert capsys.readouterr().out.splitlines() == ["a字b↵", "▁██▅▅", "c", "▇"]


def test_blocks_from_zero(capsys):
    print_coloured("abc", [0.0, 2.0, 1.0])
    assert capsys.readouterr().out.splitlines() == ["abc", "▁█▅"]


def test_digits_where_there_are_no_blocks(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    print_coloured(["a", "é"], [-1.0, 1.0])
    out.seek(0)
    assert out.read().splitlines() == ["a?", "07"]


def test_no_command_reaches_the_terminal(capsys):
    print_coloured(["\x1b", "[2J", "\r", "\t", ""], [0.0] * 5)
    assert capsys.readouterr().out.splitlines()[0] == "\ufffd[2J←→·"


@given(st.lists(st.text("ab \n字", min_size=1, max_size=4), max_size=30), st.integers(2, 12))
def test_lines_hold_every_symbol_once(symbols, width):
    lines = text_lines(symbols, width)
    assert [place for line in lines for place in line] == list(range(len(symbols)))
    for line in lines:
        cells = [cell_len(shown(symbols[place])) for place in line]
        assert len(line) == 1 or sum(cells) <= width
        assert not any(symbols[place].endswith("\n") for place in line[:-1])


def test_lines_are_as_long_as_they_can_be():
    assert text_lines("abcdefg", 3) == [range(0, 3), range(3, 6), range(6, 7)]
    assert text_lines(["ab", "cd", "\n", "\n"], 3) == [range(0, 1), range(1, 3), range(3, 4)]
    assert text_lines("", 3) == []


def test_numbers_on_a_scale():
    assert scaled(np.array([1.0, -4.0, 2.0])).tolist() == [0.25, -1, 0.5]
    assert scaled(np.array([0.0, np.nan, np.inf, 2.0])).tolist() == [0, 0, 0, 1]
    assert scaled(np.zeros(2)).tolist() == [0, 0]
    assert scaled(np.zeros(0)).shape == (0,)
    assert colors(np.array([-1.0, 0, 1])).min() >= 0.1  # black can be read on it
    assert len(BLOCKS) == 8
