"""The pictures of the documentation are what its commands draw."""

import re
import shlex
from pathlib import Path

import pytest

from unrolled.cli import main

DOCS = Path(__file__).parents[3] / "docs"
COMMANDS = re.findall(
    r"^\$ unrolled ((?:draw|hello) .*)$", (DOCS / "drawings.md").read_text(encoding="utf-8"), re.MULTILINE
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_picture_is_what_its_command_draws(command, tmp_path):
    *arguments, flag, path = shlex.split(command)
    assert flag == "-o"
    assert main([*arguments, "-o", str(tmp_path / "own.svg")]) == 0
    assert (tmp_path / "own.svg").read_text("utf-8") == (DOCS.parent / path).read_text("utf-8")


def test_every_picture_has_its_command():
    drawn = {Path(command.split()[-1]).name for command in COMMANDS}
    assert drawn == {path.name for path in (DOCS / "pictures").glob("*.svg")}
